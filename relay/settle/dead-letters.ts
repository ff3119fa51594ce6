/**
 * Events that cannot be published, set aside in `outbox.dead_letter`. Upserted by position before the Kafka commit of the
 * batch they came from: a crash between the two repeats the upsert, and the event is decided anew meanwhile.
 */
import type pg from 'pg';
import type { Rejection } from '../encode/record.ts';
import { formatLsn } from '../position.ts';
import { query } from '../postgres.ts';

/** One statement whatever the number of rows: the columns travel as arrays. */
const upsert = `
  insert into outbox.dead_letter
    (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
     topic, code, message, path, context, status)
  select $1, *, case code when 'KEY_PARKED' then 'parked' else 'open' end
    from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[])
      as letter (commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
                 topic, code, message, path, context)
  on conflict (slot, commit_lsn, ordinal) do update
    set status = excluded.status, topic = excluded.topic, code = excluded.code, message = excluded.message, path = excluded.path,
        context = excluded.context, attempts = dead_letter.attempts + 1, last_seen = now()
    where dead_letter.status = 'resubmitted' and dead_letter.context ? 'reread'`;

/** @throws RelayError POSTGRES_* */
export async function storeDeadLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  rejections: readonly Rejection[],
): Promise<void> {
  if (rejections.length === 0) return;
  const column = (pick: (rejection: Rejection) => unknown) => rejections.map(pick);
  await query(client, 'storing dead letters', upsert, [
    slot,
    column(({ commitLsn }) => formatLsn(commitLsn)),
    column(({ ordinal }) => ordinal),
    column(({ row }) => row.id),
    column(({ row }) => row.aggregatetype),
    column(({ row }) => row.aggregateid),
    column(({ row }) => row.type),
    column(({ row }) => row.payload),
    column(({ row }) => row.headers),
    column(({ row }) => row.createdAt),
    column(({ topic }) => topic),
    column(({ code }) => code),
    column(({ message }) => message),
    column(({ path }) => path),
    column(contextOf),
  ]);
}

/** What is known beside the reason, as JSON. */
export function contextOf({ subject, schemaId, failure }: Rejection): string {
  return JSON.stringify({ subject, schemaId, ...failure });
}

/** What waits for a person. */
export type Waiting = {
  readonly open: number;
  /** Of the oldest open one; 0 when there is none. */
  readonly oldestSeconds: number;
  /** Waiting behind a refused event of their key. */
  readonly parked: number;
  readonly parkedKeys: number;
};

/** @throws RelayError POSTGRES_* */
export async function readWaiting(pool: pg.Pool, slot: string): Promise<Waiting> {
  const [row] = await query<{ open: string; oldest: number | null; parked: string; keys: string }>(
    pool,
    'counting the open dead letters',
    `select count(*) filter (where status = 'open') as open, count(*) filter (where status = 'parked') as parked,
            extract(epoch from clock_timestamp() - min(first_seen) filter (where status = 'open'))::float8 as oldest,
            (select count(*) from outbox.parked_key where slot = $1 and released_lsn is null) as keys
       from outbox.dead_letter where slot = $1 and status in ('open', 'parked')`,
    [slot],
  );
  return {
    open: Number(row?.open ?? 0),
    oldestSeconds: Math.max(0, row?.oldest ?? 0),
    parked: Number(row?.parked ?? 0),
    parkedKeys: Number(row?.keys ?? 0),
  };
}
