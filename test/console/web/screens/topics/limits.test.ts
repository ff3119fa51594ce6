/** The limits of a topic in words. */
import { describe, expect, test } from 'vitest';
import { copiesOf, limitLines, retention } from '../../../../../console/web/screens/topics/limits.ts';

describe('limits', () => {
  const settings = {
    maxMessageBytes: 1_048_576,
    acceptedAgeMs: 86_400_000,
    retentionMs: '604800000',
    retentionBytes: '-1',
    cleanupPolicy: 'delete',
    minInsyncReplicas: '2',
    compressionType: 'producer',
  };

  test('retention is by time, by size, or without limit', () => {
    expect(retention(settings)).toBe('7 d');
    expect(retention({ ...settings, retentionBytes: '1073741824' })).toBe('7 d or 1 GiB a partition');
    expect(retention({ ...settings, retentionMs: '-1' })).toBe('no limit');
    expect(retention({ ...settings, cleanupPolicy: 'compact' })).toBe('no limit');
    expect(retention({ ...settings, retentionMs: null, retentionBytes: null })).toBe('–');
  });

  test('what is not safe says why: how many copies there are, as far as that is known', () => {
    expect(copiesOf({ replicas: 1, settings })).toBe('1 replica, min.insync.replicas\u00a02');
    expect(copiesOf({ replicas: 2, settings: null })).toBe('2 replicas, min.insync.replicas\u00a0not known');
  });

  test('without the right to read them only what Kafka shows is there', () => {
    const topic = {
      topic: 'orders',
      partitions: 6,
      replicas: 3,
      leaderless: [],
      settings: null,
      durability: { status: 'ok' as const, message: 'orders' },
    };
    expect(limitLines(topic).map(({ title }) => title)).toEqual(['Partitions', 'Replicas']);
  });
});
