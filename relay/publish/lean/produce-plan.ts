/**
 * Decides which record batches go into which Produce request. A request holds at most one batch per partition, as the
 * broker requires; the requests of one leader follow each other, so that the order of a partition is the order of its
 * batches.
 */
import type { PartitionBatches } from './batch-builder.ts';
import type { RecordBatch } from './record-batch.ts';

/** One batch on its way. */
export type Placed = { readonly topic: string; readonly partition: number; readonly batch: RecordBatch };

/**
 * A broker takes 100 MiB (socket.request.max.bytes). Of 4 MiB each a link of 300 kB/s gets one through within the
 * default of kafka.requestTimeoutMs; larger ones save nothing that can be measured.
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

/** By topic, in the order of the topics. */
export function groupByTopic<T extends { readonly topic: string }>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const known = groups.get(item.topic);
    if (known === undefined) groups.set(item.topic, [item]);
    else known.push(item);
  }
  return groups;
}
