/**
 * Owns releases of parked keys in Postgres: what a request asks for, and its outcome. The outcome is stored before the
 * Kafka commit that publishes the events, as dead letters are. The next session takes back what the progress does not
 * cover.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { CapturedRow, LeftOut, OutboxRow } from '../capture/transaction.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Refusal } from '../encode/record.ts';
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn, type Position, parseLsn } from '../model/position.ts';
import type { ParkedKey, TopicKey } from '../refusals/parked-keys.ts';
import { contextOf } from './dead-letters.ts';

/** A parked event, as it is to be published. */
export type WaitingEvent = { readonly position: Position; readonly row: CapturedRow };

/** What a request asks for. */
export type Requested = {
  readonly key: TopicKey;
  /** In the order of their positions, as many as the limits allow. */
  readonly events: readonly WaitingEvent[];
  /** Whether more events wait behind them. */
  readonly hasMore: boolean;
};

export type ReleaseLimits = { readonly events: number; readonly bytes: number };

/** The outcome of a request. */
export type Release = {
  readonly request: number;
  readonly key: TopicKey;
  /** Commit LSN of the transaction that holds the request. */
  readonly lsn: Lsn;
  /** `released`: all events. `refused`: those before one that is still refused. `limited`: as many as the limits allow. */
  readonly outcome: 'released' | 'refused' | 'limited';
  readonly published: readonly Position[];
  readonly refused: Refusal | undefined;
};

/** A commit is visible within microseconds of its WAL record, unless it waits for a synchronous standby. */
const visiblePollMs = 10;
const visibleWaitMs = 1_000;

/**
 * Waits until queries see a transaction that the stream has brought. Its WAL record is streamed first, so a query before
 * that would miss what it wrote, and with it the request.
 * @throws RelayError POSTGRES_UNAVAILABLE if that takes long; POSTGRES_*
 */
export async function untilVisible(pool: pg.Pool, xid: number): Promise<void> {
  const untilMs = performance.now() + visibleWaitMs;
  while (await isRunning(pool, xid)) {
    if (performance.now() > untilMs)
      throw new RelayError('POSTGRES_UNAVAILABLE', 'a request for release is committed but not visible yet');
    await delay(visiblePollMs);
  }
}

/** A transaction holds the lock on its own number until it is visible. */
async function isRunning(pool: pg.Pool, xid: number): Promise<boolean> {
  const holders = await query(pool, readLock, [String(xid)]);
  return holders.length > 0;
}

const readLock = statement(
  'ledger.read_transaction_lock',
  'waiting for a request to become visible',
  `select from pg_locks where locktype = 'transactionid' and transactionid = $1::text::xid and mode = 'ExclusiveLock'`,
);

/**
 * Call it once everything before the request is committed: then all parked events are stored.
 * @returns undefined for a request that is done or unknown
 * @throws RelayError POSTGRES_*
 */
export async function readRequest(
  pool: pg.Pool,
  slot: string,
  request: number,
  limits: ReleaseLimits,
): Promise<Requested | undefined> {
  const [key] = await query(pool, readOpenRequest, [slot, request]);
  if (key === undefined) return undefined;
  const rows = await query(pool, readWaiting, [slot, key.topic, key.key, limits.bytes, limits.events]);
  return { key, events: rows.map(toEvent), hasMore: Number(rows[0]?.waiting ?? 0) > rows.length };
}

const readOpenRequest = statement<TopicKey>(
  'ledger.read_request',
  'reading a request for release',
  'select topic, key from outbox.key_release where slot = $1 and id = $2 and outcome is null',
);

type WaitingRow = OutboxRow & {
  commit_lsn: string;
  ordinal: string;
  waiting: string;
  leftOut: LeftOut | null;
};

/**
 * Leaves out dead letters of the key from before it was parked, since later events of the key are published, and those of
 * another cluster, where the database was before. Reads one more than the limit to know whether there are more. It does
 * not count all of them: a key that waits long has very many.
 */
