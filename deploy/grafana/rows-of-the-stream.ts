/** The rows about the stream: how it is, how much, how fast, how late, and what it holds back in Postgres. */
import type { RelayState } from '../../relay/observe/state.ts';
import {
  because,
  bucketOf,
  type Colour,
  meaningsOf,
  now,
  numbered,
  of,
  quantiles,
  type Row,
  rate,
} from './queries.ts';

const streaming = {
  1: { text: 'streaming', colour: 'green' },
  0: { text: 'NOT STREAMING', colour: 'red' },
} as const;
const colours: Readonly<Record<RelayState, Colour>> = {
  standby: 'blue',
  fencing: 'yellow',
  claiming: 'yellow',
  lineage: 'yellow',
  recovering: 'orange',
  streaming: 'green',
  draining: 'orange',
};

const walStatuses = { reserved: 'green', extended: 'yellow', unreserved: 'orange', lost: 'red' } as const;

export const streamRows: readonly Row[] = [
  {
    title: 'Verdict',
    panels: [
      {
        title: 'Slot',
        about: 'Whether a relay streams. If none does, events wait in Postgres.',
        unit: 'none',
        kind: 'stat',
        width: 4,
        meanings: streaming,
        queries: [{ expr: `max by (slot) (${of('state', 'state="streaming"')})`, legend: '{{slot}}' }],
      },
      {
        title: 'Alerts that fire',
        about: 'Of the rules in deploy/prometheus, if they are installed.',
        unit: 'none',
        kind: 'stat',
        width: 4,
        thresholds: [[1, 'red']],
        queries: because('no alert fires', [
          {
            expr: 'count by (alertname) (ALERTS{alertname=~"Outbox.+", alertstate="firing", slot=~"$slot|"})',
            legend: '{{alertname}}',
          },
        ]),
      },
      {
        title: 'Lag',
        about: 'Age of the oldest event that the relay received and that is not in Kafka.',
        unit: 's',
        kind: 'stat',
        width: 4,
        thresholds: [
          [5, 'yellow'],
          [60, 'red'],
        ],
        queries: [now('replication_lag_seconds')],
      },
      {
        title: 'Events per second',
        about: 'Events committed to Kafka.',
        unit: 'short',
        kind: 'stat',
        width: 4,
        queries: [{ expr: `sum by (slot) (${rate(of('events_published_total'))})`, legend: '{{slot}}' }],
      },
      {
        title: 'Open dead letters',
        about: 'Refused events that wait for a person.',
        unit: 'short',
        kind: 'stat',
        width: 4,
        thresholds: [[1, 'orange']],
        queries: [now('dead_letters_open')],
      },
      {
        title: 'WAL retained',
        about: 'By the slot.',
        unit: 'bytes',
        kind: 'stat',
        width: 4,
        thresholds: [[10e9, 'orange']],
        queries: [now('slot_retained_bytes')],
      },
      {
        title: 'State of each relay',
        about: 'One relay of a slot streams; the others are standbys.',
        unit: 'none',
        kind: 'steps',
        width: 24,
        meanings: meaningsOf(colours),
        queries: [
          {
            expr: numbered('state', 'state', Object.keys(colours), 'slot, instance'),
            legend: '{{slot}} {{instance}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Throughput',
    panels: [
      {
        title: 'Events published',
        about: 'Per second, by topic.',
        unit: 'short',
        queries: [{ expr: `sum by (topic) (${rate(of('events_published_total'))})`, legend: '{{topic}}' }],
      },
      {
        title: 'Bytes published',
        about: 'Per second: encoded events, and what went to Kafka as batches of records, compressed.',
        unit: 'Bps',
        queries: [
          { expr: `sum(${rate(of('published_bytes_total'))})`, legend: 'events' },
          { expr: `sum(${rate(of('published_batch_bytes_total'))})`, legend: 'batches' },
        ],
      },
      {
        title: 'Kafka transactions',
        about:
          'Per second: with events, with a progress record only, and those that split a Postgres transaction.',
        unit: 'reqps',
        queries: [
          { expr: `sum by (kind) (${rate(of('kafka_transactions_total'))})`, legend: '{{kind}}' },
          { expr: `sum(${rate(of('kafka_transactions_split_total'))})`, legend: 'split' },
        ],
      },
      {
        title: 'Events per Kafka transaction',
        about: 'More under load: waiting events share a transaction.',
        unit: 'short',
        queries: quantiles('kafka_transaction_events', ['0.5', '0.99']),
      },
    ],
  },
  {
    title: 'Latency',
    panels: [
      {
        title: 'Commit to Kafka',
        about:
          'From COMMIT in Postgres to the commit in Kafka, per Postgres transaction. It compares two clocks.',
        unit: 's',
        queries: quantiles('publish_latency_seconds', ['0.5', '0.95', '0.99']),
      },
      {
        title: 'Latency by stage, p99',
        about:
          'capture: from COMMIT to the relay. wait: for its turn. encode: JSON to Avro. publish: records to Kafka. acknowledge: until Kafka confirms.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.99, sum by (le, stage) (${rate(bucketOf('publish_latency_stage_seconds'))}))`,
            legend: '{{stage}}',
          },
        ],
      },
      {
        title: 'Latency by stage, median',
        about: 'As beside it.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.5, sum by (le, stage) (${rate(bucketOf('publish_latency_stage_seconds'))}))`,
            legend: '{{stage}}',
          },
        ],
      },
      {
        title: 'Kafka transaction',
        about: 'From its start to its commit.',
        unit: 's',
        queries: quantiles('kafka_transaction_seconds', ['0.5', '0.99']),
      },
    ],
  },
  {
    title: 'Lag',
    panels: [
      {
        title: 'Lag in seconds',
        about: 'Age of the oldest event that the relay received and that is not in Kafka.',
        unit: 's',
        queries: [now('replication_lag_seconds')],
      },
      {
        title: 'Lag in events',
        about: 'Absent while the relay is too far behind to know.',
        unit: 'short',
        queries: [now('replication_lag_events')],
      },
      {
        title: 'Lag in bytes',
        about: 'WAL between the progress and the end of the WAL.',
        unit: 'bytes',
        queries: [now('replication_lag_bytes')],
      },
      {
        title: 'Memory for events',
        about: 'At the limit the relay stops reading: Kafka or the registry is slower than Postgres.',
        unit: 'bytes',
        queries: [
          { expr: `max by (slot) (${of('in_flight_bytes')})`, legend: 'in flight' },
          { expr: `max by (slot) (${of('in_flight_limit_bytes')})`, legend: 'limit' },
        ],
      },
    ],
  },
  {
    title: 'Slot and WAL',
    panels: [
      {
        title: 'WAL retained for the slot',
        about:
          'And what can still be written before Postgres may invalidate the slot, if max_slot_wal_keep_size is set.',
        unit: 'bytes',
        queries: [
          { expr: `max by (slot) (${of('slot_retained_bytes')})`, legend: 'retained' },
          {
            expr: `min by (slot) (${of('slot_safe_wal_bytes')}) < Inf`,
            legend: 'left until the limit',
            mayBeEmpty: 'no limit is set',
          },
        ],
      },
      {
        title: 'Status of the slot',
        about: 'unreserved: the next checkpoint may invalidate it.',
        unit: 'none',
        kind: 'steps',
        meanings: meaningsOf(walStatuses),
        queries: [
          {
            expr: numbered('slot_wal_status', 'status', Object.keys(walStatuses), 'slot'),
            legend: '{{slot}}',
          },
        ],
      },
      {
        title: 'Time left',
        about:
          'Until the slot reaches max_slot_wal_keep_size or pg_wal fills slot.walDiskBytes, if nothing is published.',
        unit: 's',
        queries: [
          {
            expr: `min by (until) (${of('slot_time_left_seconds')}) < Inf`,
            legend: 'until {{until}}',
            mayBeEmpty: 'neither max_slot_wal_keep_size nor slot.walDiskBytes is set',
          },
        ],
      },
      {
        title: 'WAL written',
        about: 'By the whole server.',
        unit: 'Bps',
        queries: [
          {
            ...now('wal_rate_bytes_per_second', 'over {{window}}', 'window'),
            mayBeEmpty: 'known after the first minute',
          },
        ],
      },
      {
        title: 'Size of pg_wal',
        about: 'All files of the directory.',
        unit: 'bytes',
        queries: [now('wal_directory_bytes')],
      },
      {
        title: 'Recoveries of the slot',
        about: 'By the relay itself (slot.whenLost), within a day, by outcome.',
        unit: 'short',
        queries: because('the slot was never lost', [
          { expr: `sum by (outcome) (increase(${of('slot_recoveries_total')}[1d]))`, legend: '{{outcome}}' },
        ]),
      },
      {
        title: 'WAL published',
        about: 'How fast the progress advances.',
        unit: 'Bps',
        queries: [
          { expr: `max by (slot) (deriv(${of('progress_lsn')}[$__rate_interval]))`, legend: '{{slot}}' },
        ],
      },
      {
        title: 'Heartbeat',
        about: 'From the INSERT of a heartbeat until the relay received it on the stream.',
        unit: 's',
        queries: [now('heartbeat_round_trip_seconds')],
      },
    ],
  },
];
