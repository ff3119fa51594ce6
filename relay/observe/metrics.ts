/**
 * The relay's metrics: one table of names, help texts and labels. What moves them is in `metrics-listener.ts`. Labels are
 * bounded: states, codes and kinds are closed lists, and topics are capped.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Config } from '../config/config.ts';
import { version } from '../config/version.ts';
import { Histogram } from './histogram.ts';

const prefix = 'outbox_relay_';

type Described = {
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
  readonly known?: Known;
};

/** When a gauge can be known. Before and after it is absent. */
const whenKnown = {
  streaming: 'Absent unless this relay streams.',
  slot: 'A standby reports it too. Absent while the slot cannot be read.',
  recovering: 'Absent unless this relay recovers from a lost slot (slot.whenLost).',
  audit:
    'From `outbox-relay audit`, or from the relay that streams if audit.everyMinutes is set. Absent before the first result.',
} as const;

type Known = keyof typeof whenKnown;

const counters = {
  events_published_total: { help: 'Events committed to Kafka.', labels: ['topic'] },
  published_bytes_total: { help: 'Bytes of the encoded events committed to Kafka.' },
  published_batch_bytes_total: {
    help: 'Bytes of the record batches that hold these events, as sent to Kafka: compressed where publish.compression says so. Stays 0 with the producer kafkajs.',
  },
  partition_events_published_total: {
    help: 'Events committed to Kafka, by partition. Partitions beyond metrics.partitionsMax share the label "(other)".',
    labels: ['topic', 'partition'],
  },
  kafka_transactions_total: {
    help: 'Kafka transactions committed, by kind: with events, or with a progress record only.',
    labels: ['kind'],
  },
  kafka_transactions_split_total: {
    help: 'Kafka transactions that ended inside a Postgres transaction, which was split because of a limit, the time or a pause.',
  },
  state_changes_total: { help: 'How many times the relay entered each state.', labels: ['state'] },
  errors_total: {
    help: 'Errors, by code and class: retry (the relay tries again), stop (the relay cannot go on; a duty tries again), quarantine (an event became a dead letter). docs/reference/errors.md lists the codes.',
    labels: ['code', 'class'],
  },
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
  kafka_markers_mended_total: {
    help: 'Transactions that Kafka had left unfinished in a partition (KAFKA-20734) and that the relay finished there, by topic. Consumers of the partition waited until then.',
    labels: ['topic'],
  },
  unpublished_rows_total: {
    help: 'Rows on the stream that belong to another table with all columns of the outbox. They were written to the wrong table, or under its old name, and are not published.',
  },
  duty_failures_total: {
    help: 'Failed runs of each duty of upkeep. The relay runs it again later, and the stream continues.',
    labels: ['duty'],
  },
  slot_recoveries_total: {
    help: 'Recoveries from a lost slot that the relay began by itself (slot.whenLost), by outcome: recovered, refused (a person has to decide), yielded (another relay has the slot), interrupted (the relay was asked to end) or failed.',
    labels: ['outcome'],
  },
  sessions_total: { help: 'Sessions: replication connections on which the relay started to stream.' },
  cache_hits_total: {
    help: 'Lookups that a cache answered: targets (topic, partitions and schema of an event), schemas (of the registry), topics (of Kafka).',
    labels: ['cache'],
  },
  cache_misses_total: {
    help: 'Lookups that a cache could not answer: the relay asked the registry or Kafka, or put the answer together again.',
    labels: ['cache'],
  },
  trace_spans_exported_total: { help: 'Spans that the collector of traces took.' },
  trace_spans_dropped_total: {
    help: 'Spans that were not exported, by reason: queue_full (the relay did not make them), export_failed (the collector did not take them).',
    labels: ['reason'],
  },
  config_reloads_total: {
    help: 'How often the configuration was read again, by result: applied, unchanged, or rejected because it was invalid.',
    labels: ['result'],
  },
  cleanup_removed_partitions_total: { help: 'Partitions of the outbox table that cleanup dropped.' },
  cleanup_removed_rows_total: {
    help: 'Rows of the outbox table that cleanup removed, with their partition or one by one.',
  },
  cleanup_removed_bytes_total: { help: 'Bytes of the partitions that cleanup dropped.' },
} as const satisfies Record<string, Described>;

