import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { Capture } from '../../../relay/capture/capture.ts';
import { parseTimelineHistory } from '../../../relay/capture/server-identity.ts';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import { RelayError } from '../../../relay/errors.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import { insertOf, type OutboxDatabase, openCapture, openOutboxDatabase, take } from './database.ts';
import { rowsOf } from './rows.ts';

let outbox: OutboxDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  outbox = await openOutboxDatabase();
  pool = outbox.pool;
});
afterAll(() => outbox[Symbol.asyncDispose]());

const keys = (taken: readonly CommittedTransaction[]) =>
  taken.flatMap((transaction) => rowsOf(transaction).map(({ aggregateid }) => aggregateid));
/** Until the event of that key has come. */
const until = (key: string) => (taken: readonly CommittedTransaction[]) => {
  const last = taken.at(-1);
  return last !== undefined && keys([last]).includes(key);
};
const withEvents = (taken: readonly CommittedTransaction[]) => taken.filter(({ rows }) => rows.length > 0);
const codeOf = (error: unknown) => (error instanceof RelayError ? error.code : String(error));
const failureOf = (work: Promise<unknown>) => work.then(() => 'no failure', codeOf);

async function inTransaction(
  work: (client: pg.PoolClient) => Promise<unknown>,
  end = 'commit',
): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await work(client);
    await client.query(end);
  } finally {
    client.release();
  }
}

