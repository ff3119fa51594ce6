/**
 * What the database itself demands before a row of the outbox table may go. On a server of its own: a transaction of
 * another test keeps what was committed after its begin from counting as published.
 */
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Postgres, startPostgres } from '../../stack/postgres.ts';
import { type Outbox, openOutbox, type Party, refusalOf } from './outbox.ts';

const partition = 'event_20200101';
const noon = '2020-01-01T12:00:00Z';

let server: Postgres;
let outbox: Outbox;
let owner: pg.Client;
let relay: pg.Client;

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'off' } });
  outbox = await openOutbox(server.url);
  owner = await outbox.connect('owner');
  relay = await outbox.connect('outbox_relay');
});
afterAll(async () => {
  await outbox?.[Symbol.asyncDispose]();
  await server?.stop({ mode: 'immediate' });
});

beforeEach(async () => {
  // What a failed test has left open.
  await owner.query(
    `set lock_timeout = '5s'; set timezone = 'UTC';
     select pg_terminate_backend(pid) from pg_stat_activity where state like 'idle in transaction%'`,
  );
  await owner.query(
    `drop table if exists outbox.${partition} cascade;
     truncate outbox.event, outbox.progress, outbox.dead_letter, outbox.removal, outbox.audit cascade`,
  );
  await startSlot('first');
  await owner.query(
    `create table outbox.${partition} partition of outbox.event for values from ('2020-01-01Z') to ('2020-01-02Z')`,
  );
});

/** A relay starts on a slot: from now on the slot brings everything. */
async function startSlot(slot: string): Promise<void> {
  await owner.query(
    `insert into outbox.progress (slot, initialised_at, end_lsn, system_identifier, snapshots_of, first_snapshot, streamed_snapshot)
     select $1, now(), pg_current_wal_insert_lsn(), identifier, identifier || '/' || oid, pg_current_snapshot(), pg_current_snapshot()
       from (select system_identifier::text as identifier from pg_control_system()) as cluster,
            pg_database where datname = current_database()`,
    [slot],
  );
}

/** The slot has published everything that is committed now. */
async function cover(slot = 'first'): Promise<void> {
  await owner.query(
    `update outbox.progress set covered_snapshot = pg_current_snapshot(), covered_at = now(), covered_beat = 1,
            end_lsn = pg_current_wal_insert_lsn() where slot = $1`,
    [slot],
  );
}

const insert = `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
  select 'order', n::text, 'OrderPlaced', '{}', $1 from generate_series(1, $2::int) as n returning id`;

async function write(rows = 3, at = noon, client: pg.Client = owner): Promise<string> {
  const result = await client.query<{ id: string }>(insert, [at, rows]);
  return result.rows[0]!.id;
}

async function open(party: Party): Promise<pg.Client> {
  const client = await outbox.connect(party);
  return client.on('error', () => {}); // the next test may end it
}

type Answer = { outcome: string; removed_rows: string };

async function drop(given: { retention?: string; keepsUnproven?: boolean; requiresVerified?: boolean } = {}) {
  const { retention = '1 day', keepsUnproven = true, requiresVerified = false } = given;
  const { rows } = await relay.query<Answer>('select * from outbox.drop_partition($1, $2, $3, $4)', [
    partition,
    retention,
    keepsUnproven,
    requiresVerified,
  ]);
  return rows[0]!.outcome;
}

async function rowsLeft(): Promise<number> {
  const { rows } = await owner.query<{ n: number }>('select count(*)::int as n from outbox.event');
  return rows[0]!.n;
}

