/** Which metric each fact moves. The metrics themselves are the table in `metrics.ts`. */
import type { Gauge } from 'prom-client';
import { dependencies, type ErrorCode, errorTable } from '../errors.ts';
import { activePauses, scopeOf } from '../model/control.ts';
import { type KeepReason, keepReasons } from '../model/keep-reasons.ts';
import type { Lsn } from '../model/position.ts';
import { freeBytesOf, presentRate, secondsUntil } from '../model/wal-rate.ts';
import type { CacheUse, Facts } from './facts.ts';
import { measureHanging } from './hanging-listener.ts';
import { breakerStates, type Retry } from './health.ts';
import { HotKeys } from './hot-keys.ts';
import { lagOf } from './lag.ts';
import { latencyOf } from './latency.ts';
import type { Metrics } from './metrics.ts';
import type { Listener } from './observer.ts';
import { relayStates } from './state.ts';

/** wal_status as pg_replication_slots has it. */
const walStatuses = ['reserved', 'extended', 'unreserved', 'lost'] as const;

/** invalidation_reason as pg_replication_slots has it. `other`: one of a later release, or the version tells none. */
const invalidationReasons = [
  'wal_removed',
  'rows_removed',
  'wal_level_insufficient',
  'idle_timeout',
  'other',
] as const;

/**
 * With a `*` in the allow-list topics follow from rows, and each is a time series for ever. More topics than this are
 * counted together.
 */
const topicsMax = 500;
const otherTopics = '(other)';
const otherPartitions = '(other)';

function setOrRemove(gauge: Gauge, value: number | undefined, labels: Record<string, string> = {}): void {
  if (value === undefined) gauge.remove(labels);
  else gauge.set(labels, value);
}

