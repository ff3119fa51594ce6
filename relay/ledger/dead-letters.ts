/**
 * Owns dead letters in `outbox.dead_letter`: storing and counting them. They are upserted by position before the Kafka
 * commit of their batch. After a crash between the two, the next session decides about the event again and repeats the
 * upsert.
 */
import type pg from 'pg';
import type { CapturedRow, LeftOut } from '../capture/transaction.ts';
import { sqlStateOf, sqlStates } from '../connect/postgres/errors.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Refusal } from '../encode/record.ts';
import { RelayError } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import type { Waiting } from '../observe/facts.ts';

const wasLeftOut = `dead_letter.context ? 'leftOut'`;

/**
 * One statement for many rows: the columns travel as arrays. A large text travels alone and as it is: the driver would
 * escape it as an element of an array, which takes seconds for some megabytes of quotes.
 *
 * A dead letter that is stored again after a crash keeps its payload, which somebody may have corrected, unless something
 * was left out of it.
 */
const upsertOf = (text: (parameter: string) => string) => `
  insert into outbox.dead_letter
    (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
     topic, code, message, path, context, status)
  select $1, *, case when code in ('KEY_PARKED', 'TOPIC_PAUSED') then 'parked' else 'open' end
    from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], ${text('$6')}, $7::text[], ${text('$8')},
                           ${text('$9')}, $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[])
      as letter (commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
                 topic, code, message, path, context)
  on conflict (slot, commit_lsn, ordinal) do update
    set status = excluded.status, topic = excluded.topic, code = excluded.code, message = excluded.message, path = excluded.path,
        ${['event_id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers', 'event_created_at']
          .map(
            (column) =>
              `${column} = case when ${wasLeftOut} then excluded.${column} else dead_letter.${column} end,`,
          )
          .join(' ')}
        context = case when ${wasLeftOut} then excluded.context else excluded.context - 'leftOut' end, attempts = dead_letter.attempts + 1, last_seen = now()
    where dead_letter.status = 'resubmitted' and dead_letter.context ? 'reread'`;

const doing = 'storing dead letters';
const upsert = statement(
  'ledger.store_dead_letters',
  doing,
  upsertOf((parameter) => `${parameter}::text[]`),
);
const upsertLarge = statement(
  'ledger.store_large_dead_letter',
  doing,
  upsertOf((parameter) => `array[${parameter}::text]`),
);

/** Characters in the rows of one statement. */
const statementCharactersMax = 4_000_000;
/** A larger row gets a statement of its own. A text must be larger than this to be left out. */
const largeCharacters = 64_000;

/** @throws RelayError POSTGRES_* */
export async function storeDeadLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  deadLetters: readonly Refusal[],
): Promise<void> {
  for (const some of statementsOf(deadLetters)) {
    const isLarge = charactersOf(some[0]!.row) > largeCharacters;
    await query(client, isLarge ? upsertLarge : upsert, valuesOf(slot, some, isLarge));
  }
}

function* statementsOf(deadLetters: readonly Refusal[]): Generator<readonly Refusal[]> {
  let some: Refusal[] = [];
  let characters = 0;
  for (const letter of deadLetters) {
    const own = charactersOf(letter.row);
    if (own > largeCharacters) {
      yield [letter];
      continue;
    }
    if (characters + own > statementCharactersMax) {
      yield some;
      some = [];
      characters = 0;
    }
    some.push(letter);
    characters += own;
  }
  if (some.length > 0) yield some;
}

function charactersOf({ id, aggregatetype, aggregateid, type, payload, headers }: CapturedRow): number {
  const texts = [id, aggregatetype, aggregateid, type, payload, headers];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}

