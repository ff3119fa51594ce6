/**
 * Owns the release of a parked key: publishes the events that wait, at the place of the stream where somebody requested the
 * release, in order, up to the first event that is still refused, and no more than one Kafka transaction may hold. An event
 * that is refused again keeps its key parked under every policy.
 */
import type pg from 'pg';
import type { CommittedTransaction } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import type { Encoder } from '../encode/encoder.ts';
import { isRefusal, type OutboundRecord, type Refusal } from '../encode/record.ts';
import { type Release, type Requested, readRequest, untilVisible } from '../ledger/key-releases.ts';
import type { Position } from '../model/position.ts';
import type { Asides } from '../refusals/refusals.ts';

export type Released = {
  readonly records: readonly OutboundRecord[];
  readonly releases: readonly Release[];
};

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly encoder: Encoder };

/**
 * Handles the requests of a transaction, without those that are done already. Everything before it must be committed.
 * @throws RelayError of class `retry` while something needed cannot be learned; call it again then
 */
export async function releaseKeys(
  means: Means,
  asides: Asides,
  transaction: CommittedTransaction,
): Promise<Released> {
  const { config, pool } = means;
  const { maxTransactionEvents, maxTransactionBytes } = config.publish;
  const records: OutboundRecord[] = [];
  const releases: Release[] = [];
  let bytes = 0;
  await untilVisible(pool, transaction.xid);
  for (const request of new Set(transaction.releases ?? [])) {
    const requested = await readRequest(pool, config.slot.name, request, {
      events: Math.max(1, maxTransactionEvents - records.length),
      bytes: Math.max(1, maxTransactionBytes - bytes),
    });
    if (requested === undefined) continue;
    // A key that one transaction requests twice is released once: the second request would find the same events.
    const twin = releases.find(({ key }) => isSame(key, requested.key));
    if (twin !== undefined) {
      releases.push({ ...twin, request, published: [], refused: undefined });
      continue;
    }
    // No event of a topic that is set aside is published, not even on request. The key keeps waiting.
    if (asides.isSetAside(requested.key.topic)) {
      const { key } = requested;
      releases.push({
        request,
        key,
        lsn: transaction.commitLsn,
        outcome: 'refused',
        published: [],
        refused: undefined,
      });
      continue;
    }
    const done = await encodeWaiting(means.encoder, requested, transaction.committedAtMs);
    for (const record of done.records) {
      records.push(record);
      bytes += record.bytes;
    }
    releases.push({
      request,
      key: requested.key,
      lsn: transaction.commitLsn,
      outcome: done.refused !== undefined ? 'refused' : requested.hasMore ? 'limited' : 'released',
      published: done.published,
      refused: done.refused,
    });
  }
  return { records, releases };
}

function isSame(one: Release['key'], other: Release['key']): boolean {
  return one.topic === other.topic && one.key === other.key;
}

/** @param committedAtMs of the request, so that the timestamps of the records rise along their partition */
async function encodeWaiting(encoder: Encoder, { events }: Requested, committedAtMs: number) {
  const records: OutboundRecord[] = [];
  const published: Position[] = [];
  let refused: Refusal | undefined;
  for (const { position, row } of events) {
    const [encoded] = await encoder.encode([{ position, committedAtMs, row }]);
    if (isRefusal(encoded!)) {
      refused = encoded;
      break;
    }
    records.push(encoded!);
    published.push(position);
  }
  return { records, published, refused };
}
