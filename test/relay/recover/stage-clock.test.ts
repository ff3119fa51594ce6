import { expect, test } from 'vitest';
import { StageClock } from '../../../relay/recover/stage-clock.ts';

let nowMs = 0;
const clock = () => new StageClock(() => nowMs);

test('says the time left at the pace of the stage, once that pace is known', () => {
  const timed = clock();
  expect(timed.timed({ stage: 'topics', done: 0, total: 100 })).not.toHaveProperty('leftMs');
  nowMs += 1_000;
  expect(timed.timed({ stage: 'topics', done: 10, total: 100 })).not.toHaveProperty('leftMs');
  nowMs += 3_000;
  expect(timed.timed({ stage: 'topics', done: 40, total: 100 })).toMatchObject({ leftMs: 6_000 });
});

test('begins again with each stage, at what is done by then', () => {
  const timed = clock();
  timed.timed({ stage: 'topics', done: 0, total: 100 });
  nowMs += 50_000;
  timed.timed({ stage: 'rows', done: 100, total: 300 });
  nowMs += 2_000;
  expect(timed.timed({ stage: 'rows', done: 200, total: 300 })).toMatchObject({ leftMs: 2_000 });
});

test('says nothing without a total, or beyond one that was an estimate', () => {
  const timed = clock();
  timed.timed({ stage: 'table', done: 0 });
  nowMs += 5_000;
  expect(timed.timed({ stage: 'table', done: 50 })).toEqual({ stage: 'table', done: 50 });
  expect(timed.timed({ stage: 'table', done: 50, total: 40 })).not.toHaveProperty('leftMs');
});
