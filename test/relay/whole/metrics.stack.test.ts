/** What a scrape of a real relay says after a known run: exact numbers. */
import { expect, test, vi } from 'vitest';
import { commitOffsets, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { World } from '../world.ts';

/** One line of the page: the name with its labels but for the slot, and the value. */
type Page = ReadonlyMap<string, number>;

async function scrape(url: string): Promise<Page> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('outbox_relay_'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      const name = line.slice('outbox_relay_'.length, at).replace(/,?slot="[^"]*"/, '');
      return [name.replace('{}', '').replace('{,', '{'), Number(line.slice(at + 1))];
    }),
  );
}

const asked = (page: Page, cache: string) =>
  page.get(`cache_hits_total{cache="${cache}"}`)! + page.get(`cache_misses_total{cache="${cache}"}`)!;

/**
 * The first page that fits. Counting dead letters may take a hundredth of the time: after a count that took a second,
 * because the machine is busy, the next one comes 100 s later.
 */
const scrapeUntil = (url: string, fits: (page: Page) => void): Promise<Page> =>
  vi.waitFor(
    async () => {
      const page = await scrape(url);
      fits(page);
      return page;
    },
    { timeout: 180_000, interval: 100 },
  );

const valuesOf = (page: Page, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, page.get(name)]));

/** In the order of the table: what a relay shows that streams, and has refused an event. */
const shown = [
  'events_published_total',
  'published_bytes_total',
  'partition_events_published_total',
  'kafka_transactions_total',
  'kafka_transactions_split_total',
  'state_changes_total',
  'errors_total',
  'dead_letters_total',
  'kafka_throttle_seconds_total',
  'unpublished_rows_total',
  'sessions_total',
  'cache_hits_total',
  'cache_misses_total',
  'replication_lag_bytes',
  'replication_lag_seconds',
  'replication_lag_events',
  'in_flight_bytes',
  'in_flight_limit_bytes',
  'in_flight_events',
  'state',
  'circuit_breaker_state',
  'retry_attempts',
  'slot_retained_bytes',
  'slot_safe_wal_bytes',
  'slot_invalidated',
  'slot_wal_status',
  'progress_lsn',
  'last_commit_timestamp_seconds',
  'heartbeat_round_trip_seconds',
  'dead_letters_open',
  'dead_letters_oldest_age_seconds',
  'parked_events',
  'parked_keys',
  'duty_last_success_timestamp_seconds',
  'cache_entries',
  'consumer_lag_offsets',
  'consumer_uncommitted_partitions',
  'build_info',
  'publish_latency_seconds_count',
  'publish_latency_stage_seconds_count',
  'encode_seconds_count',
  'kafka_transaction_seconds_count',
  'kafka_transaction_events_count',
  'kafka_transaction_bytes_count',
  'registry_request_seconds_count',
];

