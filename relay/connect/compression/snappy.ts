/**
 * Decompresses Snappy in the two forms that Kafka stores: a bare block, as librdkafka writes it, or the blocks of the
 * Java library, each with its length before it.
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 * @see https://github.com/xerial/snappy-java#compatibility-notes
 */
import { batchTooLarge, corrupt } from './failures.ts';
import { Output } from './output.ts';

const javaMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
/** The magic bytes and two versions of four bytes each. */
const javaHeaderBytes = 16;

export function decompressSnappy(input: Buffer, maxBytes: number): Buffer {
  const output = new Output(maxBytes);
  if (!input.subarray(0, javaMagic.length).equals(javaMagic)) {
    readBlock(input, output, maxBytes);
    return output.bytes;
  }
  for (let at = javaHeaderBytes; at < input.length; ) {
    const start = at + 4;
    at = start + input.readUInt32BE(at);
    if (at > input.length) throw corrupt();
    readBlock(input.subarray(start, at), output, maxBytes);
  }
  return output.bytes;
}

function readBlock(block: Buffer, output: Output, maxBytes: number): void {
  const { value: length, next } = readLength(block);
  if (length > maxBytes) throw batchTooLarge(maxBytes);
  const before = output.bytes.length;
  output.reserve(length);
  for (let at = next; at < block.length; ) at = readElement(block, at, output);
  if (output.bytes.length - before !== length) throw corrupt();
}

/** A varint of at most 32 bits. */
function readLength(block: Buffer): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let at = 0; at < 5; at++) {
    const byte = block.readUInt8(at);
    value += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw corrupt();
}

/** A literal's length code from here on means that the length is in 1 to 4 bytes after the tag. */
const literalInline = 60;

/** @returns where the next element begins */
function readElement(block: Buffer, at: number, output: Output): number {
  const tag = block[at]!;
  const upper = tag >> 2;
  switch (tag & 3) {
    case 0: {
      const lengthBytes = upper < literalInline ? 0 : upper - literalInline + 1;
      const length = (lengthBytes === 0 ? upper : block.readUIntLE(at + 1, lengthBytes)) + 1;
      const start = at + 1 + lengthBytes;
      output.literal(block, start, start + length);
      return start + length;
    }
    case 1:
      output.repeat(((tag >> 5) << 8) | block.readUInt8(at + 1), ((tag >> 2) & 7) + 4);
      return at + 2;
    case 2:
      output.repeat(block.readUInt16LE(at + 1), upper + 1);
      return at + 3;
    default:
      output.repeat(block.readUInt32LE(at + 1), upper + 1);
      return at + 5;
  }
}
