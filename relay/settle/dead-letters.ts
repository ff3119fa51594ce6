/**
 * Events that cannot be published, set aside in `outbox.dead_letter`. Upserted by position before the Kafka commit of the
 * batch they came from: a crash between the two repeats the upsert, which changes nothing.
 */
import type pg from 'pg';
import type { Rejection } from '../encode/record.ts';
import { formatLsn } from '../position.ts';
import { query } from '../postgres.ts';

/** One statement whatever the number of rows: the columns travel as arrays. */
const upsert = `
  insert into outbox.dead_letter
    (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
     topic, code, message, path, context)
  select $1, * from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[])
  on conflict (slot, commit_lsn, ordinal) do nothing`;

/** @throws RelayError POSTGRES_* */
export async function storeDeadLetters(
  pool: pg.Pool,
  slot: string,
  rejections: readonly Rejection[],
): Promise<void> {
  if (rejections.length === 0) return;
  const column = (pick: (rejection: Rejection) => unknown) => rejections.map(pick);
  await query(pool, 'storing dead letters', upsert, [
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
    column(({ subject, schemaId }) => JSON.stringify({ subject, schemaId })),
  ]);
}

/** How many are open, and how old the oldest is (0 when none). @throws RelayError POSTGRES_* */
export async function readOpenDeadLetters(
  pool: pg.Pool,
  slot: string,
): Promise<{ open: number; oldestSeconds: number }> {
  const [row] = await query<{ open: string; oldest: number | null }>(
    pool,
    'counting the open dead letters',
    `select count(*) as open, extract(epoch from clock_timestamp() - min(first_seen))::float8 as oldest
       from outbox.dead_letter where slot = $1 and status = 'open'`,
    [slot],
  );
  return { open: Number(row?.open ?? 0), oldestSeconds: Math.max(0, row?.oldest ?? 0) };
}