/** @param isLarge it is one row, and its large texts go as they are */
function valuesOf(slot: string, deadLetters: readonly Refusal[], isLarge: boolean): unknown[] {
  const column = (pick: (letter: Refusal) => unknown) => deadLetters.map(pick);
  const text = (pick: (letter: Refusal) => unknown) => (isLarge ? pick(deadLetters[0]!) : column(pick));
  return [
    slot,
    column(({ position }) => formatLsn(position.commitLsn)),
    column(({ position }) => position.ordinal),
    column(({ row }) => row.id),
    column(({ row }) => row.aggregatetype),
    text(({ row }) => row.aggregateid),
    column(({ row }) => row.type),
    text(({ row }) => row.payload),
    text(({ row }) => row.headers),
    column(({ row }) => row.createdAt),
    column(({ topic }) => topic),
    column(({ code }) => code),
    column(({ message }) => message),
    column(({ path }) => path),
    column(contextOf),
  ];
}

/**
 * The dead letters without their large texts, if Postgres cannot store these; undefined if that would not help. Otherwise
 * the relay would repeat a statement that can never succeed, and publish nothing more. The row in the table still has the
 * texts.
 */
export function withoutLargeTexts(
  deadLetters: readonly Refusal[],
  error: unknown,
): readonly Refusal[] | undefined {
  if (!isOfTheValues(error)) return undefined;
  const shorter = deadLetters.map((letter) => ({ ...letter, row: withoutLarge(letter.row) }));
  return shorter.some(({ row }, index) => row !== deadLetters[index]!.row) ? shorter : undefined;
}

/** Too large, not representable, or not done in time. An outage is none of these. */
function isOfTheValues(error: unknown): boolean {
  if (!(error instanceof RelayError) || !(error.cause instanceof Error)) return false;
  const { cause } = error;
  const sqlState = sqlStateOf(error);
  if (sqlState !== undefined) return /^(22|54)/.test(sqlState) || sqlState === sqlStates.queryCanceled;
  // The driver's words for a statement that is not answered in time, and V8's for a text that is too long.
  return cause.message === 'Query read timeout' || cause.message.includes('string longer than');
}

function withoutLarge(row: CapturedRow): CapturedRow {
  const large = (['payload', 'headers'] as const).filter(
    (role) => (row[role]?.length ?? 0) > largeCharacters,
  );
  if (large.length === 0) return row;
  const bytes = (role: 'payload' | 'headers') => Buffer.byteLength(row[role] ?? '');
  const rowBytes = row.leftOut?.rowBytes ?? bytes('payload') + bytes('headers');
  const leftOut: LeftOut = {
    rowBytes,
    ...row.leftOut,
    ...Object.fromEntries(large.map((role) => [role, bytes(role)])),
  };
  return { ...row, ...Object.fromEntries(large.map((role) => [role, null])), leftOut };
}

/** What else is known about the refusal, as JSON. */
export function contextOf({ subject, schemaId, failure, row: { leftOut, unreadable } }: Refusal): string {
  const unread = unreadable === undefined ? undefined : { ...unreadable, message: undefined };
  return JSON.stringify({ subject, schemaId, leftOut, unreadable: unread, ...failure });
}

/**
 * @returns what waits, and how long Postgres took to count it
 * @throws RelayError POSTGRES_*
 */
export async function readWaiting(
  pool: pg.Pool,
  slot: string,
): Promise<Waiting & { readonly tookMs: number }> {
  const [row] = await query(pool, countWaiting, [slot]);
  return {
    open: Number(row?.open ?? 0),
    oldestSeconds: Math.max(0, row?.oldest ?? 0),
    parked: Number(row?.parked ?? 0),
    parkedKeys: Number(row?.keys ?? 0),
    tookMs: row?.tookMs ?? 0,
  };
}

const countWaiting = statement<{
  open: string;
  oldest: number | null;
  parked: string;
  keys: string;
  tookMs: number;
}>(
  'ledger.count_waiting',
  'counting the open dead letters',
  `select count(*) filter (where status = 'open') as open, count(*) filter (where status = 'parked') as parked,
         extract(epoch from clock_timestamp() - min(first_seen) filter (where status = 'open'))::float8 as oldest,
         (select count(*) from outbox.parked_key where slot = $1 and released_lsn is null) as keys,
         (extract(epoch from clock_timestamp() - statement_timestamp()) * 1000)::float8 as "tookMs"
    from outbox.dead_letter where slot = $1 and status in ('open', 'parked')`,
);
