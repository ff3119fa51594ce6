/**
 * Owns which session may write about dead letters. Promise: one does at a time. A session begins by taking back what
 * earlier ones stored beyond the progress. From then on an earlier one, which may not know yet that another relay took
 * over, writes nothing: it could release or dead-letter an event that its successor decides differently.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { inTransaction } from '../connect/postgres/transaction.ts';
import { RelayError } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import type { GivenUp, Progress } from '../model/progress.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { storeProgress } from './progress-copy.ts';
import { beginSnapshots } from './snapshots.ts';

export type Session = { readonly slot: string; readonly number: number };

/** Proof that no other relay took over. */
export type Hold = {
  /** The server process that streams the slot to this relay. */
  readonly walSenderPid: number | undefined;
  /** Number of the last session that had begun when the slot was taken. */
  readonly lastSession?: number;
  /** Taken before the slot was made, if this process made it and nothing was published from it. */
  readonly firstSnapshot?: string | undefined;
};

export type Begun = {
  readonly session: Session;
  /** Dead letters that the stream brings again. */
  readonly reread: number;
  /** Keys that wait as of the progress. */
  readonly parked: readonly TopicKey[];
};

/**
 * Writes the mark of the slot and the copy of the progress, and puts everything about dead letters back to where the
 * progress stands. Call it once the slot is held and every predecessor is fenced in Kafka.
 * @param publication identity of the publication, to be remembered
 * @throws RelayError SLOT_IN_USE if this relay no longer has the slot; POSTGRES_*
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
    const [row] = await query(client, nextSession, [progress.slot]);
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

const nextSession = statement<{ session: string }>(
  'ledger.begin_session',
  'beginning a session',
  'update outbox.progress set session = session + 1 where slot = $1 returning session',
);

/**
 * A relay may be paused after its claim while another one takes over. By its old progress it would then take back what its
 * successor has stored and committed, and nobody would read that again. The row of the slot is locked here, so a relay
 * that takes the slot from now on begins its session after this one.
 *
 * A relay whose stream has failed since, for example at a row that Postgres cannot send, no longer has the slot, but must
 * still publish what it received. It may begin if nobody has the slot and the last session is the one it found. Storing or
 * committing takes a session, so nothing was stored or committed after its claim, and it takes back only what it would
 * have taken back with the slot in hand.
 */
async function assertHolder(
  client: pg.PoolClient,
  slot: string,
  { walSenderPid, lastSession }: Hold,
  session: number,
): Promise<void> {
  const held = await query(client, readHolder, [slot, walSenderPid ?? null, session === lastSession]);
  if (held.length === 0) throw new RelayError('SLOT_IN_USE', `another relay took over slot ${slot}`);
}

const readHolder = statement(
  'ledger.read_holder',
  'asking who has the slot',
  'select from pg_replication_slots where slot_name = $1 and (active_pid = $2 or active_pid is null and $3)',
);

/**
 * Begins a session that does not stream. Every earlier session loses the right to dead-letter events, to release them and
 * to begin.
 * @param firstStart what the mark says if there is none yet. `epoch` for a recovery after a relay died before it made its
 * mark: with the present time a second run would take everything that is missing for older than the first start.
 * @throws RelayError POSTGRES_*
 */
export async function beginDecisions(
  pool: pg.Pool,
  slot: string,
  systemIdentifier: string,
  firstStart: 'epoch' | 'now',
): Promise<Session> {
  const [row] = await query(pool, beginDeciding, [slot, systemIdentifier, firstStart]);
  return { slot, number: Number(row?.session) };
}

const beginDeciding = statement<{ session: string }>(
  'ledger.begin_decisions',
  'beginning a session',
  `insert into outbox.progress (slot, initialised_at, session, system_identifier) values ($1, $3::timestamptz, 1, $2)
    on conflict (slot) do update set session = progress.session + 1,
      system_identifier = coalesce(progress.system_identifier, excluded.system_identifier) returning session`,
);

/**
 * Runs `work` in a transaction, if this is still the session that began last.
 * @throws RelayError PRODUCER_FENCED if another one has begun; POSTGRES_*
 */
export function inSession<Result>(
  pool: pg.Pool,
  session: Session,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, doing, async (client) => {
    // Because of the lock the next session begins only after this commit, and sees it.
    const own = await query(client, { ...lockOwnSession, doing }, [session.slot, session.number]);
    if (own.length === 0) throw new RelayError('PRODUCER_FENCED', `${doing}: another session has begun`);
    return work(client);
  });
}

const lockOwnSession = statement(
  'ledger.lock_own_session',
  'asking which session has begun last',
  'select from outbox.progress where slot = $1 and session = $2 for share',
);

/**
 * `$2` to `$5` are the progress. A position in the WAL of another cluster, where the database was before, does not count:
 * nobody reads that event again.
 */
export const isBeyond = `system_identifier = $5 and commit_lsn >= $2 and commit_lsn < pg_current_wal_insert_lsn()
  and (commit_lsn, ordinal) >= (coalesce($3::pg_lsn, '0/0'), coalesce($4::bigint, 0))`;

/**
 * The stream brings dead letters beyond the progress again, and may publish them this time, for example because their
 * schema is registered now. If they stayed open, a person could send them a second time. So they count as resubmitted,
 * and an event that is refused again is opened again.
 */
