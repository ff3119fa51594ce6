import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { Capture } from '../../../relay/capture/capture.ts';
import { observeSlot } from '../../../relay/capture/observe-slot.ts';
import { readPublication } from '../../../relay/capture/publication.ts';
import {
  createSlot,
  dropMadeSlot,
  dropSlot,
  readSlot,
  renewSlotWithSnapshot,
} from '../../../relay/capture/slot.ts';
import type { Blocker } from '../../../relay/capture/watch-slot-creation.ts';
import { RelayError } from '../../../relay/errors.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { createDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';
import { type OutboxDatabase, openCapture, openOutboxDatabase } from './database.ts';

let outbox: OutboxDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  outbox = await openOutboxDatabase();
  pool = outbox.pool;
});
afterAll(() => outbox[Symbol.asyncDispose]());

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no failure',
    (error: unknown) => (error instanceof RelayError ? error.code : String(error)),
  );

describe('a slot', () => {
  test('that nobody made is undefined', async () => {
    expect(await readSlot(pool, 'nobody_made_it')).toBeUndefined();
  });

  test('tells where it is and who reads it', async () => {
    const config = await outbox.newSlot();
    const free = await readSlot(pool, config.slot.name);
    expect(free).toMatchObject({ isActive: false, activePid: null, walStatus: 'reserved' });
    expect(free?.confirmedLsn).toBe(await outbox.confirmedLsn(config.slot.name));
    await using _ = await openCapture(config);
    const taken = await readSlot(pool, config.slot.name);
    expect(taken).toMatchObject({ isActive: true, activePid: expect.any(Number) });
    expect(taken?.retainedBytes).toBeGreaterThanOrEqual(0);
  });

  test('that is physical, or of another database, is not ours', async () => {
    const physical = unique('physical');
    await pool.query('select pg_create_physical_replication_slot($1)', [physical]);
    expect(await codeOf(readSlot(pool, physical))).toBe('SLOT_WRONG_KIND');
    await pool.query('select pg_drop_replication_slot($1)', [physical]);
    await using other = await createDatabase();
    const elsewhere = unique('elsewhere');
    await createSlot(configOf({ SLOT: elsewhere }, { databaseUrl: other.url }));
    expect(await codeOf(readSlot(pool, elsewhere))).toBe('SLOT_WRONG_KIND');
  });
});

