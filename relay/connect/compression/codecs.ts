/**
 * Reads every codec that a broker may store. The relay compresses nothing itself, but a topic's `compression.type`, or the
 * broker's default for it, has the broker compress what it gets, the progress included; a reader that knows fewer codecs
 * than the broker stays before the first batch for ever. kafkajs knows gzip only, and reads any batch into memory.
 *
 * Whoever makes a client of kafkajs imports this; its consumers then use the same decoders.
 */
import { promisify } from 'node:util';
import { gunzip, gzip, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { RelayError } from '../../errors.ts';
import { batchTooLarge, corrupt } from './failures.ts';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';

/**
 * Most bytes of one batch. What a relay wrote is below the broker's limit on a batch, which is 1 MiB by default and hardly
 * ever more than some tens, since it sends its batches as they are. More is another's, and of no container's memory.
 */
export const maxBatchBytes = 128 * 1024 * 1024;

type Decompress = (input: Buffer, maxBytes: number) => Buffer | Promise<Buffer>;

const { CompressionCodecs, CompressionTypes } = kafkajs;
const clientCodecs: Record<number, () => unknown> = CompressionCodecs;

const gunzipAsync = promisify(gunzip);
const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdDecompress);

/** By the number that the attributes of a batch hold. */
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

/** For whoever uses the client in the same process; gzip is what kafkajs can write. */
async function compress(codec: number, input: Buffer): Promise<Buffer> {
  if (codec !== CompressionTypes.GZIP) throw new RelayError('INTERNAL', `no writer of codec ${codec}`);
  return gzipAsync(input);
}
