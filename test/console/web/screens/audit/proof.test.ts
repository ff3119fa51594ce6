/** What the standing audit has proven. */
import { expect, test } from 'vitest';
import { type Audited, proofOf } from '../../../../../console/web/screens/audit/proof.ts';

const well: Audited = { verifiedAt: '2030-01-01T12:00:00Z', beginsAt: null, matched: 3, unjudged: {} };
const state = { findings: 0, isDelayed: false, isRunning: true };
const proven = (label: string) => label.startsWith('proven');

test('what every run has compared is proven until the time of the last', () => {
  expect(proofOf(well, state)).toMatchObject({
    tone: 'good',
    which: '',
    label: expect.stringMatching(/^proven until /),
  });
});

test.each<[string, Partial<Audited>, Partial<typeof state>]>([
  ['no run has ended', { verifiedAt: null }, {}],
  ['there was no event to compare', { matched: 0 }, {}],
  ['each event was older than the topics', { matched: 0, unjudged: { expired: 3 } }, {}],
  ['each event was from before the first start', { matched: 0, unjudged: { before: 2, undated: 1 } }, {}],
  [
    'all that it saw was from before it began',
    { matched: 0, unjudged: { before: 2 }, beginsAt: '2030-01-01T11:00:00Z' },
    {},
  ],
  ['an event is missing, or Kafka removed it', { unjudged: { missingOrRemoved: 1 } }, {}],
  ['something is wrong', {}, { findings: 1 }],
])('nothing is where %s', (_, changed, of) => {
  const { label, tone, which } = proofOf({ ...well, ...changed }, { ...state, ...of });
  expect([proven(label), tone === 'good', which]).toEqual([false, false, undefined]);
});

test.each<[Partial<Audited>, string]>([
  [{ unjudged: { compacted: 1, foreign: 9 } }, ' that could be judged'],
  [{ unjudged: { before: 1 } }, ' since the relay first started'],
  [{ unjudged: { before: 1, undated: 1 } }, ' since the relay first started that could be judged'],
  [{ unjudged: { before: 9 }, beginsAt: '2030-01-01T11:00:00Z' }, ''],
])('with %j not all is: "Every event%s"', (changed, which) => {
  expect(proofOf({ ...well, ...changed }, state)).toMatchObject({ tone: 'good', which });
});

test('it says from when on, where an audit began later', () => {
  const { label } = proofOf({ ...well, beginsAt: '2029-01-01T11:00:00Z' }, state);
  expect(label).toMatch(/^proven from .*2029.* until /);
});

test('that no run follows, or the last one failed, is a warning', () => {
  expect(proofOf(well, { ...state, isRunning: false })).toMatchObject({
    tone: 'warn',
    label: expect.stringMatching(/, no audit is known to run$/),
  });
  expect(proofOf(well, { ...state, isDelayed: true })).toMatchObject({
    tone: 'warn',
    label: expect.stringMatching(/, delayed$/),
  });
});