describe('making a slot', () => {
  test('twice at once makes one', async () => {
    const config = outbox.configWith({ SLOT: unique('slot') });
    await Promise.all([createSlot(config), createSlot(config), createSlot(config)]);
    expect(await readSlot(pool, config.slot.name)).toBeDefined();
  });

  test('takes as long as the transactions that run now, and others take it for one in use meanwhile', async () => {
    const config = outbox.configWith({ SLOT: unique('slot') });
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select pg_current_xact_id()');
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const told: (readonly Blocker[])[] = [];
    const making = createSlot(config, { pool, everyMs: 20, onWaiting: (blockers) => told.push(blockers) });
    try {
      await vi.waitFor(
        async () => {
          expect(await readSlot(pool, config.slot.name)).toMatchObject({ isActive: true, confirmedLsn: 0n });
          expect(told.at(-1)).toMatchObject([
            { pid: rows[0]?.pid, user: expect.any(String), openForSeconds: expect.any(Number) },
          ]);
        },
        { timeout: 30_000 },
      );
    } finally {
      // Every other slot would wait for it too.
      await client.query('rollback');
      client.release();
    }
    await making;
    expect(await readSlot(pool, config.slot.name)).toMatchObject({ isActive: false });
  });

  test('names a prepared transaction that it waits for', async () => {
    const config = outbox.configWith({ SLOT: unique('slot') });
    const gid = unique('prepared');
    await pool.query(`begin; select pg_current_xact_id(); prepare transaction '${gid}'`);
    const told: (readonly Blocker[])[] = [];
    const making = createSlot(config, { pool, everyMs: 20, onWaiting: (blockers) => told.push(blockers) });
    await vi
      .waitFor(() => expect(told.at(-1)).toMatchObject([{ pid: null, prepared: gid }]), { timeout: 30_000 })
      .finally(() => pool.query(`rollback prepared '${gid}'`));
    await making;
  });

  test('is given up where its connection died and nobody said so', async () => {
    const url = new URL(outbox.database.url);
    const proxy = await TcpProxy.open(Number(url.port));
    url.port = String(proxy.port);
    const config = outbox.configWith({ SLOT: unique('slot') }, url.href);
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select pg_current_xact_id()');
    const waiting = Promise.withResolvers<void>();
    const making = createSlot(config, { pool, everyMs: 20, onWaiting: () => waiting.resolve() });
    await waiting.promise;
    proxy.silence();
    await client.query('rollback');
    client.release();
    await expect(making).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    proxy.close();
  });

  test('again leaves it where it was', async () => {
    const config = await outbox.newSlot();
    const before = await outbox.confirmedLsn(config.slot.name);
    await pool.query('select pg_logical_emit_message(true, $1, $1)', ['x']);
    await createSlot(config);
    expect(await outbox.confirmedLsn(config.slot.name)).toBe(before);
  });

  test('makes one that standby servers can keep a copy of, where the server can', async () => {
    const config = await outbox.newSlot();
    const { rows } = await pool.query(
      `select to_jsonb(s) -> 'failover' as failover, s.two_phase,
              current_setting('server_version_num')::int >= 170000 as can
         from pg_replication_slots s where slot_name = $1`,
      [config.slot.name],
    );
    expect(rows[0]).toMatchObject({ failover: rows[0].can ? true : null, two_phase: false });
  });

  test('makes an ordinary one where the setting says so', async () => {
    const config = await outbox.newSlot({ CAPTURE_FAILOVER_SLOT: false });
    const { rows } = await pool.query(
      `select to_jsonb(s) ->> 'failover' as failover from pg_replication_slots s where slot_name = $1`,
      [config.slot.name],
    );
    expect(rows[0].failover).not.toBe('true');
  });

  test.each([true, false])(
    'with its snapshot shows exactly what the slot will not stream (failover %s)',
    async (failover) => {
      const config = await outbox.newSlot({ CAPTURE_FAILOVER_SLOT: failover });
      const client = new pg.Client({ connectionString: outbox.database.url });
      await client.connect();
      const insert = async (count: number) =>
        (
          await pool.query<{ id: string }>(
            `insert into outbox.event (aggregatetype, aggregateid, type) select 'order', n, 'Placed'
             from generate_series(1, $1) n returning id`,
            [count],
          )
        ).rows.map(({ id }) => id);
      const ids = await insert(2);
      const kinds = `select plugin, two_phase, to_jsonb(s) -> 'failover' as failover from pg_replication_slots s where slot_name = $1`;
      const before = (await pool.query(kinds, [config.slot.name])).rows;
      // Another process may have made it since this one found a slot lost.
      expect(await codeOf(renewSlotWithSnapshot(config))).toBe('SLOT_IN_USE');
      expect((await pool.query(kinds, [config.slot.name])).rows).toEqual(before);
      await dropSlot(pool, config.slot.name);
      try {
        await using renewed = await renewSlotWithSnapshot(config);
        expect(renewed.consistentLsn).toBe(await outbox.confirmedLsn(config.slot.name));
        expect((await pool.query(kinds, [config.slot.name])).rows).toEqual(before);
        const later = await insert(1);
        await client.query('begin isolation level repeatable read, read only');
        await client.query(`set transaction snapshot '${renewed.snapshot}'`);
        const { rows } = await client.query('select id from outbox.event where id = any($1)', [
          [...ids, ...later],
        ]);
        expect(rows.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      } finally {
        await client.end();
      }
    },
  );

  test('without the right to is told as that', async () => {
    const name = unique('nobody');
    await pool.query(`create role ${name} login password 'of-a-test'`);
    try {
      const url = new URL(outbox.database.url);
      url.username = name;
      url.password = 'of-a-test';
      const config = outbox.configWith({ SLOT: unique('slot') }, url.href);
      expect(await codeOf(createSlot(config))).toBe('POSTGRES_UNAUTHORIZED');
      expect(await codeOf(Capture.open(config))).toBe('POSTGRES_UNAUTHORIZED');
    } finally {
      await pool.query(`drop role ${name}`);
    }
  });
});

async function major(client: pg.Client | pg.Pool): Promise<number> {
  const { rows } = await client.query(`select current_setting('server_version_num')::int / 10000 as major`);
  return rows[0].major;
}

describe('a server of its own', () => {
  let server: Postgres;
  let client: pg.Client;
  const configFor = (slot: string) => configOf({ SLOT: slot }, { databaseUrl: server.url });
  const connect = async () => {
    client = new pg.Client({ connectionString: server.url });
    await client.connect();
  };
  beforeAll(async () => {
    server = await startPostgres({
      settings: {
        fsync: 'off',
        max_replication_slots: 1,
        max_slot_wal_keep_size: '1MB',
        max_wal_size: '32MB',
      },
    });
    await connect();
  });
  afterAll(async () => {
    await client.end();
    await server.stop();
  });

  test('that has no slot left cannot serve the relay', async () => {
    await createSlot(configFor('only_one'));
    expect(await codeOf(createSlot(configFor('one_more')))).toBe('POSTGRES_UNSUITABLE');
    expect(await codeOf(renewSlotWithSnapshot(configFor('one_more')))).toBe('POSTGRES_UNSUITABLE');
  });

  test('that gave up the WAL of a slot says so, to who asks and to who streams', async () => {
    await client.query('create table if not exists filler (x text)');
    const before = await readSlot(client, 'only_one');
    expect(before).toMatchObject({ walStatus: 'reserved', safeWalBytes: expect.any(Number) });
    for (let i = 0; i < 4; i++) {
      await client.query(`insert into filler select repeat('x', 1000) from generate_series(1, 1000)`);
      await client.query('select pg_switch_wal()');
    }
    await client.query('checkpoint');
    const slotLost = vi.fn();
    expect(await codeOf(observeSlot(client, 'only_one', { slotLost }))).toBe('SLOT_INVALIDATED');
    // The reason came with 17.
    const reason = (await major(client)) >= 17 ? 'wal_removed' : null;
    expect(slotLost.mock.calls).toEqual([[{ reason }]]);
    expect(await codeOf(Capture.open(configFor('only_one')))).toBe('SLOT_INVALIDATED');
    // The walsender that was refused may still be about to let go of it. There is no slot for another one.
    const renew = async () => {
      await using renewed = await renewSlotWithSnapshot(configFor('only_one'));
      return renewed.consistentLsn;
    };
    let madeLsn = 0n;
    await expect
      .poll(async () => {
        madeLsn = await renew().catch(() => 0n);
        return madeLsn;
      })
      .toBeGreaterThan(0n);
    const drop = (lsn: bigint, isOurs: boolean) => dropMadeSlot(pool, 'only_one', lsn, async () => isOurs);
    const isThere = async () => (await readSlot(client, 'only_one')) !== undefined;
    const pool = new pg.Pool({ connectionString: server.url });
    pool.on('error', () => {}); // the next test ends its server, perhaps before the session has ended
    try {
      await drop(madeLsn - 8n, true); // another process has moved it
      await drop(madeLsn, false);
      expect(await isThere()).toBe(true);
      await drop(madeLsn, true);
      expect(await isThere()).toBe(false);
    } finally {
      await pool.end();
    }
  });

  test('whose wal_level is not logical cannot serve the relay', async () => {
    await client.query(`alter system set wal_level = 'replica'`);
    await client.end();
    await server.restart();
    await connect();
    expect(await codeOf(createSlot(configFor('no_level')))).toBe('POSTGRES_UNSUITABLE');
  });
});

describe('the publication', () => {
  const check = (settings = {}) => codeOf(readPublication(pool, outbox.configWith(settings)));
  const of = async (definition: string) => {
    const name = unique('publication');
    await pool.query(`create publication ${name} ${definition}`);
    try {
      return await check({ PUBLICATION: name });
    } finally {
      await pool.query(`drop publication ${name}`);
    }
  };

  test('of the migrations will do', async () => {
    expect(await check()).toBe('no failure');
  });

  test('must exist', async () => {
    expect(await check({ PUBLICATION: 'nobody_made_it' })).toBe('PUBLICATION_MISSING');
  });

  test.each([
    ['the outbox', 'for table outbox.heartbeat'],
    ['the heartbeat', 'for table outbox.event with (publish_via_partition_root)'],
    ['anything', ''],
    [
      'inserts',
      `for table outbox.event, outbox.heartbeat with (publish = 'update', publish_via_partition_root)`,
    ],
    ['the root of the partitions', 'for table outbox.event, outbox.heartbeat'],
  ])('must cover %s', async (_, definition) => {
    expect(await of(definition)).toBe('PUBLICATION_MISSING');
  });

  test.each([
    [
      'of more tables',
      'for table outbox.event, outbox.heartbeat, outbox.progress with (publish_via_partition_root)',
    ],
    ['of all tables', 'for all tables with (publish_via_partition_root)'],
  ])('%s will do', async (_, definition) => {
    expect(await of(definition)).toBe('no failure');
  });

  test('that leaves out rows would pass events over', async ({ skip }) => {
    skip((await major(pool)) < 15, 'row filters came with 15');
    const filtered = `for table outbox.event where (type <> 'x'), outbox.heartbeat with (publish = 'insert', publish_via_partition_root)`;
    expect(await of(filtered)).toBe('PUBLICATION_MISSING');
  });

  test('is of no use without the table', async () => {
    expect(await check({ OUTBOX_TABLE: 'outbox.nobody' })).toBe('OUTBOX_TABLE_INVALID');
    expect(await check({ OUTBOX_TABLE: 'Outbox.event' })).toBe('OUTBOX_TABLE_INVALID');
  });
});
