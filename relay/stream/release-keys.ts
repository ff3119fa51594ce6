/**
 * Owns the release of a parked key: publishes the events that wait, at the place of the stream where somebody requested the
 * release, in order, and no more than one Kafka transaction may hold. The policy of the topic decides about an event that is
 * refused again: its key stays parked behind it, or the release passes it.
 */
import type pg from 'pg';
import type { CommittedTransaction } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { partLimits } from '../config/part-limits.ts';
import type { Encoder } from '../encode/encoder.ts';
import { isRefusal, type OutboundRecord, type Refusal } from '../encode/record.ts';
import { type Release, type Requested, readRequest, untilVisible } from '../ledger/key-releases.ts';
import type { Position } from '../model/position.ts';
import type { Refusals } from '../refusals/refusals.ts';

export type Released = {
  readonly records: readonly OutboundRecord[];
  readonly releases: readonly Release[];
  /** What was encoded for them, and what of it only waited and is passed because it is refused now. */
  readonly encoded: number;
  readonly newlyRefused: readonly Refusal[];
};

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly encoder: Encoder };

/**
 * Handles the requests of a transaction, without those that are done already. Everything before it must be committed.
 * @throws RelayError of class `retry` while something needed cannot be learned; call it again then
 */
export async function releaseKeys(
  means: Means,
  refusals: Pick<Refusals, 'isSetAside' | 'passes'>,
  transaction: CommittedTransaction,
): Promise<Released> {
  const { config, pool } = means;
  const most = partLimits(config.publish);
  const records: OutboundRecord[] = [];
  const releases: Release[] = [];
  const newlyRefused: Refusal[] = [];
  // What is refused is held as well, until its reason is stored.
  let events = 0;
  let bytes = 0;
  await untilVisible(pool, transaction.xid);
  for (const request of new Set(transaction.releases ?? [])) {
    const requested = await readRequest(pool, config.slot.name, request, {
      events: Math.max(1, most.events - events),
      bytes: Math.max(1, most.bytes - bytes),
    });
    if (requested === undefined) continue;
    // A key that one transaction requests twice is released once: the second request would find the same events.
    const twin = releases.find(({ key }) => isSame(key, requested.key));
    if (twin !== undefined) {
      releases.push({ ...twin, request, published: [], refused: [], movedTo: undefined });
      continue;
    }
    // No event of a topic that is set aside is published, not even on request. The key keeps waiting.
    const asked = { request, key: requested.key, lsn: transaction.commitLsn };
    const waits = { ...asked, outcome: 'set-aside', published: [], refused: [], movedTo: undefined } as const;
    if (refusals.isSetAside(requested.key.topic)) {
      releases.push(waits);
      continue;
    }
    const done = await encodeWaiting(means.encoder, requested, transaction.committedAtMs, refusals);
    // Settings that route elsewhere since the key was parked. The gate would have this decided again and again.
    if (done.records.some(({ topic }) => refusals.isSetAside(topic))) {
      releases.push(waits);
      continue;
    }
    const { published, refused } = done;
    for (const record of done.records) {
      records.push(record);
      bytes += record.bytes;
    }
    for (const { row } of refused) bytes += Buffer.byteLength(row.payload ?? '');
    for (const refusal of done.newlyRefused) newlyRefused.push(refusal);
    events += published.length + refused.length;
    const outcome = done.hasStopped ? 'refused' : requested.next === undefined ? 'released' : 'limited';
    // Otherwise the next request would meet what was passed again, and might get no further.
    const movedTo = outcome === 'limited' && refused.length > 0 ? requested.next : undefined;
    releases.push({ ...asked, outcome, published, refused, movedTo });
  }
  return { records, releases, encoded: events, newlyRefused };
}

function isSame(one: Release['key'], other: Release['key']): boolean {
  return one.topic === other.topic && one.key === other.key;
}

/** @param committedAtMs of the request, so that the timestamps of the records rise along their partition */
async function encodeWaiting(
  encoder: Encoder,
  { events }: Requested,
  committedAtMs: number,
  refusals: Pick<Refusals, 'passes'>,
) {
  const records: OutboundRecord[] = [];
  const published: Position[] = [];
  const refused: Refusal[] = [];
  const newlyRefused: Refusal[] = [];
  let hasStopped = false;
  for (const { position, row, isOpen } of events) {
    const [encoded] = await encoder.encode([{ position, committedAtMs, row }]);
    if (!isRefusal(encoded!)) {
      records.push(encoded!);
      published.push(position);
      continue;
    }
    refused.push(encoded);
    hasStopped = !refusals.passes(encoded);
    if (hasStopped) break;
    if (!isOpen) newlyRefused.push(encoded);
  }
  return { records, published, refused, newlyRefused, hasStopped };
}
