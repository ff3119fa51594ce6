/** What the figures of relays say of topics: never 0 for what nobody measured. */
import { describe, expect, test } from 'vitest';
import { noFigures } from '../../../../../console/server/live/figures.ts';
import type { RelayScrape, Sampled } from '../../../../../console/server/live/sampler.ts';
import {
  emptyList,
  isWhole,
  largestLag,
  others,
  type PartitionRate,
  partitionLines,
  skewOf,
  topicRates,
} from '../../../../../console/web/screens/topics/rates.ts';

type Topics = NonNullable<RelayScrape['figures']>['topics'];

const relay = (topics: Topics, failure: string | null = null): RelayScrape => ({
  url: 'http://relay',
  instance: 'relay',
  failure,
  figures:
    failure === null
      ? {
          topics,
          hotKeys: [
            { topic: 'orders', key: 'cool', share: 0.1 },
            { topic: 'orders', key: 'hot', share: 0.4 },
          ],
          consumers: [],
          retries: [],
          cpuShare: null,
          memoryBytes: null,
          inFlightBytes: null,
        }
      : null,
});
const orders = (eventsPerSecond: number | null, partitions: readonly PartitionRate[] = []) => ({
  topic: 'orders',
  eventsPerSecond,
  eventCount: 10,
  partitions,
});
const sampled = (relays: readonly RelayScrape[], lagMs: number | null = 5): Sampled => ({
  at: '2026-01-01T00:00:00.000Z',
  figures: { ...noFigures, eventsPerSecond: 7, lagMs },
  relays,
});

describe('rates', () => {
  test('those of several relays are added, and the hottest key comes first', () => {
    const found = topicRates(sampled([relay([orders(3)]), relay([orders(4)])])).get('orders');
    expect(found).toMatchObject({ eventsPerSecond: 7, eventCount: 20 });
    expect(found?.hotKeys[0]).toEqual({ key: 'hot', share: 0.4 });
  });

  test('they are not known while the relay that streams may be one that does not answer', () => {
    const seen = sampled([relay([orders(0)]), relay([], 'it does not answer')], null);
    expect(topicRates(seen).get('orders')?.eventsPerSecond).toBeNull();
    expect(isWhole(seen)).toBe(false);
  });

  test('a standby that does not answer hides nothing', () => {
    const seen = sampled([relay([orders(3)]), relay([], 'it does not answer')]);
    expect(topicRates(seen).get('orders')?.eventsPerSecond).toBe(3);
    expect(isWhole(seen)).toBe(true);
  });

  test('a topic that no relay names has 0 only where every topic has a name', () => {
    const beyond = { topic: others, eventsPerSecond: 1, eventCount: 1, partitions: [] };
    expect(isWhole(sampled([relay([orders(1)])]))).toBe(true);
    expect(isWhole(sampled([relay([orders(1), beyond])]))).toBe(false);
    expect(isWhole(sampled([], null))).toBe(false);
    expect(isWhole(null)).toBe(false);
  });
});

describe('skew', () => {
  const partition = (name: string, eventCount: number): PartitionRate => ({
    partition: name,
    eventCount,
    eventsPerSecond: null,
  });

  test('it counts partitions that got nothing', () => {
    expect(skewOf([partition('2', 300)], 3)).toEqual({
      ratio: 3,
      text: 'partition 2 takes 3 times its share',
      isConcern: true,
    });
  });

  test('partitions with about the same are even', () => {
    expect(skewOf([partition('0', 100), partition('1', 120)], 2)).toMatchObject({ text: 'even' });
  });

  test('few events tell nothing, nor do partitions without figures', () => {
    expect(skewOf([partition('0', 5)], 2)).toMatchObject({ ratio: null, text: '5 events, too few to tell' });
    expect(skewOf([], 2).ratio).toBeNull();
    expect(skewOf([partition('0', 500), partition(others, 9)], 9).ratio).toBeNull();
    expect(skewOf([partition('0', 500)], null).ratio).toBeNull();
  });
});

describe('lag', () => {
  const group = (offsets: number, topicsLeftOut = 0) => ({
    group: 'g',
    lags: [{ topic: 'orders', offsets, uncommittedPartitions: 0 }],
    topicsLeftOut,
    failure: null,
  });

  test('the largest counts, unless a group cannot be read', () => {
    const refused = {
      group: 'secret',
      lags: null,
      topicsLeftOut: 0,
      failure: { code: 'C', message: 'm', hint: 'h' },
    };
    expect(largestLag([group(3), group(8)], 'orders')).toBe(8);
    expect(largestLag([group(3), refused], 'orders')).toBeNull();
    expect(largestLag([group(3)], 'others')).toBeNull();
    // It may be further behind in a topic of which nothing was read.
    const other = { ...group(0), lags: [{ topic: 'others', offsets: 1, uncommittedPartitions: 0 }] };
    expect(largestLag([group(3, 7)], 'orders')).toBe(3);
    expect(largestLag([group(3, 7), other], 'others')).toBeNull();
  });
});

test('an empty list says that there is nothing only where Kafka has said so', () => {
  expect(emptyList(false, '').title).toBe('Which topics exist is not known');
  expect(emptyList(false, 'orders').title).toBe('Which topics exist is not known');
  expect(emptyList(true, 'orders').title).toBe('No topic has such a name');
  expect(emptyList(true, '').title).toBe('No topic of events exists yet');
});

describe('partitions', () => {
  const measured = { partition: '1', eventsPerSecond: 2, eventCount: 10 };

  test('are those that relays or Kafka know, those with most events first, then the largest', () => {
    expect(partitionLines([measured], [7, 5, 9])).toEqual([
      { ...measured, size: 5 },
      { partition: '2', eventsPerSecond: null, eventCount: null, size: 9 },
      { partition: '0', eventsPerSecond: null, eventCount: null, size: 7 },
    ]);
  });

  test('have no size where Kafka does not say it, and no rate where no relay does', () => {
    expect(partitionLines([measured, { ...measured, partition: others }], [])).toEqual([
      { ...measured, size: null },
      { ...measured, partition: others, size: null },
    ]);
    expect(partitionLines([], [null])).toEqual([
      { partition: '0', eventsPerSecond: null, eventCount: null, size: null },
    ]);
    expect(partitionLines([], [])).toEqual([]);
  });
});
