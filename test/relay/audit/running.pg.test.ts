/** When a record without a row may be judged, on a server where commits can wait for a standby. */
import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { haveEnded, lookAgain, readNow } from '../../../relay/audit/running.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { configOf } from '../settings.ts';

// A server of its own: no other transaction may end meanwhile.
let postgres: Postgres;
const clients: pg.Client[] = [];

beforeAll(async () => {
  postgres = await startPostgres({ settings: { fsync: 'off', autovacuum: 'off' } });
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await postgres?.stop();
});

async function connect(connectionString = postgres.url): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  clients.push(client);
  return client;
}

test('a transaction runs that is later than the last one that has ended', async () => {
  const [writer, later, reader] = [await connect(), await connect(), await connect()];
  for (const client of [writer, later]) await client.query('begin; select pg_current_xact_id()');
  const { snapshot } = await readNow(reader);
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await later.query('rollback');
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await writer.query('commit');
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});

test('savepoints of a transaction end with it', async () => {
  const [writer, reader] = [await connect(), await connect()];
  await writer.query('begin');
  await writer.query('create temporary table t (n int); savepoint a; insert into t values (1); savepoint b');
  await writer.query('insert into t values (2)');
  const { snapshot } = await readNow(reader);
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await writer.query('commit');
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});

test('nothing runs', async () => {
  const reader = await connect();
  const { snapshot } = await readNow(reader);
  expect(snapshot).toMatch(/^([0-9]+):\1:$/);
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});

test('a transaction of another database does not count, also if it is the last one that has begun', async () => {
  const [admin, reader] = [await connect(), await connect()];
  await admin.query('create database elsewhere');
  const url = new URL(postgres.url);
  url.pathname = '/elsewhere';
  const writer = await connect(url.href);
  await writer.query('begin; select pg_current_xact_id()');
  const { snapshot } = await readNow(reader);
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
  await writer.query('rollback');
});

test('an event whose commit waits for a standby is not taken for absent, until it shows', async () => {
  const [admin, writer, reader] = [await connect(), await connect(), await connect()];
  await admin.query(`create table public.outbox (id text, aggregatetype text, type text)`);
  const config = configOf({ SLOT: 'any', OUTBOX_TABLE: 'public.outbox' }, { databaseUrl: postgres.url });
  const standbys = async (names: string) => {
    await admin.query(`alter system set synchronous_standby_names = '${names}'`);
    await admin.query('select pg_reload_conf()');
  };
  // A commit that waits would keep the server from stopping.
  onTestFinished(() => standbys(''));
  await standbys('absent');
  // Sessions read the new setting before the checkpointer, which makes commits wait: the first ones may pass.
  const commits: Promise<unknown>[] = [];
  let [late, committing] = ['', false];
  const waits = `select from pg_stat_activity where wait_event = 'SyncRep'`;
  const waiting = async () => {
    if (!committing) {
      [late, committing] = [`late-${commits.length}`, true];
      const commit = writer.query(`insert into public.outbox values ('${late}')`);
      commits.push(commit.finally(() => (committing = false)));
    }
    return (await admin.query(waits)).rowCount;
  };
  await expect.poll(waiting).toBe(1);

  const { snapshot: running } = await readNow(reader);
  const left = new Set([late, 'never']);
  const look = (waitMs: number, onWait?: () => void) =>
    lookAgain(
      { client: reader, config, running, waitMs, ...(onWait && { onWait }) },
      () => left,
      (id) => left.delete(id),
    );
  expect([await look(0), [...left]]).toEqual([false, [late, 'never']]);
  expect([await look(60_000, () => void standbys('')), [...left]]).toEqual([true, ['never']]);
  await Promise.all(commits);
  // Once it shows, nobody waits.
  const onWait = vi.fn();
  expect([await look(60_000, onWait), onWait.mock.calls]).toEqual([true, []]);
});