describe('what was committed', () => {
  test('arrives in commit order, each with its LSNs, whatever the order in which it was begun', async () => {
    const config = await outbox.newSlot();
    const first = await pool.connect();
    await first.query('begin');
    await first.query(insertOf('began-first'));
    await pool.query(insertOf('a'));
    await inTransaction((client) => client.query(insertOf('b')));
    await first.query('commit');
    first.release();
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const taken = withEvents(await take(stream.capture, until('end')));
    expect(keys(taken)).toEqual(['a', 'b', 'began-first', 'end']);
    for (const { commitLsn, endLsn } of taken) expect(commitLsn < (endLsn ?? 0n)).toBe(true);
    for (const [index, { commitLsn }] of taken.entries())
      if (index > 0) expect(commitLsn >= (taken[index - 1]?.endLsn ?? 0n)).toBe(true);
    expect(stream.capture.serverLsn >= (taken.at(-1)?.endLsn ?? 0n)).toBe(true);
  });

  test('holds nothing of what was rolled back, wholly or to a savepoint', async () => {
    const config = await outbox.newSlot();
    await inTransaction((client) => client.query(insertOf('rolled back')), 'rollback');
    await inTransaction(async (client) => {
      await client.query(insertOf('kept'));
      await client.query('savepoint s');
      await client.query(insertOf('undone'));
      await client.query('rollback to savepoint s');
      await client.query(insertOf('kept too'));
    });
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    expect(keys(await take(stream.capture, until('end')))).toEqual(['kept', 'kept too', 'end']);
  });

  test('has one LSN for all rows of a statement, and an ordinal for each', async () => {
    const config = await outbox.newSlot();
    await pool.query(insertOf('0', '1', '2'));
    await pool.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload)
      select 'order', i::text, 'Placed', '{}' from generate_series(3, 1002) i`);
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const taken = withEvents(await take(stream.capture, until('end')));
    expect(taken.map(({ firstOrdinal, rows }) => [firstOrdinal, rows.length])).toEqual([
      [0, 3],
      [0, 1000],
      [0, 1],
    ]);
    expect(keys(taken)).toEqual([...Array.from({ length: 1003 }, (_, index) => String(index)), 'end']);
  });

  test('by COPY arrives as one transaction', async () => {
    const config = await outbox.newSlot();
    await pool.query(`copy outbox.event (aggregatetype, aggregateid, type, payload)
      from program 'for i in 1 2 3; do printf "order\\tc$i\\tPlaced\\t{}\\n"; done'`);
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const taken = withEvents(await take(stream.capture, until('end')));
    expect(taken.map((one) => keys([one]))).toEqual([['c1', 'c2', 'c3'], ['end']]);
  });

  test('in part of a transaction over the limit comes with the ordinals going on', async () => {
    const config = await outbox.newSlot({
      PUBLISH_MAX_TRANSACTION_EVENTS: 400,
      PUBLISH_BATCH_EVENTS: 400,
    });
    await pool.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload)
      select 'order', i::text, 'Placed', '{}' from generate_series(0, 999) i`);
    await using stream = await openCapture(config);
    const taken = withEvents(await take(stream.capture, until('999')));
    expect(taken.map(({ firstOrdinal, rows }) => [firstOrdinal, rows.length])).toEqual([
      [0, 400],
      [400, 400],
      [800, 200],
    ]);
    expect(taken.map(({ endLsn }) => endLsn === null)).toEqual([true, true, false]);
    expect(keys(taken)).toEqual(Array.from({ length: 1000 }, (_, index) => String(index)));
  });

  test('and deleted again in the same transaction is an event; deleting and updating are none', async () => {
    const config = await outbox.newSlot();
    await inTransaction(async (client) => {
      await client.query(insertOf('at once gone'));
      await client.query(`delete from outbox.event where aggregateid = 'at once gone'`);
    });
    await pool.query(insertOf('end'));
    await pool.query(`delete from outbox.event where aggregateid = 'end'`);
    await pool.query(insertOf('last'));
    await using stream = await openCapture(config);
    expect(keys(await take(stream.capture, until('last')))).toEqual(['at once gone', 'end', 'last']);
  });

  test('keeps every digit, every microsecond and every character', async () => {
    const config = await outbox.newSlot();
    const payload =
      '{"big": 9007199254740993, "tiny":1e-400,  "text":"Zoë 💶 \\u00e9\\n","big":18446744073709551615}';
    const createdAt = '2026-01-02 03:04:05.678901+00';
    await pool.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers, created_at)
       values ('b1f2c3d4-0000-4000-8000-00000000002a', $1, $2, $3, $4, null, $5)`,
      ['Bestellung ü', '', 'Placed 💶', payload, createdAt],
    );
    await using stream = await openCapture(config);
    const [only] = withEvents(await take(stream.capture, (taken) => withEvents(taken).length === 1));
    expect(only?.rows.at(0)).toEqual({
      id: 'b1f2c3d4-0000-4000-8000-00000000002a',
      aggregatetype: 'Bestellung ü',
      aggregateid: '',
      type: 'Placed 💶',
      payload,
      headers: null,
      createdAt,
    });
    expect(Math.abs((only?.committedAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test('shows the time in one form, whatever the database has for its default', async () => {
    await pool.query(`alter database ${outbox.database.name} set timezone = 'Asia/Kathmandu'`);
    await pool.query(`alter database ${outbox.database.name} set datestyle = 'German'`);
    try {
      const config = await outbox.newSlot();
      await pool.query(
        `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
         values ('order', '1', 'Placed', '{}', '2026-01-02T03:04:05.678901Z')`,
      );
      await using stream = await openCapture(config);
      const [only] = withEvents(await take(stream.capture, (taken) => withEvents(taken).length === 1));
      expect(only?.rows.at(0)?.createdAt).toBe('2026-01-02 03:04:05.678901+00');
    } finally {
      await pool.query(`alter database ${outbox.database.name} reset all`);
    }
  });

  test('brings the heartbeats of our slot, and no others', async () => {
    const config = await outbox.newSlot();
    await pool.query(`insert into outbox.heartbeat (slot, beat) values ($1, 7), ('another', 99)`, [
      config.slot.name,
    ]);
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const taken = await take(stream.capture, until('end'));
    expect(taken.filter(({ beat }) => beat !== undefined).map(({ beat }) => beat)).toEqual([7]);
    expect(stream.capture.beat).toBe(7);
  });

  test('after a column was added and the table was altered in mid-transaction is read by name', async () => {
    const config = await outbox.newSlot();
    await inTransaction(async (client) => {
      await client.query(insertOf('before'));
      await client.query('alter table outbox.event add column tenant text');
      await client.query(insertOf('after'));
      await client.query('alter table outbox.event drop column tenant');
      await client.query(insertOf('last'));
    });
    await using stream = await openCapture(config);
    const rows = (await take(stream.capture, until('last'))).flatMap(rowsOf);
    expect(rows.map(({ aggregateid, type }) => [aggregateid, type])).toEqual([
      ['before', 'Placed'],
      ['after', 'Placed'],
      ['last', 'Placed'],
    ]);
  });

  test('of a row in a partition made later comes under the name of the root', async () => {
    const config = await outbox.newSlot();
    await pool.query('select outbox.ensure_partitions(9)');
    await pool.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
      values ('order', 'in nine days', 'Placed', '{}', now() + interval '9 days')`);
    await using stream = await openCapture(config);
    expect(keys(await take(stream.capture, until('in nine days')))).toEqual(['in nine days']);
  });
});

