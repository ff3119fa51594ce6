/**
 * From what a relay serves at /metrics to the figures of the console: rates and latencies are those between two scrapes.
 * Pure. Promise: what cannot be known is null, never 0.
 */
import { groupBy } from '../../../relay/model/builtins.ts';
import type { Sample } from './prometheus-text.ts';

const prefix = 'outbox_relay_';

/** Series that the console keeps for six hours, in this order. */
export const seriesNames = [
  'eventsPerSecond',
  'bytesPerSecond',
  'latencyP50Ms',
  'latencyP99Ms',
  'captureMs',
  'waitMs',
  'encodeMs',
  'publishMs',
  'acknowledgeMs',
  'lagMs',
  'lagBytes',
  'lagEvents',
  'retainedBytes',
  'limitBytes',
  'openLetters',
  'parkedEvents',
] as const;

export type SeriesName = (typeof seriesNames)[number];

/** One moment of every series; null where it is not known. */
export type Figures = Readonly<Record<SeriesName, number | null>>;

export const noFigures = Object.fromEntries(seriesNames.map((name) => [name, null])) as Figures;

/** Parts of the latency, in the order in which an event passes them. */
export const stages = ['capture', 'wait', 'encode', 'publish', 'acknowledge'] as const;

export type TopicFigures = {
  readonly topic: string;
  readonly eventsPerSecond: number | null;
  readonly eventCount: number;
  /** By partition; null where the relay keeps no series for each. */
  readonly partitions: readonly {
    readonly partition: string;
    readonly eventsPerSecond: number | null;
    readonly eventCount: number;
  }[];
};

export type RetryFigures = {
  readonly dependency: string;
  readonly retryCount: number;
  readonly perMinute: number | null;
};

/** Of one relay, beside the series. */
export type RelayFigures = {
  readonly topics: readonly TopicFigures[];
  readonly hotKeys: readonly { readonly topic: string; readonly key: string; readonly share: number }[];
  readonly consumers: readonly {
    readonly group: string;
    readonly topic: string;
    readonly lagOffsets: number | null;
    readonly uncommittedPartitions: number;
  }[];
  readonly retries: readonly RetryFigures[];
  readonly cpuShare: number | null;
  readonly memoryBytes: number | null;
  readonly inFlightBytes: number | null;
};

export type Scrape = { readonly atMs: number; readonly samples: readonly Sample[] };

/** Names that are read; the rest of a scrape is skipped. */
const wantedNames = new Set(
  [
    'events_published_total',
    'partition_events_published_total',
    'published_bytes_total',
    'publish_latency_seconds_bucket',
    'publish_latency_stage_seconds_sum',
    'publish_latency_stage_seconds_count',
    'replication_lag_seconds',
    'replication_lag_bytes',
    'replication_lag_events',
    'slot_retained_bytes',
    'slot_safe_wal_bytes',
    'dead_letters_open',
    'parked_events',
    'hot_key_ratio',
    'consumer_lag_offsets',
    'consumer_uncommitted_partitions',
    'retries_total',
    'in_flight_bytes',
  ].map((name) => prefix + name),
);
const processNames = new Set([
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_start_time_seconds',
]);

export const isWanted = (name: string): boolean => wantedNames.has(name) || processNames.has(name);

/** An index of a scrape by name. */
class Reading {
  readonly atMs: number;
  readonly #byName: ReadonlyMap<string, readonly Sample[]>;

  constructor({ atMs, samples }: Scrape) {
    this.atMs = atMs;
    this.#byName = groupBy(samples, ({ name }) => name);
  }

  all(name: string): readonly Sample[] {
    return this.#byName.get(processNames.has(name) ? name : prefix + name) ?? [];
  }

  one(name: string): number | null {
    return this.all(name)[0]?.value ?? null;
  }

  sum(name: string): number | null {
    const samples = this.all(name);
    return samples.length === 0 ? null : samples.reduce((sum, { value }) => sum + value, 0);
  }
}

/** @returns the growth of a counter per second; null before the second scrape, and after a restart of the relay */
function rate(before: number | null | undefined, now: number | null, seconds: number): number | null {
  if (before == null || now === null || now < before || !(seconds > 0)) return null;
  return (now - before) / seconds;
}

/** A relay that has started since counts from 0, and may have counted further than the one before. */
function sameProcess(last: Reading, current: Reading): Reading | undefined {
  const started = 'process_start_time_seconds';
  return last.one(started) === current.one(started) ? last : undefined;
}

