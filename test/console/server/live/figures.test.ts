import { expect, test } from 'vitest';
import { figuresOf, isWanted, noFigures } from '../../../../console/server/live/figures.ts';
import { parseSamples } from '../../../../console/server/live/prometheus-text.ts';

/** What a relay serves: name and labels, and value. The prefix is left out. */
const scrape = (atMs: number, values: Readonly<Record<string, number>>) => ({
  atMs,
  samples: parseSamples(
    Object.entries(values)
      .map(([name, value]) => `${name.startsWith('process_') ? '' : 'outbox_relay_'}${name} ${value}`)
      .join('\n'),
    isWanted,
  ),
});

const start = (seconds: number) => ({ process_start_time_seconds: seconds });
const published = (a: number, b: number) => ({
  'events_published_total{topic="a"}': a,
  'events_published_total{topic="b"}': b,
});

test('rates are those between two scrapes, and not known after the first', () => {
  const first = scrape(0, { ...start(1), ...published(10, 0) });
  expect(figuresOf(undefined, first).figures).toEqual(noFigures);
  const { figures, relay } = figuresOf(first, scrape(5_000, { ...start(1), ...published(20, 40) }));
  expect(figures.eventsPerSecond).toBe(10);
  expect(relay.topics.map(({ topic, eventsPerSecond }) => [topic, eventsPerSecond])).toEqual([
    ['a', 2],
    ['b', 8],
  ]);
});

test('a relay that has published nothing yet publishes 0, and its first events count', () => {
  const nothing = scrape(0, start(1));
  expect(figuresOf(nothing, scrape(5_000, start(1))).figures.eventsPerSecond).toBe(0);
  expect(figuresOf(nothing, scrape(5_000, { ...start(1), ...published(5, 5) })).figures.eventsPerSecond).toBe(
    2,
  );
});

test('a restart of the relay counts from 0 again: no rate and no latency spans it', () => {
  const before = scrape(0, { ...start(1), ...published(100, 100), ...latency(100, 100) });
  // It has published more than the one before had.
  const after = scrape(5_000, { ...start(3), ...published(300, 300), ...latency(300, 600) });
  expect(figuresOf(before, after).figures).toMatchObject({ eventsPerSecond: null, latencyP50Ms: null });
  // An earlier release does not say when it started.
  const { figures } = figuresOf(scrape(0, published(100, 100)), scrape(5_000, published(5, 5)));
  expect(figures.eventsPerSecond).toBeNull();
});

const latency = (below10: number, all: number) => ({
  'publish_latency_seconds_bucket{le="0.01"}': below10,
  'publish_latency_seconds_bucket{le="0.1"}': all,
  'publish_latency_seconds_bucket{le="+Inf"}': all,
});

test('quantiles are of the events between two scrapes', () => {
  const before = scrape(0, { ...start(1), ...latency(1_000, 1_000) });
  const { figures } = figuresOf(before, scrape(5_000, { ...start(1), ...latency(1_050, 1_100) }));
  expect(figures.latencyP50Ms).toBeCloseTo(10);
  expect(figures.latencyP99Ms).toBeCloseTo(98.2);
  expect(figuresOf(before, scrape(5_000, { ...start(1), ...latency(1_000, 1_000) })).figures).toMatchObject({
    latencyP50Ms: null,
    latencyP99Ms: null,
  });
});

test('a quantile that is longer than the buckets reach is not known, rather than as long as they reach', () => {
  const beyond = (count: number) => ({
    ...start(1),
    ...latency(0, 0),
    'publish_latency_seconds_bucket{le="+Inf"}': count,
  });
  expect(figuresOf(scrape(0, beyond(0)), scrape(5_000, beyond(25))).figures).toMatchObject({
    latencyP50Ms: null,
    latencyP99Ms: null,
  });
});

test('the mean of a part of the latency is of the events between two scrapes', () => {
  const at = (sum: number, count: number) => ({
    ...start(1),
    'publish_latency_stage_seconds_sum{stage="wait"}': sum,
    'publish_latency_stage_seconds_count{stage="wait"}': count,
  });
  expect(figuresOf(scrape(0, at(10, 1_000)), scrape(5_000, at(11, 1_100))).figures).toMatchObject({
    waitMs: 10,
    captureMs: null,
  });
});

test('the limit of the slot is what it keeps and what may still be written, and unknown without either', () => {
  const of = (values: Record<string, number>) => figuresOf(undefined, scrape(0, values)).figures;
  expect(of({ slot_retained_bytes: 100, slot_safe_wal_bytes: 900 })).toMatchObject({
    retainedBytes: 100,
    limitBytes: 1_000,
  });
  expect(of({ slot_retained_bytes: 1_000, slot_safe_wal_bytes: -50 }).limitBytes).toBe(1_000);
  // A role that may not read it, or no limit.
  expect(of({ slot_retained_bytes: 100 }).limitBytes).toBeNull();
  expect(of({}).retainedBytes).toBeNull();
});

test('a standby has no lag: that is not known, and not 0', () => {
  expect(figuresOf(undefined, scrape(0, {})).figures.lagMs).toBeNull();
  expect(figuresOf(undefined, scrape(0, { replication_lag_seconds: 0 })).figures.lagMs).toBe(0);
});
