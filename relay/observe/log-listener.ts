/** Which line of the log each fact becomes. A line is a fact with fields. */
import type { Logger } from 'pino';
import { activePauses, type Control, noControl, type RateLimits } from '../model/control.ts';
import { type KeepReason, keepReasons } from '../model/keep-reasons.ts';
import { formatLsn, formatPosition, type Lsn } from '../model/position.ts';
import { BesideSession } from './beside-session.ts';
import type { ComponentLogs } from './component-logs.ts';
import type { Facts } from './facts.ts';
import { logFatal } from './fatal.ts';
import { logHanging } from './hanging-listener.ts';
import { lagOf } from './lag.ts';
import type { Listener } from './observer.ts';
import { Repeats } from './repeats.ts';

const workLineIntervalMs = 60_000;

/** Each answer of a broker may say that it throttles. */
const throttleLineIntervalMs = 10_000;

/** Why there is no partition, and what to do. */
const skipMessages: Readonly<Record<Facts['partitionsSkipped']['reason'], string>> = {
  rows: 'the default partition holds rows of these days, so they stay there and no partition is made',
  large:
    'outbox.event_default is larger than 16 MB, so no partitions are made: attaching one would lock it while all of it is read. Delete what is published from it, then run VACUUM',
  overlap:
    'another partition covers these days or a part of them; set outbox.partitionsDaysAhead to 0 if you make all of them elsewhere',
};

/** Of one stage. */
const recoveryLineIntervalMs = 30_000;

export const recoveryMessages: Readonly<Record<Facts['recovering']['stage'], string>> = {
  slot: 'recovering: creating a slot; Postgres waits for running transactions to end, prepared ones included',
  topics: 'recovering: reading the topics',
  table: 'recovering: reading the outbox table',
  sorting: 'recovering: Postgres sorts the rows that may be missing',
  rows: 'recovering: looking for unreadable rows',
  publishing: 'recovering: publishing missing events',
};

const outcomeMessages: Readonly<Record<Facts['recoveryEnded']['outcome'], string>> = {
  recovered: 'recovered from the lost slot',
  refused: 'cannot recover from the lost slot without a decision of a person',
  yielded: 'another relay has the slot, and recovers or has recovered',
  interrupted: 'interrupted while recovering from the lost slot; the next start continues',
  failed: 'recovering from the lost slot failed',
};

/** Equal lines that were left out before this one. */
const more = (leftOut: number) => (leftOut === 0 ? {} : { leftOut });

