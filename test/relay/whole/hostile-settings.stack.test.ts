/**
 * Every command under settings of the server that would change what it does, set on its role and on the database, where a
 * schema of the search_path is full of functions that stand in for those of Postgres. The short form sets all at once;
 * `npm run hostile-settings` sets each alone, on the role and on the database.
 */
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { idOf, itemOf, World } from '../world.ts';

type Settings = Readonly<Record<string, string>>;

/** Without this many ms or with these values, a session that takes them over fails, waits, or says something else. */
const hostile: Settings = {
  search_path: 'public, pg_catalog',
  row_security: 'on',
  statement_timeout: '1ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '1ms',
  idle_session_timeout: '1ms',
  transaction_timeout: '300ms',
  datestyle: 'SQL, DMY',
  timezone: 'Asia/Kathmandu',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
  check_function_bodies: 'off',
  client_min_messages: 'debug1',
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
};

type Place = 'role' | 'database';

const isComplete = process.env.HOSTILE_SETTINGS === 'all';

let known: ReadonlySet<string>;
let stranger: { readonly text: string };
beforeAll(async () => {
  const client = new pg.Client({ connectionString: (await servers()).databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ name: string }>('select lower(name) as name from pg_settings');
  await client.end();
  known = new Set(rows.map(({ name }) => name));
  stranger = { text: await twinsText() };
});

/** What the relay's SQL calls, by what stands before a parenthesis in its sources. */
async function calledNames(): Promise<string[]> {
  const names = new Set<string>();
  for (const folder of ['relay', 'migrations'])
    for (const file of await readdir(new URL(`../../../${folder}`, import.meta.url), { recursive: true })) {
      if (!/\.(ts|sql)$/.test(file)) continue;
      const text = await readFile(new URL(`../../../${folder}/${file}`, import.meta.url), 'utf8');
      for (const [, name] of text.matchAll(/\b([a-z_][a-z0-9_]*)\(/g)) names.add(name!);
    }
  return [...names];
}

/**
 * For each of those functions one of the same name and types in `public`, more for which the types of a call fit better
 * than those of Postgres's own, and operators. Those of type "any" cannot be written, and are left out.
 */
async function twinsText(): Promise<string> {
  const names = (await calledNames()).map((name) => pg.escapeLiteral(name)).join(', ');
  const better = [
    'hashtextextended(text, int) returns bigint',
    'to_jsonb(pg_replication_slots) returns jsonb',
    'to_jsonb(pg_publication_tables) returns jsonb',
    'concat_ws(text, text, text) returns text',
    'format(text, text) returns text',
    'format(text, uuid) returns text',
    'format(text, json) returns text',
    'pg_advisory_lock(text) returns void',
    'pg_advisory_xact_lock(text) returns void',
  ];
  return `do $do$ declare twin record; begin
    for twin in select proname, pg_get_function_identity_arguments(oid) as args, pg_get_function_result(oid) as result
                  from pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and proname in (${names}) loop
      begin
        execute format('create function public.%I(%s) returns %s language plpgsql as %L', twin.proname, twin.args, twin.result,
          case when twin.result = 'void' then 'begin end'
               when twin.result ~ '^(SETOF|TABLE)' then 'begin return; end' else 'begin return null; end' end);
      exception when others then null;
      end;
    end loop;
  end $do$;
  ${better.map((signature) => `create or replace function public.${signature} language plpgsql as $$ begin ${signature.endsWith('void') ? '' : 'return null;'} end $$;`).join('\n')}
  create function public.twin(text, text) returns boolean language plpgsql as $$ begin return null; end $$;
  create function public.twin_text(text, text) returns text language plpgsql as $$ begin return null; end $$;
  create function public.twin(pg_lsn, pg_lsn) returns boolean language plpgsql as $$ begin return null; end $$;
  create operator public.= (leftarg = text, rightarg = text, function = public.twin);
  create operator public.|| (leftarg = text, rightarg = text, function = public.twin_text);
  create operator public.< (leftarg = pg_lsn, rightarg = pg_lsn, function = public.twin);
  create operator public.>= (leftarg = pg_lsn, rightarg = pg_lsn, function = public.twin);`;
}

/** A database with those functions, and roles that its settings apply to; the superuser's own sessions have defaults. */
class Site implements AsyncDisposable {
  readonly database: TestDatabase;
  readonly owner = unique('owner').replaceAll('-', '_');
  readonly relay = unique('relay').replaceAll('-', '_');

  private constructor(database: TestDatabase) {
    this.database = database;
  }

  static async open(settings: Settings, places: readonly Place[]): Promise<Site> {
    const site = new Site(await createDatabase());
    const { pool, name } = site.database;
    await pool.query(stranger.text);
    await pool.query(`create role ${site.owner} login superuser password 'sesame'`);
    await pool.query(`create role ${site.relay} login replication password 'sesame'`);
    await pool.query(`alter database ${name} set track_functions = 'all'`);
    for (const [setting, value] of Object.entries(settings)) {
      if (!known.has(setting)) continue; // of a later version
      const { rows } = await pool.query('select boot_val from pg_settings where lower(name) = $1', [setting]);
      const own = setting === 'client_encoding' ? 'UTF8' : rows[0].boot_val;
      const to = (text: string) => (setting === 'search_path' ? text : pg.escapeLiteral(text));
      if (places.includes('role'))
        for (const role of [site.owner, site.relay])
          await pool.query(`alter role ${role} set ${setting} = ${to(value)}`);
      if (!places.includes('database')) continue;
      await pool.query(`alter role current_user in database ${name} set ${setting} = ${to(own)}`);
      await pool.query(`alter database ${name} set ${setting} = ${to(value)}`);
    }
    // Its sessions began before; from here on they are of the role in this database.
    await pool.query('select 1');
    return site;
  }

  url(role: string): string {
    const url = new URL(this.database.url);
    [url.username, url.password] = [role, 'sesame'];
    return url.href;
  }

  /** As by `psql -f`, with the search_path that psql would have. */
  async applyRoles(): Promise<void> {
    const client = new pg.Client({ connectionString: this.database.url });
    await client.connect();
    await client.query('set search_path = public, pg_catalog');
    await client.query(await readFile(new URL('../../../migrations/roles.sql', import.meta.url), 'utf8'));
    await client.query('reset search_path');
    await client.query(`grant outbox_relay, outbox_operator to ${this.relay}`);
    await client.end();
  }

  /** Names of the functions that were called, by anybody; a backend tells of its calls when it ends at the latest. */
  async ran(): Promise<string[]> {
    await vi.waitFor(
      async () => {
        const { rowCount } = await this.database.pool.query(
          'select from pg_stat_activity where usename in ($1, $2)',
          [this.owner, this.relay],
        );
        expect(rowCount).toBe(0);
      },
      { timeout: 180_000, interval: 50 },
    );
    const { rows } = await this.database.pool.query<{ name: string }>(
      `select funcid::regprocedure::text as name from pg_stat_user_functions where schemaname = 'public'`,
    );
    return rows.map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.drop();
    const client = new pg.Client({ connectionString: (await servers()).databaseUrl });
    await client.connect();
    await client.query(`drop role ${this.owner}; drop role ${this.relay}`);
    await client.end();
  }
}

const refusedPayload = '{"key":"k","seq":"x"}';
const setSeq = (seq: number) => JSON.stringify([{ op: 'replace', path: '/seq', value: seq }]);

/** All commands, on events that are published, refused, resubmitted, released and recovered. */
async function runAll(settings: Settings, places: readonly Place[]): Promise<void> {
  await using site = await Site.open(settings, places);
  await migrate({ databaseUrl: site.url(site.owner) });
  await site.applyRoles();
  await using world = await World.create(1, { databaseUrl: site.database.url });
  const asRelay = { DATABASE_URL: site.url(site.relay) };
  const asOwner = { DATABASE_URL: site.url(site.owner) };

  const run = async (env: typeof asRelay, ...args: string[]) => {
    const done = await world.commandWith(env, ...args);
    expect(done.stderr, args.join(' ')).not.toMatch(/error/i);
    expect(done.code, `${args.join(' ')}: ${done.stdout}`).toBe(0);
    return done.stdout;
  };
  const json = async (...args: string[]) => {
    const { stdout, stderr } = await world.commandWith(asRelay, ...args, '--json');
    expect(stderr, args.join(' ')).not.toMatch(/error/i);
    return JSON.parse(stdout);
  };
  const stop = async (relay: ReturnType<World['startRelay']>) => {
    relay.signal('SIGTERM');
    expect(await relay.exited).toMatchObject({ code: 0 });
    const failed = relay.lines.filter(({ err }) => err !== undefined);
    expect(failed, 'log lines of failures').toEqual([]);
  };
  const refuse = async (key: string, payload: string | null = refusedPayload) => {
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       values ('item', $1, 'test.ItemMoved', $2::json, '2026-11-27 23:59:58.123456+00') returning id`,
      [key, payload],
    );
    return rows[0]!.id;
  };
  /** Until the copy of the progress covers all that is committed now. */
  const covered = async () => {
    const { rows } = await world.pool.query('select pg_current_wal_insert_lsn()::text as lsn');
    await vi.waitFor(
      async () => {
        const { rowCount } = await world.pool.query('select from outbox.progress where end_lsn >= $1', [
          rows[0].lsn,
        ]);
        expect(rowCount).toBe(1);
      },
      { timeout: 180_000, interval: 50 },
    );
  };

  expect(await run(asOwner, 'migrate')).toContain('nothing to apply');
  // The registry has not the schemas of the demo.
  const { checks } = (await json('check')) as { checks: { server: string; name: string; status: string }[] };
  const ofPostgres = checks.filter(({ server }) => server === 'postgres');
  expect(ofPostgres.length).toBeGreaterThan(10);
  // The test server has no max_slot_wal_keep_size and no times of commits, with these settings or without.
  const others = ofPostgres.filter(({ name }) => !['WAL in an outage', 'order of commits'].includes(name));
  expect(others.filter(({ status }) => status !== 'ok')).toEqual([]);

  // Slot creation waits for whoever writes.
  const writer = await world.pool.connect();
  await writer.query(`begin; insert into outbox.heartbeat values ('other', 1)`);
  let relay = world.startRelay({ DEAD_LETTERS_STORM_PERCENT: 100 }, asRelay);
  await vi.waitFor(
    async () => {
      const waiting = `select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`;
      expect((await world.pool.query(waiting, [site.relay])).rowCount).toBe(1);
    },
    { timeout: 180_000, interval: 20 },
  );
  await writer.query('rollback');
  writer.release();
  await relay.streaming();
  const published = await world.write([1, 2, 3].map((seq) => ({ key: 'good', seq })));
  const fixed = await refuse('fixed');
  const discarded = await refuse('discarded', null);
  await covered();

  const status = await json('status');
  expect(Date.parse(status.progress.publishedAt)).toBeGreaterThan(Date.now() - 600_000);
  const listed = await json('dead-letters', 'list', '--since', '1h');
  expect(listed.map(({ eventId }: { eventId: string }) => eventId)).toEqual([fixed, discarded]);
  expect(Math.abs(Date.parse(listed[0].firstSeen) - Date.now())).toBeLessThan(600_000);
  await run(asRelay, 'dead-letters', 'list');
  const [shown] = await json('dead-letters', 'show', discarded);
  expect(shown.content).toMatchObject({ payload: null, createdAt: '2026-11-27 23:59:58.123456+00' });
  await run(asRelay, 'dead-letters', 'fix', fixed, '--patch', setSeq(9));
  await run(asRelay, 'dead-letters', 'resubmit', fixed, '--yes');
  await run(asRelay, 'dead-letters', 'discard', discarded, '--reason', 'a', '--yes');
  await run(asRelay, 'dead-letters', 'purge', '--keep', '1', '--yes');
  expect(await json('schemas', 'test')).toMatchObject({ rows: 6 });
  await covered();
  expect(await json('verify')).toMatchObject({ ok: true, events: 6, records: 4 });
  await stop(relay);

  relay = world.startRelay({ DEAD_LETTERS_POLICY: 'park-key', DEAD_LETTERS_STORM_PERCENT: 100 }, asRelay);
  await relay.streaming();
  const released = await refuse('parked');
  const behind = await world.write([{ key: 'parked', seq: 2 }]);
  await covered();
  await run(asRelay, 'dead-letters', 'fix', released, '--patch', setSeq(1));
  await run(asRelay, 'dead-letters', 'release', '--all', '--yes');
  await covered();
  await stop(relay);

  const recovered = await world.write([{ key: 'good', seq: 4 }]);
  const dropSlot = () => world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  await dropSlot();
  expect(await json('recover', '--dry-run')).toMatchObject({ missing: { ids: recovered } });
  expect(await json('recover')).toMatchObject({ outcome: 'recovered', published: 1 });
  await dropSlot();
  await world.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [world.slot]);
  await run(asRelay, 'adopt', 'slot', '--yes');
  await run(asRelay, 'config');

  relay = world.startRelay({}, asRelay);
  await relay.streaming();
  const last = await world.write([{ key: 'good', seq: 5 }]);
  const ids = [...published, fixed, released, ...behind, ...recovered, ...last];
  const records = await world.read(ids);
  expect(records.map(idOf)).toEqual(ids);
  expect(records.map((record) => Number(itemOf(record).seq))).toEqual([1, 2, 3, 9, 1, 2, 4, 5]);
  await stop(relay);
  expect(await site.ran()).toEqual([]);
}

if (isComplete)
  describe.concurrent.each(Object.keys(hostile))('%s', (setting) => {
    test.each<Place>(['role', 'database'])(
      'of the %s changes nothing in any command',
      { timeout: 900_000 },
      (place) => runAll({ [setting]: hostile[setting]! }, [place]),
    );
  });
else
  test('all hostile settings at once, of role and database, change nothing in any command', () =>
    runAll(hostile, ['role', 'database']));
