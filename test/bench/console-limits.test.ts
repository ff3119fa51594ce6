import { expect, test } from 'vitest';
import { brokenLimits } from '../../bench/console-limits.ts';

const cost = { cpuPercent: 1.9, statementsPerMinute: 500, scrapesPerMinute: 12 };
const good = {
  costs: [
    { ...cost, pages: 0 },
    { ...cost, pages: 1 },
    // Several people at once may cost more.
    { ...cost, pages: 5, cpuPercent: 7 },
  ],
  firstPaintMs: 999,
  answerMs: { groups: 299, list: 10 },
  listDrawnMs: 299,
};

test('figures below every limit are good', () => {
  expect(brokenLimits(good)).toEqual([]);
});

test.each([
  ['CPU', { costs: [{ ...cost, pages: 1, cpuPercent: 2 }] }, 'CPU with one page open: 2 %'],
  ['the first paint', { firstPaintMs: 1_000 }, 'first paint: 1000 ms'],
  ['drawing the list', { listDrawnMs: 300 }, 'list drawn: 300 ms'],
  ['one answer', { answerMs: { groups: 10, list: 300 } }, 'answer, list: 300 ms'],
])('a limit that is reached by %s is named', (_, figures, text) => {
  expect(brokenLimits({ ...good, ...figures })).toEqual([expect.stringContaining(text)]);
});
