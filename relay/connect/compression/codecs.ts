/**
 * Decompresses every codec that a broker may store. With `publish.compression` the relay compresses events. With a
 * topic's `compression.type`, or the broker's default for it, the broker compresses records, including the progress. A
 * reader that lacks a codec can never read past the first batch. kafkajs supports only gzip and does not limit the
 * decompressed size.
 *
 * Import this module wherever a kafkajs client is created. Its consumers and producers then use the same codecs.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import { RelayError } from '../../errors.ts';
import { codecNames, codecNumbers } from './codec-numbers.ts';
import { type Compressor, openCompressor } from './compressors.ts';
import { batchTooLarge, corrupt, zstdMissing } from './failures.ts';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/**
 * Limit of the bytes that one batch decompresses to. The relay sends only batches that are uncompressed below the
 * broker's limit on a batch: 1 MiB by default and rarely more than some tens. A larger batch comes from another writer.
 */
export const maxBatchBytes = 128 * 1024 * 1024;

type Decompress = (input: Buffer, maxBytes: number) => Buffer | Promise<Buffer>;

const { CompressionCodecs } = kafkajs;
const clientCodecs: Record<number, () => unknown> = CompressionCodecs;

const gunzip = promisify(zlib.gunzip);
/** Node has it from 22.15 on. */
const unzstd: typeof zlib.zstdDecompress.__promisify__ | undefined =
  zlib.zstdDecompress === undefined ? undefined : promisify(zlib.zstdDecompress);

/** By the codec number in the attributes of a batch. */
export const codecs: Readonly<Record<number, Decompress>> = {
  [codecNumbers.gzip]: (input, maxBytes) => gunzip(input, { maxOutputLength: maxBytes }),
  [codecNumbers.snappy]: decompressSnappy,
  [codecNumbers.lz4]: decompressLz4,
  [codecNumbers.zstd]: (input, maxBytes) => {
    if (unzstd === undefined) throw zstdMissing();
    return unzstd(input, { maxOutputLength: maxBytes });
  },
};

/** @throws RelayError KAFKA_UNSUITABLE */
export async function decompress(codec: number, input: Buffer, maxBytes = maxBatchBytes): Promise<Buffer> {
  const decode = codecs[codec];
  if (decode === undefined) throw corrupt();
  try {
    return await decode(input, maxBytes);
  } catch (error) {
    if (error instanceof RelayError) throw error;
    throw isTooLarge(error) ? batchTooLarge(maxBytes) : corrupt(error);
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';

for (const codec of Object.keys(codecs).map(Number)) {
  clientCodecs[codec] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) => compress(codec, buffer),
    decompress: (input: Buffer) => decompress(codec, input),
  });
}

const compressors = new Map<number, Promise<Compressor | undefined>>();

/** For kafkajs's producers. */
async function compress(codec: number, input: Buffer): Promise<Buffer> {
  const name = codecNames.find((each) => codecNumbers[each] === codec)!;
  const opened = compressors.get(codec) ?? openCompressor(name);
  compressors.set(codec, opened);
  return (await opened)!.compress(input);
}