const gauges = {
  replication_lag_bytes: {
    help: 'WAL between the committed progress and the current position of Postgres, in bytes.',
    known: 'streaming',
  },
  replication_lag_seconds: {
    help: 'Age of the oldest transaction that the relay received and has not committed to Kafka; 0 if there is none.',
    known: 'streaming',
  },
  replication_lag_events: {
    help: 'Events that Postgres has committed and Kafka has not. Absent also while that is unknown: unless the relay has received all that Postgres had written a moment ago, and has room in memory for more.',
    known: 'streaming',
  },
  in_flight_bytes: { help: 'Bytes of events in memory.' },
  in_flight_limit_bytes: {
    help: 'The setting capture.maxInFlightBytes, above which the relay stops reading.',
  },
  in_flight_events: { help: 'Events in memory: received and not committed to Kafka.' },
  state: { help: '1 for the current state of the relay, 0 for the others.', labels: ['state'] },
  circuit_breaker_state: {
    help: '1 for the current state of the circuit breaker of a dependency, 0 for the others: open during the pause after a failure, half_open during the next attempt.',
    labels: ['dependency', 'state'],
  },
  retry_attempts: {
    help: 'Failed attempts since the dependency last worked; 0 while it works.',
    labels: ['dependency'],
  },
  slot_retained_bytes: {
    help: 'WAL that Postgres retains for the slot, in bytes.',
    known: 'slot',
  },
  slot_safe_wal_bytes: {
    help: 'WAL that can still be written before Postgres may invalidate the slot (safe_wal_size), in bytes; +Inf without max_slot_wal_keep_size.',
    known: 'slot',
  },
  slot_time_left_seconds: {
    help: 'Time until Postgres may invalidate the slot (until="limit", from slot_safe_wal_bytes) and until pg_wal fills slot.walDiskBytes (until="disk"), if nothing is published from now on and WAL is written at the higher of the two rates of wal_rate_bytes_per_second; +Inf for never. Each is absent while it cannot be known.',
    labels: ['until'],
  },
  wal_rate_bytes_per_second: {
    help: 'Rate at which Postgres writes WAL, over a window of 5m and 1h, in bytes per second. Of the whole server. Absent for a window of which less than 1 min and 10 min are known.',
    labels: ['window'],
  },
  wal_directory_bytes: {
    help: 'Size of all files in pg_wal, in bytes. Absent if the role of the relay may not list them (pg_monitor).',
  },
  recovery_done_ratio: {
    help: 'How much is done of each stage of a recovery, from 0 to 1: topics (read), table (read), rows (looked at) and publishing (missing events). Absent also for a stage whose extent is not known.',
    labels: ['stage'],
    known: 'recovering',
  },
  recovery_time_left_seconds: {
    help: 'Time that the present stage of a recovery will still take at its pace so far, in seconds. Absent also while that is not known.',
    known: 'recovering',
  },
  slot_invalidated: {
    help: '1 for the reason for which Postgres invalidated the slot (invalidation_reason), 0 for the others. The relay then stops, or recovers (slot.whenLost).',
    labels: ['reason'],
    known: 'slot',
  },
  slot_wal_status: {
    help: '1 for the current wal_status of the slot, 0 for the others. lost means that WAL with unpublished events may be gone.',
    labels: ['status'],
    known: 'slot',
  },
  progress_lsn: {
    help: 'LSN up to which everything is published, as a number.',
    known: 'streaming',
  },
  kafka_transaction_version: {
    help: 'Which of Kafka’s transaction protocols the relay uses: 1 or 2 (publish.transactionVersion).',
    known: 'streaming',
  },
  last_commit_timestamp_seconds: {
    help: 'When this relay last committed a Kafka transaction, in seconds since 1970. Absent before the first.',
  },
  heartbeat_round_trip_seconds: {
    help: 'Time from the INSERT of the last heartbeat until the relay received it on the stream.',
    known: 'streaming',
  },
  dead_letters_open: {
    help: 'Dead letters that are open: neither resubmitted nor discarded.',
    known: 'streaming',
  },
  dead_letters_oldest_age_seconds: {
    help: 'Age of the oldest open dead letter; 0 if there is none.',
    known: 'streaming',
  },
  parked_events: {
    help: 'Events that wait behind a refused event of their key.',
    known: 'streaming',
  },
  parked_keys: {
    help: 'Keys whose events wait until the key is released.',
    known: 'streaming',
  },
  duty_last_success_timestamp_seconds: {
    help: 'When each duty of upkeep last succeeded, in seconds since 1970. Absent before the first success.',
    labels: ['duty'],
    known: 'streaming',
  },
  outbox_partitions: { help: 'Partitions of the outbox table; 1 if it has none.', known: 'streaming' },
  outbox_rows: { help: 'Rows of the outbox table, as Postgres estimates them.', known: 'streaming' },
  outbox_bytes: {
    help: 'Size of the outbox table with its indexes and TOAST tables, in bytes.',
    known: 'streaming',
  },
  outbox_oldest_row_age_seconds: {
    help: 'Age of the oldest row of the outbox table, by its created_at, among the first 1,000 of the oldest partition. Absent while there is none.',
    known: 'streaming',
  },
  cleanup_kept_partitions: {
    help: 'Partitions of the outbox table that the last cleanup left, by reason. docs/guides/cleanup.md lists the reasons. Absent unless cleanup.retention is set.',
    labels: ['reason'],
    known: 'streaming',
  },
  cleanup_last_removal_timestamp_seconds: {
    help: 'When cleanup last removed something, in seconds since 1970. Absent before the first time.',
    known: 'streaming',
  },
  cache_entries: { help: 'Entries of each cache.', labels: ['cache'] },
  hot_key_ratio: {
    help: 'Share of the events of the last full minute that had this key, from 0 to 1, for the metrics.hotKeys hottest keys with a share of at least 0.01. Estimated from a sample of some 1,000 events per second. The label is a hash of the key unless metrics.showKeys is on. Absent also after a minute with fewer than 100 events.',
    labels: ['topic', 'key'],
    known: 'streaming',
  },
  consumer_lag_offsets: {
    help: 'Offsets between what a consumer group of metrics.consumerGroups has committed and the end of what it may read, over the partitions in which it has committed. Markers of transactions count as well as records. Absent for a group that does not exist.',
    labels: ['group', 'topic'],
    known: 'streaming',
  },
  consumer_uncommitted_partitions: {
    help: 'Partitions with records in which a group of metrics.consumerGroups has no committed offset. They do not count in consumer_lag_offsets.',
    labels: ['group', 'topic'],
    known: 'streaming',
  },
  topic_blocked_seconds: {
    help: 'For how long consumers under read_committed have not got past an offset of the topic, because a transaction is open there: since the relay first saw it, in the partition where it is longest; 0 where they get to the end. In the topics of topics.allow (metrics.blockedTopicsMax), in the progress topic and in deadLetters.topic. Absent also for a topic that could not be seen whole.',
    labels: ['topic'],
    known: 'streaming',
  },
  hanging_transactions: {
    help: 'Partitions of the topic in which a transaction is open for longer than any may be, by owner: relay (a relay wrote it: never abort it), other (somebody else did) or unknown (the relay has no right Read on the topic). Absent for a topic that had none.',
    labels: ['topic', 'owner'],
    known: 'streaming',
  },
  config_last_reload_successful: {
    help: '1 if the configuration was valid when it was last read, 0 if it was invalid and the relay keeps the one before.',
  },
  config_restart_needed: {
    help: '1 if the configuration has changes that take effect only after a restart, otherwise 0.',
  },
  paused: {
    help: '1 for everything that is paused, by scope: `relay`, `hold` or `set-aside`, with the topic of the last two. Of `relay` also 0.',
    labels: ['scope', 'topic'],
    known: 'streaming',
  },
  standing_still: {
    help: '1 while the stream waits at an event because of a pause, else 0.',
    known: 'streaming',
  },
  rate_limited: { help: '1 while the rate limit holds events up, else 0.', known: 'streaming' },
  rate_limit_events_per_second: {
    help: 'Most events per second that the relay may publish; absent without a limit.',
    known: 'streaming',
  },
  rate_limit_bytes_per_second: {
    help: 'Most bytes per second that the relay may publish; absent without a limit.',
    known: 'streaming',
  },
  audit_findings: {
    help: 'What the audit has found since it started, by kind: missing, duplicate, leaked, out_of_order, undecodable. A missing event that is published later no longer counts. 0 means that none was found up to audit_verified_timestamp_seconds.',
    labels: ['kind'],
    known: 'audit',
  },
  audit_unjudged: {
    help: 'Rows and records that the audit could not judge since it started, by kind. docs/guides/audit.md explains the kinds.',
    labels: ['kind'],
    known: 'audit',
  },
  audit_compared_events: {
    help: 'Events whose record or dead letter the audit has found since it started. While it is 0, nothing is compared, and no other value of the audit says anything of an event.',
    known: 'audit',
  },
  audit_verified_timestamp_seconds: {
    help: 'Everything that was committed before this time has been compared with Kafka, in seconds since 1970 by the clock of Postgres.',
    known: 'audit',
  },
  audit_last_run_timestamp_seconds: {
    help: 'When the audit last ran, with or without a result, in seconds since 1970.',
    known: 'audit',
  },
  audit_last_run_successful: {
    help: '1 if the last run verified everything up to its snapshot, 0 if it failed or was held back, for example by a relay that lags.',
    known: 'audit',
  },
  build_info: {
    help: 'Always 1. The labels hold the version of the relay and of Node.',
    labels: ['version', 'node'],
  },
} as const satisfies Record<string, Described>;

