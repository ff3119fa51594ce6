/** What is streamed of an outbox table, asked of real tables and publications. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertStreamable, examineOutbox } from '../../../relay/capture/outbox-table.ts';
import { unique } from '../../support/unique.ts';
import { type OutboxDatabase, openOutboxDatabase } from './database.ts';

let outbox: OutboxDatabase;
let major: number;
beforeAll(async () => {
  outbox = await openOutboxDatabase();
  const { rows } = await outbox.pool.query(`select current_setting('server_version_num')::int as number`);
  major = Math.floor(rows[0].number / 10_000);
});
afterAll(() => outbox[Symbol.asyncDispose]());

const ordinary = {
  id: 'uuid',
  aggregatetype: 'text',
  aggregateid: 'text',
  type: 'text',
  payload: 'jsonb',
  headers: 'json',
  created_at: 'timestamptz',
};

type Scene = {
  readonly columns?: Readonly<Record<string, string>>;
  /** Behind the columns, as PARTITION BY. */
  readonly clause?: string;
  readonly kind?: string;
  /** `%t` stands for the table, `%p` for the publication. */
  readonly after?: string;
  readonly publication?: string;
  readonly settings?: Readonly<Record<string, string>>;
};

/** Severity and message of what is found, with the table as `ob`. */
async function found(scene: Scene): Promise<string[]> {
  const table = unique('ob');
  const publication = unique('publication');
  const columns = Object.entries({ ...ordinary, ...scene.columns }).map(([name, type]) => `${name} ${type}`);
  const text = (sql: string) => sql.replaceAll('%t', `public.${table}`).replaceAll('%p', publication);
  const { pool } = outbox;
  await pool.query(
    `create ${scene.kind ?? ''} table public.${table} (${columns.join(', ')}) ${scene.clause ?? ''}`,
  );
  await pool.query(text(scene.publication ?? 'create publication %p for table %t'));
  if (scene.after !== undefined) await pool.query(text(scene.after));
  const settings = { OUTBOX_TABLE: `public.${table}`, PUBLICATION: publication, ...scene.settings };
  const findings = await examineOutbox(outbox.pool, outbox.configWith(settings));
  return findings.map(({ severity, code, message }) =>
    `${severity} ${code}: ${message}`.replaceAll(table, 'ob').replaceAll(publication, 'p'),
  );
}

describe('nothing is found in', () => {
  test('the table of the migrations', async () => {
    expect(await examineOutbox(outbox.pool, outbox.configWith({}))).toEqual([]);
  });

  test.each<[string, Scene]>([
    ['a table of the usual types', {}],
    [
      'one of numbers, enums, domains and names that need quotes',
      {
        columns: {
          id: 'bigint',
          aggregateid: 'bigint',
          payload: 'body',
          type: 'kind',
          headers: 'varchar(9)',
          '"at"': 'timestamptz',
        },
        settings: { OUTBOX_COLUMNS_CREATED_AT: 'at' },
      },
    ],
    [
      'a published table without a column that is not mapped',
      { columns: { more: `int generated always as (1) stored` } },
    ],
  ])('%s', async (_, scene) => {
    await outbox.pool.query(`do $$ begin
      create domain body as text; create type kind as enum ('a');
      exception when duplicate_object then null; end $$`);
    expect(await found(scene)).toEqual([]);
  });
});

describe('what the publication leaves out is refused:', () => {
  const lower = { type: `text generated always as (lower(aggregatetype)) stored` };

  test('a generated column', async () => {
    expect(await found({ columns: lower })).toEqual([
      'refuse PUBLICATION_INCOMPLETE: publication p does not publish column type of public.ob (generated)',
    ]);
  });

  test('but not one that is published from 18 on', async ({ skip }) => {
    skip(major < 18, 'came with 18');
    const publication = 'create publication %p for table %t with (publish_generated_columns = stored)';
    expect(await found({ columns: lower, publication })).toEqual([]);
  });

  test('a column that its list has not', async ({ skip }) => {
    skip(major < 15, 'came with 15');
    const listed = 'id, aggregatetype, aggregateid, type, headers, created_at';
    expect(await found({ publication: `create publication %p for table %t (${listed})` })).toEqual([
      'refuse PUBLICATION_INCOMPLETE: publication p does not publish column payload of public.ob (column list)',
    ]);
    const inAll = `create publication %p for table %t (${listed}, payload)`;
    expect(await found({ publication: inAll })).toEqual([]);
  });
});

