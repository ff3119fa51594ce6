/**
 * A session's hold on what it writes to Postgres about dead letters. It begins by taking back what earlier ones stored
 * beyond the progress, and from then on an earlier one that does not know yet that it was succeeded writes nothing more:
 * otherwise it could release or set aside an event that its successor decides about otherwise.
 */
import type pg from 'pg';
import { postgresError } from '../connect/postgres/errors.ts';
import { query } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import type { GivenUp, Progress } from '../model/progress.ts';
import type { TopicKey } from '../refusals/parking.ts';
import { idleTimeoutMs, storeProgress } from './bookkeeping.ts';
import { beginSnapshots } from './snapshots.ts';

export type Session = { readonly slot: string; readonly number: number };

/** How a relay shows that no other has come after it. */
export type Hold = {
  /** The server's process that streams the slot to us. */
  readonly walSenderPid: number | undefined;
  /** Number of the last session that had begun when the slot was taken. */
  readonly lastSession?: number;
  /** Taken before the slot was made, where we made it and it was never published from. */
  readonly firstSnapshot?: string | undefined;
};

export type Begun = {
  readonly session: Session;
  /** Dead letters that are read again. */
  readonly reread: number;
  /** Keys that wait as of the progress. */
  readonly parked: readonly TopicKey[];
};

/**
 * Writes the mark of the slot and the copy of the progress, and puts everything about dead letters back to where the
 * progress stands. To be called when the slot is held and every predecessor is fenced in Kafka.
 * @param publication identity of the publication, to be remembered
 * @param hold what shows that nobody has succeeded us
 * @throws RelayError SLOT_IN_USE when the slot is not ours any more; POSTGRES_*
 */
export function beginSession(
  pool: pg.Pool,
  progress: Progress,
  publication: string,
  hold: Hold,
): Promise<Begun> {
  return inTransaction(pool, 'beginning a session', async (client) => {
    await takeOver(client, progress, publication);
    await beginSnapshots(client, progress, hold.firstSnapshot);
    const [row] = await query<{ session: string }>(
      client,
      'beginning a session',
      'update outbox.progress set session = session + 1 where slot = $1 returning session',
      [progress.slot],
    );
    await assertHolder(client, progress.slot, hold, Number(row?.session) - 1);
    const reread = await rereadDeadLetters(client, progress);
    await takeBackReleases(client, progress);
    return {
      session: { slot: progress.slot, number: Number(row?.session) },
      reread,
      parked: await takeBackParking(client, progress),
    };
  });
}

/**
 * A relay that was paused after its claim, and succeeded meanwhile, would take back by its old progress what its successor
 * has stored and committed, and nobody would read that again. Asked with the row of the slot locked: whoever takes the slot
 * from here on begins its session after this one.
 *
 * A relay whose stream has failed since, as at a row that Postgres cannot send, has the slot no more, and what it received
 * is still to be published. It may begin while nobody has the slot and the last session is the one it found: then nothing
 * was stored or committed after its claim, for that takes a session, and there is nothing to take back but what it would
 * have taken back with the slot in hand.
 */
async function assertHolder(
  client: pg.PoolClient,
  slot: string,
  { walSenderPid, lastSession }: Hold,
  session: number,
): Promise<void> {
  const held = await query(
    client,
    'asking who has the slot',
    'select from pg_replication_slots where slot_name = $1 and (active_pid = $2 or active_pid is null and $3)',
    [slot, walSenderPid ?? null, session === lastSession],
  );
  if (held.length === 0) throw new RelayError('SLOT_IN_USE', `slot ${slot} was taken over meanwhile`);
}

/**
 * Ends the right of every earlier session to set events aside, to release them, and to begin, without beginning to stream.
 * @param firstStart what the mark says where there is none yet. `epoch` for a recovery, where a relay died before it made
 * its mark: with the time of now, a second run would take all that is missing for older than the first start.
 * @throws RelayError POSTGRES_*
 */
export async function beginDecisions(
  pool: pg.Pool,
  slot: string,
  systemIdentifier: string,
  firstStart: 'epoch' | 'now',
): Promise<Session> {
  const [row] = await query<{ session: string }>(
    pool,
    'beginning a session',
    `insert into outbox.progress (slot, initialised_at, session, system_identifier) values ($1, $3::timestamptz, 1, $2)
     on conflict (slot) do update set session = progress.session + 1,
       system_identifier = coalesce(progress.system_identifier, excluded.system_identifier) returning session`,
    [slot, systemIdentifier, firstStart],
  );
  return { slot, number: Number(row?.session) };
}

/**
 * Does what must be done by the last session that has begun, or not at all.
 * @throws RelayError PRODUCER_FENCED when another has begun; POSTGRES_*
 */
export function inSession<Result>(
  pool: pg.Pool,
  session: Session,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, doing, async (client) => {
    // The lock holds up the beginning of the next one until this is committed, and so seen by it.
    const own = await query(
      client,
      doing,
      'select from outbox.progress where slot = $1 and session = $2 for share',
      [session.slot, session.number],
    );
    if (own.length === 0) throw new RelayError('PRODUCER_FENCED', `${doing}: another session has begun`);
    return work(client);
  });
}

/**
 * What was set aside beyond the progress is read again, and may be published this time, if its schema was registered
 * meanwhile. Left open, a person would send it a second time. So the relay itself resubmits it, by reading it again;
 * refused again, it is opened again.
 */
async function rereadDeadLetters(client: pg.PoolClient, progress: Progress): Promise<number> {
  const rows = await query(
    client,
    'closing dead letters that are read again',
    `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
     where slot = $1 and status in ('open', 'parked') and ${isBeyond} returning 1`,
    boundsOf(progress),
  );
  return rows.length;
}