/** 1, 1.5, 2, 3, 5, 7 in each decade: no bound is more than 1.7 times the one before, so a quantile is off by less. */
const fine = [1, 1.5, 2, 3, 5, 7];
const coarse = [1, 2, 5];

/** @returns the bounds from 10^`from` up to `max` */
function decades(steps: readonly number[], from: number, max: number): readonly number[] {
  const bounds: number[] = [];
  for (let exponent = from; 10 ** exponent <= max; exponent++)
    // By way of text, or 3 ms would be 0.0030000000000000001.
    for (const step of steps) bounds.push(Number(`${step}e${exponent}`));
  return bounds.filter((bound) => bound <= max);
}

const histograms = {
  publish_latency_seconds: {
    help: 'Time from the commit in Postgres to the commit in Kafka, per Postgres transaction. It compares the clocks of two machines.',
    // A quiet stream takes 3 to 10 ms. An outage makes minutes of it: more than ten are an alert on the lag.
    buckets: decades(fine, -3, 600),
  },
  publish_latency_stage_seconds: {
    help: 'Parts of publish_latency_seconds, per Postgres transaction: capture (commit in Postgres to received, which compares two clocks), wait (in memory, for its turn and for the batch), encode (including retries), publish (begin of the Kafka transaction until every record is written), acknowledge (until Kafka has confirmed the commit).',
    labels: ['stage'],
    buckets: decades(coarse, -4, 500),
  },
  encode_seconds: {
    help: 'Time to serialize the events of a Postgres transaction, or of a part of one. Includes the wait for the registry where a schema is unknown, and no retries.',
    buckets: decades(coarse, -5, 10),
  },
  kafka_transaction_seconds: {
    help: 'Time from the start of a Kafka transaction to its commit.',
    buckets: decades(coarse, -3, 50),
  },
  kafka_transaction_events: {
    help: 'Number of events in a Kafka transaction that has events.',
    buckets: decades(coarse, 0, 10_000),
  },
  kafka_transaction_bytes: {
    help: 'Bytes of the records in a Kafka transaction that has events.',
    buckets: [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((kib) => kib * 1_024),
  },
  registry_request_seconds: {
    help: 'Time for which the relay waited for the schema registry, per request, by result: answered or failed (no answer, or an error of the server).',
    labels: ['result'],
    buckets: decades(coarse, -3, 10),
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
    Object.entries(table).map(([name, described]) => ({
      name: prefix + name,
      type,
      help: helpOf(described),
      labels: described.labels ?? [],
    }));
  return [...list('counter', counters), ...list('gauge', gauges), ...list('histogram', histograms)];
}

function helpOf({ help, known }: Described): string {
  return known === undefined ? help : `${help} ${whenKnown[known]}`;
}

export type Metrics = ReturnType<typeof createMetrics>;

export type MetricsOptions = {
  /** Whether prom-client's process metrics are kept too; they install a GC observer. */
  readonly process?: boolean;
  /** A label of every metric, so that a query can put the relays of a slot together. */
  readonly slot?: string;
} & Partial<Config['metrics']>;

/**
 * How often to see how late the event loop is, which the figures for its delay include. prom-client's own 10 ms wake an
 * idle relay a hundred times a second.
 */
const loopLookMs = 100;

export function createMetrics(options: MetricsOptions = {}) {
  const { process: ofProcess = true, slot, partitionsMax = 0, hotKeys = 0, showKeys = false } = options;
  const registry = new Registry();
  if (slot !== undefined) registry.setDefaultLabels({ slot });
  const counter = makeAll(counters, (settings) => new Counter({ ...settings, registers: [registry] }));
  const gauge = makeAll(gauges, (settings) => new Gauge({ ...settings, registers: [registry] }));
  const names = Object.keys(gauges) as (keyof typeof gauges)[];
  const forgetAll = (which: readonly (keyof typeof gauges)[]) => {
    for (const name of which) forget(gauge[name], gauges[name]);
  };
  // prom-client begins a gauge without labels at 0.
  forgetAll(names);
  const histogram = makeAll(
    histograms,
    ({ buckets = [], ...settings }) => new Histogram({ ...settings, buckets }, registry),
  );
  if (ofProcess) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLookMs });
  gauge.build_info.set({ version, node: process.version }, 1);

  return {
    registry,
    counter,
    gauge,
    histogram,
    settings: { partitionsMax, hotKeys, showKeys },
    /** Makes the gauges absent that can no longer be known. */
    noLonger: (known: Known) => forgetAll(names.filter((name) => knownOf(gauges[name]) === known)),
  };
}

const knownOf = ({ known }: Described): Known | undefined => known;

function forget(gauge: Gauge, { labels }: Described): void {
  if (labels === undefined) gauge.remove({});
  else gauge.reset();
}

type Settings = { name: string; help: string; labelNames: string[]; buckets?: readonly number[] };

function makeAll<Name extends string, Made>(
  table: Readonly<Record<Name, Described>>,
  make: (settings: Settings) => Made,
): Record<Name, Made> {
  const entries = (Object.entries(table) as [Name, Described][]).map(([name, described]) => {
    const { labels = [], buckets } = described;
    const settings = { name: prefix + name, help: helpOf(described), labelNames: [...labels] };
    return [name, make(buckets === undefined ? settings : { ...settings, buckets })];
  });
  return Object.fromEntries(entries) as Record<Name, Made>;
}