/** @param now for tests: ms on a clock that never goes back */
export function logListener(logs: ComponentLogs, now: () => number = () => performance.now()): Listener {
  const { relay, capture, encode, publish, refusals, recover, upkeep } = logs;
  const nothing = { events: 0, transactions: 0, bytes: 0, deadLetters: 0 };
  const repeats = new Repeats(now);
  const beside = new BesideSession();
  let work = { ...nothing };
  let workedMs = now();
  let isIdle = false;
  let writtenLsn: Lsn | undefined;
  let throttledMs = Number.NEGATIVE_INFINITY;
  let isPeerActive = false;
  let recoveringStage: Facts['recovering']['stage'] | undefined;
  let recoveringMs = 0;
  const doubted = new Set<string>();
  let controlled = describeControl(noControl, { eventsPerSecond: 0, bytesPerSecond: 0 });
  let isLimited = false;
  let isConfigRejected = false;
  /** Said once, until the reason has passed. */
  let keptReasons = new Set<KeepReason>();

  return {
    name: 'log',
    hears: {
      entered: ({ state }) => {
        if (state !== 'standby') isPeerActive = false;
        if (state === 'standby') beside.begins();
        else if (state === 'streaming' || state === 'recovering' || state === 'draining') beside.goesOn();
        if (state !== 'streaming') relay.info({ state }, state);
      },
      // Instead of the line of the state.
      sessionBegun: ({ progress: { endLsn, eventCount }, lineage, transactionVersion }) => {
        const begun = { from: formatLsn(endLsn), events: eventCount, lineage, transactionVersion };
        relay.info({ state: 'streaming', ...begun }, 'streaming');
      },
      waited: ({ doing, waitedMs }) => {
        beside.goesOn();
        relay.warn({ waitedMs: Math.round(waitedMs) }, `still ${doing}`);
      },
      retried: ({ doing, failure, retryInMs }) => {
        isPeerActive = false;
        if (doing === 'session') beside.goesOn();
        const leftOut = repeats.next(doing, failure.code);
        if (leftOut === undefined) return;
        const consequence = doing === 'session' ? 'returning to standby' : 'retrying';
        relay.warn({ err: failure, retryInMs, ...more(leftOut) }, `${doing} failed, ${consequence}`);
      },
      recovered: ({ doing }) => repeats.over(doing),
      drainFailed: ({ failure }) => relay.warn({ err: failure }, 'session failed while draining'),
      drained: ({ progress: { endLsn, eventCount } }) =>
        relay.info({ until: formatLsn(endLsn), events: eventCount }, 'drained'),
      stopped: ({ failure }) => {
        beside.stopped(failure);
        logFatal(relay, failure);
      },

      committed: ({ events, committedAtMs, bytes, deadLetters }) => {
        repeats.over('session');
        work.events += events;
        work.transactions += committedAtMs.length;
        // Of a batch without events they are the progress, which is no work.
        if (events > 0) work.bytes += bytes;
        work.deadLetters += deadLetters;
      },
      deadLettered: ({ events }) => logDeadLetters(refusals, events),
      split: ({ commitLsn, ...rest }) =>
        publish.warn(
          { commitLsn: formatLsn(commitLsn), ...rest },
          'a Postgres transaction is split over several Kafka transactions',
        ),
      expired: ({ events, bytes, elapsedMs, ...limits }) =>
        publish.warn(
          { events, bytes, elapsedMs, ...limits },
          'Kafka aborted a transaction that took too long; the next ones are smaller',
        ),
      controlled: ({ control, limits }) => {
        const said = describeControl(control, limits);
        if (said !== controlled) relay.info({ revision: control.revision, ...limits }, said);
        controlled = said;
      },
      paced: ({ isLimited: isLimitedNow }) => {
        if (isLimitedNow !== isLimited)
          relay.info(
            isLimitedNow ? 'the rate limit holds events up' : 'the rate limit holds nothing up any more',
          );
        isLimited = isLimitedNow;
      },
      sampled: (sample) => {
        if (now() - workedMs < workLineIntervalMs) return;
        workedMs = now();
        const lag = lagOf(sample, writtenLsn);
        const wasIdle = isIdle;
        isIdle = work.events + work.deadLetters + (lag?.ms ?? 0) === 0;
        // A minute without work is one line, and all that follow are none. A standby has its line from when it began.
        if (!isIdle)
          publish.info({ ...work, lagBytes: lag?.bytes, lagMs: lag?.ms }, 'work of the last minute');
        else if (!wasIdle && lag !== undefined) publish.info({ lagBytes: lag.bytes }, 'idle: no events');
        work = { ...nothing };
      },
      slotSeen: (seen) => {
        writtenLsn = seen.writtenLsn;
      },
      markerMissed: ({ topic, partition, did }) => {
        if (did === 'undone') {
          publish.error(
            topic === '' ? {} : { topic, partition },
            'Kafka aborted the transaction that was to finish a committed one: published events may be invisible to consumers. Run outbox-relay verify, and publish what is missing with outbox-relay replay',
          );
          return;
        }
        publish.warn(
          { topic, partition, did },
          did === 'untold'
            ? 'Kafka left a transaction unfinished in a partition, and the relay cannot tell how it ended: it lacks the right Read on the topic, or the first record has no position. Consumers wait there'
            : did === 'noticed'
              ? 'Kafka left a transaction unfinished in a partition; the commit of the next one finishes it'
              : `Kafka left a transaction unfinished in a partition; the relay finished it with its own outcome: ${did}`,
        );
      },
      protocolChanged: ({ transactionVersion, before }) =>
        publish.info(
          { transactionVersion, before },
          `the relay goes on with Kafka's transaction protocol ${transactionVersion}: transaction.version of the cluster changed, or its brokers did`,
        ),
      throttled: ({ throttleMs, broker, clientId }) => {
        if (now() - throttledMs < throttleLineIntervalMs) return;
        throttledMs = now();
        publish.warn(
          { throttleMs, broker, clientId },
          `Kafka throttles this client for ${throttleMs} ms: a quota of client id ${clientId} or of its user`,
        );
      },

      schemasDistrusted: ({ schemaId, subject }) =>
        encode.warn(
          { schemaId, subject },
          'the registry changed the id of a schema, or the schema of an id: it was replaced or restored. The relay fetches all schemas again. Records published earlier may carry an id that now means another schema',
        ),

      configRead: (read) => {
        const wasRejected = isConfigRejected;
        isConfigRejected = read.result === 'rejected';
        if (read.result === 'rejected')
          return relay.error(
            { err: read.failure },
            'the configuration is invalid; the relay keeps what it has. Nothing of the file applies',
          );
        const { applied, needRestart } = read;
        const what = applied.length > 0 ? 'settings changed' : 'no setting changed that applies now';
        relay.info({ applied }, wasRejected ? `the configuration is valid again; ${what}` : what);
        if (needRestart.length > 0)
          relay.warn({ needRestart }, 'settings differ that change only with a restart of the relay');
      },

      peerSeen: ({ activePid }) => {
        beside.goesOn();
        if (!isPeerActive) relay.info({ activePid }, 'standby: another relay is active');
        isPeerActive = true;
      },
      tailFailed: ({ failure }) => publish.warn({ err: failure }, 'cannot read the progress topic, retrying'),
      tailRecovered: () => publish.info('reading the progress topic again'),
      tableDoubted: ({ message, fix }) => {
        if (!doubted.has(message)) capture.warn({ fix }, message);
        doubted.add(message);
      },
      slotCreating: () => {
        beside.goesOn();
        capture.info('creating the slot; Postgres waits for the transactions that run now');
      },
      slotWaited: ({ transactions }) =>
        capture.warn(
          { transactions },
          'creating the slot: still waiting for transactions that began before it',
        ),
      walUnmeasured: ({ failure }) => {
        // An outage has lines of its own.
        if (failure.class === 'retry') return;
        if (!doubted.has(failure.message))
          beside.failed(failure, () =>
            capture.warn({ err: failure }, 'cannot measure how fast WAL is written'),
          );
        doubted.add(failure.message);
      },
      recoveryBegun: ({ failure, attempt, pauseMs }) => {
        recoveringStage = undefined;
        recover[attempt === 1 ? 'warn' : 'error'](
          { err: failure, attempt, pauseMs: Math.round(pauseMs) },
          attempt === 1
            ? 'the slot is lost: the relay recovers by itself'
            : 'the slot is lost again within an hour: the relay recovers by itself, after a pause. Raise max_slot_wal_keep_size, or find what drops the slot',
        );
      },
      recovering: ({ stage, done, total, leftMs }) => {
        if (stage === recoveringStage && now() - recoveringMs < recoveryLineIntervalMs) return;
        recoveringStage = stage;
        recoveringMs = now();
        recover.info(
          { stage, done, total, ...(leftMs !== undefined && { leftMs: Math.round(leftMs) }) },
          recoveryMessages[stage],
        );
      },
      recoveryEnded: ({ outcome, published, deadLettered, tookMs }) =>
        recover[outcome === 'recovered' ? 'warn' : 'info'](
          { outcome, published, deadLettered, tookMs: Math.round(tookMs) },
          outcomeMessages[outcome],
        ),
      recoveryUnrecorded: ({ failure }) =>
        recover.warn({ err: failure }, 'cannot write the recovery into outbox.trail'),
      deadLettersReread: ({ deadLetters }) =>
        recover.info({ deadLetters }, 'reading dead letters again that the progress does not cover'),
      standbyCounted: (standby) =>
        capture.warn(
          standby,
          'the relay counts as a synchronous standby: commits on the server wait for Kafka',
        ),

      dutyFailed: ({ duty, failure, retryInMs }) => {
        const leftOut = repeats.next(duty, failure.code);
        if (leftOut === undefined) return;
        const level = failure.class === 'stop' ? 'error' : 'warn';
        beside.failed(failure, () =>
          upkeep[level]({ duty, err: failure, retryInMs, ...more(leftOut) }, 'duty failed, retrying'),
        );
      },
      dutyDone: ({ duty }) => repeats.over(duty),
      endsSeen: logHanging(publish),
      lookalikesSeen: ({ table, rows }) =>
        capture.warn({ table, rows }, 'rows of a table that has all columns of the outbox are not published'),
      partitionsMade: ({ partitions }) =>
        upkeep.info({ partitions: partitions.length }, 'made partitions ahead'),
      partitionsSkipped: ({ reason, partitions }) => upkeep.warn({ partitions }, skipMessages[reason]),
      cleanedUp: ({ partitions, rows, bytes, kept }) => {
        if (rows > 0 || partitions > 0) upkeep.info({ partitions, rows, bytes }, 'removed published rows');
        const reasons = Object.keys(kept) as KeepReason[];
        for (const reason of reasons)
          if (reason !== 'retention' && !keptReasons.has(reason))
            upkeep.info(
              { reason, partitions: kept[reason] },
              `cleanup leaves partitions: ${keepReasons[reason]}`,
            );
        keptReasons = new Set(reasons);
      },
      deadLettersPurged: ({ deadLetters }) => upkeep.info({ deadLetters }, 'removed closed dead letters'),
    },
  };
}

