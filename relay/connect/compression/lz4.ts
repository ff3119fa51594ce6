/**
 * Decompresses LZ4 frames as Kafka's clients and brokers write them. It does not verify their checksums, because the
 * record batch has its own. Available packages contain native code or do not limit the decompressed size.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */
import { corrupt } from './failures.ts';
import { Output } from './output.ts';

const frameMagic = 0x184d2204;
/** Without its last four bits, which are free. */
const skippableMagic = 0x184d2a5;

/** Bits of the flags, the first byte after the magic number. */
const hasDictionary = 0x01;
const hasContentChecksum = 0x04;
const hasContentSize = 0x08;
const hasBlockChecksum = 0x10;

const isStored = 0x8000_0000;

export function decompressLz4(input: Buffer, maxBytes: number): Buffer {
  const output = new Output(maxBytes);
  for (let at = 0; at < input.length; ) {
    const magic = input.readUInt32LE(at);
    if (magic === frameMagic) at = readFrame(input, at + 4, output);
    else if (magic >>> 4 === skippableMagic) at += 8 + input.readUInt32LE(at + 4);
    else throw corrupt();
  }
  return output.bytes;
}

/** @returns where the next frame begins */
function readFrame(input: Buffer, start: number, output: Output): number {
  const flags = input.readUInt8(start);
  // Flags and block size, then the fields that the flags announce, then one byte of checksum.
  const headerBytes = 2 + (flags & hasContentSize ? 8 : 0) + (flags & hasDictionary ? 4 : 0) + 1;
  let at = start + headerBytes;
  for (;;) {
    const word = input.readUInt32LE(at);
    at += 4;
    if (word === 0) return at + (flags & hasContentChecksum ? 4 : 0);
    const end = at + (word & ~isStored);
    if (end > input.length) throw corrupt();
    if (word >= isStored) output.literal(input, at, end);
    else readBlock(input, at, end, output);
    at = end + (flags & hasBlockChecksum ? 4 : 0);
  }
}

/** The shortest match of the format. */
const leastMatch = 4;
const moreFollows = 15;

function readBlock(input: Buffer, start: number, end: number, output: Output): void {
  let at = start;
  const lengthOf = (nibble: number): number => {
    let length = nibble;
    if (nibble < moreFollows) return length;
    for (let byte = 255; byte === 255; length += byte) {
      if (at >= end) throw corrupt();
      byte = input[at++]!;
    }
    return length;
  };
  while (at < end) {
    const token = input[at++]!;
    const literalEnd = lengthOf(token >> 4) + at;
    if (literalEnd > end) throw corrupt();
    output.literal(input, at, literalEnd);
    at = literalEnd;
    if (at === end) return; // the last sequence has no match
    if (at + 2 > end) throw corrupt();
    const distance = input.readUInt16LE(at);
    at += 2;
    output.repeat(distance, lengthOf(token & 15) + leastMatch);
  }
}
