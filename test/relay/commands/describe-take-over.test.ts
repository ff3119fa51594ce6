import { expect, test } from 'vitest';
import { describeStage, describeTakeOver } from '../../../relay/commands/describe-take-over.ts';
import type { ComparedTail } from '../../../relay/operations/adopt/compare-tail.ts';
import type { TakeOver } from '../../../relay/operations/adopt/debezium.ts';
import { doubtsOf } from '../../../relay/operations/adopt/report.ts';

const none = { count: 0, ids: [] };
const one = { count: 1, ids: ['e\u001b[2K1'] };

const tail = (found: Partial<ComparedTail> = {}): ComparedTail => ({
  events: 5,
  withoutId: 0,
  repeated: 0,
  firstCommittedAt: '2030-01-01T12:00:00.000Z',
  lastCommittedAt: '2030-01-01T12:00:01.000Z',
  records: 9,
  published: 4,
  duplicates: 0,
  missing: one,
  overtaken: none,
  unjudged: none,
  unrouted: 0,
  otherKeys: none,
  otherPartitions: none,
  lostHeaders: [],
  withoutHeaders: none,
  isConnectorSeen: true,
  ...found,
});

const refusing = {
  unjudged: 'refuse',
  overtaken: 'refuse',
  acceptsOtherKeys: false,
  acceptsOtherHeaders: false,
} as const;

test.each<[string, Partial<ComparedTail>, Partial<Parameters<typeof doubtsOf>[1]>]>([
  ['--overtaken', { overtaken: one }, { overtaken: 'skip' }],
  ['--unjudged', { unjudged: one }, { unjudged: 'publish' }],
  [
    '1 event of the tail goes to no topic of topics.allow',
    { unjudged: one, unrouted: 1 },
    { unjudged: 'skip' },
  ],
  ['so the one event of the tail would be published', { isConnectorSeen: false }, { acceptsOtherKeys: true }],
  ['another topic or key', { otherKeys: one }, { acceptsOtherKeys: true }],
  ['not where the hash of its key leads', { otherPartitions: one }, { acceptsOtherKeys: true }],
  ['will not have: tenant', { lostHeaders: ['tenant'] }, { acceptsOtherHeaders: true }],
  ['lacks headers', { withoutHeaders: one }, { acceptsOtherHeaders: true }],
])('what a person has to decide names %s, until an option decides it', (text, found, decision) => {
  expect(doubtsOf(tail(found), refusing)).toEqual([expect.stringContaining(text)]);
  expect(doubtsOf(tail(found), { ...refusing, ...decision })).toEqual([]);
});

const takeOver = (given: Partial<TakeOver>): TakeOver => ({
  outcome: 'dry-run',
  isResumed: false,
  connector: { slot: 'debezium', publication: 'dbz_publication', confirmedLsn: '0/10', isDropped: false },
  untilLsn: '0/20',
  tail: tail(),
  doubts: [],
  published: 0,
  deadLettered: 0,
  after: null,
  ...given,
});

test('a dry run says what would be published, and shows no character of an id that acts on a terminal', () => {
  const lines = describeTakeOver(takeOver({ tail: tail({ duplicates: 2 }) }));
  expect(lines.join('\n')).not.toContain('\u001b');
  expect(lines).toContain('missing    1 event');
  expect(lines).toContainEqual(expect.stringMatching(/^note +2 further records of events of the tail/));
  expect(lines.at(-1)).toMatch(/^result +dry run, nothing was changed; .* would publish 1 event,/);
});

test('a refusal names the decisions; an end says what a person does next', () => {
  const refused = describeTakeOver(takeOver({ outcome: 'refused', doubts: ['this or that'] }));
  expect(refused).toContain('to decide  this or that');
  expect(refused.at(-1)).toMatch(/^result +nothing was published/);
  const after = { endLsn: 0x20n } as TakeOver['after'];
  const adopted = describeTakeOver(takeOver({ outcome: 'adopted', published: 1, deadLettered: 2, after }));
  expect(adopted).toContain('result     adopted: 1 event published, 2 dead-lettered');
  expect(adopted.at(-1)).toContain("pg_drop_replication_slot('debezium')");
  const stage = { stage: 'tail', done: 2_000_000, total: 4_000_000, leftMs: 3_000 } as const;
  expect(describeStage(stage)).toMatch(/2 of 4 MB of WAL, about 3 s left$/);
  expect(describeTakeOver({ outcome: 'interrupted', stage })[1]).toContain('publishes nothing twice');
});
