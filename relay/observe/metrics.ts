/**
 * The relay's metrics: one table of names, help texts and labels. What moves them is in `metrics-listener.ts`. Labels are
 * bounded: states, codes and kinds are closed lists, and topics are capped.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { version } from '../config/version.ts';

const prefix = 'outbox_relay_';

type Described = {
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
};

const counters = {
  events_published_total: { help: 'Events committed to Kafka.', labels: ['topic'] },
  published_bytes_total: { help: 'Bytes of the encoded events committed to Kafka.' },
  transactions_total: {
    help: 'Kafka transactions committed, by kind: with events, or with a progress record only.',
    labels: ['kind'],
  },
  split_transactions_total: {
    help: 'Kafka transactions that ended inside a Postgres transaction, because that exceeds the limit.',
  },
  state_changes_total: { help: 'How many times the relay entered each state.', labels: ['state'] },
  errors_total: { help: 'Errors, by code. docs/reference/errors.md lists the codes.', labels: ['code'] },
  dead_letters_total: {
    help: 'Events stored in outbox.dead_letter, by code and by the topic they were meant for.',
    labels: ['code', 'topic'],
  },
  retries_total: {
    help: 'Failed attempts that the relay retries after a pause, by dependency.',
    labels: ['dependency'],
  },
  kafka_throttle_seconds_total: {
    help: 'Time for which Kafka throttled the relay because of a quota on its client id or user.',
  },
  unpublished_rows_total: {
    help: 'Rows on the stream that belong to another table with all columns of the outbox. They were written to the wrong table, or under its old name, and are not published.',
  },
  duty_failures_total: {
    help: 'Failed runs of each duty of upkeep. The relay runs it again later, and the stream continues.',
    labels: ['duty'],
  },
  sessions_total: { help: 'Sessions: replication connections on which the relay started to stream.' },
} as const satisfies Record<string, Described>;

const gauges = {
  replication_lag_bytes: {
    help: 'WAL between the committed progress and the current position of Postgres, in bytes.',
  },
  replication_lag_seconds: {
    help: 'Age of the oldest transaction that the relay received and has not committed to Kafka; 0 if there is none.',
  },
  in_flight_bytes: { help: 'Bytes of events in memory.' },
  in_flight_bytes_limit: {
    help: 'The setting capture.maxInFlightBytes, above which the relay stops reading.',
  },
  state: { help: '1 for the current state of the relay, 0 for the others.', labels: ['state'] },
  circuit_breaker_state: {
    help: '1 for the current state of the circuit breaker of a dependency, 0 for the others: open during the pause after a failure, half_open during the next attempt.',
    labels: ['dependency', 'state'],
  },
  retry_attempts: {
    help: 'Failed attempts since the dependency last worked; 0 while it works.',
    labels: ['dependency'],
  },
  slot_retained_bytes: { help: 'WAL that Postgres retains for the slot, in bytes.' },
  slot_safe_wal_size_bytes: {
    help: 'WAL that can still be written before Postgres may invalidate the slot (safe_wal_size), in bytes; +Inf without max_slot_wal_keep_size.',
  },
  slot_invalidated: {
    help: '1 for the reason for which Postgres invalidated the slot (invalidation_reason), 0 for the others. The relay then stops.',
    labels: ['reason'],
  },
  slot_wal_status: {
    help: '1 for the current wal_status of the slot, 0 for the others. lost means that WAL with unpublished events may be gone.',
    labels: ['status'],
  },
  progress_lsn: { help: 'LSN up to which everything is published, as a number.' },
  heartbeat_round_trip_seconds: {
    help: 'Time from the INSERT of the last heartbeat until the relay received it on the stream.',
  },
  dead_letters_open: { help: 'Dead letters that are open: neither resubmitted nor discarded.' },
  dead_letters_oldest_age_seconds: { help: 'Age of the oldest open dead letter; 0 if there is none.' },
  dead_letters_parked: { help: 'Events that wait behind a refused event of their key.' },
  parked_keys: { help: 'Keys whose events wait until the key is released.' },
  build_info: {
    help: 'Always 1. The labels hold the version of the relay and of Node.',
    labels: ['version', 'node'],
  },
} as const satisfies Record<string, Described>;

const histograms = {
  publish_latency_seconds: {
    help: 'Time from the commit in Postgres to the commit in Kafka, per transaction. It compares the clocks of two machines.',
    // A quiet stream takes 3 to 10 ms; an outage of minutes needs no finer step than "over a minute".
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60],
  },
  kafka_commit_seconds: {
    help: 'Time from the start of a Kafka transaction to its commit.',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15],
  },
  batch_events: {
    help: 'Number of events in a Kafka transaction.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000],
  },
} as const satisfies Record<string, Described>;

export type DocumentedMetric = {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
};

/** Every metric of our own, for the table in docs/reference/metrics.md. prom-client's process metrics come on top. */
export function documentedMetrics(): readonly DocumentedMetric[] {
  const list = (type: DocumentedMetric['type'], table: Readonly<Record<string, Described>>) =>
    Object.entries(table).map(([name, { help, labels }]) => ({
      name: prefix + name,
      type,
      help,
      labels: labels ?? [],
    }));
  return [...list('counter', counters), ...list('gauge', gauges), ...list('histogram', histograms)];
}

export type Metrics = ReturnType<typeof createMetrics>;

/** @param options.process whether prom-client's process metrics are kept too; they install a GC observer. */
export function createMetrics(options: { readonly process?: boolean } = {}) {
  const registry = new Registry();
  const counter = makeAll(counters, (settings) => new Counter({ ...settings, registers: [registry] }));
  const gauge = makeAll(gauges, (settings) => new Gauge({ ...settings, registers: [registry] }));
  const histogram = makeAll(histograms, ({ buckets = [], ...settings }) => {
    return new Histogram({ ...settings, buckets: [...buckets], registers: [registry] });
  });
  if (options.process ?? true) collectDefaultMetrics({ register: registry });
  gauge.build_info.set({ version, node: process.version }, 1);

  return { registry, counter, gauge, histogram };
}

type Settings = { name: string; help: string; labelNames: string[]; buckets?: readonly number[] };

function makeAll<Name extends string, Made>(
  table: Readonly<Record<Name, Described>>,
  make: (settings: Settings) => Made,
): Record<Name, Made> {
  const entries = (Object.entries(table) as [Name, Described][]).map(([name, { labels, ...rest }]) => [
    name,
    make({ name: prefix + name, labelNames: [...(labels ?? [])], ...rest }),
  ]);
  return Object.fromEntries(entries) as Record<Name, Made>;
}
