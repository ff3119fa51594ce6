/**
 * Owns what the database itself knows about when an event was committed: snapshots of transaction numbers, kept beside the
 * mark in `outbox.progress`. `recover` judges by them (relay/recover/gap.ts), because neither a column that the application
 * fills nor the records of others in Kafka say what this relay has published.
 *
 * - `first`: taken before the slot was made. What is visible in it was committed before the slot begins.
 * - `streamed`: from here on the slot brings everything: what is not visible in it comes on the stream. It equals `first`
 *   if that is known. Otherwise it was taken when a session first began under a release that keeps snapshots, or when
 *   somebody adopted another state and gave up what lay before.
 * - `covered`: taken in the transaction that wrote a heartbeat, and stored when two things are known: the progress in Kafka
 *   covers that heartbeat, and the publication was still the same one after the snapshot. What is visible in it left the
 *   list of running transactions before the snapshot, so its commit record lies before the heartbeat's, and so it is in
 *   Kafka or in `outbox.dead_letter`, unless `streamed` shows it too.
 *
 * They say nothing in another cluster, or in a copy made by dump and restore. So `snapshots_of` holds the system identifier
 * and the object id of the database. A restored physical backup has the `covered` of its own time.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Progress } from '../model/progress.ts';
import type { Heartbeat } from './heartbeat.ts';

/** As Postgres prints a pg_snapshot; null if unknown. */
export type Snapshots = {
  readonly first: string | null;
  readonly streamed: string | null;
  readonly covered: string | null;
  /** Clock of the database when `covered` was taken, ms since 1970. */
  readonly coveredMs: number | null;
  /** The heartbeat that the progress has to cover for `covered` to count. */
  readonly coveredBeat: number | null;
};

const ofDatabase = `$2 || '/' || (select oid from pg_database where datname = current_database())`;

/** Call it before the slot is made. @throws RelayError POSTGRES_* */
export async function takeSnapshot(client: pg.Pool | pg.ClientBase): Promise<string> {
  const [row] = await query(client, take);
  return row!.snapshot;
}

const take = statement<{ snapshot: string }>(
  'ledger.take_snapshot',
  'taking a snapshot',
  'select pg_current_snapshot()::text as snapshot',
);

/**
 * Starts to keep snapshots, if there are none of this database. Call it once the slot is held and the mark is written.
 * @param first taken before the held slot was made, if nothing was published from that slot
 * @throws RelayError POSTGRES_*
 */
export async function beginSnapshots(
  client: pg.Pool | pg.ClientBase,
  { slot, systemIdentifier }: Pick<Progress, 'slot' | 'systemIdentifier'>,
  first: string | undefined,
): Promise<void> {
  await query(client, begin, [slot, systemIdentifier, first ?? null]);
}

const begin = statement(
  'ledger.begin_snapshots',
  'beginning to keep snapshots',
  `update outbox.progress
      set snapshots_of = ${ofDatabase}, first_snapshot = $3::pg_snapshot,
          streamed_snapshot = coalesce($3::pg_snapshot, pg_current_snapshot()),
          covered_snapshot = null, covered_at = null, covered_beat = null
    where slot = $1 and snapshots_of is distinct from ${ofDatabase}`,
);

/**
 * Forgets which events are known to be published. Call it, with the slot held, before you commit a progress that gives up
 * what the slot has not brought. If that commit fails, only knowledge is lost.
 * @throws RelayError POSTGRES_*
 */
export async function forgetCovered(
  client: pg.Pool | pg.ClientBase,
  { slot, systemIdentifier }: Pick<Progress, 'slot' | 'systemIdentifier'>,
): Promise<void> {
  await query(client, forget, [slot, systemIdentifier]);
}

const forget = statement(
  'ledger.forget_covered',
  'forgetting what was published',
  `update outbox.progress
      set first_snapshot = case when snapshots_of = ${ofDatabase} then first_snapshot end, snapshots_of = ${ofDatabase},
          streamed_snapshot = pg_current_snapshot(), covered_snapshot = null, covered_at = null, covered_beat = null
    where slot = $1`,
);

/** Everything visible in the snapshot is published, or was given up. @throws RelayError POSTGRES_* */
export async function storeCovered(
  client: pg.Pool | pg.ClientBase,
  { slot, systemIdentifier }: Pick<Progress, 'slot' | 'systemIdentifier'>,
  { snapshot, beat, takenMs }: Pick<Heartbeat, 'snapshot' | 'beat' | 'takenMs'>,
): Promise<void> {
  await query(client, store, [slot, systemIdentifier, snapshot, beat, takenMs]);
}

const store = statement(
  'ledger.store_covered',
  'storing what is published',
  `update outbox.progress set covered_snapshot = $3, covered_beat = $4, covered_at = to_timestamp($5::float8 / 1000)
    where slot = $1 and snapshots_of = ${ofDatabase}`,
);

/** All null if there are none, or only those of another database. @throws RelayError POSTGRES_* */
export async function readSnapshots(
  client: pg.Pool | pg.ClientBase,
  { slot, systemIdentifier }: Pick<Progress, 'slot' | 'systemIdentifier'>,
): Promise<Snapshots> {
  const [row] = await query(client, read, [slot, systemIdentifier]);
  if (row === undefined)
    return { first: null, streamed: null, covered: null, coveredMs: null, coveredBeat: null };
  return { ...row, coveredBeat: row.coveredBeat === null ? null : Number(row.coveredBeat) };
}

const read = statement<Omit<Snapshots, 'coveredBeat'> & { coveredBeat: string | null }>(
  'ledger.read_snapshots',
  'reading the snapshots',
  `select first_snapshot::text as first, streamed_snapshot::text as streamed, covered_snapshot::text as covered,
         (extract(epoch from covered_at) * 1000)::float8 as "coveredMs", covered_beat as "coveredBeat"
    from outbox.progress where slot = $1 and snapshots_of = ${ofDatabase}`,
);
