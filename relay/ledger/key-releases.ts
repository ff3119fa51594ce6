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
export type WaitingEvent = {
  readonly position: Position;
  readonly row: CapturedRow;
  /** Refused before, as opposed to one that only waits. */
  readonly isOpen: boolean;
};

/** What a request asks for. */
export type Requested = {
  readonly key: TopicKey;
  /** In the order of their positions, as many as the limits allow. */
  readonly events: readonly WaitingEvent[];
  /** The first event that waits behind them; undefined where none does. */
  readonly next: Position | undefined;
};

export type ReleaseLimits = { readonly events: number; readonly bytes: number };

/** The outcome of a request. */
export type Release = {
  readonly request: number;
  readonly key: TopicKey;
  /** Commit LSN of the transaction that holds the request. */
  readonly lsn: Lsn;
  /**
   * `released`: all events, without those that are passed. `refused`: those before one that is still refused, behind which
   * the key stays parked. `limited`: as many as the limits allow. `set-aside`: none, since the topic is.
   */
  readonly outcome: 'released' | 'refused' | 'limited' | 'set-aside';
  readonly published: readonly Position[];
  /** Refused again: those that are passed, and the one at which the release stopped. */
  readonly refused: readonly Refusal[];
  /** From where on the key is parked now, where the release is limited and has passed some. */
  readonly movedTo: Position | undefined;
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
  const last = rows.at(-1);
  const next = last?.next_lsn == null ? undefined : positionOf(last.next_lsn, last.next_ordinal);
  return { key, events: rows.map(toEvent), next };
}

const readOpenRequest = statement<TopicKey>(
  'ledger.read_request',
  'reading a request for release',
  'select topic, key from outbox.key_release where slot = $1 and id = $2 and outcome is null',
);

type WaitingRow = OutboxRow & {
  commit_lsn: string;
  ordinal: string;
  isOpen: boolean;
  next_lsn: string | null;
  next_ordinal: string | null;
  leftOut: LeftOut | null;
};

/**
 * Leaves out dead letters of the key from before it was parked, since later events of the key are published, and those of
 * another cluster, where the database was before. Reads one more than the limit to know what follows.
 */
const readWaiting = statement<WaitingRow>(
  'ledger.read_waiting_events',
  'reading the events that wait for a release',
  `
    with waiting as (
      select commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
             status = 'open' as is_open, context -> 'leftOut' as left_out
        from outbox.dead_letter as letter
       where letter.slot = $1 and letter.topic = $2 and letter.aggregateid = $3
         and hashtextextended(letter.aggregateid, 0) = hashtextextended($3, 0) and letter.status in ('open', 'parked')
         and letter.system_identifier = (select coalesce(system_identifier, '') from outbox.progress where slot = $1)
         and (letter.commit_lsn, letter.ordinal) >= (
           select commit_lsn, ordinal from outbox.parked_key as parked
            where parked.slot = $1 and parked.topic = $2 and parked.key = $3 and parked.released_lsn is null
            order by commit_lsn, ordinal limit 1)
       order by letter.commit_lsn, letter.ordinal limit $5::bigint + 1),
    summed as (
      select *, lead(commit_lsn) over in_order as next_lsn, lead(ordinal) over in_order as next_ordinal,
             sum(octet_length(coalesce(payload, ''))) over in_order - octet_length(coalesce(payload, '')) as bytes_before
        from waiting window in_order as (order by commit_lsn, ordinal))
    select commit_lsn::text, ordinal, next_lsn::text, next_ordinal, event_id as id, aggregatetype, aggregateid, type, payload,
           headers, event_created_at as "createdAt", is_open as "isOpen", left_out as "leftOut"
      from summed where bytes_before < $4 order by summed.commit_lsn, ordinal limit $5`,
);

/** A payload that was left out is not NULL: such an event is refused again until somebody gives its payload. */
function toEvent(waiting: WaitingRow): WaitingEvent {
  const { commit_lsn, ordinal, next_lsn: _, next_ordinal: __, isOpen, leftOut, ...row } = waiting;
  return {
    position: positionOf(commit_lsn, ordinal),
    row: leftOut === null ? row : { ...row, leftOut },
    isOpen,
  };
}

function positionOf(commitLsn: string, ordinal: string | null): Position {
  return { commitLsn: parseLsn(commitLsn), ordinal: Number(ordinal) };
}

/** @throws RelayError POSTGRES_* */
export async function storeRelease(client: pg.ClientBase, slot: string, release: Release): Promise<void> {
  await closeReleased(client, slot, release);
  const { request, lsn, outcome, published, refused, key, movedTo } = release;
  await describeRefused(client, slot, refused);
  const at = formatLsn(lsn);
  await query(client, storeOutcome, [slot, request, at, outcome, published.length, refused.length]);
  const parked = [slot, key.topic, key.key, at];
  if (movedTo !== undefined)
    await query(client, moveParked, [...parked, formatLsn(movedTo.commitLsn), movedTo.ordinal]);
  if (outcome === 'released') await query(client, endParked, parked);
}

const storeOutcome = statement(
  'ledger.store_release_outcome',
  'storing the outcome of a release',
  `update outbox.key_release set processed_lsn = $3, outcome = $4, published = $5, refused = $6, processed_at = now()
    where slot = $1 and id = $2`,
);

/** In the place of a row that waits from an earlier event on, so that a session which takes the release back finds both. */
const moveParked = statement(
  'ledger.move_parked_key',
  'parking a key behind what was passed',
  `with before as (
     update outbox.parked_key set released_lsn = $4
       where slot = $1 and topic = $2 and key = $3 and released_lsn is null returning is_paused, parked_at)
   insert into outbox.parked_key (slot, topic, key, moved_lsn, commit_lsn, ordinal, is_paused, parked_at)
     select $1, $2, $3, $4, $5, $6, bool_or(is_paused), min(parked_at) from before having count(*) > 0`,
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

/** Each is open now, with its own reason, even if it was parked before. */
async function describeRefused(
  client: pg.ClientBase,
  slot: string,
  refused: readonly Refusal[],
): Promise<void> {
  if (refused.length === 0) return;
  await query(client, storeReasons, [
    slot,
    refused.map(({ position }) => formatLsn(position.commitLsn)),
    refused.map(({ position }) => position.ordinal),
    refused.map(({ code }) => code),
    refused.map(({ message }) => message),
    refused.map(({ path }) => path),
    refused.map(contextOf),
  ]);
}

const storeReasons = statement(
  'ledger.store_refused_release',
  'storing why events are still refused',
  `update outbox.dead_letter as letter
      set status = 'open', code = again.code, message = again.message, path = again.path, context = again.context,
          attempts = attempts + 1, last_seen = now()
     from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
            as again (commit_lsn, ordinal, code, message, path, context)
    where letter.slot = $1 and letter.commit_lsn = again.commit_lsn and letter.ordinal = again.ordinal
      and letter.status in ('open', 'parked')`,
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