describe('the role of the relay', () => {
  test('may stream with the rights of roles.sql, without being superuser', async () => {
    const config = await outbox.newSlot();
    const name = `outbox_relay_login_${config.slot.name}`;
    await pool.query(await readFile(new URL('../../../migrations/roles.sql', import.meta.url), 'utf8'));
    await pool.query(`create role ${name} login replication password 'of-a-test' in role outbox_relay`);
    try {
      const url = new URL(outbox.database.url);
      url.username = name;
      url.password = 'of-a-test';
      await pool.query(insertOf('end'));
      await using stream = await openCapture(outbox.configWith({ SLOT: config.slot.name }, url.href));
      expect(keys(await take(stream.capture, until('end')))).toEqual(['end']);
    } finally {
      await pool.query(`drop role ${name}`);
    }
  });
});

describe('who the server is', () => {
  test('is what the server says of itself', async () => {
    await using stream = await openCapture(await outbox.newSlot());
    const { rows } = await pool.query('select system_identifier::text as id from pg_control_system()');
    expect(stream.capture.system).toEqual({ systemIdentifier: rows[0].id, timeline: 1, history: [] });
  });

  test('a timeline history is read line by line', () => {
    const content = `# a comment\n1\t0/3000148\tno recovery target specified\n\n2\t16/B374D848\tbefore 2026-01-02\n`;
    expect(parseTimelineHistory(content)).toEqual([
      { timeline: 1, switchLsn: 0x300_0148n },
      { timeline: 2, switchLsn: 0x16_b374_d848n },
    ]);
    expect(parseTimelineHistory('')).toEqual([]);
  });
});

/** Resolves when the walsender of the slot has had status updates over that long, by the times they were sent at. */
async function heardFor(slot: string, ms: number): Promise<void> {
  const patient = { timeout: 30_000, interval: 50 };
  const sentMs = async (): Promise<number | undefined> => {
    const { rows } = await pool.query<{ ms: number | null }>(
      `select (extract(epoch from reply_time) * 1000)::float8 as ms
         from pg_stat_replication join pg_replication_slots on active_pid = pid where slot_name = $1`,
      [slot],
    );
    return rows[0]?.ms ?? undefined;
  };
  const firstMs = await vi.waitUntil(sentMs, patient);
  await vi.waitUntil(async () => ((await sentMs()) ?? firstMs) - firstMs >= ms, patient);
}