async function rereadDeadLetters(client: pg.PoolClient, progress: Progress): Promise<number> {
  const rows = await query(client, reread, boundsOf(progress));
  return rows.length;
}

const reread = statement(
  'ledger.reread_dead_letters',
  'closing dead letters that are read again',
  `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
    where slot = $1 and status in ('open', 'parked') and ${isBeyond} returning 1`,
);

/** A release counts once the progress covers the whole transaction that asked for it. */
export async function takeBackReleases(
  client: pg.PoolClient,
  { slot, endLsn, systemIdentifier }: Pick<Progress, 'slot' | 'endLsn' | 'systemIdentifier'>,
): Promise<void> {
  const values = [slot, formatLsn(endLsn), systemIdentifier];
  await query(client, takeBackLetters, values);
  await query(client, takeBackRequests, values);
  await query(client, takeBackReleasedKeys, values);
}

const takeBackLetters = statement(
  'ledger.take_back_released_letters',
  'taking back releases',
  `update outbox.dead_letter set status = case code when 'KEY_PARKED' then 'parked' else 'open' end, released_lsn = null
    where slot = $1 and status = 'released' and ${isUncovered('released_lsn')}`,
);

const takeBackRequests = statement(
  'ledger.take_back_requests',
  'taking back releases',
  `update outbox.key_release set processed_lsn = null, outcome = null, published = null, processed_at = null
    where slot = $1 and ${isUncovered('processed_lsn')}`,
);

const takeBackReleasedKeys = statement(
  'ledger.take_back_released_keys',
  'taking back releases',
  `update outbox.parked_key set released_lsn = null where slot = $1 and ${isUncovered('released_lsn')}`,
);

async function takeBackParking(client: pg.PoolClient, progress: Progress): Promise<TopicKey[]> {
  await query(client, takeBackParked, boundsOf(progress));
  return query(client, readParked, [progress.slot]);
}

const takeBackParked = statement(
  'ledger.take_back_parked_keys',
  'taking back parked keys',
  `delete from outbox.parked_key where slot = $1 and (released_lsn is not null or ${isBeyond})`,
);

const readParked = statement<TopicKey>(
  'ledger.read_parked_keys',
  'reading the parked keys',
  'select topic, key from outbox.parked_key where slot = $1',
);

/** @param endLsn of the progress, as is `systemIdentifier` */
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
 * Writes the copy of the progress. Ends all parking if the progress belongs to another history than the dead letters. Call
 * it with the slot held, once the progress is in Kafka. If the process dies before, the next session does the same.
 * @throws RelayError POSTGRES_*
 */
export function storeAdopted(pool: pg.Pool, progress: Progress, publication: string): Promise<void> {
  return inTransaction(pool, 'storing what was adopted', (client) => takeOver(client, progress, publication));
}

/** The same, within a transaction. @param publication its identity; null: not to be remembered */
export async function takeOver(
  client: pg.PoolClient,
  progress: Progress,
  publication: string | null,
): Promise<void> {
  const { slot, systemIdentifier, givenUp } = progress;
  const [copy] = await query(client, readCopy, [slot]);
  await storeProgress(client, progress, publication);
  const isElsewhere = copy?.home != null && copy.home !== systemIdentifier;
  // Once for each adoption. What is parked and released later belongs to the new history.
  const isAdoption = givenUp !== undefined && givenUp.id !== copy?.adoption;
  if (isElsewhere || isAdoption) await endParking(client, slot, givenUp);
}

const readCopy = statement<{ home: string | null; adoption: string | null }>(
  'ledger.read_progress_copy',
  'reading the copy of the progress',
  'select system_identifier as home, adoption from outbox.progress where slot = $1 for update',
);

/**
 * Positions of the old history mean nothing in the new one. Parked events become open dead letters, and no key is parked
 * any more. Released events stay released, unless the progress that was given up did not cover them: then they were never
 * published.
 */
async function endParking(client: pg.PoolClient, slot: string, givenUp: GivenUp | undefined): Promise<void> {
  if (givenUp !== undefined)
    await query(client, endUncovered, [slot, formatLsn(givenUp.endLsn), givenUp.systemIdentifier]);
  for (const end of [endParkedLetters, endReleasedLetters, endRequests, endParkedKeys])
    await query(client, end, [slot]);
  await query(client, storeAdoption, [slot, givenUp?.id ?? null]);
}

const ending = 'ending what is parked';

const endUncovered = statement(
  'ledger.end_uncovered_releases',
  ending,
  `update outbox.dead_letter set status = 'open', released_lsn = null
    where slot = $1 and status = 'released' and released_lsn >= $2 and system_identifier = $3`,
);

const endParkedLetters = statement(
  'ledger.end_parked_letters',
  ending,
  `update outbox.dead_letter set status = 'open' where slot = $1 and status = 'parked'`,
);

const endReleasedLetters = statement(
  'ledger.end_released_letters',
  ending,
  `update outbox.dead_letter set released_lsn = null
    where slot = $1 and status = 'released' and released_lsn is not null`,
);

const endRequests = statement(
  'ledger.end_requests',
  ending,
  `update outbox.key_release set outcome = 'limited', processed_at = now() where slot = $1 and outcome is null`,
);

const endParkedKeys = statement(
  'ledger.end_parked_keys',
  ending,
  'delete from outbox.parked_key where slot = $1',
);

const storeAdoption = statement(
  'ledger.store_adoption',
  ending,
  'update outbox.progress set adoption = $2 where slot = $1',
);
