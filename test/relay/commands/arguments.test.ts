/** What is refused before anything is looked at: a row a rule. */
import { afterEach, expect, test, vi } from 'vitest';
import {
  age,
  collect,
  seconds,
  timeOrAge,
  timeWithOffset,
  wholeNumber,
} from '../../../relay/commands/arguments.ts';
import { runProgram } from '../../../relay/commands/program.ts';

afterEach(() => vi.restoreAllMocks());

test.each([
  [['dead-letters', 'fix', 'x', '--payload', 'f', '--patch', '[]'], 'give --payload or --patch, not both'],
  [['dead-letters', 'resubmit', '--yes'], 'name dead letters, filter them, or give --all'],
  [['dead-letters', 'discard', '--all', '--yes'], 'give --reason'],
  [['dead-letters', 'release', '--yes'], 'name dead letters or keys, or give --all'],
  [['dead-letters', 'purge'], 'give --older-than or --keep'],
  [['dead-letters', 'purge', '--older-than', '23h'], 'Expected an age of a day or more'],
  [['dead-letters', 'purge', '--older-than', '90d', '--status', 'open'], 'Expected resubmitted, discarded'],
  [['dead-letters', 'list', '--status', 'lost'], 'Expected open, parked, resubmitted, discarded, released'],
  [['dead-letters', 'list', '--since', 'yesterday'], 'Expected a time'],
  [['dead-letters', 'list', '--code', 'PAYLOAD_INVALD'], 'Expected one of '],
  [['schemas', 'types', '--check'], '--check needs --out'],
  [['pause', '--by', ' ', '--reason', 'x'], 'Expected a name'],
  [['resume', '--all', '--by', 'x'.repeat(201)], 'Expected at most 200 characters'],
  [['pause', '--reason', 'x'.repeat(2_001)], 'Expected at most 2000 characters'],
])('%j is refused: %s', async (args, fault) => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(await runProgram(args)).toBe(64);
  expect(said.mock.calls.map(([text]) => text).join('')).toMatch(/^error: /);
  expect(said.mock.calls.map(([text]) => text).join('')).toContain(fault);
});

test.each<[string, (value: string) => unknown, string, unknown]>([
  ['a whole number', wholeNumber(1, 9_999), '0005', 5],
  ['seconds with a fraction', seconds(0.1, 600), '0.5', 0.5],
  ['an age', age, '90d', 7_776_000],
  ['a time', timeOrAge, '2026-01-31T12:00:00Z', new Date('2026-01-31T12:00:00Z')],
  ['a time with an offset', timeWithOffset, '2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
])('%s is read', (_, parse, value, expected) => {
  expect(parse(value)).toEqual(expected);
});

test.each<[(value: string) => unknown, string]>([
  [wholeNumber(1, 9), '10'],
  [wholeNumber(1, 9), '1.5'],
  [wholeNumber(1, 9), ''],
  [seconds(1, 9), 'soon'],
  [seconds(1, 9), '0'],
  [age, '1y'],
  [timeWithOffset, '2026-01-31T12:00:00'],
  [timeWithOffset, '0000-01-01T00:00:00Z'],
  [timeOrAge, '2026-13-31'],
  [timeOrAge, '0000-01-01T00:00:00Z'],
  [timeOrAge, '9999-12-31T23:00:00-02:00'],
  [timeOrAge, '999999d'],
])('%o does not read %j', (parse, value) => {
  expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }));
});

test('an age counts back from now', () => {
  vi.useFakeTimers({ now: new Date('2026-01-31T12:00:00Z') });
  expect(timeOrAge('2h')).toEqual(new Date('2026-01-31T10:00:00Z'));
  vi.useRealTimers();
});

test('a value that is given twice counts once', () => {
  expect(
    ['a', 'b', 'a'].reduce<string[] | undefined>((before, value) => collect(value, before), undefined),
  ).toEqual(['a', 'b']);
});
