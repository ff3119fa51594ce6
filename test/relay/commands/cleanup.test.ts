import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeCleanup } from '../../../relay/commands/cleanup.ts';
import type { PieceReport } from '../../../relay/operations/cleanup.ts';

const piece = (name: string, rest: Partial<PieceReport>): PieceReport => ({
  name,
  rows: 1_000,
  isEstimate: false,
  bytes: 2 ** 20,
  outcome: 'kept',
  removedRows: 0,
  reason: null,
  slot: null,
  held: {},
  isUnused: false,
  ...rest,
});
const none = { isInterrupted: false, removedRows: 0, removedPartitions: 0, removedBytes: 0 };

test('a dry run says what would go, why the rest stays, and what each reason means', () => {
  const pieces = [
    piece('outbox.event_20300101', { outcome: 'removable', removedRows: 1_000 }),
    piece('outbox.event_20300102', { reason: 'uncovered', slot: 'second', held: { uncovered: 7 } }),
    piece('outbox.event_20300103', { reason: 'retention', isEstimate: true }),
    piece('outbox.event_default', { reason: 'dead-letter', removedRows: 998, held: { waiting: 2 } }),
  ];
  const lines = describeCleanup({ isDryRun: true, pieces, ...none }).split('\n');
  expect(lines.map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
    'outbox.event_20300101  1,000 rows  1.0 MiB  would go',
    'outbox.event_20300102  1,000 rows  1.0 MiB  stays: uncovered (slot second, 7 uncovered)',
    'outbox.event_20300103  ~1,000 rows  1.0 MiB  stays: retention',
    'outbox.event_default  1,000 rows  1.0 MiB  998 of 1,000 rows would go; 2 stay: dead-letter (2 waiting)',
    expect.stringMatching(/^uncovered: it holds rows/),
    expect.stringMatching(/^retention: /),
    expect.stringMatching(/^dead-letter: /),
    '1,998 rows would go; 1 partition as a whole, 1.0 MiB',
  ]);
});

test('the guide shows what a dry run prints', () => {
  const printed = describeCleanup({
    isDryRun: true,
    ...none,
    pieces: [
      piece('outbox.event_20300101', {
        ...{ rows: 201_204, bytes: 148 * 2 ** 20, outcome: 'removable', removedRows: 201_204 },
      }),
      piece('outbox.event_20300102', {
        ...{ rows: 198_770, bytes: 146 * 2 ** 20, reason: 'dead-letter', held: { waiting: 1 } },
      }),
      piece('outbox.event_20300105', {
        ...{ rows: 203_000, isEstimate: true, bytes: 149 * 2 ** 20, reason: 'retention' },
      }),
      piece('outbox.event_default', {
        ...{ rows: 51, bytes: 48 * 2 ** 10, removedRows: 50, reason: 'dead-letter', held: { waiting: 1 } },
      }),
    ],
  });
  const guide = readFileSync(new URL('../../../docs/guides/cleanup.md', import.meta.url), 'utf8');
  expect(/outbox-relay cleanup --dry-run\n([^`]*)\n```/.exec(guide)?.[1]).toBe(printed);
});

test('rows that the audit leaves out are counted apart from those that it has not come to', () => {
  const pieces = [
    piece('outbox.event_20300101', { reason: 'before-audit', held: { unverified: 3, leftOut: 7 } }),
  ];
  const [line] = describeCleanup({ isDryRun: true, pieces, ...none }).split('\n');
  expect(line).toMatch(/ stays: before-audit \(3 unverified, 7 left out\)$/);
});

test('a run says what went', () => {
  const pieces = [piece('outbox.event_20300101', { outcome: 'removed', removedRows: 1_000 })];
  const removed = { isInterrupted: false, removedRows: 1_000, removedPartitions: 1, removedBytes: 2 ** 20 };
  expect(
    describeCleanup({ isDryRun: false, pieces, ...removed })
      .split('\n')
      .at(-1),
  ).toBe('removed 1,000 rows; 1 partition dropped, 1.0 MiB');
});

test('one that a signal ends says that it has not looked at everything', () => {
  const pieces = [piece('outbox.event_default', { removedRows: 400 })];
  const removed = { isInterrupted: true, removedRows: 400, removedPartitions: 0, removedBytes: 0 };
  const lines = describeCleanup({ isDryRun: false, pieces, ...removed }).split('\n');
  expect(lines[0]).toMatch(/400 rows removed; then interrupted$/);
  expect(lines.at(-1)).toBe('interrupted: it has not looked at the rest; run it again');
});

test('one row is a row', () => {
  const pieces = [piece('outbox.event_default', { rows: 1, outcome: 'removed', removedRows: 1 })];
  const removed = { isInterrupted: false, removedRows: 1, removedPartitions: 0, removedBytes: 0 };
  const text = describeCleanup({ isDryRun: false, pieces, ...removed });
  expect(text).not.toContain('rows');
  expect(text).toMatch(/ 1 row {2}/);
});