/** @param before the scrape before, of the same address */
export function figuresOf(
  before: Scrape | undefined,
  now: Scrape,
): { figures: Figures; relay: RelayFigures } {
  const current = new Reading(now);
  const last = before === undefined ? undefined : sameProcess(new Reading(before), current);
  const seconds = last === undefined ? 0 : (current.atMs - last.atMs) / 1_000;
  // A counter comes with the first thing that it counts.
  const rateOf = (name: string) => rate(last && (last.sum(name) ?? 0), current.sum(name), seconds);
  const lagSeconds = current.one('replication_lag_seconds');
  const retained = current.one('slot_retained_bytes');
  const safe = current.one('slot_safe_wal_bytes');
  const latency = last === undefined ? undefined : new Growth(last, current);
  const figures: Figures = {
    // A relay that has published nothing yet has no such counter.
    eventsPerSecond:
      last === undefined
        ? null
        : (rateOf('events_published_total') ??
          (current.all('events_published_total').length === 0 ? 0 : null)),
    bytesPerSecond: rateOf('published_bytes_total'),
    latencyP50Ms: latency?.quantileMs(0.5) ?? null,
    latencyP99Ms: latency?.quantileMs(0.99) ?? null,
    captureMs: latency?.meanMs('capture') ?? null,
    waitMs: latency?.meanMs('wait') ?? null,
    encodeMs: latency?.meanMs('encode') ?? null,
    publishMs: latency?.meanMs('publish') ?? null,
    acknowledgeMs: latency?.meanMs('acknowledge') ?? null,
    lagMs: lagSeconds === null ? null : lagSeconds * 1_000,
    lagBytes: current.one('replication_lag_bytes'),
    lagEvents: current.one('replication_lag_events'),
    retainedBytes: retained,
    limitBytes: retained === null || safe === null ? null : retained + Math.max(0, safe),
    openLetters: current.one('dead_letters_open'),
    parkedEvents: current.one('parked_events'),
  };
  return { figures, relay: relayFiguresOf(last, current, seconds) };
}

/** What the histograms of the latency took in between two scrapes. */
class Growth {
  readonly #last: Reading;
  readonly #current: Reading;

  constructor(last: Reading, current: Reading) {
    this.#last = last;
    this.#current = current;
  }

  /**
   * By linear interpolation within the bucket, as `histogram_quantile` of Prometheus.
   * @returns null where there was nothing, and where it is longer than the buckets reach: their end would be too small
   */
  quantileMs(share: number): number | null {
    const before = new Map(
      this.#last.all('publish_latency_seconds_bucket').map(({ labels, value }) => [labels.le, value]),
    );
    const buckets = this.#current
      .all('publish_latency_seconds_bucket')
      .map(({ labels, value }) => ({
        le: labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le),
        count: value - (before.get(labels.le) ?? 0),
      }))
      .sort((a, b) => a.le - b.le);
    const total = buckets.at(-1)?.count ?? 0;
    // A count that shrank is of another process.
    if (!(total > 0) || buckets.some(({ count }) => count < 0)) return null;
    const rank = total * share;
    const index = buckets.findIndex(({ count }) => count >= rank);
    const { le, count } = buckets[index]!;
    const below = buckets[index - 1] ?? { le: 0, count: 0 };
    if (!Number.isFinite(le)) return null;
    return (below.le + ((le - below.le) * (rank - below.count)) / (count - below.count)) * 1_000;
  }

  meanMs(stage: (typeof stages)[number]): number | null {
    const grown = (name: string) => {
      const of = (reading: Reading) =>
        reading.all(name).find(({ labels }) => labels.stage === stage)?.value ?? 0;
      return of(this.#current) - of(this.#last);
    };
    const count = grown('publish_latency_stage_seconds_count');
    const sum = grown('publish_latency_stage_seconds_sum');
    return count > 0 && sum >= 0 ? (sum / count) * 1_000 : null;
  }
}

function relayFiguresOf(last: Reading | undefined, current: Reading, seconds: number): RelayFigures {
  const before = (name: string, like: Sample['labels'], keys: readonly string[]) =>
    last?.all(name).find(({ labels }) => keys.every((key) => labels[key] === like[key]))?.value ??
    (last === undefined ? undefined : 0);
  const partitions = groupBy(
    current.all('partition_events_published_total'),
    ({ labels }) => labels.topic ?? '',
  );
  const uncommitted = current.all('consumer_uncommitted_partitions');
  const lags = current.all('consumer_lag_offsets');
  const groups = new Map(
    [...uncommitted, ...lags].map(({ labels }) => [`${labels.group}\n${labels.topic}`, labels]),
  );
  const cpu = rate(last?.one('process_cpu_seconds_total'), current.one('process_cpu_seconds_total'), seconds);
  return {
    topics: current.all('events_published_total').map(({ name: _, labels, value }) => ({
      topic: labels.topic ?? '',
      eventCount: value,
      eventsPerSecond: rate(before('events_published_total', labels, ['topic']), value, seconds),
      partitions: (partitions.get(labels.topic ?? '') ?? []).map((sample) => ({
        partition: sample.labels.partition ?? '',
        eventCount: sample.value,
        eventsPerSecond: rate(
          before('partition_events_published_total', sample.labels, ['topic', 'partition']),
          sample.value,
          seconds,
        ),
      })),
    })),
    hotKeys: current
      .all('hot_key_ratio')
      .map(({ labels, value }) => ({ topic: labels.topic ?? '', key: labels.key ?? '', share: value })),
    consumers: [...groups.values()].map((labels) => {
      const of = (samples: readonly Sample[]) =>
        samples.find((each) => each.labels.group === labels.group && each.labels.topic === labels.topic)
          ?.value;
      return {
        group: labels.group ?? '',
        topic: labels.topic ?? '',
        lagOffsets: of(lags) ?? null,
        uncommittedPartitions: of(uncommitted) ?? 0,
      };
    }),
    retries: current.all('retries_total').map(({ labels, value }) => {
      const perSecond = rate(before('retries_total', labels, ['dependency']), value, seconds);
      return {
        dependency: labels.dependency ?? '',
        retryCount: value,
        perMinute: perSecond === null ? null : perSecond * 60,
      };
    }),
    cpuShare: cpu,
    memoryBytes: current.one('process_resident_memory_bytes'),
    inFlightBytes: current.one('in_flight_bytes'),
  };
}
