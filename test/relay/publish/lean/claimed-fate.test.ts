import { expect, test } from 'vitest';
import { formatPosition } from '../../../../relay/model/position.ts';
import { type Progress, serializeProgress } from '../../../../relay/model/progress.ts';
import { wasCommitted } from '../../../../relay/publish/lean/claimed-fate.ts';
import type { Claim } from '../../../../relay/publish/progress-topic.ts';
import type { FetchedRecord } from '../../../../relay/publish/wire/fetch.ts';

const progress: Progress = {
  slot: 'shop',
  systemIdentifier: '7',
  timeline: 1,
  endLsn: 0n,
  partial: null,
  beat: 0,
  eventCount: 0,
  instance: 'test',
  time: '2026-01-02T03:04:05.678Z',
};

/** A claim with an epoch, after a progress that another epoch has written. */
const claim = (producerEpoch: number, endLsn?: bigint | null, writtenBy = producerEpoch - 1): Claim => ({
  producerId: 1n,
  producerEpoch,
  found:
    endLsn === undefined || endLsn === null
      ? endLsn
      : { producerId: 1n, producerEpoch: writtenBy, text: serializeProgress({ ...progress, endLsn }) },
});

const record = (
  producerEpoch: number,
  commitLsn: bigint,
  rest: Partial<FetchedRecord> = {},
): FetchedRecord => ({
  offset: 0n,
  timestampMs: 0,
  key: null,
  value: null,
  headers: [['position', Buffer.from(formatPosition(commitLsn, 0))]],
  producerId: 1n,
  producerEpoch,
  ...rest,
});

test('a transaction was committed if the claim after it found a progress that covers it', () => {
  const claims = [claim(1, 10n), claim(2, 20n), claim(3, 30n)];
  expect(wasCommitted(record(1, 19n), claims)).toBe(true);
  expect(wasCommitted(record(1, 20n), claims)).toBe(false);
  expect(wasCommitted(record(2, 29n), claims)).toBe(true);
});

test('one whose events a later progress covers was not: they have become dead letters since', () => {
  expect(wasCommitted(record(1, 15n), [claim(1, 10n), claim(2, 10n, 0), claim(3, 20n)])).toBe(false);
});

test('released events were covered before: then the epoch of the progress tells', () => {
  expect(wasCommitted(record(4, 3n), [claim(1, 10n), claim(6, 20n, 3)])).toBe(false);
  expect(wasCommitted(record(4, 3n), [claim(1, 10n), claim(6, 20n, 4)])).toBe(true);
});

test('what the first producer id of the slot has not done, a later one has not either', () => {
  const found = { ...claim(0, 20n).found!, producerId: 0n, producerEpoch: 32_000 };
  expect(wasCommitted(record(1, 3n), [{ ...claim(2), found }])).toBe(false);
});

test('a claim whose progress compaction has removed tells nothing, the next one does', () => {
  expect(wasCommitted(record(1, 15n), [claim(2), claim(3, 20n)])).toBe(true);
});

test('nothing was committed before a claim that found nothing', () => {
  expect(wasCommitted(record(1, 15n), [claim(1), claim(2, null), claim(3, 20n)])).toBe(false);
});

test('nor before the claim of this session, if it found nothing', () => {
  expect(wasCommitted(record(0, 15n), [claim(1)])).toBe(false);
});

test('a progress that nobody wrote in a transaction covers what may have been aborted, and proves what was', () => {
  const restored = { ...claim(2), found: { text: serializeProgress({ ...progress, endLsn: 20n }) } };
  expect(wasCommitted(record(1, 15n), [claim(1, 10n), restored])).toBe(undefined);
  expect(wasCommitted(record(1, 15n), [restored, claim(3, 30n)])).toBe(undefined);
  expect(wasCommitted(record(1, 20n), [restored, claim(3, 30n)])).toBe(false);
});

test('without a claim after it, or without a position, nobody can tell', () => {
  expect(wasCommitted(record(2, 15n), [claim(1, 10n), claim(2, 20n)])).toBe(undefined);
  expect(wasCommitted(record(1, 15n), [])).toBe(undefined);
  expect(wasCommitted(record(1, 15n, { headers: [] }), [claim(2, 20n)])).toBe(undefined);
});
