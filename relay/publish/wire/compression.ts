/**
 * Decides which record batches are sent compressed. Pure.
 *
 * Promise: compression makes no batch too large for its topic. Whether an event fits is decided by its uncompressed
 * size, which is exact and does not depend on codecs, levels or neighbours. So a batch may be compressed only where the
 * result cannot be larger than the uncompressed batch, or than what the topic takes.
 */

/**
 * A smaller batch is sent as it is. Three order events are 0.9 KiB: lz4 saves 170 bytes of them, and costs 5 µs, half of
 * what an event costs the whole relay. Gzip and zstd cost at least 20 µs, however small the batch. From 1 KiB on, four
 * events, lz4 saves a quarter and costs 1.5 µs an event; the broker's CPU does not grow (`node bench/compression.ts
 * least`).
 */
export const leastCompressedBytes = 1_024;

/** Whether the saved bytes are worth the decompression by the broker and by every consumer: an eighth, at least. */
export function pays(compressedBytes: number, plainBytes: number): boolean {
  return compressedBytes <= plainBytes - plainBytes / 8;
}

/** Upper bound of what any of the codecs makes of so many bytes. Snappy's is the largest: 32 bytes and a sixth. */
export function compressedBound(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 6) + 1_024;
}
