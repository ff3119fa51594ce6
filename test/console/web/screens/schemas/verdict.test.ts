/** Whom a change of a schema affects, in words. */
import { expect, test } from 'vitest';
import { causesOf, verdictOf } from '../../../../../console/web/screens/schemas/verdict.ts';

const finding = (breaks: 'consumers' | 'producers', isSilent = false) => ({ breaks, isSilent });

test('no finding: nobody', () => {
  expect(verdictOf([])).toMatchObject({ tone: 'good' });
});

test('one side, and how it fails', () => {
  expect(verdictOf([finding('consumers')]).text).toBe(
    'Consumers that still have the earlier version fail at such events.',
  );
  expect(verdictOf([finding('producers', true)]).text).toBe(
    'Consumers that have the new version and read earlier events read other values than were written, without an error.',
  );
});

test('a silent change beside a loud one is not hidden', () => {
  const { text } = verdictOf([finding('consumers'), finding('producers', true)]);
  expect(text).toContain('Everybody');
  expect(text).toContain('other values without an error');
});

test('failures of one cause are one, the most frequent first', () => {
  const failure = (id: string, path: string) => ({ id, code: 'PAYLOAD_INVALID', path, message: 'm' });
  const causes = causesOf([failure('1', '$.a'), failure('2', '$.b'), failure('3', '$.b')], 1);
  expect(causes).toMatchObject([
    { path: '$.b', count: 2, ids: ['2'] },
    { path: '$.a', count: 1, ids: ['1'] },
  ]);
});
