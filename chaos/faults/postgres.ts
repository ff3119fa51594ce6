/** Postgres stops, or does what only databases do. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Arena, Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';
import { endWalsender } from './walsender.ts';

export const postgresFaults: readonly Fault[] = [
  {
    name: 'crashed and recovered',
    class: 'postgres',
    about: 'immediate shutdown, without a checkpoint, and start',
    expect: 'recovers',
    isShort: true,
    inject: ({ servers }) => servers.postgres.restart({ mode: 'immediate' }),
  },
  {
    name: 'restarted',
    class: 'postgres',
    about: 'fast shutdown, which waits for the walsender, and start',
    expect: 'recovers',
    inject: ({ servers }) => servers.postgres.restart({ mode: 'fast' }),
  },
  {
    name: 'walsender ended',
    class: 'postgres',
    about: 'pg_terminate_backend of the walsender, three times',
    expect: 'recovers',
    isShort: true,
    async inject({ pool, slot, pause, random }) {
      for (let times = 0; times < 3; times++) {
        await endWalsender(pool, slot);
        await pause(random.integer(0, 400));
      }
    },
  },
  {
    name: 'every session of the relay ended',
    class: 'postgres',
    about: 'pg_terminate_backend of its walsender and of its ordinary connections',
    expect: 'recovers',
    async inject({ pool, databaseName }) {
      await pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = $1 and application_name = 'outbox-relay'`,
        [databaseName],
      );
    },
  },
  {
    name: 'advisory locks taken by a stranger',
    class: 'postgres',
    about:
      'a role without rights holds every advisory lock that was ever tied to the slot; two heartbeats must follow',
    expect: 'recovers',
    isShort: true,
    isAlone: true,
    world: { CAPTURE_HEARTBEAT_MS: 500 },
    inject: underAdvisoryLocks,
  },
  {
    name: 'table altered mid-stream',
    class: 'postgres',
    about: 'a column is added to the outbox table, filled and dropped, while events are written',
    expect: 'recovers',
    async inject({ pool, load, pause }) {
      const column = `extra_${randomUUID().slice(0, 8)}`;
      await pool.query(`alter table outbox.event add column ${column} text default 'none'`);
      await pause(300);
      await load.commit([load.event('altered')]);
      await pool.query(`alter table outbox.event drop column ${column}`);
      await load.commit([load.event('altered')]);
    },
  },
  {
    name: '10,000 savepoints',
    class: 'postgres',
    about: 'one transaction with 10,000 savepoints, each with an event, every third rolled back',
    expect: 'recovers',
    isAlone: true,
    async inject(arena) {
      await inTransaction(arena, (client) =>
        client.query(`
          do $$
          declare n int;
          begin
            for n in 1..10000 loop
              begin
                ${insertOne('n', `'savepoint-' || n % 7`)};
                if n % 3 = 0 then raise exception using errcode = 'P0001'; end if;
              exception when sqlstate 'P0001' then null;
              end;
            end loop;
          end $$`),
      );
    },
  },
  {
    name: '500,000 rows in one transaction',
    class: 'postgres',
    about: 'one Kafka transaction in 50 parts, as far as its time allows; the relay is killed in the middle',
    expect: 'recovers',
    world: { PUBLISH_PART_EVENTS: 10_000, PUBLISH_BATCH_EVENTS: 2_000 },
    withinMs: 60_000,
    inject: (arena) => largeTransaction(arena, 500_000),
  },
  {
    name: '20,000 rows in one transaction',
    class: 'postgres',
    about: 'one Kafka transaction in 200 parts, as far as its time allows; the relay is killed in the middle',
    expect: 'recovers',
    isAlone: true,
    withinMs: 20_000,
    inject: (arena) => largeTransaction(arena, 20_000),
  },
  {
    name: 'standby names',
    class: 'postgres',
    about:
      'synchronous_standby_names is *, so that every commit waits for the relay; events are refused; the relay is killed',
    expect: 'recovers',
    isAlone: true,
    isShort: true,
    withinMs: 20_000,
    async inject({ pool, load, relays, untilCaughtUp }) {
      await pool.query(`alter system set synchronous_standby_names = '*'`);
      try {
        await pool.query('select pg_reload_conf()');
        // Each commit is confirmed only once the relay has published or dead-lettered what came before it.
        for (let times = 0; times < 3; times++)
          await load.commit([load.event('refused', { isPoison: true }), load.event('standby')]);
        await (await relays.untilActive()).kill();
        await load.commit([load.event('refused', { isPoison: true })]);
        await untilCaughtUp(20_000);
      } finally {
        await pool.query('alter system reset synchronous_standby_names');
        await pool.query('select pg_reload_conf()');
      }
    },
  },
  {
    name: 'prepared transactions',
    class: 'postgres',
    about:
      'two are prepared; the relay is killed; one is committed and the other rolled back, by other sessions',
    expect: 'recovers',
    isAlone: true,
    async inject(arena) {
      const { pool, relays } = arena;
      const names = [randomUUID(), randomUUID()];
      for (const name of names)
        await inTransaction(
          arena,
          (client) => client.query(insertOne('1', `'prepared-${name}'`)),
          `prepare transaction '${name}'`,
        );
      await (await relays.untilActive()).kill();
      await pool.query(`commit prepared '${names[0]}'`);
      await pool.query(`rollback prepared '${names[1]}'`);
    },
  },
];

async function underAdvisoryLocks({ pool, databaseUrl, slot, relays }: Arena): Promise<void> {
  const role = `stranger_${randomUUID().slice(0, 8)}`;
  await pool.query(`create role ${role}`);
  const holder = new pg.Client({ connectionString: databaseUrl });
  await holder.connect();
  try {
    await holder.query(`set session authorization ${role}`);
    await holder.query(
      `select pg_advisory_lock(hashtextextended('outbox-relay ' || what || ' ' || $1, 0))
         from unnest(array['heartbeat', 'dead letters']) as what`,
      [slot],
    );
    await relays.untilActive();
    const beat = async () => {
      const { rows } = await pool.query('select max(beat) as beat from outbox.heartbeat where slot = $1', [
        slot,
      ]);
      return Number(rows[0].beat ?? 0);
    };
    const before = await beat();
    await waitFor(
      async () => (await beat()) >= before + 2,
      'two heartbeats under the locks of a stranger',
      10_000,
    );
  } finally {
    await holder.end();
    await pool.query(`drop role ${role}`);
  }
}

async function largeTransaction(arena: Arena, rows: number): Promise<void> {
  const key = `bulk-${randomUUID().slice(0, 8)}-`;
  await inTransaction(arena, (client) =>
    client.query(`${insertOne('n', `'${key}' || n % 50`)} from generate_series(1, ${rows}) as n`),
  );
  await arena.pause(arena.random.integer(50, 1_000));
  await arena.relays.active?.kill();
}

/** An event as the writers make them, from SQL expressions. */
function insertOne(seq: string, key: string): string {
  return `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
    select 'item', ${key}, 'test.ItemMoved', json_build_object('key', ${key}, 'seq', ${seq}, 'note', null),
           json_build_object('seq', (${seq})::text, 'tx', 'fault-' || pg_current_xact_id()::text)`;
}

async function inTransaction(
  { databaseUrl }: Arena,
  work: (client: pg.Client) => Promise<unknown>,
  end = 'commit',
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('begin');
    await work(client);
    await client.query(end);
  } finally {
    await client.end();
  }
}
