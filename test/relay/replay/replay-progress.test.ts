import { describe, expect, test } from 'vitest';
import { isTopic, type OutboundRecord } from '../../../relay/encode/record.ts';
import { isUnbounded, rangeOf } from '../../../relay/replay/range.ts';
import { marked, redirected } from '../../../relay/replay/records.ts';
import {
  parseReplay,
  type ReplayProgress,
  serializeReplay,
  startOf,
} from '../../../relay/replay/replay-progress.ts';

const progress: ReplayProgress = {
  ...startOf('r', 'host/replay/1'),
  published: 12,
  refused: 1,
  gone: 2,
  after: { us: '1767225600000001', xid: '0' },
  part: { us: '1767225600000002', xid: '0', rows: 3, digest: 'a'.repeat(64) },
  time: '2026-01-01T00:00:00.000Z',
};

describe('the progress of a replay', () => {
  test('is read as it was written', () => {
    expect(parseReplay(serializeReplay(progress), 'r')).toEqual(progress);
    expect(parseReplay(serializeReplay(startOf('r', 'i')), 'r')).toEqual(startOf('r', 'i'));
  });

  test.each([
    ['another version', serializeReplay(progress).replace('"version":1', '"version":2')],
    ['another replay', serializeReplay({ ...progress, replay: 'other' })],
    ['no JSON', 'x'],
    ['a count that is none', serializeReplay({ ...progress, published: -1 })],
    ['a place that is none', serializeReplay({ ...progress, after: { us: 'x', xid: '0' } })],
    ['a part without a digest', serializeReplay({ ...progress, part: { ...progress.part!, digest: '' } })],
    ['a part of no rows', serializeReplay({ ...progress, part: { ...progress.part!, rows: 0 } })],
  ])('is not guessed from %s', (_, text) => {
    expect(() => parseReplay(text, 'r')).toThrow(expect.objectContaining({ code: 'PROGRESS_UNREADABLE' }));
  });
});

describe('a record of a replay', () => {
  const record: OutboundRecord = {
    topic: 'orders',
    partition: 1,
    key: 'k',
    value: Buffer.from('v'),
    headers: { id: '1', type: 'T', position: 'p', 'committed-at': 'then', own: 'x' },
    timestampMs: 1,
    bytes: 10,
    maxBatchBytes: 1_000,
  };
  const marks = {
    header: 'replay-id',
    replayId: 'r',
    replayedAt: 'now',
    topic: null,
    maxRecordBytes: Number.POSITIVE_INFINITY,
  };

  test('has the headers of the stream without the position, and those of the replay', () => {
    const { position: _, ...rest } = record.headers;
    expect(marked(record, marks)).toMatchObject({
      topic: 'orders',
      headers: { ...rest, 'replay-id': 'r', 'replayed-at': 'now' },
    });
    expect(marked(record, marks)).not.toHaveProperty('headers.position');
    expect(marked(record, { ...marks, topic: 'other' })).toMatchObject({ topic: 'other', partition: 1 });
  });

  test('is refused if the headers of the replay are what makes it too large', () => {
    const large = { ...record, maxBatchBytes: 120 };
    expect(marked(large, marks)).toMatchObject({ code: 'RECORD_TOO_LARGE', topic: 'orders' });
    expect(marked(record, { ...marks, maxRecordBytes: 120 })).toMatchObject({ code: 'RECORD_TOO_LARGE' });
  });

  test('of another topic has the settings of that topic alone', async () => {
    const asked: string[] = [];
    const info = { partitions: 7, maxMessageBytes: 1, keptMs: 1 };
    const directory = redirected(
      {
        resolve: async (topic) => {
          asked.push(topic);
          return info;
        },
      },
      'target',
    );
    const found = await directory.resolve('orders');
    expect(isTopic(found) && found.partitions).toBe(7);
    expect(asked).toEqual(['target']);
  });
});

test('a range without a bound is every event', () => {
  expect(isUnbounded(rangeOf({}))).toBe(true);
  expect(isUnbounded(rangeOf({ includesUnknown: true }))).toBe(true);
  expect(isUnbounded(rangeOf({ ids: ['x'] }))).toBe(false);
  expect(isUnbounded(rangeOf({ isOfDeadLetters: true }))).toBe(false);
});