/** A release counts once the progress covers the whole transaction that asked for it. */
export async function takeBackReleases(
  client: pg.PoolClient,
  { slot, endLsn, systemIdentifier }: Pick<Progress, 'slot' | 'endLsn' | 'systemIdentifier'>,
): Promise<void> {
  const values = [slot, formatLsn(endLsn), systemIdentifier];
  await query(
    client,
    'taking back releases',
    `update outbox.dead_letter set status = case code when 'KEY_PARKED' then 'parked' else 'open' end, released_lsn = null
     where slot = $1 and status = 'released' and ${isUncovered('released_lsn')}`,
    values,
  );
  await query(
    client,
    'taking back releases',
    `update outbox.key_release set processed_lsn = null, outcome = null, published = null, processed_at = null
     where slot = $1 and ${isUncovered('processed_lsn')}`,
    values,
  );
  await query(
    client,
    'taking back releases',
    `update outbox.parked_key set released_lsn = null where slot = $1 and ${isUncovered('released_lsn')}`,
    values,
  );
}

async function takeBackParking(client: pg.PoolClient, progress: Progress): Promise<TopicKey[]> {
  await query(
    client,
    'taking back parked keys',
    `delete from outbox.parked_key where slot = $1 and (released_lsn is not null or ${isBeyond})`,
    boundsOf(progress),
  );
  return query<TopicKey>(
    client,
    'reading the parked keys',
    'select topic, key from outbox.parked_key where slot = $1',
    [progress.slot],
  );
}

/**
 * `$2` to `$5` are the progress. A position in the WAL of another cluster, where the database was before, is not compared:
 * nobody reads that event again.
 */
export const isBeyond = `system_identifier = $5 and commit_lsn >= $2 and commit_lsn < pg_current_wal_insert_lsn()
  and (commit_lsn, ordinal) >= (coalesce($3::pg_lsn, '0/0'), coalesce($4::bigint, 0))`;

/** @param endLsn and `systemIdentifier`: of the progress */
export function isUncovered(lsn: string, endLsn = '$2', systemIdentifier = '$3'): string {
  return `system_identifier = ${systemIdentifier} and ${lsn} >= ${endLsn} and ${lsn} < pg_current_wal_insert_lsn()`;
}

export function boundsOf({
  slot,
  endLsn,
  partial,
  systemIdentifier,
}: Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>): unknown[] {
  return [
    slot,
    formatLsn(endLsn),
    partial === null ? null : formatLsn(partial.commitLsn),
    partial?.ordinal ?? null,
    systemIdentifier,
  ];
}

/**
 * Writes the copy of the progress, and first ends what is parked where the progress speaks of another history than the
 * dead letters do. To be called by whoever has the slot, once the progress is in Kafka: whoever dies before it leaves that
 * to the next one.
 * @throws RelayError POSTGRES_*
 */
export function storeAdopted(pool: pg.Pool, progress: Progress, publication: string): Promise<void> {
  return inTransaction(pool, 'storing what was adopted', (client) => takeOver(client, progress, publication));
}

/** The same, within a transaction. @param publication identity of the publication, where it is to be remembered */
export async function takeOver(
  client: pg.PoolClient,
  progress: Progress,
  publication: string | null,
): Promise<void> {
  const { slot, systemIdentifier, givenUp } = progress;
  const [copy] = await query<{ home: string | null; adoption: string | null }>(
    client,
    'reading the copy of the progress',
    'select system_identifier as home, adoption from outbox.progress where slot = $1 for update',
    [slot],
  );
  await storeProgress(client, progress, publication);
  const isElsewhere = copy?.home != null && copy.home !== systemIdentifier;
  // Once for each adoption: what the new history parks and releases is its own.
  const isAdoption = givenUp !== undefined && givenUp.id !== copy?.adoption;
  if (isElsewhere || isAdoption) await endParking(client, slot, givenUp);
}

/**
 * Positions of the old history mean nothing in the new one. What waits becomes a dead letter like others, no key waits any
 * more, and what was released stays so, unless the progress that was given up did not cover it: then nothing was published.
 */
async function endParking(client: pg.PoolClient, slot: string, givenUp: GivenUp | undefined): Promise<void> {
  const end = (text: string, values: unknown[] = []) =>
    query(client, 'ending what is parked', text, [slot, ...values]);
  if (givenUp !== undefined) {
    const uncovered = `update outbox.dead_letter set status = 'open', released_lsn = null
      where slot = $1 and status = 'released' and released_lsn >= $2 and system_identifier = $3`;
    await end(uncovered, [formatLsn(givenUp.endLsn), givenUp.systemIdentifier]);
  }
  await end(`update outbox.dead_letter set status = 'open' where slot = $1 and status = 'parked'`);
  await end(`update outbox.dead_letter set released_lsn = null
    where slot = $1 and status = 'released' and released_lsn is not null`);
  await end(`update outbox.key_release set outcome = 'limited', processed_at = now()
    where slot = $1 and outcome is null`);
  await end('delete from outbox.parked_key where slot = $1');
  await end('update outbox.progress set adoption = $2 where slot = $1', [givenUp?.id ?? null]);
}

async function inTransaction<Result>(
  pool: pg.Pool,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw postgresError(error, doing);
  });
  let failure: Error | undefined;
  try {
    // A relay that is stopped half-way must not hold up its successor for longer.
    await query(client, doing, `begin; set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`);
    const result = await work(client);
    await query(client, doing, 'commit');
    return result;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    // A connection that failed half-way is closed, which rolls back.
    client.release(failure);
  }
}
