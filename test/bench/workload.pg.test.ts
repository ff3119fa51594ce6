/** The rows that are measured. */
import { expect, test } from 'vitest';
import { idPrefix, numberOf, payloadOf, payloadSql } from '../../bench/workload.ts';
import { createDatabase } from '../support/database.ts';

test('an id tells the number of its row, and of no other', () => {
  expect(numberOf(`${idPrefix}0000000000ff`)).toBe(255);
  expect(numberOf('00000000-0000-4000-8000-0000000000ff')).toBeNaN();
});

test('a payload has as many bytes as were asked for', () => {
  for (const bytes of [100, 275, 1_024, 10_240, 100_000])
    expect(Buffer.byteLength(payloadOf(bytes))).toBe(bytes);
});

test('the payloads of rows have that size and those fields too, and differ from each other', async () => {
  await using database = await createDatabase();
  for (const bytes of [100, 275, 1_000, 100_000]) {
    const { words, expression } = payloadSql(bytes);
    const { rows } = await database.pool.query<{ payload: string }>(
      `select (${expression})::json::text as payload
         from generate_series(9999000, 9999009) n, (select '${words}'::text as words) one`,
    );
    for (const { payload } of rows) {
      expect(Buffer.byteLength(payload)).toBe(bytes);
      expect(Object.keys(JSON.parse(payload))).toEqual(Object.keys(JSON.parse(payloadOf(bytes))));
    }
    // The smallest has no room for anything of its own.
    if (bytes > 100) expect(new Set(rows.map(({ payload }) => payload)).size).toBe(rows.length);
  }
});
