/** One pass of cleanup on a server of its own: what is dropped, deleted, archived, and what is said about the rest. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import { createPool } from '../../../relay/connect/postgres/pool.ts';
import { readRemovals } from '../../../relay/ledger/removals.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import {
  type CleanupReport,
  type CleanupStep,
  gentleStep,
  type Removing,
  removePublished,
} from '../../../relay/upkeep/remove-published.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { configOf } from '../settings.ts';

let server: Postgres;
let database: pg.Pool;
let directory: string;

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'off' } });
  database = new pg.Pool({ connectionString: server.url });
  database.on('error', () => {});
  await migrate({ databaseUrl: server.url });
});
afterAll(async () => {
  await database?.end();
  await server?.stop({ mode: 'immediate' });
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'archive-'));
  await database.query(
    `drop table if exists outbox.event_20200101, outbox.event_20200102;
     drop schema if exists shop cascade;
     truncate outbox.event, outbox.progress, outbox.dead_letter, outbox.removal cascade;
     insert into outbox.progress (slot, initialised_at, end_lsn, system_identifier, snapshots_of, first_snapshot, streamed_snapshot)
       select 'outbox_relay', now(), pg_current_wal_insert_lsn(), identifier, identifier || '/' || oid,
              pg_current_snapshot(), pg_current_snapshot()
         from (select system_identifier::text as identifier from pg_control_system()) as cluster,
              pg_database where datname = current_database()`,
  );
  await database.query(
    `create table outbox.event_20200101 partition of outbox.event for values from ('2020-01-01Z') to ('2020-01-02Z');
     create table outbox.event_20200102 partition of outbox.event for values from ('2020-01-02Z') to ('2020-01-03Z')`,
  );
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(day: string, rows = 3): Promise<void> {
  await database.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
     select 'order', n::text, 'OrderPlaced', '{"n": 1.10,  "é": "\\u2028"}', $1::timestamptz + interval '12.000001 hours'
       from generate_series(1, $2::int) as n`,
    [day, rows],
  );
}

const cover = (beat = 1) =>
  database.query(
    `update outbox.progress set covered_snapshot = pg_current_snapshot(), covered_at = now(), covered_beat = $1`,
    [beat],
  );

async function clean(
  settings: Settings = {},
  more: Partial<Pick<Removing, 'isDryRun' | 'beat' | 'isGentle' | 'onStep'>> = {},
) {
  const config = configOf({ CLEANUP_RETENTION: '1d', ...settings }, { databaseUrl: server.url });
  const pool = createPool(config);
  try {
    const { signal } = new AbortController();
    const rest = { beat: 1, isDryRun: false, ...more };
    return await removePublished({ config, pool, signal, isGentle: false, ...rest });
  } finally {
    await pool.end();
  }
}

const outcomes = ({ pieces }: CleanupReport) =>
  Object.fromEntries(
    pieces
      .filter(({ name }) => /20200|default|shop/.test(name))
      .map(({ name, outcome, removedRows, reason }) => [name, [outcome, removedRows, reason]]),
  );

const rowsLeft = async (table = 'outbox.event') =>
  Number((await database.query(`select count(*) as n from ${table}`)).rows[0].n);

test('nothing is removed unless a retention is set', async () => {
  await write('2020-01-01Z');
  await cover();
  const report = await clean({ CLEANUP_RETENTION: '' });
  expect(new Set(report.pieces.map(({ reason }) => reason))).toEqual(new Set(['off']));
  expect(await rowsLeft()).toBe(3);
});

test('a dry run says what would go and why the rest stays, and removes nothing', async () => {
  await write('2020-01-01Z');
  await write('1999-01-01Z');
  await cover();
  await write('2020-01-02Z', 2);
  const report = await clean({}, { isDryRun: true });
  expect(outcomes(report)).toEqual({
    'outbox.event_20200101': ['removable', 3, null],
    'outbox.event_20200102': ['kept', 0, 'uncovered'],
    'outbox.event_default': ['removable', 3, null],
  });
  expect(report.pieces.find(({ name }) => name.endsWith('20200102'))).toMatchObject({
    rows: 2,
    isEstimate: false,
    slot: 'outbox_relay',
    held: { uncovered: 2 },
  });
  expect(await rowsLeft()).toBe(8);
  expect(report).toMatchObject({ removedRows: 0, removedPartitions: 0 });
});

test('a pass drops partitions, deletes rows of the default one, and leaves what must stay', async () => {
  await write('2020-01-01Z');
  await write('1999-01-01Z', 2_500);
  await cover();
  await write('2020-01-02Z', 2);
  const report = await clean({ CLEANUP_ROWS_PER_SECOND: 100_000 });
  expect(outcomes(report)).toEqual({
    'outbox.event_20200101': ['removed', 3, null],
    'outbox.event_20200102': ['kept', 0, 'uncovered'],
    'outbox.event_default': ['removed', 2_500, null],
  });
  expect(report).toMatchObject({ removedRows: 2_503, removedPartitions: 1 });
  expect(await rowsLeft()).toBe(2);
});

test('a gentle pass looks at every page too, in more and smaller steps', async () => {
  await write('2020-01-01Z', 5_000);
  await cover();
  const looksAt = async (isGentle: boolean) => {
    const steps: CleanupStep[] = [];
    const onStep = (step: CleanupStep) => void (/20200101/.test(step.name) && steps.push(step));
    const { pieces } = await clean({}, { isGentle, isDryRun: true, onStep });
    return { rows: pieces.find(({ name }) => /20200101/.test(name))?.rows, steps };
  };
  const brisk = await looksAt(false);
  const gentle = await looksAt(true);
  expect([brisk.rows, gentle.rows]).toEqual([5_000, 5_000]);
  expect(brisk.steps.length).toBe(1);
  expect(gentle.steps.length).toBeGreaterThan(3);
});

test.each([
  { pages: 32, tookMs: 2, next: 32 },
  { pages: 32, tookMs: 1, next: 64 },
  { pages: 32, tookMs: 4, next: 16 },
  { pages: 8, tookMs: 400, next: 8 },
  { pages: 1_024, tookMs: 1, next: 1_024 },
])(
  'a gentle step of $pages pages that took $tookMs ms is followed by one of $next',
  ({ pages, tookMs, next }) => {
    expect(gentleStep(pages, tookMs)).toBe(next);
  },
);

test('no more rows are deleted a second than the settings allow', async () => {
  await write('1999-01-01Z', 300);
  await cover();
  const begunMs = performance.now();
  await clean({ CLEANUP_ROWS_PER_SECOND: 200 });
  expect(performance.now() - begunMs).toBeGreaterThan(1_400);
  expect(await rowsLeft()).toBe(0);
});

test('nothing is removed where Kafka has lost what the slot had published', async () => {
  await write('2020-01-01Z');
  await cover(7);
  expect(outcomes(await clean({}, { beat: 6 }))['outbox.event_20200101']).toEqual([
    'kept',
    0,
    'kafka-behind',
  ]);
  expect(outcomes(await clean({}, { beat: 7 }))['outbox.event_20200101']).toEqual(['removed', 3, null]);
});

describe('with an archive', () => {
  const files = async () => (await readdir(directory)).sort();
  const linesOf = async (file: string) =>
    gunzipSync(await readFile(join(directory, file)))
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('a partition is in a file before it is gone, each column as Postgres prints it', async () => {
    await write('2020-01-01Z');
    await cover();
    await write('1999-01-01Z');
    const report = await clean({ CLEANUP_ARCHIVE: directory });
    expect(outcomes(report)).toMatchObject({
      'outbox.event_20200101': ['removed', 3, null],
      'outbox.event_default': ['kept', 0, 'archive'],
    });
    const [file, ...others] = await files();
    expect(others).toEqual(['outbox.event_20200102-0-'].map(() => expect.stringMatching(/20200102-0-/)));
    expect(file).toMatch(/^outbox\.event_20200101-3-[0-9a-f]{8}\.jsonl\.gz$/);
    expect(await linesOf(file!)).toContainEqual({
      id: expect.any(String),
      aggregatetype: 'order',
      aggregateid: '2',
      type: 'OrderPlaced',
      payload: '{"n": 1.10,  "é": "\\u2028"}',
      headers: '{}',
      created_at: '2020-01-01 12:00:00.0036+00',
    });
    const { rows } = await database.query('select archive from outbox.removal order by id limit 1');
    expect(rows).toEqual([{ archive: file }]);
  });

  test('a directory that is not there, or no directory, is an error, and nothing is dropped', async () => {
    await write('2020-01-01Z');
    await cover();
    const failed = expect.objectContaining({ code: 'ARCHIVE_FAILED' });
    await expect(clean({ CLEANUP_ARCHIVE: join(directory, 'missing') })).rejects.toEqual(failed);
    await writeFile(join(directory, 'file'), '');
    await expect(clean({ CLEANUP_ARCHIVE: join(directory, 'file') })).rejects.toEqual(failed);
    expect(await rowsLeft()).toBe(3);
  });

  test('a partition whose rows are not those of the file stays', async () => {
    await write('2020-01-01Z');
    await cover();
    const drop = (rows: number, digest: string) =>
      database.query(
        `select outcome from outbox.drop_partition('event_20200101', '1 day', true, false, 'file', $1, $2)`,
        [rows, digest],
      );
    const { rows } = await database.query(
      `select outbox.digest_of('event_20200101', 0, 100)::text as digest`,
    );
    const { digest } = rows[0];
    expect((await drop(2, digest)).rows).toEqual([{ outcome: 'changed' }]);
    expect((await drop(3, '1')).rows).toEqual([{ outcome: 'changed' }]);
    expect((await drop(3, digest)).rows).toEqual([{ outcome: 'dropped' }]);
  });
});

test('a database without the tables of the relay says of no row that cleanup removed it', async () => {
  await write('2020-01-01Z');
  await cover();
  expect(await readRemovals(database)).toBeUndefined();
  await clean();
  expect(await readRemovals(database)).toEqual({
    beforeMs: Date.parse('2020-01-03T00:00:00Z'),
    lastMs: expect.any(Number),
  });
  await database.query('create database bare');
  const url = new URL(server.url);
  url.pathname = '/bare';
  const bare = new pg.Client({ connectionString: url.href });
  await bare.connect();
  expect(await readRemovals(bare)).toBeUndefined();
  await bare.end();
});

describe('an outbox table of your own', () => {
  const own = { OUTBOX_TABLE: 'shop.outbox', CLEANUP_ROWS_PER_SECOND: 100_000 };
  const create = `create schema shop;
    create table shop.outbox (id bigint, aggregatetype text, aggregateid text, type text, payload jsonb, headers jsonb, created_at timestamptz)`;
  const guard = `create trigger refuse_update before update on shop.outbox for each row execute function outbox.refuse_update()`;
  const fill = (rows: number, age: string) =>
    database.query(
      `insert into shop.outbox select n, 'order', n::text, 'OrderPlaced', '{}', '{}', now() - $2::interval from generate_series(1, $1::int) n`,
      [rows, age],
    );

  test('loses the rows that are published and old, and no others', async () => {
    await database.query(`${create}; ${guard}`);
    await fill(2_500, '2 days');
    await fill(10, '1 hour');
    await database.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message)
       values ('outbox_relay', '0/1', 0, '77', 'PAYLOAD_INVALID', 'x')`,
    );
    await cover();
    await fill(1, '2 days');
    const report = await clean(own);
    expect(outcomes(report)).toEqual({ 'shop.outbox': ['kept', 2_499, 'uncovered'] });
    expect(report.pieces[0]!.held).toEqual({ young: 10, uncovered: 1, waiting: 1 });
    // The young ones with the id of the dead letter count as young.
    expect(await rowsLeft('shop.outbox')).toBe(12);
    expect(
      (await database.query('select relation, removed_rows::int as n from outbox.removal')).rows[0],
    ).toEqual({
      relation: 'shop.outbox',
      n: expect.any(Number),
    });
  });

  test('stays as it is where nothing keeps its rows from being updated', async () => {
    await database.query(create);
    await fill(10, '2 days');
    await cover();
    expect(outcomes(await clean(own))).toEqual({ 'shop.outbox': ['kept', 0, 'unguarded'] });
  });

  test('stays as it is where nobody knows how old its rows are', async () => {
    await database.query(`${create}; ${guard}`);
    await fill(10, '2 days');
    await cover();
    const noTime = await clean({ ...own, OUTBOX_COLUMNS_CREATED_AT: '' });
    expect(outcomes(noTime)).toEqual({ 'shop.outbox': ['kept', 0, 'no-time'] });
  });
});
