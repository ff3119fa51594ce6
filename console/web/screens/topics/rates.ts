/**
 * What the relays' figures say of each topic: rate, partitions, skew, hottest keys. Pure. Promise: a rate that nobody could
 * measure is null, and 0 is written only where every relay answers.
 */
import type { GroupLag } from '../../../../relay/operations/topics.ts';
import type { Sampled } from '../../../server/live/sampler.ts';
import { counted, figure } from '../../data/format.ts';

export type PartitionRate = {
  readonly partition: string;
  readonly eventsPerSecond: number | null;
  /** Since the relays started. */
  readonly eventCount: number;
};

export type TopicRates = {
  readonly eventsPerSecond: number | null;
  readonly eventCount: number;
  readonly partitions: readonly PartitionRate[];
  /** Hottest first. */
  readonly hotKeys: readonly { readonly key: string; readonly share: number }[];
};

/** Topics and partitions beyond the relay's bounds, which it counts together. */
export const others = '(other)';

/** One that streams is all that counts; where none is found, it may be one that does not answer. */
function isMeasured({ figures, relays }: Sampled): boolean {
  return figures.lagMs !== null || (relays.length > 0 && relays.every(({ failure }) => failure === null));
}

/** Whether a topic that no relay names has published nothing. */
export function isWhole(sampled: Sampled | null): boolean {
  return (
    sampled !== null &&
    isMeasured(sampled) &&
    // Null before the second scrape.
    sampled.figures.eventsPerSecond !== null &&
    !sampled.relays.some(({ figures }) => figures?.topics.some(({ topic }) => topic === others))
  );
}

export function topicRates(sampled: Sampled | null): ReadonlyMap<string, TopicRates> {
  const rates = new Map<string, TopicRates>();
  const hasRates = sampled !== null && isMeasured(sampled);
  const relays = sampled?.relays.flatMap(({ figures }) => (figures === null ? [] : [figures])) ?? [];
  for (const { topics } of relays)
    for (const { topic, eventsPerSecond, eventCount, partitions } of topics) {
      const before = rates.get(topic) ?? noRates;
      rates.set(topic, {
        ...before,
        eventsPerSecond: hasRates ? sum(before.eventsPerSecond, eventsPerSecond) : null,
        eventCount: before.eventCount + eventCount,
        partitions: together(before.partitions, partitions, hasRates),
      });
    }
  for (const { hotKeys } of relays)
    for (const { topic, key, share } of hotKeys) {
      const before = rates.get(topic) ?? noRates;
      const keys = [...before.hotKeys, { key, share }].toSorted((left, right) => right.share - left.share);
      rates.set(topic, { ...before, hotKeys: keys });
    }
  return rates;
}

const noRates: TopicRates = { eventsPerSecond: null, eventCount: 0, partitions: [], hotKeys: [] };

const sum = (left: number | null, right: number | null) =>
  left === null ? right : right === null ? left : left + right;

function together(
  left: readonly PartitionRate[],
  right: readonly PartitionRate[],
  hasRates: boolean,
): PartitionRate[] {
  const all = new Map(left.map((each) => [each.partition, each]));
  for (const each of right) {
    const before = all.get(each.partition);
    all.set(each.partition, {
      partition: each.partition,
      eventsPerSecond: hasRates ? sum(before?.eventsPerSecond ?? null, each.eventsPerSecond) : null,
      eventCount: (before?.eventCount ?? 0) + each.eventCount,
    });
  }
  return [...all.values()].toSorted((a, b) => Number(a.partition) - Number(b.partition));
}

export type PartitionLine = Omit<PartitionRate, 'eventCount'> & {
  /** null where no relay says it. */
  readonly eventCount: number | null;
  /** In bytes; null where Kafka does not say it. */
  readonly size: number | null;
};

/**
 * What the relays and Kafka know of each partition; those with most events first, then the largest.
 * @param sizes by partition; empty where Kafka does not say which there are
 */
export function partitionLines(
  rates: readonly PartitionRate[],
  sizes: readonly (number | null)[],
): PartitionLine[] {
  const measured = new Map(rates.map((rate) => [rate.partition, rate]));
  const names = new Set([...measured.keys(), ...sizes.map((_, partition) => String(partition))]);
  return [...names]
    .map((partition) => {
      const { eventsPerSecond = null, eventCount = null } = measured.get(partition) ?? {};
      return { partition, eventsPerSecond, eventCount, size: sizes[Number(partition)] ?? null };
    })
    .toSorted(
      (left, right) =>
        (right.eventCount ?? 0) - (left.eventCount ?? 0) || (right.size ?? 0) - (left.size ?? 0),
    );
}

export type Skew = {
  /** Largest over mean, over every partition of the topic; null where it cannot be told. */
  readonly ratio: number | null;
  readonly text: string;
  readonly isConcern: boolean;
};

/** Fewer are uneven by chance. */
const eventsMin = 100;

/** Of all events since the relays started: of a few seconds, chance would decide. @param count partitions; null: not known */
export function skewOf(partitions: readonly PartitionRate[], count: number | null): Skew {
  if (partitions.length === 0) return { ratio: null, text: 'no figures for partitions', isConcern: false };
  if (partitions.some(({ partition }) => partition === others))
    return { ratio: null, text: 'not every partition has figures', isConcern: false };
  if (count === null) return { ratio: null, text: 'the number of partitions is not known', isConcern: false };
  const total = partitions.reduce((all, { eventCount }) => all + eventCount, 0);
  if (count === 1) return { ratio: 1, text: 'one partition', isConcern: false };
  if (total < eventsMin)
    return { ratio: null, text: `${counted(total, 'event')}, too few to tell`, isConcern: false };
  const largest = partitions.reduce((most, each) => (each.eventCount > most.eventCount ? each : most));
  const ratio = largest.eventCount / (total / Math.max(count, partitions.length));
  if (ratio < 1.5) return { ratio, text: 'even', isConcern: false };
  const text = `partition ${largest.partition} takes ${figure(ratio)} times its share`;
  return { ratio, text, isConcern: ratio >= 3 };
}

/** Null where one group cannot be read in the topic, since it may be the one, and where none has read the topic. */
export function largestLag(groups: readonly GroupLag[], topic: string): number | null {
  const isRead = ({ lags, topicsLeftOut }: GroupLag) =>
    lags !== null && (topicsLeftOut === 0 || lags.some((lag) => lag.topic === topic));
  if (!groups.every(isRead)) return null;
  const own = groups.flatMap(({ lags }) => lags?.filter((lag) => lag.topic === topic) ?? []);
  return own.length === 0 ? null : Math.max(...own.map(({ offsets }) => offsets));
}

/** What an empty list means. @param isKnown whether Kafka has said which topics there are */
export function emptyList(isKnown: boolean, like: string): { title: string; text?: string } {
  if (!isKnown)
    return {
      title: 'Which topics exist is not known',
      text: 'Kafka does not say it, and no relay names one.',
    };
  if (like !== '') return { title: 'No topic has such a name' };
  return {
    title: 'No topic of events exists yet',
    text: 'The topics are those that topics.allow lists. The relay creates one with its first event where topics.create is on.',
  };
}
