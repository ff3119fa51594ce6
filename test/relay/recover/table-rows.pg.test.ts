/** The order of publishing as Postgres makes it, against another formulation of it. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { publishingOrder } from '../../../relay/recover/order.ts';
import { type RowsOptions, readRows, SortedRows } from '../../../relay/recover/table-rows.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { configOf } from '../settings.ts';

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createDatabase();
  await migrate({ databaseUrl: database.url });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

describe('missing events are published', () => {
  type Ordered = {
    committed: bigint | null;
    created: bigint | null;
    age: number;
    command: number;
    page: number;
    line: number;
  };

  /** An unknown time comes first. */
  const compare = (a: bigint | number | null, b: bigint | number | null): number =>
    a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1;

  const compareOrder = (a: Ordered, b: Ordered): number =>
    compare(a.committed ?? a.created, b.committed ?? b.created) ||
    // Equal commit times mean one transaction; its savepoints have numbers of their own.
    Number(a.committed !== null) - Number(b.committed !== null) ||
    (a.committed === null ? b.age - a.age : 0) ||
    a.command - b.command ||
    compare(a.created, b.created) ||
    a.page - b.page ||
    a.line - b.line;

  test('by commit, else by writing, and within a transaction by statement, time and place', async () => {
    const time = fc.option(
      fc.oneof(fc.bigInt({ min: 0n, max: 3n }), fc.constant(9_224_318_015_999_999_999n)),
    );
    const row: fc.Arbitrary<Ordered> = fc.record({
      committed: time,
      created: time,
      age: fc.integer({ min: -1, max: 2 }),
      command: fc.nat(2),
      page: fc.constantFrom(0, 9, 10, 2 ** 32 - 2),
      line: fc.integer({ min: 1, max: 20 }),
    });
    const lists = fc.uniqueArray(row, {
      selector: ({ page, line }) => `${page},${line}`,
      minLength: 2,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(lists, async (rows) => {
        const { rows: sorted } = await client.query(
          `select n from unnest($1::int[], $2::numeric[], $3::numeric[], $4::int[], $5::bigint[], $6::tid[])
             as given (n, committed_us, created_us, xid_age, command, place), (select 1::oid as relation) as of
           order by ${publishingOrder}`,
          [
            [...rows.keys()],
            rows.map(({ committed }) => committed),
            rows.map(({ created }) => created),
            rows.map(({ age }) => age),
            rows.map(({ command }) => command),
            rows.map(({ page, line }) => `(${page},${line})`),
          ],
        );
        expect(sorted.map(({ n }) => rows[n])).toEqual(rows.toSorted(compareOrder));
      }),
      { numRuns: 100 },
    );
  });
});

describe('the rows of a table in their order', () => {
  const insert = (ids: string[], second: number) =>
    client.query(
      `insert into public.sorted (id, aggregatetype, aggregateid, type, created_at)
         select id, 'order', 'k', 'Placed', 'epoch'::timestamptz + $2::int * interval '1 second' from unnest($1::text[]) id`,
      [ids, second],
    );

  beforeAll(async () => {
    await client.query(
      `create collation test_order (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`,
    );
    await client.query(`create table public.sorted (id text collate test_order, aggregatetype text,
      aggregateid text, type text, payload text, created_at timestamptz)`);
    await insert(['third', 'again'], 3);
    await insert(['first'], 1);
    await insert(['second', 'SECOND', 'second '], 2);
    await client.query('insert into public.sorted (id) values (null)');
    await client.query(
      `insert into public.sorted (id, created_at) values ('untimed', 'infinity'), ('none', null)`,
    );
    await insert(['again'], 2);
    await insert(
      Array.from({ length: 4_500 }, (_, n) => `n${n}`),
      9,
    );
  });

  const optionsOf = (isEachNameApart: boolean): RowsOptions => ({
    config: configOf(
      { OUTBOX_TABLE: 'public.sorted', OUTBOX_COLUMNS_HEADERS: '' },
      { databaseUrl: database.url },
    ),
    client,
    hasCommitTimes: false,
    isEachNameApart,
  });

  const read = async (rows: AsyncIterable<readonly { id: string | null; copies?: string }[]>) => {
    const found: string[] = [];
    for await (const page of rows)
      for (const { id, copies } of page) found.push(`${id}${copies === '2' ? ' of 2' : ''}`);
    return found;
  };

  test.each([false, true])(
    'come once for each id, the same each time, with names apart: %s',
    async (apart) => {
      await client.query('begin isolation level repeatable read, read only');
      const sorted = await SortedRows.open(optionsOf(apart), null);
      const all = await read(sorted.pages());
      expect(all.slice(0, 8)).toEqual([
        'untimed',
        'none',
        'first',
        'second',
        'SECOND',
        'second ',
        // The later row counts, at its own place in the order.
        'again of 2',
        'third',
      ]);
      expect(all).toHaveLength(8 + 4_500);
      expect(await read(sorted.pages())).toEqual(all);
      expect(await read(readRows(optionsOf(apart)))).toHaveLength(8 + 2 + 4_500);
      await client.query('rollback');
    },
  );

  test('leave out what is older than the first that may be missing, and keep what has no time', async () => {
    await client.query('begin isolation level repeatable read, read only');
    const sorted = await SortedRows.open(optionsOf(false), 2_000_000n);
    expect((await read(sorted.pages())).slice(0, 4)).toEqual(['untimed', 'none', 'second', 'SECOND']);
    await client.query('rollback');
  });
});