const readWaiting = statement<WaitingRow>(
  'ledger.read_waiting_events',
  'reading the events that wait for a release',
  `
    with waiting as (
      select commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
             context -> 'leftOut' as left_out
        from outbox.dead_letter as letter
       where letter.slot = $1 and letter.topic = $2 and letter.aggregateid = $3
         and hashtextextended(letter.aggregateid, 0) = hashtextextended($3, 0) and letter.status in ('open', 'parked')
         and letter.system_identifier = (select coalesce(system_identifier, '') from outbox.progress where slot = $1)
         and (letter.commit_lsn, letter.ordinal) >= (
           select commit_lsn, ordinal from outbox.parked_key as parked
            where parked.slot = $1 and parked.topic = $2 and parked.key = $3 and parked.released_lsn is null
            order by commit_lsn, ordinal limit 1)
       order by letter.commit_lsn, letter.ordinal limit $5::bigint + 1),
    counted as (
      select *, count(*) over () as waiting, sum(octet_length(coalesce(payload, ''))) over (order by commit_lsn, ordinal)
                                               - octet_length(coalesce(payload, '')) as bytes_before
        from waiting)
    select commit_lsn::text, ordinal, waiting, event_id as id, aggregatetype, aggregateid, type, payload, headers,
           event_created_at as "createdAt", left_out as "leftOut"
      from counted where bytes_before < $4 order by counted.commit_lsn, ordinal limit $5`,
);

/** A payload that was left out is not NULL: such an event is refused again until somebody gives its payload. */
function toEvent({ commit_lsn, ordinal, waiting: _, leftOut, ...row }: WaitingRow): WaitingEvent {
  return {
    position: { commitLsn: parseLsn(commit_lsn), ordinal: Number(ordinal) },
    row: leftOut === null ? row : { ...row, leftOut },
  };
}

/** @throws RelayError POSTGRES_* */
export async function storeRelease(client: pg.ClientBase, slot: string, release: Release): Promise<void> {
  await closeReleased(client, slot, release);
  if (release.refused !== undefined) await describeRefused(client, slot, release.refused);
  const { request, lsn, outcome, published, key } = release;
  await query(client, storeOutcome, [slot, request, formatLsn(lsn), outcome, published.length]);
  if (outcome !== 'released') return;
  await query(client, endParked, [slot, key.topic, key.key, formatLsn(lsn)]);
}

const storeOutcome = statement(
  'ledger.store_release_outcome',
  'storing the outcome of a release',
  `update outbox.key_release set processed_lsn = $3, outcome = $4, published = $5, processed_at = now()
    where slot = $1 and id = $2`,
);

const endParked = statement(
  'ledger.end_parked_key',
  'unparking a key',
  `update outbox.parked_key set released_lsn = $4
    where slot = $1 and topic = $2 and key = $3 and released_lsn is null`,
);

async function closeReleased(
  client: pg.ClientBase,
  slot: string,
  { published, lsn }: Release,
): Promise<void> {
  if (published.length === 0) return;
  const closed = await query(client, close, [
    slot,
    published.map(({ commitLsn }) => formatLsn(commitLsn)),
    published.map(({ ordinal }) => ordinal),
    formatLsn(lsn),
  ]);
  // No command changes them while a release is pending; a statement by hand may. The next session reads them again.
  if (closed.length !== published.length)
    throw new RelayError('POSTGRES_UNAVAILABLE', 'dead letters changed while their key was being released');
}

const close = statement(
  'ledger.close_released_letters',
  'closing released dead letters',
  `update outbox.dead_letter as letter set status = 'released', released_lsn = $4, last_seen = now()
     from unnest($2::pg_lsn[], $3::bigint[]) as chosen (commit_lsn, ordinal)
    where letter.slot = $1 and letter.commit_lsn = chosen.commit_lsn and letter.ordinal = chosen.ordinal
      and letter.status in ('open', 'parked') returning 1`,
);

/** The event is open now, with its own reason, even if it was parked before. */
async function describeRefused(client: pg.ClientBase, slot: string, refused: Refusal): Promise<void> {
  const { position, code, message, path } = refused;
  await query(client, storeReason, [
    slot,
    formatLsn(position.commitLsn),
    position.ordinal,
    code,
    message,
    path,
    contextOf(refused),
  ]);
}

const storeReason = statement(
  'ledger.store_refused_release',
  'storing why an event is still refused',
  `update outbox.dead_letter set status = 'open', code = $4, message = $5, path = $6, context = $7,
           attempts = attempts + 1, last_seen = now()
    where slot = $1 and commit_lsn = $2 and ordinal = $3 and status in ('open', 'parked')`,
);

/** @throws RelayError POSTGRES_* */
export async function storeParkedKeys(
  client: pg.ClientBase,
  slot: string,
  parked: readonly ParkedKey[],
): Promise<void> {
  if (parked.length === 0) return;
  await query(client, storeParked, [
    slot,
    parked.map(({ since }) => formatLsn(since.commitLsn)),
    parked.map(({ since }) => since.ordinal),
    parked.map(({ topic }) => topic),
    parked.map(({ key }) => key),
    parked.map(({ isPaused }) => isPaused === true),
  ]);
}

const storeParked = statement(
  'ledger.store_parked_keys',
  'storing parked keys',
  `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key, is_paused)
    select $1, * from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], $6::boolean[])`,
);
