/**
 * What docs/guides/install.md says about removal, where the slot is lost or far behind, on a Postgres of its own. The way with
 * a healthy slot is in install-guide.stack.test.ts.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { urlOf } from '../../../harness/database.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { unique } from '../../support/unique.ts';

const guide = await readFile(path.join(import.meta.dirname, '../../../docs/guides/install.md'), 'utf8');
const [, removing = ''] = guide.split(/^## \d+\. Remove it again$/m);
/** The first block; the second drops the roles. */
const statement = /```sql\n(do .*?)```/s.exec(removing)![1]!;

/** What the page says to leave out, in order to drop events that are not published. */
const withoutRefusal = (sql: string) => sql.replace(/^ {2}if held > 0 then\n.*?^ {2}end if;\n/ms, '');
/** And for a lost slot. */
const withoutLook = (sql: string) =>
  sql.replace(/^ {2}if to_regclass\('outbox\.event'\).*?^ {2}end if;\n/ms, '');

let postgres: Postgres;
let databaseUrl: string;
let client: pg.Client;

beforeAll(async () => {
  postgres = await startPostgres({
    settings: {
      fsync: 'off',
      // Both small, so that what a session takes beyond them can be seen.
      shared_buffers: '16MB',
      max_slot_wal_keep_size: '1MB',
      min_wal_size: '32MB',
      max_wal_size: '64MB',
    },
  });
});
afterAll(() => postgres?.stop());

beforeEach(async () => {
  const name = unique('removal');
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  databaseUrl = urlOf(postgres.url, name);
  await migrate({ databaseUrl });
  client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`select pg_create_logical_replication_slot('outbox_relay', 'pgoutput')`);
  return async () => {
    await client.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots`);
    await client.end();
  };
});

const write = (events: number, bytes = 10) =>
  client.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       select 'order', n::text, 'OrderPlaced', json_build_object('text', repeat('x', $2)) from generate_series(1, $1) as n`,
    [events, bytes],
  );

/** Slot, publication, schema. */
async function left(): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select slot_name as name from pg_replication_slots
    union all select pubname from pg_publication
    union all select nspname from pg_namespace where nspname = 'outbox'`);
  return rows.map(({ name }) => name).toSorted();
}
const all = ['outbox', 'outbox_relay', 'outbox_relay'];

async function loseSlot(): Promise<void> {
  for (let segments = 0; segments < 5; segments++) {
    await client.query(`select pg_logical_emit_message(false, 'x', repeat('x', 1000000))`);
    await client.query('select pg_switch_wal()');
  }
  await client.query('checkpoint');
  const { rows } = await client.query('select wal_status from pg_replication_slots');
  expect(rows).toEqual([{ wal_status: 'lost' }]);
}

test('the texts of the page are those that this test leaves out', () => {
  expect(withoutRefusal(statement)).not.toContain('may be unpublished');
  expect(withoutLook(statement)).not.toContain('pg_logical_slot_peek_binary_changes');
  expect(withoutLook(statement)).toContain('may be unpublished');
  expect(removing).toContain('leave out the part from `if held > 0` to its `end if`');
});

test('a lost slot stops the statement before it drops anything, and what the page says then drops all', async () => {
  await write(3);
  await loseSlot();
  await expect(client.query(statement)).rejects.toThrow(/replication slot "outbox_relay"/);
  await expect(client.query(withoutRefusal(statement))).rejects.toThrow(/replication slot "outbox_relay"/);
  expect(await left()).toEqual(all);
  expect((await client.query('select from outbox.event')).rowCount).toBe(3);

  await client.query(withoutLook(withoutRefusal(statement)));
  expect(await left()).toEqual([]);
  await client.query(withoutLook(withoutRefusal(statement)));
  await client.query(statement);
});

test('without a slot it stops at a table that has events, since nobody knows whether they are published', async () => {
  await write(2);
  await client.query(`select pg_drop_replication_slot('outbox_relay')`);
  await expect(client.query(statement)).rejects.toThrow(
    /^no slot has the name outbox_relay, so nobody knows .*: 2$/,
  );
  expect(await left()).toEqual(['outbox', 'outbox_relay']);
  await client.query(withoutRefusal(statement));
  expect(await left()).toEqual([]);
});

test('a slot or a publication of another name is named, and dropped once the page has its name', async () => {
  await client.query(`select pg_drop_replication_slot('outbox_relay')`);
  await client.query(`select pg_create_logical_replication_slot('orders_relay', 'pgoutput')`);
  await client.query('alter publication outbox_relay rename to "Orders"');
  await client.query(`insert into outbox.progress (slot, initialised_at) values ('orders_relay', now())`);
  await write(1);
  // Also where the table is empty: the slot would stay, and hold WAL for ever.
  for (const clear of ['select', 'truncate outbox.event']) {
    await client.query(clear);
    await expect(client.query(statement)).rejects.toThrow(
      /^no slot has the name outbox_relay: set slot_to_drop to yours; .* have used orders_relay$/,
    );
  }
  const ownSlot = statement.replace(
    "slot_to_drop name := 'outbox_relay'",
    "slot_to_drop name := 'orders_relay'",
  );
  // With another publication the slot would show no event, and all would be dropped.
  await write(1);
  await expect(client.query(ownSlot)).rejects.toThrow(/^no publication outbox_relay has the table/);
  const own = ownSlot.replace(
    "publication_to_drop name := 'outbox_relay'",
    "publication_to_drop name := 'Orders'",
  );
  await expect(client.query(own)).rejects.toThrow(/^events that may be unpublished: 2\./);
  expect(await left()).toEqual(['Orders', 'orders_relay', 'outbox']);
  await client.query(withoutRefusal(own));
  expect(await left()).toEqual([]);
});

test('a backlog of 300,000 events is counted in bounded memory and time', async () => {
  await client.query('alter system set max_slot_wal_keep_size = -1');
  await client.query('select pg_reload_conf()');
  const events = 300_000;
  await write(events, 300);
  const session = new pg.Client({ connectionString: databaseUrl });
  await session.connect();
  try {
    const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
    const beganMs = performance.now();
    await expect(session.query(statement)).rejects.toThrow(/^events that may be unpublished: 300000\./);
    const tookMs = performance.now() - beganMs;
    // The page says 2 s; a busy machine may need many times as long.
    expect(tookMs).toBeLessThan(60_000);
    // Their rows have 100 MB. Decoding keeps 64 MB of them (logical_decoding_work_mem), the result 4 MB (work_mem), and the
    // buffers that it has touched count too: 16 MB. The rest is on disk, or was never kept.
    if (process.platform === 'linux') {
      const [, highKb] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${rows[0]!.pid}/status`, 'utf8'))!;
      expect(Number(highKb) / 1024).toBeLessThan(160);
    }
    expect(await left()).toEqual(all);
    await session.query(withoutRefusal(statement));
    expect(await left()).toEqual([]);
  } finally {
    await session.end();
  }
});
