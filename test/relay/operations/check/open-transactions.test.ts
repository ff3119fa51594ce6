import { expect, test } from 'vitest';
import { judgeEnds } from '../../../../relay/operations/check/open-transactions.ts';

const orders = { topic: 'orders', partition: 2 };
const free = { ...orders, ends: { stable: 9n, all: 9n } };
const open = { ...orders, ends: { stable: 5n, all: 9n } };
const stands = { ...orders, offset: 5n, standingMs: 5_000, owner: 'relay' } as const;

test('nothing stands', () => {
  expect(judgeEnds([free, { ...free, partition: 3 }], [], 0)).toEqual({
    status: 'ok',
    message: 'consumers under read_committed get to the end of 1 topic',
  });
  expect(judgeEnds([], [], 0)).toEqual({ status: 'ok', message: 'no topic exists yet' });
});

test('topics that were left out are counted', () => {
  expect(judgeEnds([free], [], 3).message).toMatch(/to the end of 1 topic; 3 topics were not looked at$/);
  expect(judgeEnds([], [], 1)).toMatchObject({ status: 'warn', message: '1 topic was not looked at' });
});

test('a partition that stands is named with its offset, and whose transaction it is', () => {
  const verdict = judgeEnds([open], [stands, { ...stands, partition: 3, owner: 'unknown' }], 0);
  expect(verdict.status).toBe('warn');
  expect(verdict.message).toContain(
    'past offset 5 of orders/2 (written by a relay), offset 5 of orders/3 (whose it is could not be seen) within 5 s',
  );
  expect(verdict.fix).toContain('Do not abort what a relay wrote');
});

test('what could not be seen is never called free', () => {
  const verdict = judgeEnds([free, { ...orders, partition: 7, ends: undefined }], [], 0);
  expect(verdict).toMatchObject({ status: 'warn', message: 'no leader told the end of orders/7' });
});