describe('the bound on memory', () => {
  /** A socket's read, and a part, which is handed over whole. */
  const overshootBytes = (config: { publish: { maxTransactionBytes: number } }) =>
    64 * 1024 + config.publish.maxTransactionBytes;
  const settings = {
    CAPTURE_MAX_IN_FLIGHT_BYTES: 512 * 1024,
    PUBLISH_MAX_TRANSACTION_BYTES: 64 * 1024,
    PUBLISH_BATCH_BYTES: 64 * 1024,
    CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000,
    CAPTURE_WATCHDOG_MS: 3_000,
  };

  test('holds while nothing is taken for longer than the server waits; then all 50,000 come', async () => {
    const config = await outbox.newSlot(settings);
    await pool.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload)
      select 'order', i::text, 'Placed', '{}' from generate_series(0, 24999) i`);
    await pool.query(`do $$ begin for i in 25000..49999 loop
      insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('order', i, 'Placed', '{}');
      if i % 50 = 49 then commit; end if;
    end loop; end $$`);
    await using stream = await openCapture(config);
    const { inbox } = stream.capture;
    await vi.waitFor(() => expect(inbox.isFull).toBe(true), { timeout: 30_000, interval: 5 });
    const heldBytes = inbox.bytes;
    // Longer than wal_sender_timeout, and the watchdog: only our own status updates keep the connection.
    const ended = await Promise.race([inbox.failed, heardFor(config.slot.name, 4_500)]);
    expect(ended).toBeUndefined();
    expect(inbox.bytes).toBe(heldBytes);
    let mostBytes = heldBytes;
    const isLast = until('49999');
    const taken = await take(stream.capture, (sofar) => {
      mostBytes = Math.max(mostBytes, inbox.bytes);
      return isLast(sofar);
    });
    expect(keys(taken)).toEqual(Array.from({ length: 50_000 }, (_, index) => String(index)));
    expect(inbox.bytes).toBe(0);
    expect(mostBytes).toBeLessThanOrEqual(config.capture.maxInFlightBytes + overshootBytes(config));
  });

  test('lets the stream be closed while it is paused', async () => {
    const config = await outbox.newSlot(settings);
    await pool.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload)
      select 'order', i::text, 'Placed', '{}' from generate_series(0, 24999) i`);
    const capture = await Capture.open(config);
    await vi.waitFor(() => expect(capture.inbox.isFull).toBe(true), { timeout: 30_000, interval: 5 });
    const begunMs = performance.now();
    await capture.close();
    expect(performance.now() - begunMs).toBeLessThan(1_000);
    // And the slot is free for the next one, which gets everything.
    const next = await vi.waitFor(() => Capture.open(config), { timeout: 30_000, interval: 50 });
    expect(keys(await take(next, until('24999')))).toHaveLength(25_000);
    await next.close();
  });
});

describe('acknowledging', () => {
  test('confirms exactly the LSN that was given, never more', async () => {
    const config = await outbox.newSlot();
    const before = await outbox.confirmedLsn(config.slot.name);
    for (const key of ['1', '2', '3', '4']) await pool.query(insertOf(key));
    await using stream = await openCapture(config);
    const ends = withEvents(await take(stream.capture, until('4'))).map(({ endLsn }) => endLsn ?? 0n);
    await stream.capture.flush(5_000);
    expect(await outbox.confirmedLsn(config.slot.name)).toBe(before); // all received, nothing acknowledged
    for (const end of [ends[0], ends[2]]) {
      stream.capture.acknowledge(end ?? 0n);
      await stream.capture.flush(5_000);
      expect(await outbox.confirmedLsn(config.slot.name)).toBe(end);
    }
    stream.capture.acknowledge(ends[1] ?? 0n); // never back
    await stream.capture.flush(5_000);
    expect(await outbox.confirmedLsn(config.slot.name)).toBe(ends[2]);
  });

  test('reaches the server by itself, and so does the news that we are alive', async () => {
    const config = await outbox.newSlot();
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const end = (await take(stream.capture, until('end'))).at(-1)?.endLsn ?? 0n;
    stream.capture.acknowledge(end);
    await vi.waitFor(async () => expect(await outbox.confirmedLsn(config.slot.name)).toBe(end), {
      timeout: 30_000,
      interval: 50,
    });
  });

  test('of one transaction never costs the next, though it may begin where the other ends', async () => {
    const config = await outbox.newSlot();
    const open = () => vi.waitFor(() => Capture.open(config), { timeout: 30_000, interval: 10 });
    // Nothing else writes between two of these commits often enough for some to touch.
    await pool.query(`do $$ begin for i in 1..60 loop
      insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('order', i, 'Placed', '{}'); commit;
      perform pg_logical_emit_message(true, 'outbox-relay test', ''); commit;
    end loop; end $$`);
    let capture = await open();
    const all = withEvents(await take(capture, until('60')));
    expect(keys(all)).toHaveLength(60);
    for (let index = 0; index < 60; index += 6) {
      capture.acknowledge(all[index]?.endLsn ?? 0n);
      await capture.flush(5_000);
      await capture.close();
      capture = await open();
      const rest = index === 59 ? [] : await take(capture, until('60'));
      expect(keys(rest)[0]).toBe(String(index + 2));
    }
    await capture.close();
  });

  test('of an LSN that equals the commit LSN of a transaction leaves that one to be delivered', async () => {
    const config = await outbox.newSlot();
    await pool.query(insertOf('1'));
    await pool.query(insertOf('2'));
    const first = await Capture.open(config);
    const [, second] = withEvents(await take(first, until('2')));
    first.acknowledge(second?.commitLsn ?? 0n);
    await first.flush(5_000);
    await first.close();
    expect(await outbox.confirmedLsn(config.slot.name)).toBe(second?.commitLsn);
    const next = await vi.waitFor(() => Capture.open(config), { timeout: 30_000, interval: 10 });
    expect(keys(await take(next, until('2')))).toEqual(['2']);
    await next.close();
  });
});