test('after a known run every number is exact', async () => {
  await using world = await World.create(2);
  const group = unique('group');
  const relay = world.startRelay({
    METRICS_CONSUMER_GROUPS: `${group},no-such-group`,
    DEAD_LETTERS_POLICY: 'park-key',
  });
  await commitOffsets(group, world.topic, [{ partition: 0, offset: '0' }]);
  await relay.streaming();
  // Three transactions: 4 + 3 events that are published; then one that is refused, and one behind it that is parked.
  const keys = ['a', 'b', 'c', 'd'];
  await world.read(await world.write(keys.map((key) => ({ key, seq: 1 }))));
  const records = await world.read(await world.write(['a', 'a', 'b'].map((key) => ({ key, seq: 2 }))));
  const poison = { key: 'bad', seq: 'no' } as unknown as { key: string; seq: number };
  await world.write([poison, { key: 'bad', seq: 2 }]);

  const counted = await scrapeUntil(relay.url, (page) => {
    expect(page.get('parked_keys')).toBe(1);
    expect(page.get('replication_lag_events')).toBe(0);
    // Each of the nine events asked for its target.
    expect(asked(page, 'targets')).toBe(9);
  });

  const topic = `topic="${world.topic}"`;
  expect(
    valuesOf(counted, [
      `events_published_total{${topic}}`,
      'kafka_transactions_total{kind="events"}',
      'publish_latency_seconds_count',
      'encode_seconds_count',
      'publish_latency_stage_seconds_count{stage="capture"}',
      'publish_latency_stage_seconds_count{stage="acknowledge"}',
      'kafka_transaction_events_sum',
      `dead_letters_total{code="PAYLOAD_INVALID",${topic}}`,
      `dead_letters_total{code="KEY_PARKED",${topic}}`,
      'errors_total{code="PAYLOAD_INVALID",class="quarantine"}',
      'dead_letters_open',
      'parked_keys',
      'parked_events',
      'sessions_total',
      'state{state="streaming"}',
      'state{state="standby"}',
      'in_flight_bytes',
      'in_flight_events',
      'in_flight_limit_bytes',
      'replication_lag_events',
      'replication_lag_seconds',
      'circuit_breaker_state{dependency="kafka",state="closed"}',
      'retry_attempts{dependency="kafka"}',
      'slot_invalidated{reason="wal_removed"}',
      'slot_wal_status{status="reserved"}',
    ]),
  ).toEqual({
    [`events_published_total{${topic}}`]: 7,
    'kafka_transactions_total{kind="events"}': 2,
    publish_latency_seconds_count: 2,
    encode_seconds_count: 2,
    'publish_latency_stage_seconds_count{stage="capture"}': 2,
    'publish_latency_stage_seconds_count{stage="acknowledge"}': 2,
    kafka_transaction_events_sum: 7,
    [`dead_letters_total{code="PAYLOAD_INVALID",${topic}}`]: 1,
    [`dead_letters_total{code="KEY_PARKED",${topic}}`]: 1,
    'errors_total{code="PAYLOAD_INVALID",class="quarantine"}': 1,
    dead_letters_open: 1,
    parked_keys: 1,
    parked_events: 1,
    sessions_total: 1,
    'state{state="streaming"}': 1,
    'state{state="standby"}': 0,
    in_flight_bytes: 0,
    in_flight_events: 0,
    in_flight_limit_bytes: 16 * 1024 * 1024,
    replication_lag_events: 0,
    replication_lag_seconds: 0,
    'circuit_breaker_state{dependency="kafka",state="closed"}': 1,
    'retry_attempts{dependency="kafka"}': 0,
    'slot_invalidated{reason="wal_removed"}': 0,
    'slot_wal_status{status="reserved"}': 1,
  });
  for (const partition of [0, 1]) {
    const name = `partition_events_published_total{${topic},partition="${partition}"}`;
    const inKafka = records.filter((record) => record.partition === partition).length;
    expect(counted.get(name) ?? 0).toBe(inKafka);
  }
  expect(counted.get('cache_entries{cache="schemas"}')).toBe(1);
  expect(counted.get('registry_request_seconds_count{result="answered"}')).toBeGreaterThan(0);
  // The parts add up to the whole, but for what the clocks read in between.
  const seconds = (name: string) => counted.get(name)!;
  const parts = ['capture', 'wait', 'encode', 'publish', 'acknowledge'].map((stage) =>
    seconds(`publish_latency_stage_seconds_sum{stage="${stage}"}`),
  );
  const sum = parts.reduce((total, part) => total + part, 0);
  expect(Math.abs(sum - seconds('publish_latency_seconds_sum'))).toBeLessThan(0.005);
  expect(Math.min(...parts)).toBeGreaterThan(0);
  const ageSeconds = Date.now() / 1_000 - seconds('last_commit_timestamp_seconds');
  expect(ageSeconds).toBeLessThan(10);

  const lag = `consumer_lag_offsets{group="${group}",${topic}}`;
  const page = await scrapeUntil(relay.url, (now) => expect(now.get(lag)).toBeDefined());
  const ends = await withAdmin((admin) => admin.fetchTopicOffsets(world.topic));
  const end = (partition: number) => Number(ends.find((each) => each.partition === partition)!.high);
  // The latest look may have been before some of the events. Their exact lag is in consumer-lag.kafka.test.ts.
  expect(page.get(lag)).toBeGreaterThanOrEqual(0);
  expect(page.get(lag)).toBeLessThanOrEqual(end(0));
  expect([...page.keys()].filter((name) => name.includes('no-such-group'))).toEqual([]);

  const there = new Set([...page.keys()].map((name) => name.replace(/\{.*/, '')));
  expect(shown.filter((name) => !there.has(name))).toEqual([]);
});
