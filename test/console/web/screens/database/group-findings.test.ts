/** How the console groups the findings of `check`. */
import { expect, test } from 'vitest';
import { grouped, groupOf } from '../../../../../console/web/screens/database/group-findings.ts';

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