/** @param retries what is being retried now; everything else works */
export function metricsListener(
  { counter, gauge, histogram, noLonger, settings }: Metrics,
  retries: () => readonly Pick<Retry, 'dependency' | 'breaker' | 'attempt'>[],
): Listener {
  const { partitionsMax } = settings;
  const hotKeys = settings.hotKeys > 0 ? new HotKeys(settings, performance.now()) : undefined;
  const showHotKeys = () => {
    const hottest = hotKeys?.over(performance.now());
    if (hottest === undefined) return;
    gauge.hot_key_ratio.reset();
    for (const { topic, key, ratio } of hottest)
      gauge.hot_key_ratio.set({ topic: bounded(topic), key }, ratio);
  };
  const partitions = new Map<string, (events: number) => void>();
  const countPartition = (topic: string, partition: number, events: number) => {
    const label = partitions.size < partitionsMax ? String(partition) : otherPartitions;
    const key = `${topic}/${partition}`;
    let count = partitions.get(key);
    if (count === undefined) {
      const labels = { topic: bounded(topic), partition: label };
      const counted = counter.partition_events_published_total.labels(labels);
      count = (more) => counted.inc(more);
      if (label !== otherPartitions) partitions.set(key, count);
    }
    count(events);
  };
  /** End of the WAL by the latest look at the slot. */
  let writtenLsn: Lsn | undefined;
  let safeBytes: number | null | undefined;
  let wal: Facts['walMeasured'] | undefined;
  const forecast = () => {
    const rate = wal && presentRate(wal);
    const freeBytes = wal && freeBytesOf(wal);
    setOrRemove(gauge.slot_time_left_seconds, secondsUntil(safeBytes, rate), { until: 'limit' });
    setOrRemove(gauge.slot_time_left_seconds, secondsUntil(freeBytes, rate), { until: 'disk' });
    setOrRemove(gauge.wal_rate_bytes_per_second, wal?.last5Min, { window: '5m' });
    setOrRemove(gauge.wal_rate_bytes_per_second, wal?.lastHour, { window: '1h' });
    setOrRemove(gauge.wal_directory_bytes, wal?.directoryBytes);
  };
  const loseSlot = () => {
    writtenLsn = undefined;
    safeBytes = undefined;
    noLonger('slot');
    forecast();
  };
  const registryRequests = {
    answered: histogram.registry_request_seconds.of({ result: 'answered' }),
    failed: histogram.registry_request_seconds.of({ result: 'failed' }),
  };
  const cachesBefore = new Map<string, CacheUse>();
  const countCache = (use: CacheUse) => {
    const { cache, hits, misses, entries } = use;
    const before = cachesBefore.get(cache);
    counter.cache_hits_total.inc({ cache }, hits - (before?.hits ?? 0));
    counter.cache_misses_total.inc({ cache }, misses - (before?.misses ?? 0));
    gauge.cache_entries.set({ cache }, entries);
    cachesBefore.set(cache, use);
  };
  const observeLatency = latencyOf(histogram);
  const topics = new Set<string>();
  const bounded = (topic: string): string => {
    if (topics.has(topic)) return topic;
    if (topics.size >= topicsMax) return otherTopics;
    topics.add(topic);
    return topic;
  };

  const failed = (code: ErrorCode, times = 1) =>
    counter.errors_total.inc({ code, class: errorTable[code].class }, times);

  const committed = (batch: Facts['committed']) => {
    const { progress, eventsByTopic, bytes, sentBytes, begunMs, confirmedMs } = batch;
    let events = 0;
    for (const [topic, published] of eventsByTopic) {
      counter.events_published_total.inc({ topic: bounded(topic) }, published);
      events += published;
    }
    counter.published_bytes_total.inc(bytes);
    counter.published_batch_bytes_total.inc(sentBytes ?? 0);
    counter.kafka_transactions_total.inc({ kind: eventsByTopic.size > 0 ? 'events' : 'progress' });
    if (progress.partial !== null) counter.kafka_transactions_split_total.inc();
    histogram.kafka_transaction_seconds.observe((confirmedMs - begunMs) / 1000);
    if (eventsByTopic.size > 0) {
      histogram.kafka_transaction_events.observe(events);
      histogram.kafka_transaction_bytes.observe(bytes);
    }
    gauge.progress_lsn.set(Number(progress.endLsn));
    gauge.last_commit_timestamp_seconds.set(Date.now() / 1000);
    observeLatency(batch);
    if (partitionsMax > 0)
      for (const { topic, partition, events } of batch.eventsByPartition)
        countPartition(topic, partition, events);
  };

  const deadLettered = ({ events }: Facts['deadLettered']) => {
    for (const { code, topic } of events) {
      failed(code);
      // A topic that the event may not name is data.
      const isOurs = topic !== null && code !== 'TOPIC_NOT_ALLOWED';
      counter.dead_letters_total.inc({ code, topic: isOurs ? bounded(topic) : '' });
    }
  };

  const setRetries = () => {
    const now = retries();
    for (const dependency of dependencies) {
      const retry = now.find((each) => each.dependency === dependency);
      gauge.retry_attempts.set({ dependency }, retry?.attempt ?? 0);
      for (const state of breakerStates)
        gauge.circuit_breaker_state.set(
          { dependency, state },
          state === (retry?.breaker ?? 'closed') ? 1 : 0,
        );
    }
  };

  const retried = ({ failure: { code } }: Pick<Facts['retried'], 'failure'>) => {
    failed(code);
    counter.retries_total.inc({ dependency: errorTable[code].dependency });
  };

  const setControl = ({ control, limits }: Facts['controlled']) => {
    gauge.paused.reset();
    gauge.paused.set({ scope: 'relay', topic: '' }, 0);
    for (const pause of activePauses(control))
      gauge.paused.set({ scope: scopeOf(pause), topic: pause.topic ?? '' }, 1);
    setOrRemove(gauge.rate_limit_events_per_second, limits.eventsPerSecond || undefined);
    setOrRemove(gauge.rate_limit_bytes_per_second, limits.bytesPerSecond || undefined);
  };

  return {
    name: 'metrics',
    hears: {
      committed,
      deadLettered,
      ...(hotKeys && { keysSampled: (sampled) => hotKeys.add(sampled) }),

      entered: ({ state }) => {
        counter.state_changes_total.inc({ state });
        for (const each of relayStates) gauge.state.set({ state: each }, each === state ? 1 : 0);
        if (state !== 'standby' && state !== 'recovering') return;
        noLonger('streaming');
        noLonger('audit');
      },
      sessionBegun: ({ progress, transactionVersion }) => {
        counter.sessions_total.inc();
        gauge.kafka_transaction_version.set(transactionVersion);
        gauge.progress_lsn.set(Number(progress.endLsn));
      },
      protocolChanged: ({ transactionVersion }) => gauge.kafka_transaction_version.set(transactionVersion),
      retried,
      tailFailed: retried,
      dutyFailed: ({ duty, failure: { code } }) => {
        failed(code);
        counter.duty_failures_total.inc({ duty });
        if (duty === 'slot_health') loseSlot();
      },
      stopped: ({ failure: { code } }) => failed(code),
      drainFailed: ({ failure: { code } }) => failed(code),
      markerMissed: ({ topic, did }) => {
        if (did !== 'undone' && did !== 'untold')
          counter.kafka_markers_mended_total.inc({ topic: bounded(topic) });
      },
      throttled: ({ throttleMs }) => counter.kafka_throttle_seconds_total.inc(throttleMs / 1000),

      controlled: setControl,
      paced: ({ obstacle, isLimited }) => {
        gauge.standing_still.set(obstacle === undefined ? 0 : 1);
        gauge.rate_limited.set(isLimited ? 1 : 0);
      },
      sampled: (sample) => {
        gauge.in_flight_bytes.set(sample.inFlightBytes);
        gauge.in_flight_events.set(sample.inFlightEvents);
        gauge.in_flight_limit_bytes.set(sample.inFlightBytesMax);
        const lag = lagOf(sample, writtenLsn);
        setOrRemove(gauge.replication_lag_bytes, lag?.bytes);
        setOrRemove(gauge.replication_lag_events, lag?.events);
        setOrRemove(gauge.replication_lag_seconds, lag && lag.ms / 1000);
        sample.caches.forEach(countCache);
        if (sample.stream !== undefined) showHotKeys();
        setRetries();
      },

      slotSeen: ({ retainedBytes, walStatus, safeWalBytes, ...seen }) => {
        writtenLsn = seen.writtenLsn;
        safeBytes = safeWalBytes;
        forecast();
        gauge.slot_retained_bytes.set(retainedBytes);
        gauge.slot_safe_wal_bytes.set(safeWalBytes ?? Number.POSITIVE_INFINITY);
        for (const reason of invalidationReasons) gauge.slot_invalidated.set({ reason }, 0);
        for (const status of walStatuses) gauge.slot_wal_status.set({ status }, status === walStatus ? 1 : 0);
      },
      slotUnknown: loseSlot,
      walMeasured: (measured) => {
        wal = measured;
        forecast();
      },
      walUnmeasured: ({ failure }) => {
        if (failure.class !== 'retry') failed(failure.code);
        wal = undefined;
        forecast();
      },
      slotLost: ({ reason }) => {
        loseSlot();
        const known = invalidationReasons.find((each) => each === reason) ?? 'other';
        for (const each of invalidationReasons)
          gauge.slot_invalidated.set({ reason: each }, each === known ? 1 : 0);
        for (const status of walStatuses) gauge.slot_wal_status.set({ status }, status === 'lost' ? 1 : 0);
      },

      recovering: ({ stage, done, total, leftMs }) => {
        const ratio = total === undefined || done > total ? undefined : total === 0 ? 1 : done / total;
        setOrRemove(gauge.recovery_done_ratio, ratio, { stage });
        setOrRemove(gauge.recovery_time_left_seconds, leftMs === undefined ? undefined : leftMs / 1000);
      },
      recoveryEnded: ({ outcome }) => {
        counter.slot_recoveries_total.inc({ outcome });
        noLonger('recovering');
      },

      configRead: (read) => {
        counter.config_reloads_total.inc({ result: read.result });
        gauge.config_last_reload_successful.set(read.result === 'rejected' ? 0 : 1);
        if (read.result === 'rejected') failed(read.failure.code);
        else gauge.config_restart_needed.set(read.needRestart.length > 0 ? 1 : 0);
      },
      dutyDone: ({ duty }) => gauge.duty_last_success_timestamp_seconds.set({ duty }, Date.now() / 1000),
      consumersSeen: ({ lags }) => {
        gauge.consumer_lag_offsets.reset();
        gauge.consumer_uncommitted_partitions.reset();
        for (const { group, topic, offsets, uncommittedPartitions } of lags) {
          gauge.consumer_lag_offsets.set({ group, topic }, offsets);
          gauge.consumer_uncommitted_partitions.set({ group, topic }, uncommittedPartitions);
        }
      },
      endsSeen: measureHanging({ gauge }),
      registryAsked: ({ tookMs, result }) => registryRequests[result].observe(tookMs / 1000),
      heartbeatReturned: ({ roundTripMs }) => gauge.heartbeat_round_trip_seconds.set(roundTripMs / 1000),
      lookalikesSeen: ({ rows }) => counter.unpublished_rows_total.inc(rows),
      outboxSurveyed: ({ partitions, rows, bytes, oldestRowMs, lastRemovalMs }) => {
        gauge.outbox_partitions.set(partitions);
        gauge.outbox_rows.set(rows);
        gauge.outbox_bytes.set(bytes);
        if (oldestRowMs === undefined) gauge.outbox_oldest_row_age_seconds.remove();
        else gauge.outbox_oldest_row_age_seconds.set(Math.max(0, (Date.now() - oldestRowMs) / 1000));
        if (lastRemovalMs !== null) gauge.cleanup_last_removal_timestamp_seconds.set(lastRemovalMs / 1000);
      },
      cleanedUp: ({ partitions, rows, bytes, kept }) => {
        counter.cleanup_removed_partitions_total.inc(partitions);
        counter.cleanup_removed_rows_total.inc(rows);
        counter.cleanup_removed_bytes_total.inc(bytes);
        for (const reason of Object.keys(keepReasons) as KeepReason[])
          gauge.cleanup_kept_partitions.set({ reason }, kept[reason] ?? 0);
      },
      deadLettersCounted: ({ open, oldestSeconds, parked, parkedKeys }) => {
        gauge.dead_letters_open.set(open);
        gauge.dead_letters_oldest_age_seconds.set(oldestSeconds);
        gauge.parked_events.set(parked);
        gauge.parked_keys.set(parkedKeys);
      },
    },
  };
}
