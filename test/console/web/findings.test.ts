/** How the console groups the findings of `check`, and names those of an audit. */
import { expect, test } from 'vitest';
import { progressText } from '../../../console/web/data/job-text.ts';
import { found, kindOf, unjudged } from '../../../console/web/screens/audit/words.ts';
import { grouped, groupOf } from '../../../console/web/screens/database/group-findings.ts';

test('problems come first, and what is fine last', () => {
  const finding = (name: string, status: 'ok' | 'warn' | 'fail' | 'skipped') =>
    ({ server: 'kafka', name, status }) as const;
  const findings = [finding('a', 'ok'), finding('b', 'warn'), finding('c', 'fail'), finding('d', 'skipped')];
  expect(grouped(findings).map(([group, own]) => [group, own.map(({ name }) => name)])).toEqual([
    ['problem', ['c']],
    ['warning', ['b']],
    ['skipped', ['d']],
    ['fine', ['a']],
  ]);
});

test('a right that only a relay needs is no problem of the console', () => {
  expect(groupOf({ server: 'postgres', name: 'rights', status: 'fail' })).toBe('role');
  expect(groupOf({ server: 'postgres', name: 'rights', status: 'ok' })).toBe('fine');
  expect(groupOf({ server: 'postgres', name: 'rights', status: 'skipped' })).toBe('skipped');
  expect(groupOf({ server: 'kafka', name: 'rights', status: 'fail' })).toBe('problem');
});

test('each kind of an audit has its name, as the report and as Postgres writes it', () => {
  expect(kindOf(found, 'out_of_order').name).toBe('Out of order');
  expect(kindOf(found, 'outOfOrder').name).toBe('Out of order');
  expect(kindOf(unjudged, 'withoutId').name).toBe('Rows without an id');
  expect(kindOf(unjudged, 'of a later release')).toEqual({ name: 'of a later release', means: '' });
});

test('a progress says what it counts, as far as it is known', () => {
  expect(progressText({ done: 0, total: null, phase: 'starting' })).toBe('starting');
  expect(progressText({ done: 1_200, total: null, phase: 'reading the table' })).toBe(
    'reading the table: 1,200',
  );
  expect(progressText({ done: 3, total: 40, phase: 'checking' })).toBe('checking: 3 of 40');
});
