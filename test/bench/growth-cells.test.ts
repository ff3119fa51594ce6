/** What is varied to see how the cost grows. */
import { expect, test } from 'vitest';
import {
  dimensions,
  growthCells,
  isMeasuredFor,
  judgeGrowth,
  tableOf,
  valueIn,
} from '../../bench/growth-cells.ts';
import { grownOf } from './samples.ts';

const grown = (maxRows: number) => growthCells(maxRows).map((cell) => grownOf(8, 100, cell));

test('growth goes up to the backlog that was asked for', () => {
  for (const most of [100_000, 1_000_000, 10_000_000])
    expect(Math.max(...growthCells(most).map(({ events }) => events))).toBe(most);
  expect(Math.max(...growthCells(500, 2_000).map(({ events }) => events))).toBe(500);
});

test('only what is asked for is varied', () => {
  const cells = growthCells(10_000_000, 100_000, ['compression']);
  expect(cells.map(({ dimension }) => dimension)).toEqual([
    'usual',
    'compression',
    'compression',
    'compression',
  ]);
});

test('each table has the values that the comparison promises, in order, with the usual cell among them', () => {
  const all = grown(10_000_000);
  const shown = Object.fromEntries(
    dimensions.map((dimension) => [
      dimension,
      tableOf(all, dimension).map(({ cell }) => valueIn(cell, dimension)),
    ]),
  );
  expect(shown).toEqual({
    rows: [100_000, 1_000_000, 10_000_000],
    partitions: [1, 3, 10, 100],
    perTransaction: [1, 5, 100, 10_000, 100_000],
    rowBytes: [100, 275, 1_000, 10_000, 100_000],
    compression: ['none', 'lz4', 'zstd', 'gzip'],
  });
});

test('one cell differs from the usual one in one thing, and no cell has more than 200 MB of JSON', () => {
  const [usual, ...others] = growthCells(1_000_000);
  for (const cell of others) {
    const { dimension } = cell;
    const changed = (['partitions', 'perTransaction', 'rowBytes', 'compression'] as const).filter(
      (key) => cell[key] !== usual![key],
    );
    expect(changed).toEqual(dimension === 'rows' ? [] : [dimension]);
    if (dimension === 'rowBytes') expect(cell.events * cell.rowBytes).toBeLessThanOrEqual(200_000_000);
  }
});

test('only the largest backlog is too much for Debezium to be measured too', () => {
  const left = growthCells(10_000_000).filter((cell) => !isMeasuredFor('debezium', cell));
  expect(left.map(({ events }) => events)).toEqual([10_000_000]);
});

test('growth is judged by the memory of every cell and by the cost of the backlogs', () => {
  const other = grownOf(99, 250, { dimension: 'rowBytes', rowBytes: 10_000 });
  const million = (own: number, memory: number) =>
    grownOf(own, memory, { dimension: 'rows', events: 1_000_000 });
  expect(judgeGrowth([grownOf(8, 100), million(8.8, 240), other])).toEqual({
    peakMemoryMb: 250,
    memoryHolds: true,
    costSpreadPercent: 10,
    costHolds: true,
  });
  expect(judgeGrowth([grownOf(8, 100), million(9, 251)])).toMatchObject({
    memoryHolds: false,
    costHolds: false,
  });
  expect(judgeGrowth([])).toBeUndefined();
});
