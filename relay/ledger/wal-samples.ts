/**
 * Owns the samples of the WAL position, one a minute, for the rate at which WAL is written. They are kept in the database,
 * so that a relay that has just started, and a command that runs while no relay does, know the rate too. Of a server, not
 * of a slot: every relay writes the same ones.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { parseLsn } from '../model/position.ts';
import type { WalSample } from '../model/wal-rate.ts';

/** Of several relays the first one in a minute writes it. @throws RelayError POSTGRES_* */
export async function storeWalSample(client: pg.Pool | pg.ClientBase): Promise<void> {
  await query(client, store);
}

// The table has a row for each minute of a day, so it never grows.
const store = statement(
  'ledger.store_wal_sample',
  'storing a sample of the WAL position',
  `insert into outbox.wal_sample (minute_of_day, taken_at, lsn)
   select (extract(epoch from clock_timestamp())::bigint / 60 % 1440)::smallint, clock_timestamp(), pg_current_wal_lsn()
    where not pg_is_in_recovery()
   on conflict (minute_of_day) do update set taken_at = excluded.taken_at, lsn = excluded.lsn
    where wal_sample.taken_at not between excluded.taken_at - interval '1 hour' and excluded.taken_at`,
);

/**
 * The samples of the last day, and one of now. After a restore to an earlier state, samples of a future that is gone are
 * left out.
 * @throws RelayError POSTGRES_*
 */
export async function readWalSamples(client: pg.Pool | pg.ClientBase): Promise<WalSample[]> {
  const rows = await query(client, read);
  return rows.map(({ ageMs, lsn }) => ({ ageMs, lsn: parseLsn(lsn) }));
}

const read = statement<{ ageMs: number; lsn: string }>(
  'ledger.read_wal_samples',
  'reading the samples of the WAL position',
  `with now as (select clock_timestamp() as at, pg_current_wal_lsn() as lsn where not pg_is_in_recovery())
   select 0::float8 as "ageMs", lsn::text from now
   union all
   select (extract(epoch from at - taken_at) * 1000)::float8, sample.lsn::text
     from now, outbox.wal_sample sample
    where taken_at between at - interval '1 day' and at and sample.lsn <= now.lsn`,
);

/**
 * Bytes of all files in pg_wal; undefined if the role may not list them (pg_monitor).
 * @throws RelayError POSTGRES_*
 */
export async function readWalDirectory(client: pg.Pool | pg.ClientBase): Promise<number | undefined> {
  const [right] = await query(client, mayList);
  if (right?.may !== true) return undefined;
  const [directory] = await query(client, list);
  return directory?.bytes;
}

const listing = 'listing the files of pg_wal';

const mayList = statement<{ may: boolean }>(
  'ledger.may_list_wal',
  listing,
  `select has_function_privilege('pg_ls_waldir()', 'execute') as may`,
);

const list = statement<{ bytes: number }>(
  'ledger.list_wal',
  listing,
  'select sum(size)::float8 as bytes from pg_ls_waldir()',
);
