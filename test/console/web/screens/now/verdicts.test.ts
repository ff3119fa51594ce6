import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { concernSteps, nextSteps, toneOf } from '../../../../../console/web/screens/now/verdicts.ts';
import { concerns } from '../../../../../relay/operations/status-concerns.ts';
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

test('every concern and every next step leads to a screen', async () => {
  expect(Object.keys(concernSteps).sort()).toEqual(Object.keys(concerns).sort());
  const steps = [...Object.values(concernSteps), ...Object.values(nextSteps)];
  const list = new URL('../../../../../console/web/screens/screens.ts', import.meta.url);
  const paths = [...(await readFile(list, 'utf8')).matchAll(/path: '([^']+)'/g)].map(([, path]) => path);
  expect(paths.length).toBeGreaterThan(5);
  for (const step of steps) if (step !== null) expect(paths).toContain(step.path.split('#')[0]);
});
