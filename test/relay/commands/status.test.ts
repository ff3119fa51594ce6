/** What people read of a status. */
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { describeStatus } from '../../../relay/commands/describe-status.ts';
import { wrap } from '../../../relay/commands/format.ts';
import { describeBytes } from '../../../relay/operations/slot-health.ts';
import type { Status, StatusFacts } from '../../../relay/operations/status.ts';
import { judge } from '../../../relay/operations/status-verdict.ts';
import { controlOf } from '../model/controls.ts';
import { at, factsOf, failure, inactive, relayOf, slot } from '../operations/statuses.ts';

const statusOf = (more: Partial<StatusFacts> = {}): Status => {
  const facts = factsOf(more);
  return { verdict: judge(facts), ...facts };
};

const nothingFound = {
  findings: { missing: 0 },
  events: 3,
  compared: 3,
  missingOrRemoved: 0,
  verifiedAt: '2026-01-02T03:00:00.000Z',
  lastRunAt: null,
  heldBack: null,
};

test('a working relay is a verdict, and a line or two for each thing that matters', () => {
  expect(describeStatus(statusOf()).split('\n')).toEqual([
    'Streaming. 1,204 events/s, oldest unpublished event 12 ms.',
    '',
    'relays        streaming for 2 hours: pod-a/7/1a2b3c4d, version 1.2.0, 1,204.2 events/s, http://10.0.0.7:9465',
    '              standby for 2 hours: pod-b/9/5e6f7a8b, version 1.2.0, http://10.0.0.7:9465',
    'slot          shop, read by walsender 7, 1.5 KiB of WAL not confirmed, after 16/B374D000',
    '              16.0 MiB of WAL on disk, wal_status reserved, 953.7 MiB until Postgres may give it up',
    '              if nothing is published: slot lost in 61 hours, disk full at an unknown time',
    'progress      16/B374D848, 42 events published; 1 min ago by pod-a/7/1a2b3c4d (a copy; the progress is in the topic outbox-relay.progress.shop)',
    'paused        nothing',
    'rate limit    none',
    'dead letters  none open',
    'parked keys   none',
    'audit         never ran',
    'cleanup       not known: no relay that streams has said yet',
  ]);
});

