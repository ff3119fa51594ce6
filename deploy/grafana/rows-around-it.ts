/** The rows about what is around the stream: refused events, errors, control, keys, consumers, the table, audit, processes. */
import { because, bucketOf, now, of, type Row, rate, series } from './queries.ts';

export const otherRows: readonly Row[] = [
  {
    title: 'Dead letters and parked keys',
    panels: [
      {
        title: 'Dead letters by code',
        about: 'Stored since the relay started.',
        unit: 'short',
        queries: [{ expr: `sum by (code) (${of('dead_letters_total')})`, legend: '{{code}}' }],
      },
      {
        title: 'Open dead letters',
        about: 'Neither resubmitted nor discarded.',
        unit: 'short',
        queries: [now('dead_letters_open')],
      },
      {
        title: 'Age of the oldest',
        about: 'Of the open dead letters.',
        unit: 's',
        queries: [now('dead_letters_oldest_age_seconds')],
      },
      {
        title: 'Parked',
        about: 'Keys whose events wait behind a refused event, and those events.',
        unit: 'short',
        queries: [
          { expr: `max by (slot) (${of('parked_keys')})`, legend: 'keys' },
          { expr: `max by (slot) (${of('parked_events')})`, legend: 'events' },
        ],
      },
    ],
  },
  {
    title: 'Errors and retries',
    panels: [
      {
        title: 'Errors',
        about: 'Per second, by code.',
        unit: 'short',
        queries: [{ expr: `sum by (code) (${rate(of('errors_total'))})`, legend: '{{code}}' }],
      },
      {
        title: 'Retries',
        about: 'Failed attempts per second, by server.',
        unit: 'short',
        queries: [{ expr: `sum by (dependency) (${rate(of('retries_total'))})`, legend: '{{dependency}}' }],
      },
      {
        title: 'Failed attempts in a row',
        about: '0 while the server works.',
        unit: 'short',
        queries: [now('retry_attempts', '{{dependency}}', 'dependency')],
      },
      {
        title: 'Throttled by Kafka',
        about: 'Share of the time for which a quota held the relay back.',
        unit: 'percentunit',
        queries: [
          { expr: `sum by (slot) (${rate(of('kafka_throttle_seconds_total'))})`, legend: '{{slot}}' },
        ],
      },
    ],
  },
  {
    title: 'Sessions and control',
    panels: [
      {
        title: 'Sessions',
        about: 'Begun within 10 minutes.',
        unit: 'short',
        queries: [{ expr: `sum by (slot) (increase(${of('sessions_total')}[10m]))`, legend: '{{slot}}' }],
      },
      {
        title: 'Paused',
        about: '1 while the relay or a topic is paused, and while the stream stands still because of it.',
        unit: 'none',
        queries: [
          { expr: `max by (scope, topic) (${of('paused')})`, legend: '{{scope}} {{topic}}' },
          { expr: `max by (slot) (${of('standing_still')})`, legend: 'stands still' },
        ],
      },
      {
        title: 'Rate limit',
        about: 'Events per second that the relay may publish, and 1 while the limit holds events up.',
        unit: 'short',
        queries: [
          {
            expr: `max by (slot) (${of('rate_limit_events_per_second')})`,
            legend: 'limit',
            mayBeEmpty: 'no limit is set',
          },
          { expr: `max by (slot) (${of('rate_limited')})`, legend: 'limited' },
        ],
      },
      {
        title: 'Failed duties',
        about: 'Per second, by duty of upkeep. Events are published all the same.',
        unit: 'short',
        queries: because('no duty failed', [
          { expr: `sum by (duty) (${rate(of('duty_failures_total'))})`, legend: '{{duty}}' },
        ]),
      },
    ],
  },
  {
    title: 'Partitions and keys',
    panels: [
      {
        title: 'Events by partition',
        about: 'Per second: the ten busiest partitions.',
        unit: 'short',
        width: 8,
        queries: [
          {
            expr: `topk(10, sum by (topic, partition) (${rate(of('partition_events_published_total'))}))`,
            legend: '{{topic}}/{{partition}}',
          },
        ],
      },
      {
        title: 'Share of the busiest partition',
        about: 'Of the events of its topic. A topic with n partitions and many keys has about 1/n.',
        unit: 'percentunit',
        width: 8,
        queries: [
          {
            expr: `max by (topic) (sum by (topic, partition) (${rate(of('partition_events_published_total'))})) / sum by (topic) (${rate(of('partition_events_published_total'))})`,
            legend: '{{topic}}',
          },
        ],
      },
      {
        title: 'Hottest keys',
        about: 'Share of the events of the last minute. The label is a hash of the key.',
        unit: 'percentunit',
        width: 8,
        queries: because('known after the first full minute', [
          { expr: `topk(10, max by (topic, key) (${of('hot_key_ratio')}))`, legend: '{{topic}} {{key}}' },
        ]),
      },
    ],
  },
  {
    title: 'Consumers',
    panels: [
      {
        title: 'Lag of consumers',
        about:
          'Offsets between what a group of metrics.consumerGroups has committed and the end of the topic.',
        unit: 'short',
        width: 8,
        queries: because('metrics.consumerGroups is empty', [
          now('consumer_lag_offsets', '{{group}} {{topic}}', 'group, topic'),
        ]),
      },
      {
        title: 'Partitions without a committed offset',
        about: 'They do not count in the lag: the group has never committed there.',
        unit: 'short',
        width: 8,
        queries: because('metrics.consumerGroups is empty', [
          now('consumer_uncommitted_partitions', '{{group}} {{topic}}', 'group, topic'),
        ]),
      },
      {
        title: 'Behind an open transaction',
        about:
          'For how long consumers under read_committed have not got past an offset, because a transaction is open there.',
        unit: 's',
        width: 8,
        queries: [now('topic_blocked_seconds', '{{topic}}', 'topic')],
      },
    ],
  },
  {
    title: 'Cleanup of the outbox table',
    panels: [
      {
        title: 'Size of the outbox table',
        about: 'With its indexes and TOAST tables.',
        unit: 'bytes',
        queries: [now('outbox_bytes')],
      },
      {
        title: 'Rows and partitions',
        about: 'Rows as Postgres estimates them, and partitions.',
        unit: 'short',
        queries: [now('outbox_rows', 'rows'), now('outbox_partitions', 'partitions')],
      },
      {
        title: 'Kept partitions',
        about: 'By the reason why cleanup keeps them. docs/guides/cleanup.md explains the reasons.',
        unit: 'short',
        queries: because('cleanup.retention is not set', [
          now('cleanup_kept_partitions', '{{reason}}', 'reason'),
        ]),
      },
      {
        title: 'Age of the oldest row',
        about: 'It should stay near cleanup.retention.',
        unit: 's',
        queries: because('absent while the table is empty, and looked at once a minute', [
          now('outbox_oldest_row_age_seconds'),
        ]),
      },
    ],
  },
  {
    title: 'Audit',
    panels: [
      {
        title: 'Findings',
        about: 'Since the audit started. Anything but 0 is a lost, doubled, leaked, swapped or broken event.',
        unit: 'short',
        width: 6,
        queries: [now('audit_findings', '{{kind}}', 'kind')],
      },
      {
        title: 'Verified up to',
        about: 'Up to how long ago everything was compared with Kafka.',
        unit: 's',
        width: 6,
        queries: [
          { expr: `time() - max by (slot) (${of('audit_verified_timestamp_seconds')})`, legend: '{{slot}}' },
        ],
      },
      {
        title: 'Compared',
        about:
          'Events whose record or dead letter the audit has found since it started. While it is 0, the panels beside it say nothing.',
        unit: 'short',
        width: 6,
        queries: [now('audit_compared_events')],
      },
      {
        title: 'Not judged',
        about:
          'Rows and records that the audit could not judge. docs/guides/audit.md explains the kinds. missingOrRemoved may be a lost event.',
        unit: 'short',
        width: 6,
        queries: because('everything could be judged', [now('audit_unjudged', '{{kind}}', 'kind')]),
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'CPU',
        about: 'Cores used, by relay.',
        unit: 'short',
        queries: [
          {
            expr: `sum by (instance) (${rate(series('process_cpu_seconds_total'))})`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Memory',
        about: 'Resident, by relay.',
        unit: 'bytes',
        queries: [
          {
            expr: `max by (instance) (${series('process_resident_memory_bytes')})`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Event loop delay, p99',
        about: 'Above 100 ms something keeps the process busy: CPU, garbage collection, a very large row.',
        unit: 's',
        queries: [
          {
            expr: `max by (instance) (${series('nodejs_eventloop_lag_p99_seconds')})`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Garbage collection',
        about: 'Share of the time.',
        unit: 'percentunit',
        queries: [
          {
            expr: `sum by (instance) (${rate(series('nodejs_gc_duration_seconds_sum'))})`,
            legend: '{{instance}}',
          },
        ],
      },
      {
        title: 'Cache hits',
        about: 'Share of the lookups that a cache answers.',
        unit: 'percentunit',
        queries: [
          {
            expr: `sum by (cache) (${rate(of('cache_hits_total'))}) / (sum by (cache) (${rate(of('cache_hits_total'))}) + sum by (cache) (${rate(of('cache_misses_total'))}))`,
            legend: '{{cache}}',
          },
        ],
      },
      {
        title: 'Schema registry, p99',
        about: 'Time for which the relay waits for an answer.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.99, sum by (le, result) (${rate(bucketOf('registry_request_seconds'))}))`,
            legend: '{{result}}',
          },
        ],
      },
      {
        title: 'Trace spans',
        about: 'Per second: those that the collector took, and those that were dropped, by reason.',
        unit: 'short',
        queries: because('tracing is off', [
          { expr: `sum(${rate(of('trace_spans_exported_total'))})`, legend: 'exported' },
          {
            expr: `sum by (reason) (${rate(of('trace_spans_dropped_total'))})`,
            legend: 'dropped: {{reason}}',
          },
        ]),
      },
      {
        title: 'Versions',
        about: 'Of the relays that are scraped.',
        unit: 'none',
        queries: [
          {
            expr: `count by (slot, version, node) (${of('build_info')})`,
            legend: '{{slot}} {{version}} on {{node}}',
          },
        ],
      },
    ],
  },
];
