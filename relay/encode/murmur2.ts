/**
 * The partition that Kafka's Java client chooses for a key: murmur2 with the client's seed, without the sign bit,
 * modulo the number of partitions. Other producers of the same key use the same partition.
 * @see org.apache.kafka.common.utils.Utils#murmur2
 */
export function partitionOf(key: string, partitions: number): number {
  const bytes = Buffer.from(key, 'utf8');
  return (murmur2(bytes) & 0x7fff_ffff) % partitions;
}

export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1_e995;
  const length = bytes.length;
  let h = 0x9747_b28c ^ length;
  const blocksEnd = length & ~3;
  for (let i = 0; i < blocksEnd; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const left = length - blocksEnd;
  if (left === 3) h ^= bytes[blocksEnd + 2]! << 16;
  if (left >= 2) h ^= bytes[blocksEnd + 1]! << 8;
  if (left >= 1) h = Math.imul(h ^ bytes[blocksEnd]!, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}
