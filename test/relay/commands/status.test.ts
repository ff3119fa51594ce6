/** What people read of a status. */
import { expect, test } from 'vitest';
import { describeStatus } from '../../../relay/commands/status.ts';
import { describeBytes } from '../../../relay/operations/slot-health.ts';
import type { Status } from '../../../relay/operations/status.ts';

const slot = {
  state: 'active',
  activePid: 7,
  confirmedLsn: '16/B374D000',
  lagBytes: 1_536,
  retainedBytes: 16_777_216,
  walStatus: 'reserved',
  safeWalBytes: null,
} as const;

const quiet: Status = {
  slotName: 'shop',
  progressTopic: 'outbox-relay.progress.shop',
  slot,
  progress: {
    endLsn: '16/B374D848',
    isPartial: false,
    eventCount: 42,
    instance: 'relay-1',
    publishedAt: '2026-01-31T08:00:00.000Z',
    ageSeconds: 90,
  },
  deadLetters: [],
  parked: { keys: 0, events: 0 },
};

test('a working relay is a line each for slot, lag, retained WAL, progress and dead letters', () => {
  expect(describeStatus(quiet).split('\n')).toEqual([
    'slot          shop         active: a relay is connected (walsender pid 7)',
    'lag           1.5 KiB      of WAL after 16/B374D000',
    'retained      16.0 MiB     of WAL on disk; wal_status reserved, no max_slot_wal_keep_size',
    'progress      16/B374D848  42 events published; by relay-1, 90 s ago',
    '                           copy in Postgres; the progress itself is in the Kafka topic outbox-relay.progress.shop',
    'dead letters  0',
  ]);
});

test.each<[string, Partial<Status>, RegExp]>([
  ['absent', { slot: { state: 'absent' }, progress: null }, /^slot .*absent: no relay has started yet/m],
  [
    'inactive',
    { slot: { ...slot, state: 'inactive', activePid: null } },
    /inactive: no relay is connected; WAL is accumulating$/m,
  ],
  [
    'at risk',
    { slot: { ...slot, walStatus: 'unreserved', safeWalBytes: 0 } },
    /0 B left before the slot is at risk: the slot can be lost at the next checkpoint$/m,
  ],
  [
    'unusable',
    {
      slot: { state: 'unusable', code: 'SLOT_MISSING', message: 'slot shop does not exist', hint: 'Run it.' },
    },
    /SLOT_MISSING: slot shop does not exist\. Run it\.$/m,
  ],
  [
    'unpublished',
    { progress: { ...quiet.progress!, endLsn: null, ageSeconds: null } },
    /^progress +none +nothing published yet$/m,
  ],
  [
    'dead letters',
    {
      deadLetters: [
        { code: 'PAYLOAD_INVALID', open: 3, oldestAgeSeconds: 10_800 },
        { code: 'SCHEMA_MISSING', open: 1, oldestAgeSeconds: 1 },
      ],
    },
    /^dead letters +4 +open; see `outbox-relay dead-letters list`\n +3 +PAYLOAD_INVALID, oldest 3 h ago$/m,
  ],
  ['parked', { parked: { keys: 1, events: 2 } }, /^parked keys +1 +2 events waiting behind dead letters/m],
])('%s', (_, change, line) => {
  expect(describeStatus({ ...quiet, ...change })).toMatch(line);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(describeBytes(bytes)).toBe(text);
});