async function letter(eventId: string | null, status: string, releasedLsn: string | null = null) {
  await owner.query(
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message, status, released_lsn)
     values ('first', '0/1', 0, $1, 'PAYLOAD_INVALID', 'x', $2, $3)`,
    [eventId, status, releasedLsn],
  );
}

test('a partition whose every row is published is dropped, and the removal is noted', async () => {
  await write();
  await cover();
  expect(await drop()).toBe('dropped');
  expect(await rowsLeft()).toBe(0);
  const { rows } = await relay.query(
    'select relation, rows_before, removed_rows, session_role from outbox.removal',
  );
  expect(rows).toEqual([
    {
      relation: `outbox.${partition}`,
      rows_before: new Date('2020-01-02T00:00:00Z'),
      removed_rows: '3',
      session_role: 'outbox_relay',
    },
  ]);
  // Its day goes to the default partition from now on: no INSERT fails.
  await write(1);
  expect(await rowsLeft()).toBe(1);
});

test('an empty partition is dropped', async () => {
  await cover();
  expect(await drop()).toBe('dropped');
});

describe('a partition stays', () => {
  afterEach(async () => {
    expect(await rowsLeft()).toBeGreaterThan(0);
  });

  test('while one of its rows is not published', async () => {
    await write();
    await cover();
    await write(1);
    expect(await drop()).toBe('uncovered');
  });

  test('while a second slot is behind', async () => {
    await startSlot('second');
    await write();
    await cover('first');
    expect(await drop()).toBe('uncovered');
    await cover('second');
    expect(await drop()).toBe('dropped');
    await write(1);
  });

  test('where no relay has ever published', async () => {
    await write();
    await owner.query('delete from outbox.progress');
    expect(await drop()).toBe('uncovered');
  });

  test('where a slot has published from another database', async () => {
    await write();
    await cover();
    await owner.query(`update outbox.progress set snapshots_of = '7000000000000000001/5'`);
    expect(await drop({ keepsUnproven: false })).toBe('uncovered');
  });

  test('while an open transaction has written to it', async () => {
    await write();
    await cover();
    const writer = await open('outbox_writer');
    await writer.query('begin');
    await writer.query(insert.replace(' returning id', ''), [noon, 1]);
    expect(await drop()).toBe('writing');
    await writer.query('commit');
    expect(await drop()).toBe('uncovered');
  });

  test('where a transaction that ran when the snapshot was taken wrote the row, in a savepoint too', async () => {
    const writer = await open('owner');
    await writer.query('begin; select pg_current_xact_id()');
    await writer.query('savepoint inner_one');
    await write(1, noon, writer);
    await owner.query('select pg_current_xact_id()');
    await cover();
    await writer.query('commit');
    expect(await drop()).toBe('uncovered');
    await cover();
    expect(await drop()).toBe('dropped');
    await write(1);
  });

  test('before its retention has passed', async () => {
    await write();
    await cover();
    expect(await drop({ retention: '100 years' })).toBe('retention');
  });

  test('until its retention has passed for its last row, not for its first', async () => {
    await write();
    await cover();
    const ended = `extract(epoch from now() - timestamptz '2020-01-02Z')`;
    const { rows } = await owner.query<{ s: string }>(`select ${ended}::bigint as s`);
    const secondsAgo = Number(rows[0]!.s);
    expect(await drop({ retention: `${secondsAgo + 3_600} seconds` })).toBe('retention');
    expect(await drop({ retention: `${secondsAgo - 3_600} seconds` })).toBe('dropped');
    await write(1);
  });

  test.each([['open'], ['parked']])('while a dead letter of it is %s', async (status) => {
    const id = await write();
    await letter(id, status);
    await cover();
    expect(await drop()).toBe('waiting');
    await owner.query(`update outbox.dead_letter set status = 'discarded'`);
    expect(await drop()).toBe('dropped');
    await write(1);
  });

  test('while the release of a dead letter can be undone', async () => {
    const id = await write();
    await cover();
    await letter(id, 'released', '7FFFFFFF/0');
    expect(await drop()).toBe('waiting');
    await owner.query(`update outbox.dead_letter set released_lsn = '0/2'`);
    expect(await drop()).toBe('dropped');
    await write(1);
  });

  test('while a dead letter is open that names no event', async () => {
    await write();
    await cover();
    await letter(null, 'open');
    expect(await drop()).toBe('waiting');
  });

  test('where no trigger keeps rows from being updated', async () => {
    await write();
    await cover();
    await owner.query(`alter table outbox.${partition} disable trigger refuse_update`);
    expect(await drop()).toBe('unguarded');
  });

  test('while something depends on it', async () => {
    await write();
    await cover();
    await owner.query(`create view outbox.of_that_day as select * from outbox.${partition}`);
    expect(await drop()).toBe('dependents');
  });

  test('where the audit has not compared it, if that is asked for', async () => {
    await write();
    await cover();
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query(
      `insert into outbox.audit (slot, system_identifier, database_oid, outbox_table, started_at, started_because, verified_below, missing_open)
       select slot, system_identifier, split_part(snapshots_of, '/', 2)::oid, 'outbox.event', now(), 'first run',
              pg_snapshot_xmin(pg_current_snapshot()), 1 from outbox.progress`,
    );
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query(
      `update outbox.audit set missing_open = 0, unjudged = '{"missingOrRemoved": 1, "expired": 2}'`,
    );
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query(`update outbox.audit set unjudged = '{"expired": 3}', outbox_table = 'shop.outbox'`);
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query(
      `update outbox.audit set outbox_table = 'outbox.event', begins_at = '2020-01-01T13:00:00Z'`,
    );
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query('update outbox.audit set begins_at = null');
    await write(1);
    await cover();
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    await owner.query('update outbox.audit set verified_below = pg_snapshot_xmin(pg_current_snapshot())');
    expect(await drop({ requiresVerified: true })).toBe('dropped');
    await write(1);
  });

  test('in a transaction that cannot see what was committed a moment ago', async () => {
    await write();
    await cover();
    await relay.query('begin isolation level repeatable read');
    expect(await refusalOf(drop())).toBe('25000');
    await relay.query('rollback');
  });

  test.each(['event_default', 'event', 'heartbeat', 'nothing'])('if it is not one: %s', async (name) => {
    await write(1, '1999-01-01T00:00:00Z');
    await cover();
    const { rows } = await relay.query(`select outcome from outbox.drop_partition($1, '1 day')`, [name]);
    expect(rows).toEqual([{ outcome: 'absent' }]);
  });
});

describe('where the audit must have compared every row', () => {
  /** As the audit stores it: it begins now, or with the first row. */
  async function beginAudit(from: 'first' | 'now', slot = 'first'): Promise<void> {
    await owner.query(
      `insert into outbox.audit (slot, system_identifier, database_oid, outbox_table, started_at, started_because, missing_open,
                                 begins_at, begins_of, begins_xid, compared_besides)
       select slot, system_identifier, split_part(snapshots_of, '/', 2)::oid, 'outbox.event', now(), 'x', 0,
              case $2 when 'now' then now() end, now(),
              case $2 when 'now' then pg_snapshot_xmax(pg_current_snapshot()) end, '{}' from outbox.progress where slot = $1`,
      [slot, from],
    );
  }
  /** A window that shows everything which is committed now. */
  const compare = (slot = 'first') =>
    owner.query(
      `update outbox.audit set verified_below = pg_snapshot_xmin(pg_current_snapshot()),
              tables_since = coalesce(tables_since, pg_snapshot_xmin(pg_current_snapshot())) where slot = $1`,
      [slot],
    );
  const judge = async () => {
    const { rows } = await relay.query(
      `select all_rows::int as all, unverified::int, left_out::int as "leftOut", removable::int
         from outbox.judge_partition($1, 0, 1000, now(), true, true)`,
      [partition],
    );
    return rows[0];
  };

  test('rows of before it stay, whatever they say of their time', async () => {
    await write(2, '2020-01-01T23:00:00Z');
    await beginAudit('now');
    await owner.query(`update outbox.audit set begins_at = '2020-01-01T13:00:00Z'`);
    await write(3, '2020-01-01T01:00:00Z');
    await cover();
    await compare();
    expect(await judge()).toEqual({ all: 5, unverified: 2, leftOut: 2, removable: 3 });
    expect(await drop({ requiresVerified: true })).toBe('unverified');
    expect(await rowsLeft()).toBe(5);
  });

  test('rows that came later and say they are older go', async () => {
    await beginAudit('now');
    await write();
    await cover();
    expect(await judge()).toEqual({ all: 3, unverified: 3, leftOut: 0, removable: 0 });
    await compare();
    expect(await drop({ requiresVerified: true })).toBe('dropped');
  });

  test('rows go that the audit of every slot has compared, in whichever way', async () => {
    const xids = async () =>
      (await owner.query(`select xmin::text as xid from outbox.event order by created_at`)).rows.map(
        ({ xid }) => xid,
      );
    await startSlot('second');
    await beginAudit('first', 'first');
    await write(1, '2020-01-01T01:00:00Z');
    await beginAudit('now', 'second');
    await write(1, '2020-01-01T02:00:00Z');
    for (const slot of ['first', 'second']) {
      await cover(slot);
      await compare(slot);
    }
    expect(await judge()).toEqual({ all: 2, unverified: 1, leftOut: 1, removable: 1 });
    const [first] = await xids();
    await owner.query(
      `update outbox.audit set compared_besides = int8multirange(int8range($1, $1, '[]')) where slot = 'second'`,
      [first],
    );
    expect(await judge()).toEqual({ all: 2, unverified: 0, leftOut: 0, removable: 2 });
    // An earlier release began it again: what is known of the beginning before says nothing.
    await owner.query(`update outbox.audit set started_at = now() + interval '1 s' where slot = 'second'`);
    expect(await judge()).toMatchObject({ removable: 0, leftOut: 2 });
  });

  test('rows of a partition that was attached stay until an audit from the first row has come to them', async () => {
    await beginAudit('first');
    await compare();
    await owner.query(`alter table outbox.event detach partition outbox.${partition}`);
    await owner.query(
      `insert into outbox.${partition} (aggregatetype, aggregateid, type, created_at) values ('a', 'b', 'c', $1)`,
      [noon],
    );
    await owner.query(
      `alter table outbox.event attach partition outbox.${partition} for values from ('2020-01-01Z') to ('2020-01-02Z')`,
    );
    await cover();
    await compare();
    expect(await drop({ requiresVerified: true, keepsUnproven: false })).toBe('unverified');
    await owner.query('delete from outbox.audit');
    await beginAudit('first');
    await compare();
    expect(await drop({ requiresVerified: true, keepsUnproven: false })).toBe('dropped');
  });
});

describe('rows that nobody can know to be published', () => {
  test('from before the relay first started stay, unless that is asked for', async () => {
    await owner.query('delete from outbox.progress');
    await write();
    await startSlot('first');
    await write();
    await cover();
    expect(await drop()).toBe('unproven');
    expect(await drop({ keepsUnproven: false })).toBe('dropped');
  });

  test('from before a slot that started later go, if another slot has published them', async () => {
    await write();
    await cover();
    await startSlot('second');
    await cover('second');
    expect(await drop()).toBe('dropped');
  });

  test('from what was given up by an adopt stay, also where another slot has published them', async () => {
    await startSlot('second');
    await write();
    await owner.query(
      `update outbox.progress set streamed_snapshot = pg_current_snapshot() where slot = 'second'`,
    );
    await cover('first');
    await cover('second');
    expect(await drop()).toBe('unproven');
  });

  test('of a table that was attached stay', async () => {
    await owner.query(`alter table outbox.event detach partition outbox.${partition}`);
    await owner.query(
      `insert into outbox.${partition} (aggregatetype, aggregateid, type, created_at) values ('a', 'b', 'c', $1)`,
      [noon],
    );
    await owner.query(
      `alter table outbox.event attach partition outbox.${partition} for values from ('2020-01-01Z') to ('2020-01-02Z')`,
    );
    await cover();
    expect(await drop()).toBe('unproven');
  });
});

describe('the locks', () => {
  /** A reader whose transaction stays open holds up the lock on the root. */
  async function openReader(): Promise<pg.Client> {
    const reader = await open('owner');
    await reader.query('begin; select from outbox.event limit 1');
    return reader;
  }
  const dropping = `select pid from pg_locks where relation = to_regclass('outbox.${partition}')
    and mode = 'ShareRowExclusiveLock' and granted`;
  const untilDropping = () =>
    vi.waitFor(async () => expect((await owner.query(dropping)).rowCount).toBe(1), {
      timeout: 30_000,
      interval: 5,
    });

  beforeEach(async () => {
    await write();
    await cover();
  });

  test('a transaction that stays open keeps the partition, and no writer waits for that', async () => {
    await openReader();
    const dropped = drop();
    await untilDropping();
    const waitedMs: number[] = [];
    let isOver = false;
    void dropped.then(() => {
      isOver = true;
    });
    while (!isOver) {
      const begunMs = performance.now();
      await owner.query(insert, [new Date().toISOString(), 1]);
      waitedMs.push(performance.now() - begunMs);
    }
    expect(await dropped).toBe('busy');
    expect(waitedMs.length).toBeGreaterThan(5);
    const { rows } = await owner.query(`select count(*)::int as n from outbox.${partition}`);
    expect(rows).toEqual([{ n: 3 }]);
  });

  test('a row that was written before, and is committed while the partition is looked at, is not lost', async () => {
    const writer = await open('owner');
    await writer.query('begin');
    await write(1, noon, writer);
    const dropped = drop();
    await new Promise((resolve) => setImmediate(resolve));
    await owner.query('select pg_sleep(0.2)');
    await writer.query('commit');
    expect(await dropped).toBe('writing');
    expect(await rowsLeft()).toBe(4);
  });

  test('a writer that comes to the partition meanwhile gets it', async () => {
    await openReader();
    const dropped = drop();
    await untilDropping();
    await write(1);
    expect(await dropped).toBe('writer');
    expect(await rowsLeft()).toBe(4);
  });

  test('a drop whose session dies leaves the table whole, and the next one works', async () => {
    const reader = await openReader();
    const client = await open('outbox_relay');
    const dropped = client
      .query(`select * from outbox.drop_partition($1, '1 day')`, [partition])
      .catch(() => 'died');
    await untilDropping();
    await owner.query(`select pg_terminate_backend(pid) from (${dropping}) as it`);
    expect(await dropped).toBe('died');
    expect(await rowsLeft()).toBe(3);
    await write(1);
    await reader.query('rollback');
    expect(await drop()).toBe('uncovered');
    await cover();
    // The backend that was ended, and the reader, may still let go of their locks.
    await vi.waitFor(async () => expect(await drop()).toBe('dropped'), { timeout: 30_000, interval: 100 });
  });

  test('a drop that is rolled back has done nothing', async () => {
    await relay.query('begin');
    expect(await drop()).toBe('dropped');
    await relay.query('rollback');
    expect(await rowsLeft()).toBe(3);
    expect((await relay.query('select from outbox.removal')).rowCount).toBe(0);
  });
});

describe('row-level security', () => {
  const give = (role: string) => `do $$ declare each record; begin
    for each in select c.oid::regclass as name from pg_class c
                 where relnamespace = 'outbox'::regnamespace and relkind in ('r', 'p') loop
      execute format('alter table %s owner to ${role}', each.name);
    end loop;
    for each in select p.oid::regprocedure as name from pg_proc p where pronamespace = 'outbox'::regnamespace loop
      execute format('alter function %s owner to ${role}', each.name);
    end loop; end $$`;
  beforeAll(async () => {
    await owner.query('create role plain_owner; grant usage, create on schema outbox to plain_owner');
    await owner.query(give('plain_owner'));
  });
  afterAll(() => owner.query(give('postgres')));

  test('that would hide rows from the owner is an error, and nothing is dropped', async () => {
    await owner.query(`alter table outbox.${partition} owner to plain_owner`);
    await write();
    await cover();
    await owner.query(`alter table outbox.${partition} enable row level security, force row level security`);
    expect(await refusalOf(drop())).toBe('42501');
    expect(await rowsLeft()).toBe(3);
    await owner.query(`alter table outbox.${partition} no force row level security`);
    expect(await drop()).toBe('dropped');
  });
});

describe('once transaction numbers have come again', () => {
  const came = async (xid: number, written: string, wraps: boolean) => {
    const { rows } = await owner.query<{ came: boolean }>(
      `select outbox.came_on_stream($1, $2, $3, array[
         row('first', true, 5000000000, 4500000000, '{}', 4500000000, true, '2026-01-01Z')::outbox.slot_proof]) as came`,
      [xid, written, wraps],
    );
    return rows[0]!.came;
  };

  test('a row has come on the stream only if it was also written since', async () => {
    expect(await came(4_600_000_000, '2026-01-02Z', true)).toBe(true);
    expect(await came(4_600_000_000, '2025-12-31Z', true)).toBe(false);
    expect(await came(4_600_000_000, '2025-12-31Z', false)).toBe(true);
    expect(await came(4_400_000_000, '2026-01-02Z', true)).toBe(false);
  });
});

describe('rows of the default partition', () => {
  const remove = async (retention = '1 day', rowsMax = 100) => {
    const { rows } = await relay.query<{ n: string }>(
      'select outbox.remove_default_rows(0, 100, $1, true, false, $2) as n',
      [retention, rowsMax],
    );
    return Number(rows[0]!.n);
  };

  test('go one by one, at most as many as were asked for', async () => {
    await write(3, '1999-01-01T00:00:00Z');
    await cover();
    await write(2, '1999-01-01T00:00:00Z');
    expect([await remove('1 day', 2), await remove(), await remove()]).toEqual([2, 1, 0]);
    expect(await rowsLeft()).toBe(2);
    expect((await relay.query('select removed_rows from outbox.removal order by id')).rows).toEqual([
      { removed_rows: '2' },
      { removed_rows: '1' },
    ]);
  });

  test('stay while their dead letter is open, and while they are young', async () => {
    const id = await write(1, '1999-01-01T00:00:00Z');
    await write(1, '1999-06-01T00:00:00Z');
    await letter(id, 'open');
    await cover();
    expect(await remove('100 years')).toBe(0);
    expect(await remove()).toBe(1);
    expect((await owner.query('select id from outbox.event')).rows).toEqual([{ id }]);
  });
});
