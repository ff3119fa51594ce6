/** The server judges transaction numbers by the rules that the relay has in relay/model/pg-snapshot.ts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { parseSnapshot, visibility, wholeXid } from '../../../relay/model/pg-snapshot.ts';
import * as selection from '../../../relay/replay/selection.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const names = { 1: 'visible', 0: 'unclear', [-1]: 'hidden' } as const;

test.each(['10:10:', '10:20:12,15', '4294967300:4294967400:4294967310', '3:4294967299:'])(
  'whether snapshot %s shows a transaction',
  async (text) => {
    const snapshot = parseSnapshot(text);
    const around = [snapshot.xmin, snapshot.xmax, ...snapshot.running].flatMap((xid) => [
      xid - 1n,
      xid,
      xid + 1n,
    ]);
    const values = new selection.Values();
    const xids = values.add(around.map(String));
    const sql = `select whole::text, ${selection.visibility(text, values)} as shown from unnest(${xids}::bigint[]) as event (whole)`;
    const { rows } = await database.pool.query(sql, values.list as unknown[]);
    for (const { whole, shown } of rows)
      expect(names[shown as keyof typeof names], whole).toBe(visibility(BigInt(whole), snapshot));
  },
);

test('without a snapshot nobody can tell', () => {
  expect(selection.visibility(null, new selection.Values())).toBe('0');
});

test('the whole number of a transaction, from the 32 bits that a row keeps', async () => {
  const random = new Random(1);
  for (const xmax of [3n, 10n, 4_294_967_295n, 4_294_967_296n, 4_294_967_300n, 123_456_789_012n]) {
    const near = [-2n, -1n, 0n, 1n].map((by) => BigInt.asUintN(32, xmax + by));
    const some = Array.from({ length: 50 }, () => BigInt(Math.floor(random.fraction() * 2 ** 32)));
    const rows32 = [0n, 1n, 2n, 3n, ...near, ...some].map(String);
    const sql = `select xmin, (${selection.wholeXid('($1::bigint - 1)')})::text as whole from unnest($2::text[]) as row (xmin)`;
    const { rows } = await database.pool.query(sql, [String(xmax), rows32]);
    for (const { xmin, whole } of rows)
      expect(whole, `${xmin} of ${xmax}`).toBe(String(wholeXid(xmin, xmax)));
  }
});
