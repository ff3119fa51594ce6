/**
 * Compresses record batches. Large batches are compressed in Node's thread pool, so that the event loop goes on. Small
 * ones are compressed at once, because the way to the pool and back costs more than they do.
 *
 * A package for a codec is loaded only if the codec is used.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { CompressionName } from '../../config/compression-names.ts';
import { RelayError } from '../../errors.ts';
import { codecNumbers } from './codec-numbers.ts';

export type Compressor = {
  /** The number of the codec in the attributes of a batch. */
  readonly codec: number;
  /** Reads the input until the promise resolves, if it returns one. */
  compress(plain: Buffer): Buffer | Promise<Buffer>;
};

type Codec = Exclude<CompressionName, 'none'>;
type Both = {
  readonly inPool: (plain: Buffer) => Promise<Buffer>;
  readonly atOnce: (plain: Buffer) => Buffer;
};

/**
 * Up to this size the event loop compresses a batch itself, which takes it about as long as handing the batch over
 * would, and saves the CPU of that: 50 µs per batch with gzip and zstd, 1 µs a record at this size. A larger batch would
 * hold up the loop for longer, up to 6 ms (`node bench/compression.ts pool`).
 */
export const atOnceMaxBytes = 16 * 1024;

/**
 * Higher levels cost more CPU than they save: on order events, gzip 6 takes 2.4 times the CPU of gzip 1 for batches that
 * are 7 % smaller, and zstd 3 takes 1.5 times the CPU of zstd 1 for the same size.
 */
const level = 1;

const gzipAsync = promisify(zlib.gzip);

const open: Readonly<Record<Codec, () => Promise<Both>>> = {
  gzip: async () => ({
    inPool: (plain) => gzipAsync(plain, { level, chunkSize: chunkBytes(plain) }),
    atOnce: (plain) => zlib.gzipSync(plain, { level }),
  }),
  zstd: async () => {
    if (zlib.zstdCompress === undefined) throw new Error('Node has zstd from 22.15 on');
    const compress = promisify(zlib.zstdCompress);
    const options = (plain: Buffer): zlib.ZstdOptions => ({
      params: { [zlib.constants.ZSTD_c_compressionLevel]: level },
      // The frame then names its size, and takes no more memory than that on either side.
      pledgedSrcSize: plain.length,
    });
    return {
      inPool: (plain) => compress(plain, { ...options(plain), chunkSize: chunkBytes(plain) }),
      atOnce: (plain) => zlib.zstdCompressSync(plain, options(plain)),
    };
  },
  lz4: async () => {
    const { compressFrame, compressFrameSync } = (await import('lz4-napi')).default;
    return { inPool: (plain) => compressFrame(plain), atOnce: (plain) => compressFrameSync(plain) };
  },
  snappy: async () => {
    const { compress, compressSync } = (await import('snappy')).default;
    return { inPool: (plain) => compress(plain), atOnce: (plain) => compressSync(plain) };
  },
};

/** Most outputs then fit into one chunk. Each further one is another way to the thread pool and back. */
const chunkBytes = (plain: Buffer): number => Math.max(16 * 1024, plain.length >> 1);

/**
 * @param atOnceMax largest batch that is compressed at once; only the benchmark sets it
 * @returns undefined for `none`
 * @throws RelayError CONFIG_INVALID if this machine cannot write the codec
 */
export async function openCompressor(
  name: CompressionName,
  atOnceMax = atOnceMaxBytes,
): Promise<Compressor | undefined> {
  if (name === 'none') return undefined;
  try {
    const { inPool, atOnce } = await open[name]();
    return {
      codec: codecNumbers[name],
      compress: (plain) => (plain.length <= atOnceMax ? atOnce(plain) : inPool(plain)),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new RelayError(
      'CONFIG_INVALID',
      `publish.compression ${name} cannot be used on this machine: ${reason}. Install the packages for this platform, or set another codec; none and gzip need no package`,
      { cause },
    );
  }
}
