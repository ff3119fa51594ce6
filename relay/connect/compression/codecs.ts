/**
 * Decompresses every codec that a broker may store. The relay compresses nothing itself. But with a topic's
 * `compression.type`, or the broker's default for it, the broker compresses records, including the progress. A reader
 * that lacks a codec can never read past the first batch. kafkajs supports only gzip and does not limit the
 * decompressed size.
 *
 * Import this module wherever a kafkajs client is created. Its consumers then use the same decoders.
 */
import { promisify } from 'node:util';
import { gunzip, gzip, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { RelayError } from '../../errors.ts';
import { batchTooLarge, corrupt } from './failures.ts';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/**
 * Limit of the bytes that one batch decompresses to. The relay sends uncompressed batches, so its own are below the
 * broker's limit on a batch: 1 MiB by default and rarely more than some tens. A larger batch comes from another writer.
 */
export const maxBatchBytes = 128 * 1024 * 1024;

type Decompress = (input: Buffer, maxBytes: number) => Buffer | Promise<Buffer>;

const { CompressionCodecs, CompressionTypes } = kafkajs;
const clientCodecs: Record<number, () => unknown> = CompressionCodecs;

const gunzipAsync = promisify(gunzip);
const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdDecompress);

/** By the codec number in the attributes of a batch. */
export const codecs: Readonly<Record<number, Decompress>> = {
  [CompressionTypes.GZIP]: (input, maxBytes) => gunzipAsync(input, { maxOutputLength: maxBytes }),
  [CompressionTypes.Snappy]: decompressSnappy,
  [CompressionTypes.LZ4]: decompressLz4,
  [CompressionTypes.ZSTD]: (input, maxBytes) => zstdAsync(input, { maxOutputLength: maxBytes }),
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

/** For other users of kafkajs in the same process. kafkajs itself can write only gzip. */
async function compress(codec: number, input: Buffer): Promise<Buffer> {
  if (codec !== CompressionTypes.GZIP) throw new RelayError('INTERNAL', `codec ${codec} cannot be written`);
  return gzipAsync(input);
}
