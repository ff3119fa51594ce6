/**
 * Events that cannot be published, set aside in `outbox.dead_letter`. Upserted by position before the Kafka commit of the
 * batch they came from: a crash between the two repeats the upsert, and the event is decided anew meanwhile.
 */
import type pg from 'pg';
import type { Rejection } from '../encode/record.ts';
import { formatLsn } from '../position.ts';
import { query } from '../postgres.ts';
import type { Progress } from '../progress.ts';

/** One statement whatever the number of rows: the columns travel as arrays. */
const upsert = `
  insert into outbox.dead_letter
    (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, event_created_at,
     topic, code, message, path, context)
  select $1, * from unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[])
  on conflict (slot, commit_lsn, ordinal) do update
    set status = 'open', topic = excluded.topic, code = excluded.code, message = excluded.message, path = excluded.path,
        context = excluded.context, attempts = dead_letter.attempts + 1, last_seen = now()
    where dead_letter.status = 'resubmitted' and dead_letter.context ? 'reread'`;

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
    column(({ subject, schemaId, failure }) => JSON.stringify({ subject, schemaId, ...failure })),
  ]);
}

/**
 * At the begin of a session: what was set aside beyond the progress is read again, and may be published this time, if its
 * schema was registered meanwhile. Left open, a person would send it a second time. So the relay itself resubmits it, by
 * reading it again; refused again, it is opened again. Positions that the server has not reached are of the database's
 * earlier home, and stay.
 * @param progress as it was read from Kafka
 * @returns how many
 * @throws RelayError POSTGRES_*
 */
export async function rereadDeadLetters(pool: pg.Pool, progress: Progress): Promise<number> {
  const { slot, endLsn, partial } = progress;
  const rows = await query(
    pool,
    'closing dead letters that are read again',
    `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
     where slot = $1 and status = 'open' and commit_lsn >= $2 and commit_lsn < pg_current_wal_insert_lsn()
       and (commit_lsn, ordinal) >= (coalesce($3::pg_lsn, '0/0'), coalesce($4::bigint, 0)) returning 1`,
    [
      slot,
      formatLsn(endLsn),
      partial === null ? null : formatLsn(partial.commitLsn),
      partial?.ordinal ?? null,
    ],
  );
  return rows.length;
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
