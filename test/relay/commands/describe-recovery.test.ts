/** What `recover` says it did, and would do. */
import { expect, test } from 'vitest';
import { describeRecovery } from '../../../relay/commands/describe-recovery.ts';
import type { Recovery } from '../../../relay/operations/recover.ts';

const none = { count: 0, ids: [], from: null, until: null };

const dryRun: Recovery = {
  found: [],
  outcome: 'dry-run',
  doubts: [],
  before: null,
  after: null,
  slotLsn: null,
  keepsSlot: false,
  events: 3,
  records: 1,
  missing: { count: 2, ids: ['a', 'b'], from: '2026-11-28T13:09:08Z', until: '2026-11-28T13:09:09Z' },
  unreadable: none,
  order: 'commit',
  uncertainKeys: 0,
  unjudged: none,
  expired: none,
  beforeFirstStart: none,
  withoutId: 0,
  repeated: 0,
  reopened: 0,
  notCovered: null,
  published: 0,
  deadLettered: 0,
};

const resultOf = (recovery: Recovery) => describeRecovery(recovery).find((line) => line.startsWith('result'));

test('a dry run says what a recovery would publish', () => {
  expect(resultOf(dryRun)).toBe(
    'result       dry run, nothing was changed; without --dry-run, recover would publish 2 events, and those committed until then',
  );
});

test('a dry run promises no events while a person has to decide something', () => {
  expect(resultOf({ ...dryRun, doubts: ['1 keys: --by-writing-order'] })).toBe(
    'result       dry run, nothing was changed; without --dry-run, recover would publish nothing either: decide first',
  );
});