test.each<[string, Partial<StatusFacts>, RegExp]>([
  [
    'absent',
    { slot: { state: 'absent' }, progress: null, relays: [] },
    /^slot +shop does not exist; the first start creates it$/m,
  ],
  [
    'in protocol 2',
    { relays: [relayOf({}, { transactionVersion: 2 })] },
    /^relays .* events\/s, transaction protocol 2, http/m,
  ],
  ['inactive', { slot: inactive }, /^slot +shop, read by nobody/m],
  ['without a limit', { slot: { ...slot, safeWalBytes: null } }, /max_slot_wal_keep_size sets no limit$/m],
  [
    'unusable',
    {
      slot: { state: 'unusable', code: 'SLOT_MISSING', message: 'slot shop does not exist', hint: 'Run it.' },
    },
    /^Not streaming: SLOT_MISSING: slot shop does not exist\.\n {2}Run it\. Until then/m,
  ],
  ['unpublished', { progress: null }, /^progress +nothing published yet$/m],
  [
    'cleanup that is off',
    { cleanup: { lookedAt: at, lastRemovalAt: null, kept: null } },
    /^cleanup +off \(cleanup\.retention is not set\); nothing was ever removed$/m,
  ],
  [
    'cleanup with nothing to wait for',
    { cleanup: { lookedAt: at, lastRemovalAt: '2026-01-02T03:00:00.000Z', kept: {} } },
    /^cleanup +last removed 6 min ago; nothing waits$/m,
  ],
  [
    'what cleanup removed',
    {
      cleanup: {
        lookedAt: at,
        lastRemovalAt: '2026-01-02T03:00:00.000Z',
        lastRemoval: { rows: 200_000, partitions: 1, bytes: 48 * 1_024 * 1_024 },
        kept: {},
      },
    },
    /^cleanup +last removed 6 min ago: 200,000 rows, with 1 partition \(48\.0 MiB\); nothing waits$/m,
  ],
  [
    'a recovery that a relay did by itself',
    {
      recovery: {
        at: '2026-01-02T00:06:05.678Z',
        by: 'relay pod-a/7/1a2b3c4d',
        code: 'SLOT_INVALIDATED',
        published: 1_204,
        deadLettered: 1,
        tookMs: 900,
        uncertainKeys: 3,
      },
    },
    /^recovery +3 hours ago relay pod-a\/7\/1a2b3c4d recovered by itself from a lost slot \(SLOT_INVALIDATED\): 1,204 events published from the outbox table, 1 dead letter; 3 keys in the order of writing$/m,
  ],
  [
    'cleanup that waits',
    {
      cleanup: {
        lookedAt: at,
        lastRemovalAt: '2026-01-01T03:00:00.000Z',
        kept: { uncovered: 1, retention: 3 },
      },
    },
    /^cleanup +last removed 24 hours ago\n +1 partition kept: uncovered, it holds rows that a slot has not published yet\n +3 partitions kept: retention, /m,
  ],
  [
    'dead letters',
    {
      deadLetters: [
        { code: 'PAYLOAD_INVALID', open: 3, oldestAgeSeconds: 10_800 },
        { code: 'SCHEMA_MISSING', open: 1, oldestAgeSeconds: 1 },
      ],
    },
    /^! 4 dead letters are open, the oldest for 3 hours\. Look at them: `outbox-relay dead-letters list`\.\n[\s\S]*^dead letters +4 open\n +3 PAYLOAD_INVALID, oldest 3 hours ago$/m,
  ],
  ['parked', { parked: { keys: 1, events: 2 } }, /^parked keys +1 key, 2 events waiting$/m],
  [
    'paused, with who and why',
    { control: controlOf([{ topic: 'orders', until: '2026-01-02T05:00:00.000Z' }]) },
    /^paused +topic orders is paused by ada since 2026-01-02 03:04:05Z: upgrade; ends by itself at 2026-01-02 05:00:00Z$/m,
  ],
  [
    'set aside',
    {
      control: controlOf([{ topic: 'orders', mode: 'set-aside' }]),
      setAside: [{ topic: 'orders', keys: 2 }],
    },
    /^paused +topic orders is set aside by ada .*: upgrade; 2 keys wait$/m,
  ],
  [
    'set aside, with one key',
    {
      control: controlOf([{ topic: 'orders', mode: 'set-aside' }]),
      setAside: [{ topic: 'orders', keys: 1 }],
    },
    /^paused +topic orders is set aside by ada .*: upgrade; 1 key waits$/m,
  ],
  [
    'a limit of the settings',
    { limits: { eventsPerSecond: 5, bytesPerSecond: 2_048 } },
    /^rate limit +at most 5 events\/s and 2\.0 KiB\/s, as the settings say$/m,
  ],
  [
    'a relay that is gone',
    { relays: [relayOf({ isGone: true, unseenSeconds: 100 })] },
    /gone, last seen 1 min ago \(streaming\): pod-a/,
  ],
  [
    'a relay that streams, beside the one that streamed before it and was killed a moment ago',
    { relays: [relayOf(), relayOf({ instance: 'pod-c/1', unseenSeconds: 4 })] },
    /^relays +streaming for 2 hours: pod-a.*\n +said 4 s ago that it streams: pod-c\/1, version 1\.2\.0, http/m,
  ],
  [
    'a relay whose slot nobody reads',
    { slot: inactive, relays: [relayOf()] },
    /^relays +said 1 s ago that it streams: pod-a/m,
  ],
  ['a relay that fails', { relays: [relayOf({}, { error: failure() })] }, /fails: KAFKA_UNAVAILABLE, http/],
  [
    'many relays',
    { relays: Array.from({ length: 9 }, () => relayOf()) },
    /and 3 more; `status --json` lists all/,
  ],
  [
    'relays that ended',
    {
      relays: [
        relayOf({ startedAt: '2030-01-02T00:00:00.000Z' }),
        relayOf({ state: 'stopped', stateSince: '2030-01-01T00:00:00.000Z' }),
      ],
    },
    /and 1 that ended; `status --json` lists all/,
  ],
  [
    'an audit',
    {
      audit: {
        findings: { missing: 2, leaked: 0 },
        events: 3,
        compared: 1,
        missingOrRemoved: 0,
        verifiedAt: '2026-01-02T03:00:00.000Z',
        lastRunAt: '2026-01-02T03:05:05.678Z',
        heldBack: null,
      },
    },
    /^audit +2 missing up to 2026-01-02 03:00:00Z; last run 60 s ago$/m,
  ],
  [
    'an audit that has seen no event',
    { audit: { ...nothingFound, events: 0, compared: 0 } },
    /^audit +nothing compared yet: no event was committed up to 2026-01-02 03:00:00Z$/m,
  ],
  [
    'an audit that could judge no event',
    { audit: { ...nothingFound, compared: 0 } },
    /^audit +nothing compared yet: no event could be judged up to 2026-01-02 03:00:00Z$/m,
  ],
  [
    'an audit that may miss events',
    { audit: { ...nothingFound, missingOrRemoved: 2 } },
    /^audit +not proven: 2 events missing, or removed by Kafka, up to 2026-01-02 03:00:00Z$/m,
  ],
])('%s', (_, change, line) => {
  expect(describeStatus(statusOf(change))).toMatch(line);
});

test('on a terminal no line is wider than it, and a value of a row begins none', () => {
  const reason = `work on\nKafka ${'with many words '.repeat(20)}`;
  const text = describeStatus(statusOf({ control: controlOf([{ reason }]) }), 80);
  const lines = text.split('\n').map((line) => stripVTControlCharacters(line));
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(text).not.toMatch(/^Kafka/m);
});

test('a word that is longer than a line stays whole', () => {
  expect(wrap('see averylongword there', 8, '  ')).toEqual(['see', '  averylongword', '  there']);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(describeBytes(bytes)).toBe(text);
});
