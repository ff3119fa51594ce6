import { expect, test } from 'vitest';
import { nextSteps, toneOf } from '../../../../../console/web/screens/now/verdicts.ts';
import { verdicts } from '../../../../../relay/operations/verdicts.ts';

const names = Object.keys(verdicts) as (keyof typeof verdicts)[];

test('every verdict has its next step, and only streaming looks good', () => {
  expect(Object.keys(nextSteps).sort()).toEqual(names.toSorted());
  expect(names.filter((name) => toneOf({ name, isGood: verdicts[name][0] }) === 'good')).toEqual([
    'streaming',
  ]);
});

test('streaming with something to look at does not look good', () => {
  expect(toneOf({ name: 'streaming', isGood: false })).toBe('warn');
});

test('what publishes nothing, though nobody meant that, looks bad', () => {
  const bad = names.filter((name) => toneOf({ name, isGood: false }) === 'bad');
  expect(bad.sort()).toEqual(['failing', 'no-relay', 'not-streaming', 'slot-lost', 'stopped', 'unknown']);
});