/** What people have said, on one line. */
function describeControl(control: Control, { eventsPerSecond, bytesPerSecond }: RateLimits): string {
  const pauses = activePauses(control).map(({ topic, mode, person, reason }) => {
    const what = topic ?? 'everything';
    return `${what} is ${mode === 'hold' ? 'paused' : 'set aside'} by ${person}: ${reason}`;
  });
  const limits = [
    ...(eventsPerSecond === 0 ? [] : [`${eventsPerSecond} events/s`]),
    ...(bytesPerSecond === 0 ? [] : [`${bytesPerSecond} bytes/s`]),
  ];
  if (limits.length > 0) pauses.push(`at most ${limits.join(' and ')}`);
  return pauses.length === 0 ? 'nothing is paused or limited' : pauses.join('; ');
}

/** One line a batch. Of keys that are parked every batch may bring some, and the refusal that parked them had its line. */
function logDeadLetters(log: Logger, events: Facts['deadLettered']['events']): void {
  const codes: Record<string, number> = {};
  for (const { code } of events) codes[code] = (codes[code] ?? 0) + 1;
  const { commitLsn, ordinal } = events[0]!;
  const level = Object.keys(codes).every((code) => code === 'KEY_PARKED' || code === 'TOPIC_PAUSED')
    ? 'debug'
    : 'warn';
  const traceId = events.find((event) => event.traceId !== undefined)?.traceId;
  log[level](
    { deadLetters: events.length, codes, firstPosition: formatPosition(commitLsn, ordinal), traceId },
    'stored dead letters',
  );
}
