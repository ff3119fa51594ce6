import { globSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { createMetrics, documentedMetrics } from '../../../relay/observe/metrics.ts';
import { metricsListener } from '../../../relay/observe/metrics-listener.ts';
import type { RelayObserver } from '../../../relay/observe/observer.ts';
import { committedSample, progressSample, sampledSample, slotSample } from './fact-samples.ts';

type Retries = ReturnType<Parameters<typeof metricsListener>[1]>;

function create(retries: () => Retries = () => [], settings = {}) {
  const metrics = createMetrics({ process: false, ...settings });
  const hears = metricsListener(metrics, retries).hears as Required<RelayObserver>;
  return { registry: metrics.registry, hears };
}

test('what is registered is what is documented, each with a help text', async () => {
  const registered = await create().registry.getMetricsAsJSON();
  const described = documentedMetrics();
  expect(registered.map(({ name, help, type }) => ({ name, help, type }))).toEqual(
    described.map(({ name, help, type }) => ({ name, help, type })),
  );
  for (const { name, help } of described) {
    expect(name).toMatch(/^outbox_relay_[a-z_]+$/);
    expect(help).toMatch(/\.$/);
  }
});

test('each metric of the table is measured in a test', () => {
  const tests = globSync('test/**/*.test.ts');
  const text = tests.map((file) => readFileSync(file, 'utf8')).join('\n');
  const untested = documentedMetrics().map(({ name }) => name.replace('outbox_relay_', ''));
  expect(
    untested.filter((name) => !new RegExp(`\\b(outbox_relay_)?${name}(_count|_sum)?\\b`).test(text)),
  ).toEqual([]);
});

test('a batch counts its events by topic, its bytes and itself', async () => {
  const metrics = create();
  const events = new Map([
    ['outbox.event.order', 3],
    ['outbox.event.payment', 2],
  ]);
  const partial = { commitLsn: 0x15_0000_0000n, ordinal: 5 };
  const split = { ...progressSample, partial };
  const sizes = { bytes: 700, sentBytes: 250 };
  metrics.hears.committed(committedSample({ events: 5, eventsByTopic: events, ...sizes, progress: split }));
  metrics.hears.committed(committedSample({ progress: { ...progressSample, endLsn: 1n } }));
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_events_published_total{topic="outbox.event.order"} 3');
  expect(text).toContain('outbox_relay_events_published_total{topic="outbox.event.payment"} 2');
  expect(text).toContain('outbox_relay_published_bytes_total 700');
  expect(text).toContain('outbox_relay_published_batch_bytes_total 250');
  expect(text).toContain('outbox_relay_kafka_transactions_total{kind="events"} 1');
  expect(text).toContain('outbox_relay_kafka_transactions_total{kind="progress"} 1');
  expect(text).toContain('outbox_relay_kafka_transactions_split_total 1');
  expect(text).toContain('outbox_relay_kafka_transaction_events_sum 5');
  expect(text).toContain('outbox_relay_kafka_transaction_events_count 1');
  expect(text).toContain('outbox_relay_kafka_transaction_seconds_count 2');
  expect(text).toContain('outbox_relay_progress_lsn 1');
});

test('topics beyond the bound share one time series, so that rows cannot make more', async () => {
  const metrics = create();
  for (let n = 0; n < 2_000; n++) {
    const events = new Map([[`outbox.event.t${n}`, 1]]);
    metrics.hears.committed(committedSample({ events: 1, eventsByTopic: events }));
  }
  const text = await metrics.registry.metrics();
  expect(text.match(/^outbox_relay_events_published_total\{/gm)).toHaveLength(501);
  expect(text).toContain('outbox_relay_events_published_total{topic="(other)"} 1500');
});

test('a dead letter names its topic only where the topic is one of ours', async () => {
  const metrics = create();
  const position = { commitLsn: 1n, ordinal: 0 };
  metrics.hears.deadLettered({
    events: [
      { ...position, code: 'PAYLOAD_INVALID', topic: 'outbox.event.order' },
      { ...position, code: 'TOPIC_NOT_ALLOWED', topic: '__consumer_offsets' },
      { ...position, code: 'EVENT_INVALID', topic: null },
    ],
  });
  const text = await metrics.registry.metrics();
  expect(text).toContain('dead_letters_total{code="PAYLOAD_INVALID",topic="outbox.event.order"} 1');
  expect(text).toContain('dead_letters_total{code="TOPIC_NOT_ALLOWED",topic=""} 1');
  expect(text).toContain('dead_letters_total{code="EVENT_INVALID",topic=""} 1');
});

test('exactly one state is 1', async () => {
  const metrics = create();
  metrics.hears.entered({ state: 'fencing', before: 'standby' });
  metrics.hears.entered({ state: 'streaming', before: 'claiming' });
  metrics.hears.sessionBegun({ progress: progressSample, lineage: 'same', transactionVersion: 1 });
  const text = await metrics.registry.metrics();
  expect(text.match(/^outbox_relay_state\{.*\} 1$/gm)).toEqual(['outbox_relay_state{state="streaming"} 1']);
  expect(text.match(/^outbox_relay_state\{.*\} 0$/gm)).toHaveLength(6);
  expect(text).toContain('outbox_relay_state_changes_total{state="fencing"} 1');
  expect(text).toContain('outbox_relay_sessions_total 1');
});

test('the transaction protocol is that of the session, and changes with it', async () => {
  const { hears, registry } = create();
  hears.entered({ state: 'streaming', before: 'lineage' });
  hears.sessionBegun({ progress: progressSample, lineage: 'same', transactionVersion: 2 });
  expect(await registry.metrics()).toContain('outbox_relay_kafka_transaction_version 2\n');
  hears.protocolChanged({ transactionVersion: 1, before: 2 });
  expect(await registry.metrics()).toContain('outbox_relay_kafka_transaction_version 1\n');
  hears.entered({ state: 'standby', before: 'streaming' });
  expect(await registry.metrics()).not.toMatch(/^outbox_relay_kafka_transaction_version \d/m);
});

test('a duty that fails counts by its name and by its code', async () => {
  const metrics = create();
  const failure = new RelayError('POSTGRES_UNAVAILABLE', 'gone');
  metrics.hears.dutyFailed({ duty: 'heartbeat', failure, retryInMs: 1 });
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_duty_failures_total{duty="heartbeat"} 1');
  expect(text).toContain('outbox_relay_errors_total{code="POSTGRES_UNAVAILABLE",class="retry"} 1');
});

test('the breaker of each dependency is in exactly one state', async () => {
  let retries: Retries = [{ dependency: 'kafka', breaker: 'open', attempt: 3 }];
  const metrics = create(() => retries);
  const sample = sampledSample();
  const failure = new RelayError('PUBLISH_UNCERTAIN', 'no answer');
  metrics.hears.retried({ doing: 'session', failure, retryInMs: 1 });
  metrics.hears.sampled(sample);
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_retries_total{dependency="kafka"} 1');
  expect(text).toContain('outbox_relay_retry_attempts{dependency="kafka"} 3');
  expect(text.match(/^outbox_relay_circuit_breaker_state\{.*\} 1$/gm)).toEqual([
    'outbox_relay_circuit_breaker_state{dependency="postgres",state="closed"} 1',
    'outbox_relay_circuit_breaker_state{dependency="kafka",state="open"} 1',
    'outbox_relay_circuit_breaker_state{dependency="registry",state="closed"} 1',
    'outbox_relay_circuit_breaker_state{dependency="relay",state="closed"} 1',
  ]);
  retries = [];
  metrics.hears.sampled(sample);
  expect(await metrics.registry.metrics()).toContain(
    'circuit_breaker_state{dependency="kafka",state="closed"} 1',
  );
});

test('a slot at risk shows, with how much more WAL it survives, and so does a lost one, with the reason', async () => {
  const metrics = create();
  metrics.hears.slotSeen(slotSample({ retainedBytes: 4096, walStatus: 'unreserved', safeWalBytes: -100 }));
  const atRisk = await metrics.registry.metrics();
  expect(atRisk).toContain('outbox_relay_slot_retained_bytes 4096');
  expect(atRisk).toContain('outbox_relay_slot_safe_wal_bytes -100');
  expect(atRisk).toContain('outbox_relay_slot_wal_status{status="unreserved"} 1');
  expect(atRisk).toContain('outbox_relay_slot_wal_status{status="reserved"} 0');
  expect(atRisk).not.toMatch(/slot_invalidated\{.*\} 1/);
  metrics.hears.slotLost({ reason: 'wal_removed' });
  const lost = await metrics.registry.metrics();
  expect(lost).toContain('outbox_relay_slot_wal_status{status="lost"} 1');
  expect(lost.match(/^outbox_relay_slot_invalidated\{.*\} 1$/gm)).toEqual([
    'outbox_relay_slot_invalidated{reason="wal_removed"} 1',
  ]);
  metrics.hears.slotLost({ reason: 'a reason of a later version' });
  expect(await metrics.registry.metrics()).toContain('outbox_relay_slot_invalidated{reason="other"} 1');
});

/** Names of our gauges that have a value. */
async function known({ registry }: Pick<ReturnType<typeof create>, 'registry'>): Promise<string[]> {
  const names = new Set<string>();
  for (const { name, type, values } of await registry.getMetricsAsJSON())
    if (String(type) === 'gauge' && values.length > 0) names.add(name.replace('outbox_relay_', ''));
  return [...names];
}

const slotGauges = ['slot_retained_bytes', 'slot_safe_wal_bytes', 'slot_invalidated', 'slot_wal_status'];
const lagGauges = ['replication_lag_bytes', 'replication_lag_seconds', 'replication_lag_events'];

describe('a gauge that nobody can know is absent', () => {
  /** As a relay says it until it streams. */
  const stream = (metrics: ReturnType<typeof create>) => {
    const { hears } = metrics;
    hears.entered({ state: 'standby', before: undefined });
    hears.slotSeen(slotSample());
    hears.entered({ state: 'streaming', before: 'lineage' });
    hears.sessionBegun({ progress: progressSample, lineage: 'same', transactionVersion: 1 });
    hears.heartbeatReturned({ beat: 1, roundTripMs: 2 });
    hears.deadLettersCounted({ open: 1, oldestSeconds: 2, parked: 3, parkedKeys: 4 });
    hears.sampled(sampledSample());
  };
  const ofStream = [
    ...lagGauges,
    'progress_lsn',
    'heartbeat_round_trip_seconds',
    'dead_letters_open',
    'dead_letters_oldest_age_seconds',
    'parked_events',
    'parked_keys',
  ];

  test('at the start, but for what is always known', async () => {
    expect(await known(create())).toEqual(['build_info']);
  });

  test('in standby, where the slot is seen all the same', async () => {
    const metrics = create();
    metrics.hears.entered({ state: 'standby', before: undefined });
    metrics.hears.slotSeen(slotSample());
    metrics.hears.sampled(sampledSample({ state: 'standby', stream: undefined }));
    const names = await known(metrics);
    expect(names).toEqual(expect.arrayContaining([...slotGauges, 'in_flight_bytes']));
    expect(names.filter((name) => ofStream.includes(name))).toEqual([]);
  });

  test('once the relay streams no more, and comes back with the next session', async () => {
    const metrics = create();
    stream(metrics);
    expect(await known(metrics)).toEqual(expect.arrayContaining([...ofStream, ...slotGauges]));
    const failure = new RelayError('PUBLISH_UNCERTAIN', 'no answer');
    metrics.hears.retried({ doing: 'session', failure, retryInMs: 1 });
    metrics.hears.entered({ state: 'standby', before: 'streaming' });
    const left = await known(metrics);
    expect(left.filter((name) => ofStream.includes(name))).toEqual([]);
    // The slot is watched all the time.
    expect(left).toEqual(expect.arrayContaining(slotGauges));
    metrics.hears.slotUnknown({});
    expect((await known(metrics)).filter((name) => slotGauges.includes(name))).toEqual([]);
    stream(metrics);
    expect(await known(metrics)).toEqual(expect.arrayContaining([...ofStream, ...slotGauges]));
  });

  test('while it drains, what it knows stays', async () => {
    const metrics = create();
    stream(metrics);
    metrics.hears.entered({ state: 'draining', before: 'streaming' });
    expect(await known(metrics)).toEqual(expect.arrayContaining(ofStream));
  });

  test('where the slot cannot be read, and so is the lag that depends on it', async () => {
    const metrics = create();
    stream(metrics);
    const failure = new RelayError('POSTGRES_UNAVAILABLE', 'gone');
    metrics.hears.dutyFailed({ duty: 'slot_health', failure, retryInMs: 1 });
    metrics.hears.sampled(sampledSample());
    const names = await known(metrics);
    expect(names.filter((name) => [...slotGauges, ...lagGauges].includes(name))).toEqual([
      'replication_lag_seconds',
    ]);
  });
});

test('a recovery shows how far each stage is, and nothing afterwards', async () => {
  const metrics = create();
  const { hears } = metrics;
  const shown = async () =>
    (await metrics.registry.metrics()).match(/^outbox_relay_recovery_.*$/gm)?.map((line) => line.slice(13));
  hears.recovering({ stage: 'slot', done: 0 });
  expect(await shown()).toBeUndefined();
  hears.recovering({ stage: 'topics', done: 100, total: 100 });
  hears.recovering({ stage: 'table', done: 50, total: 200, leftMs: 3_000 });
  expect(await shown()).toEqual([
    'recovery_done_ratio{stage="topics"} 1',
    'recovery_done_ratio{stage="table"} 0.25',
    'recovery_time_left_seconds 3',
  ]);
  // The total was an estimate.
  hears.recovering({ stage: 'table', done: 201, total: 200 });
  hears.recovering({ stage: 'rows', done: 0, total: 0 });
  expect(await shown()).toEqual([
    'recovery_done_ratio{stage="topics"} 1',
    'recovery_done_ratio{stage="rows"} 1',
  ]);
  hears.recoveryEnded({ outcome: 'recovered', published: 1, deadLettered: 0, tookMs: 5 });
  expect(await shown()).toBeUndefined();
  expect(await metrics.registry.metrics()).toContain(
    'outbox_relay_slot_recoveries_total{outcome="recovered"} 1',
  );
});

describe('the forecast', () => {
  const measured = {
    last5Min: 200,
    lastHour: 100,
    busiestHour: 300,
    directoryBytes: undefined,
    diskBytes: undefined,
  };
  const leftOf = async ({ registry }: Pick<ReturnType<typeof create>, 'registry'>) =>
    (await registry.metrics()).match(/^outbox_relay_slot_time_left_seconds\{.*$/gm) ?? [];

  test('goes by the higher rate, and says nothing before there is one', async () => {
    const metrics = create();
    metrics.hears.slotSeen(slotSample({ safeWalBytes: 20_000 }));
    expect(await leftOf(metrics)).toEqual([]);
    metrics.hears.walMeasured(measured);
    expect(await leftOf(metrics)).toEqual(['outbox_relay_slot_time_left_seconds{until="limit"} 100']);
    const text = await metrics.registry.metrics();
    expect(text).toContain('outbox_relay_wal_rate_bytes_per_second{window="5m"} 200');
    expect(text).toContain('outbox_relay_wal_rate_bytes_per_second{window="1h"} 100');
  });

  test('is for ever without a limit, and of the disk where its size and its content are known', async () => {
    const metrics = create();
    metrics.hears.slotSeen(slotSample({ safeWalBytes: null }));
    metrics.hears.walMeasured({ ...measured, directoryBytes: 6_000, diskBytes: 10_000 });
    expect(await leftOf(metrics)).toEqual([
      'outbox_relay_slot_time_left_seconds{until="limit"} +Inf',
      'outbox_relay_slot_time_left_seconds{until="disk"} 20',
    ]);
    expect(await metrics.registry.metrics()).toContain('outbox_relay_wal_directory_bytes 6000');
  });

  test('ends with what it rests on', async () => {
    const metrics = create();
    metrics.hears.slotSeen(slotSample({ safeWalBytes: 20_000 }));
    metrics.hears.walMeasured(measured);
    metrics.hears.slotUnknown({});
    expect(await leftOf(metrics)).toEqual([]);
    metrics.hears.slotSeen(slotSample({ safeWalBytes: 20_000 }));
    metrics.hears.walUnmeasured({
      failure: new RelayError('POSTGRES_UNAVAILABLE', 'gone'),
      retryInMs: 60_000,
    });
    expect(await leftOf(metrics)).toEqual([]);
    expect(await metrics.registry.metrics()).not.toMatch(/^outbox_relay_wal_rate/m);
  });
});

test('the lag is what Postgres has written beyond the progress, and the events in memory where these are all', async () => {
  const metrics = create();
  const stream = { progressLsn: 40n, serverLsn: 90n, oldestMs: 1_500, isReadingOn: true };
  metrics.hears.slotSeen(slotSample({ writtenLsn: 100n }));
  metrics.hears.sampled(sampledSample({ inFlightEvents: 7, inFlightBytes: 70, stream }));
  const behind = await metrics.registry.metrics();
  expect(behind).toContain('outbox_relay_replication_lag_bytes 60\n');
  expect(behind).toContain('outbox_relay_replication_lag_seconds 1.5\n');
  expect(behind).toContain('outbox_relay_in_flight_events 7\n');
  expect(behind).toContain('outbox_relay_in_flight_bytes 70\n');
  expect(behind).not.toMatch(/^outbox_relay_replication_lag_events/m);
  const caughtUp = { ...stream, serverLsn: 120n };
  metrics.hears.sampled(sampledSample({ inFlightEvents: 7, stream: caughtUp }));
  const level = await metrics.registry.metrics();
  expect(level).toContain('outbox_relay_replication_lag_bytes 80\n');
  expect(level).toContain('outbox_relay_replication_lag_events 7\n');
  metrics.hears.sampled(sampledSample({ inFlightEvents: 7, stream: { ...caughtUp, isReadingOn: false } }));
  expect(await metrics.registry.metrics()).not.toMatch(/^outbox_relay_replication_lag_events/m);
});

test('without max_slot_wal_keep_size a slot is safe for ever', async () => {
  const metrics = create();
  metrics.hears.slotSeen(slotSample());
  expect(await metrics.registry.metrics()).toMatch(/outbox_relay_slot_safe_wal_bytes \+Inf/);
});

test('a cache counts what it was asked since the last sample', async () => {
  const metrics = create();
  const use = { cache: 'schemas', hits: 5, misses: 2, entries: 2 } as const;
  metrics.hears.sampled(sampledSample({ caches: [use] }));
  metrics.hears.sampled(sampledSample({ caches: [use] }));
  metrics.hears.sampled(sampledSample({ caches: [{ ...use, hits: 9, entries: 1 }] }));
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_cache_hits_total{cache="schemas"} 9\n');
  expect(text).toContain('outbox_relay_cache_misses_total{cache="schemas"} 2\n');
  expect(text).toContain('outbox_relay_cache_entries{cache="schemas"} 1\n');
});

test('a duty shows when it last succeeded, and a request to the registry how long it took', async () => {
  const metrics = create();
  const beforeSeconds = Date.now() / 1_000;
  metrics.hears.dutyDone({ duty: 'heartbeat' });
  metrics.hears.registryAsked({ tookMs: 30, result: 'answered' });
  metrics.hears.registryAsked({ tookMs: 5_000, result: 'failed' });
  const text = await metrics.registry.metrics();
  const seconds = Number(text.match(/duty_last_success_timestamp_seconds\{duty="heartbeat"\} (.*)/)?.[1]);
  expect(seconds).toBeGreaterThanOrEqual(beforeSeconds);
  expect(text).toContain('outbox_relay_registry_request_seconds_sum{result="answered"} 0.03\n');
  expect(text).toContain('outbox_relay_registry_request_seconds_bucket{le="5",result="failed"} 1\n');
  expect(text).toContain('outbox_relay_registry_request_seconds_bucket{le="2",result="failed"} 0\n');
});

test('a consumer group that is no longer known is absent', async () => {
  const metrics = create();
  const lag = { group: 'billing', topic: 'orders', offsets: 7, uncommittedPartitions: 1 };
  metrics.hears.consumersSeen({ lags: [lag, { ...lag, group: 'mail' }] });
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_consumer_lag_offsets{group="billing",topic="orders"} 7\n');
  expect(text).toContain('outbox_relay_consumer_uncommitted_partitions{group="mail",topic="orders"} 1\n');
  metrics.hears.consumersSeen({ lags: [lag] });
  expect(await metrics.registry.metrics()).not.toContain('mail');
});

test('rows of another table that looks like the outbox count', async () => {
  const metrics = create();
  metrics.hears.lookalikesSeen({ table: 'public.event', rows: 3 });
  expect(await metrics.registry.metrics()).toContain('outbox_relay_unpublished_rows_total 3\n');
});

test('the hottest keys of a minute are shown until the next is over', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const metrics = create(undefined, { hotKeys: 1, showKeys: true });
  const records = (key: string, count: number) =>
    Array.from({ length: count }, () => ({ topic: 'orders', key }));
  metrics.hears.keysSampled({ records: [...records('a', 150), ...records('b', 50)], every: 1 });
  const shown = async () => (await metrics.registry.metrics()).match(/^outbox_relay_hot_key_ratio.*$/gm);
  metrics.hears.sampled(sampledSample());
  expect(await shown()).toBeNull();
  vi.advanceTimersByTime(60_000);
  metrics.hears.sampled(sampledSample());
  metrics.hears.sampled(sampledSample());
  expect(await shown()).toEqual(['outbox_relay_hot_key_ratio{topic="orders",key="a"} 0.75']);
  vi.advanceTimersByTime(60_000);
  metrics.hears.sampled(sampledSample());
  expect(await shown()).toBeNull();
});

test('hot keys are heard of only where they are wanted', () => {
  expect(create(undefined, { hotKeys: 0 }).hears.keysSampled).toBeUndefined();
  expect(create(undefined, { hotKeys: 1 }).hears.keysSampled).toBeDefined();
});

test('partitions beyond the bound share one time series of their topic', async () => {
  const metrics = create(undefined, { partitionsMax: 2 });
  for (let round = 0; round < 2; round++)
    for (let partition = 0; partition < 4; partition++) {
      const eventsByPartition = [{ topic: 'a', partition, events: partition + 1 }];
      metrics.hears.committed(committedSample({ eventsByPartition }));
    }
  const text = await metrics.registry.metrics();
  expect(text.match(/^outbox_relay_partition_events_published_total.*$/gm)).toEqual([
    'outbox_relay_partition_events_published_total{topic="a",partition="0"} 2',
    'outbox_relay_partition_events_published_total{topic="a",partition="1"} 4',
    'outbox_relay_partition_events_published_total{topic="a",partition="(other)"} 14',
  ]);
});

test('process metrics come on top', async () => {
  expect(await createMetrics().registry.metrics()).toContain('process_resident_memory_bytes');
});

test('every metric names the slot, so that a query can put the relays of a slot together', async () => {
  const text = await createMetrics({ slot: 'orders' }).registry.metrics();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(samples.length).toBeGreaterThan(50);
  expect(samples.filter((line) => !line.includes('slot="orders"'))).toEqual([]);
});

test('cleanup tells what the table holds, what went, and why the rest stays', async () => {
  const metrics = create();
  const cleaned = { partitions: 2, rows: 500, bytes: 7_000, unused: 0 };
  metrics.hears.cleanedUp({ ...cleaned, kept: { retention: 3, uncovered: 1 } });
  metrics.hears.cleanedUp({ ...cleaned, kept: { retention: 4 } });
  const survey = { partitions: 9, rows: 1_000, bytes: 8_192, lastRemovalMs: null };
  metrics.hears.outboxSurveyed({ ...survey, oldestRowMs: Date.now() - 60_000 });
  const text = await metrics.registry.metrics();
  expect(text).toContain('outbox_relay_cleanup_removed_partitions_total 4');
  expect(text).toContain('outbox_relay_cleanup_removed_rows_total 1000');
  expect(text).toContain('outbox_relay_cleanup_removed_bytes_total 14000');
  expect(text).toContain('outbox_relay_cleanup_kept_partitions{reason="retention"} 4');
  expect(text).toContain('outbox_relay_cleanup_kept_partitions{reason="uncovered"} 0');
  expect(text).toContain('outbox_relay_outbox_partitions 9');
  expect(text).toContain('outbox_relay_outbox_rows 1000');
  expect(text).toContain('outbox_relay_outbox_bytes 8192');
  expect(text).toMatch(/^outbox_relay_outbox_oldest_row_age_seconds 6\d/m);
  expect(text).not.toMatch(/^outbox_relay_cleanup_last_removal_timestamp_seconds /m);
  metrics.hears.outboxSurveyed({ ...survey, oldestRowMs: undefined, lastRemovalMs: 5_000 });
  const later = await metrics.registry.metrics();
  expect(later).not.toMatch(/^outbox_relay_outbox_oldest_row_age_seconds /m);
  expect(later).toContain('outbox_relay_cleanup_last_removal_timestamp_seconds 5');
});