describe('what ends the stream', () => {
  test('is told by its code when the slot is taken, and the one who has it streams on', async () => {
    const config = await outbox.newSlot();
    await using stream = await openCapture(config);
    expect(await failureOf(Capture.open(config))).toBe('SLOT_IN_USE');
    await pool.query(insertOf('end'));
    expect(keys(await take(stream.capture, until('end')))).toEqual(['end']);
  });

  test('a slot that is not there is SLOT_MISSING', async () => {
    expect(await failureOf(Capture.open(outbox.configWith({ SLOT: 'nobody_made_it' })))).toBe('SLOT_MISSING');
  });

  test('nobody listening is POSTGRES_UNAVAILABLE', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const url = `postgres://u:p@127.0.0.1:${port}/x`;
    expect(await failureOf(Capture.open(outbox.configWith({}, url)))).toBe('POSTGRES_UNAVAILABLE');
  });

  test('a wrong password is POSTGRES_UNAUTHORIZED, and is not told', async () => {
    const url = new URL(outbox.database.url);
    url.password = 'canary-4711';
    const error: unknown = await Capture.open(outbox.configWith({}, url.href)).catch(
      (cause: unknown) => cause,
    );
    expect(codeOf(error)).toBe('POSTGRES_UNAUTHORIZED');
    expect(String(error)).not.toContain('canary');
  });

  test('a walsender that is terminated is POSTGRES_UNAVAILABLE, and wakes who waits', async () => {
    const config = await outbox.newSlot();
    await using stream = await openCapture(config);
    const waiting = failureOf(stream.capture.inbox.arrival());
    await pool.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1',
      [config.slot.name],
    );
    expect(await waiting).toBe('POSTGRES_UNAVAILABLE');
    expect(codeOf(await stream.capture.inbox.failed)).toBe('POSTGRES_UNAVAILABLE');
    await stream.capture.flush(5_000); // does not hang
  });

  test('is not an event without a column we need, which is a fault in its place', async () => {
    const config = await outbox.newSlot({ OUTBOX_COLUMNS_PAYLOAD: 'body' });
    await pool.query(insertOf('end'));
    await using stream = await openCapture(config);
    const [only] = await take(stream.capture, (taken) => taken.at(-1)?.fault !== undefined);
    expect(only?.fault).toMatchObject({ code: 'OUTBOX_TABLE_INVALID' });
    expect(only?.rows).toHaveLength(0);
  });

  test('silence of the network is REPLICATION_STALLED', async () => {
    const { url } = outbox.database;
    await using proxy = await TcpProxy.before(url);
    const limits = { CAPTURE_WATCHDOG_MS: 3_000, CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000 };
    const {
      slot: { name: slot },
    } = await outbox.newSlot(limits);
    const capture = await Capture.open(outbox.configWith({ SLOT: slot, ...limits }, proxy.through(url)));
    try {
      proxy.silence();
      expect(codeOf(await capture.inbox.failed)).toBe('REPLICATION_STALLED');
    } finally {
      await capture.close();
    }
  });

  test('nothing that arrives after the failure says how far the stream has got', async () => {
    const { url } = outbox.database;
    await using proxy = await TcpProxy.before(url);
    let heard = Promise.withResolvers<void>();
    proxy.listen = () => ({ fromClient: () => {}, fromServer: () => heard.resolve() });
    const {
      slot: { name: slot },
    } = await outbox.newSlot();
    const config = outbox.configWith({ SLOT: slot }, proxy.through(url));
    // Below what a setting may be, so that the server has more patience than the watchdog, and goes on.
    const limits = { ...config.capture, watchdogMs: 1_500, walSenderTimeoutMs: 60_000 };
    const capture = await Capture.open({ ...config, capture: limits });
    try {
      proxy.silence();
      heard = Promise.withResolvers();
      expect(codeOf(await capture.inbox.failed)).toBe('REPLICATION_STALLED');
      const before = capture.serverLsn;
      await pool.query(insertOf('late'));
      await heard.promise; // and held, with all behind it
      proxy.calm();
      // Each status that goes out by now asks for an answer.
      await delay(2_500);
      expect(capture.serverLsn).toBe(before);
    } finally {
      await capture.close();
    }
  });

  test('a stall of this process is not taken for silence of the server', async () => {
    const config = await outbox.newSlot();
    // Below what a setting may be, so that the server itself has more patience than the watchdog.
    await using stream = await openCapture({
      ...config,
      capture: { ...config.capture, watchdogMs: 1_500, walSenderTimeoutMs: 60_000 },
    });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_500);
    await pool.query(insertOf('end'));
    expect(keys(await take(stream.capture, until('end')))).toEqual(['end']);
    expect(stream.capture.inbox.failure).toBeUndefined();
  });

  test('a server that falls silent before the stream begins is REPLICATION_STALLED too', async () => {
    const { url } = outbox.database;
    await using proxy = await TcpProxy.before(url);
    // The server is heard until it is asked who it is, which comes first once the session is open.
    const fromClient = (chunk: Buffer) => {
      if (chunk.includes('IDENTIFY_SYSTEM')) proxy.silence();
    };
    proxy.listen = () => ({ fromClient, fromServer: () => {} });
    const limits = {
      CAPTURE_WATCHDOG_MS: 3_000,
      CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000,
      DATABASE_CONNECT_TIMEOUT_MS: 500,
    };
    const {
      slot: { name: slot },
    } = await outbox.newSlot();
    const opened = Capture.open(outbox.configWith({ SLOT: slot, ...limits }, proxy.through(url)));
    expect(await failureOf(opened)).toBe('REPLICATION_STALLED');
  });

  test('a server with nothing to say is not taken for silence', async () => {
    const config = await outbox.newSlot({ CAPTURE_WATCHDOG_MS: 3_000, CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000 });
    await using stream = await openCapture(config);
    const ended = await Promise.race([stream.capture.inbox.failed, heardFor(config.slot.name, 4_000)]);
    expect(ended).toBeUndefined();
  });
});

test('the position of the server is known without any event', async () => {
  const config = await outbox.newSlot();
  await using stream = await openCapture(config);
  await pool.query('create table if not exists other (id int)');
  await pool.query('insert into other values (1)');
  const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn');
  const target = parseLsn(rows[0]?.lsn ?? '');
  await vi.waitFor(
    async () => {
      await stream.capture.flush(1_000);
      expect(stream.capture.serverLsn >= target).toBe(true);
    },
    { timeout: 30_000, interval: 20 },
  );
});
