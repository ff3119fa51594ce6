/** Reading many dead letters at the cost of few. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pagesOfLetters } from '../../../../relay/operations/dead-letters/read.ts';
import { type LetterDatabase, openLetterDatabase } from './letters.ts';

let database: LetterDatabase;
beforeAll(async () => {
  database = await openLetterDatabase();
});
afterAll(() => database?.[Symbol.asyncDispose]());

test('more than a page come page by page, each once, in order, and no more than the limit', async () => {
  const { pool, operator } = database;
  const later = await database.leave('0/2000', 1_300);
  const earlier = await database.leave('0/1000', 1_200);
  const pages = async (limit: number) => {
    const read: (string | null)[][] = [];
    for await (const page of pagesOfLetters(pool, operator.config.slot.name, {}, limit))
      read.push(page.map(({ eventId }) => eventId));
    return read;
  };
  const all = await pages(9_999);
  expect(all.map(({ length }) => length)).toEqual([1_000, 1_000, 500]);
  expect(all.flat()).toEqual([...earlier, ...later]);
  expect((await pages(2_500)).flat()).toEqual(all.flat());
  expect((await pages(1_001)).map(({ length }) => length)).toEqual([1_000, 1]);
});