describe('rows that are not streamed are refused:', () => {
  test.each<[string, Scene, RegExp]>([
    [
      'of tables that inherit',
      { after: 'create table %t_1 () inherits (%t)' },
      /^refuse OUTBOX_TABLE_INVALID: tables inherit from public\.ob \(public\.ob_1\)/,
    ],
    [
      'of an unlogged table',
      { kind: 'unlogged', publication: 'create publication %p for all tables' },
      /^refuse OUTBOX_TABLE_INVALID: public\.ob is unlogged/,
    ],
    [
      'of an unlogged partition',
      {
        clause: 'partition by list (aggregatetype)',
        after: `create table %t_1 partition of %t default; create unlogged table %t_2 partition of %t for values in ('x')`,
      },
      /^refuse OUTBOX_TABLE_INVALID: partitions of public\.ob are unlogged or foreign \(public\.ob_2\)/,
    ],
  ])('%s', async (_, scene, message) => {
    expect((await found(scene))[0]).toMatch(message);
  });
});

describe('of types', () => {
  test.each([
    ['payload', 'bytea', 'refuse', 'of type bytea, whose text is not JSON'],
    ['payload', 'oid', 'refuse', 'the number of a large object and not JSON'],
    ['payload', 'char(90)', 'warn', 'pads every value'],
    ['headers', 'text[]', 'refuse', 'whose text is not JSON'],
    ['type', 'char(12)', 'refuse', 'of type char(n), which pads'],
    ['aggregatetype', 'bytea', 'refuse', 'hexadecimal'],
    ['aggregateid', 'char(12)', 'warn', 'of type char(n), which pads'],
    ['created_at', 'bigint', 'refuse', 'of type bigint, and no time'],
    [
      'created_at',
      'timestamp',
      'warn',
      'of type timestamp without time zone, which says nothing of its time zone',
    ],
  ])('%s as %s is told', async (column, type, severity, why) => {
    const [only, ...more] = await found({ columns: { [column]: type } });
    expect(more).toEqual([]);
    expect(only).toMatch(
      new RegExp(`^${severity} OUTBOX_TABLE_INVALID: column ${column} of public\\.ob is `),
    );
    expect(only).toContain(why);
  });

  test('a domain over one that does not work is no better, and a column that is not mapped is left alone', async () => {
    await outbox.pool.query('create domain raw as bytea; create domain rawer as raw');
    expect(await found({ columns: { payload: 'rawer' } })).toHaveLength(1);
    const settings = { OUTBOX_COLUMNS_PAYLOAD: 'body' };
    expect(await found({ columns: { payload: 'rawer', body: 'json' }, settings })).toEqual([]);
  });
});

describe('a partitioned table of one’s own', () => {
  const scene = {
    clause: 'partition by range (created_at)',
    publication: 'create publication %p for table %t with (publish_via_partition_root)',
  };
  const guard =
    'create trigger refuse_update before update on %t for each row execute function outbox.refuse_update()';

  test('is warned of while nothing guards it against an UPDATE, and not once something does', async () => {
    expect(await found(scene)).toEqual([
      expect.stringMatching(
        /^warn .*nothing keeps an UPDATE from moving a row of public\.ob to another partition/,
      ),
    ]);
    expect(await found({ ...scene, after: guard })).toEqual([]);
    const off = `${guard}; alter table %t disable trigger refuse_update`;
    expect(await found({ ...scene, after: off })).toHaveLength(1);
  });
});

test('a column that is not there is refused at the first start; later only its rows tell whether it was renamed', async () => {
  const settings = { OUTBOX_COLUMNS_PAYLOAD: 'body' };
  const findings = await examineOutbox(outbox.pool, outbox.configWith(settings));
  expect(findings).toMatchObject([
    { severity: 'absent', message: 'outbox.event has no column body for outbox.columns.payload' },
  ]);
  expect(() => assertStreamable(findings, true)).toThrow('outbox.event has no column body');
  assertStreamable(findings, false);
});

test('where a column is missing that a table need not have, the finding says how to go without', async () => {
  const settings = { OUTBOX_COLUMNS_HEADERS: 'none_such', OUTBOX_COLUMNS_CREATED_AT: 'neither' };
  const findings = await examineOutbox(outbox.pool, outbox.configWith(settings));
  expect(findings.map(({ fix }) => fix)).toEqual([
    "set outbox.columns.headers: '' if the table has no such column, or correct outbox.columns",
    "set outbox.columns.createdAt: '' if the table has no such column, or correct outbox.columns",
  ]);
  const without = { OUTBOX_COLUMNS_HEADERS: '', OUTBOX_COLUMNS_CREATED_AT: '' };
  expect(await examineOutbox(outbox.pool, outbox.configWith(without))).toEqual([]);
});
