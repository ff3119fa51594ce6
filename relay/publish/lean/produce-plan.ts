/**
 * Decides which record batches go into which Produce request. The broker accepts at most one batch per partition in a
 * request. The requests to one leader go out one after the other, so a partition's batches arrive in order.
 */
import type { PartitionBatches } from './batch-builder.ts';
import type { RecordBatch } from './record-batch.ts';

/** A batch and the partition it goes to. */
export type Placed = { readonly topic: string; readonly partition: number; readonly batch: RecordBatch };

/**
 * A broker accepts 100 MiB (socket.request.max.bytes). At 300 kB/s, 4 MiB take 14 s, which is within the default of
 * kafka.requestTimeoutMs. Larger requests save nothing measurable.
 */
const maxRequestBytes = 4 * 1024 * 1024;

export function planRequests(
  parts: readonly PartitionBatches[],
  limitBytes: number = maxRequestBytes,
): Placed[][] {
  const rounds = parts.reduce((most, { batches }) => Math.max(most, batches.length), 0);
  const requests: Placed[][] = [];
  for (let round = 0; round < rounds; round++) {
    let request: Placed[] = [];
    let bytes = 0;
    for (const { topic, partition, batches } of parts) {
      const batch = batches[round];
      if (batch === undefined) continue;
      if (request.length > 0 && bytes + batch.bytes > limitBytes) {
        requests.push(request);
        request = [];
        bytes = 0;
      }
      request.push({ topic, partition, batch });
      bytes += batch.bytes;
    }
    requests.push(request);
  }
  return requests;
}

/** Groups by topic, in order of first appearance. */
export function groupByTopic<T extends { readonly topic: string }>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const known = groups.get(item.topic);
    if (known === undefined) groups.set(item.topic, [item]);
    else known.push(item);
  }
  return groups;
}
