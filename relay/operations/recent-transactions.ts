/**
 * The last Kafka transactions of a slot, and up to which Postgres transaction each goes: the end of the progress topic, which
 * every one of them writes to. Reads Kafka and Postgres, and costs the relay nothing.
 */
import type { Admin, Kafka } from 'kafkajs';
import { readTopics } from '../audit/read-topics.ts';
import type { Config } from '../config/config.ts';
import { kafkaError, kafkaErrorType } from '../connect/kafka.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import { type Progress, parseProgress } from '../model/progress.ts';
import { assertLettersShown } from './dead-letters/transaction.ts';
import { withAdmin } from './with-admin.ts';
import { withPool } from './with-pool.ts';

export type KafkaTransaction = {
  /** Of its record in the progress topic. */
  readonly offset: string;
  /** When the relay wrote it; ISO 8601. */
  readonly writtenAt: string;
  readonly instance: string;
  /** It covers every Postgres transaction that ends before. */
  readonly endLsn: string;
  /** Commit LSN of the last Postgres transaction in it; null in records of early releases, and where none led to it. */
  readonly commitLsn: string | null;
  readonly committedAt: string | null;
  /** It ends within that Postgres transaction, which is over the limit. */
  readonly isPartial: boolean;
  /** Events in it; null where the record before it is not known. */
  readonly eventCount: number | null;
  /** Dead letters from it; null where they could not be read. */
  readonly letterCount: number | null;
};

/** What is left out of a list: they have neither events nor dead letters, and would fill it while nothing is written. */
export type Heartbeats = {
  /** Since the oldest of the list. */
  readonly count: number;
  readonly latestAt: string | null;
  /** False where the dead letters could not be read: then some of these may have some. */
  readonly areLettersKnown: boolean;
};

export type RecentTransactions = {
  readonly topic: string;
  /** The latest first, without heartbeats. */
  readonly transactions: readonly KafkaTransaction[];
  readonly heartbeats: Heartbeats;
  /** Why there are none; null where there are. */
  readonly note: string | null;
};

/** Each has a record and a marker. */
const offsetsEach = 2;
const stallMs = 5_000;
/** Slots may share a progress topic: then the records of this one are a part. */
const longerTail = 10;
/** 20,000 heartbeats, 55 h of them by default: a weekend without an event. Some 6 MB, of which nothing is kept. */
const idleTail = 40_000n;
/**
 * More offsets than a record, a marker and what aborted transactions leave: compaction removed records between, whose
 * events are not those of one transaction. It takes whole segments, some 50,000 records each.
 */
const compactedGap = 1_000n;

/** A person waits for it. */
const withinMs = 10_000;

/** @throws RelayError KAFKA_* */
export const recentTransactions = (config: Config, limit = 12): Promise<RecentTransactions> =>
  recentTransactionsOf(config, limit)();

/** What was read up to an offset. Bounded: of heartbeats it has the number. */
export type Tail = {
  /** The first offset that is read. */
  readonly from: bigint;
  /** Whether that is the beginning of the topic. */
  readonly isWhole: boolean;
  /** The first that is not read yet. */
  readonly next: bigint;
  readonly last: Written | undefined;
  /** Progress records of the slot. */
  readonly count: number;
  readonly since: string | null;
  /** The oldest first, each with the heartbeats after it. */
  readonly listed: readonly { readonly transaction: KafkaTransaction; readonly heartbeats: number }[];
  readonly heartbeatAt: string | null;
  readonly areLettersKnown: boolean;
};

/** @returns what reads them, each time from where it stopped the last time. It throws RelayError KAFKA_* */
export function recentTransactionsOf(config: Config, limit = 12): () => Promise<RecentTransactions> {
  const patience = { doing: 'reading the last transactions', withinMs };
  let known: Tail | undefined;
  return async () => {
    const tail = await withAdmin(config, patience, (servers) => readOn(servers, known, limit));
    // Dead letters that could not be read now may be read the next time, of the same transactions.
    known = tail?.areLettersKnown === true ? tail : undefined;
    const listed = tail?.listed ?? [];
    return {
      topic: config.kafka.progressTopic,
      transactions: listed.map(({ transaction }) => transaction).reverse(),
      heartbeats: {
        count: listed.reduce((sum, { heartbeats }) => sum + heartbeats, 0),
        latestAt: tail?.heartbeatAt ?? null,
        areLettersKnown: tail?.areLettersKnown ?? true,
      },
      note: listed.length > 0 ? null : whyNone(config, tail),
    };
  };
}

/** In a sentence. Pure. */
export function whyNone({ kafka: { progressTopic }, slot }: Pick<Config, 'kafka' | 'slot'>, tail?: Tail) {
  if (tail === undefined) return `The topic ${progressTopic} does not exist: no relay has started yet.`;
  const { count, since, isWhole, from, next } = tail;
  const where = isWhole ? progressTopic : `the last ${next - from} offsets of ${progressTopic}`;
  if (count === 0 || since === null) return `There is no progress of slot ${slot.name} in ${where}.`;
  const before = isWhole ? 'The topic has nothing older of this slot.' : 'What is older is not read.';
  const at = `${since.slice(0, 19).replace('T', ' ')} UTC`;
  return `No event since ${at}: the ${count} Kafka transactions from then on only confirm heartbeats. ${before}`;
}

/** @returns undefined where the topic does not exist */
async function readOn(
  { config, kafka, admin }: TailServers,
  known: Tail | undefined,
  limit: number,
): Promise<Tail | undefined> {
  const topic = config.kafka.progressTopic;
  const range = await readOffsets(admin, topic);
  if (range === undefined) return undefined;
  const { low, end } = range;
  const earliest = end - idleTail > low ? end - idleTail : low;
  if (known !== undefined && known.next <= end && known.next >= earliest)
    return readFrom({ config, kafka }, known, end, limit);
  // Of a stream that is busy, the end is enough. One more, from which the number of events of the first one follows.
  const near = end - BigInt((limit + 1) * offsetsEach);
  for (const from of [near, earliest]) {
    if (from < earliest) continue;
    const begun = { ...beginning, from, isWhole: from === low, next: from };
    const tail = await readFrom({ config, kafka }, begun, end, limit);
    if (tail.listed.length >= limit || from === earliest) return tail;
  }
  return undefined;
}

const beginning: Omit<Tail, 'from' | 'isWhole' | 'next'> = {
  last: undefined,
  count: 0,
  since: null,
  listed: [],
  heartbeatAt: null,
  areLettersKnown: true,
};

async function readFrom(
  { config, kafka }: Pick<TailServers, 'config' | 'kafka'>,
  begun: Tail,
  end: bigint,
  limit: number,
): Promise<Tail> {
  let tail = begun;
  const topic = config.kafka.progressTopic;
  await readRange(kafka, { topic, slot: config.slot.name, from: begun.next, end }, async (written) => {
    const transactions = transactionsOf(tail.last === undefined ? written : [tail.last, ...written]);
    const seen = tail.last === undefined ? 0 : 1;
    const { found, areLettersKnown } = await withLetters(config, transactions.reverse(), seen);
    const extended = extendTail(tail, found, limit);
    tail = {
      ...extended,
      last: written.at(-1) ?? tail.last,
      areLettersKnown: tail.areLettersKnown && areLettersKnown,
    };
  });
  return { ...tail, next: end };
}

/** @param found in their order, after those of the tail. Pure. */
export function extendTail(tail: Tail, found: readonly KafkaTransaction[], limit: number): Tail {
  let { heartbeatAt } = tail;
  const listed = [...tail.listed];
  for (const [index, transaction] of found.entries()) {
    const { eventCount, letterCount, writtenAt } = transaction;
    // Before the first that is read something may lie, from which its events would follow.
    const isCut = eventCount === null && tail.count === 0 && index === 0 && !tail.isWhole;
    if (isCut) continue;
    if (eventCount !== 0 || (letterCount ?? 0) > 0) {
      listed.push({ transaction, heartbeats: 0 });
      if (listed.length > limit) listed.shift();
      continue;
    }
    heartbeatAt = writtenAt;
    const before = listed.pop();
    if (before !== undefined) listed.push({ ...before, heartbeats: before.heartbeats + 1 });
  }
  return {
    ...tail,
    listed,
    heartbeatAt,
    count: tail.count + found.length,
    since: tail.since ?? found[0]?.writtenAt ?? null,
  };
}

export type TailServers = { readonly config: Config; readonly kafka: Kafka; readonly admin: Admin };

/** The latest first. @throws RelayError KAFKA_*, PROGRESS_UNREADABLE */
export async function readTail(
  { config, kafka, admin }: TailServers,
  limit: number,
): Promise<KafkaTransaction[]> {
  const topic = config.kafka.progressTopic;
  const range = await readOffsets(admin, topic);
  if (range === undefined) return [];
  const { low, end } = range;
  for (const length of [1, longerTail]) {
    // One more, from which the number of events of the first one follows.
    const wanted = end - BigInt((limit + 1) * offsetsEach * length);
    const from = wanted > low ? wanted : low;
    const found: Written[] = [];
    await readRange(kafka, { topic, slot: config.slot.name, from, end }, (written) => {
      found.push(...written);
    });
    if (found.length > limit || from === low || length === longerTail)
      return transactionsOf(found).slice(0, limit);
  }
  return [];
}

async function readOffsets(admin: Admin, topic: string): Promise<{ low: bigint; end: bigint } | undefined> {
  const offsets = await admin.fetchTopicOffsets(topic).catch((error: unknown) => {
    if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw kafkaError(error, `reading the offsets of topic ${topic}`);
  });
  const [range] = offsets;
  return range === undefined ? undefined : { low: BigInt(range.low), end: BigInt(range.high) };
}

export type Written = {
  readonly offset: bigint;
  readonly progress: Progress;
  /** Compaction removed records before it. */
  readonly isAfterGap?: boolean;
};

type Range = { readonly topic: string; readonly slot: string; readonly from: bigint; readonly end: bigint };

/** @param onWritten hears some at a time, in their order */
async function readRange(
  kafka: Kafka,
  { topic, slot, from, end }: Range,
  onWritten: (written: readonly Written[]) => void | Promise<void>,
): Promise<void> {
  if (from >= end) return;
  let passed = from;
  await readTopics({
    kafka,
    stallMs,
    ranges: [{ topic, partition: 0, low: from, end }],
    onRecords: (records) => {
      const written: Written[] = [];
      for (const { offset, key, value } of records) {
        const isAfterGap = offset - passed > compactedGap;
        passed = offset;
        if (key?.toString() === slot && value !== null)
          written.push({ offset, progress: parseProgress(value.toString()), isAfterGap });
      }
      return written.length === 0 ? undefined : onWritten(written);
    },
  });
}

/** The latest first. Pure. @param written in their order */
export function transactionsOf(written: readonly Written[]): KafkaTransaction[] {
  return written
    .map(({ offset, progress, isAfterGap }, index): KafkaTransaction => {
      const before = isAfterGap === true ? undefined : written[index - 1]?.progress;
      const { endLsn, partial, last, eventCount, instance, time } = progress;
      return {
        offset: String(offset),
        writtenAt: time,
        instance,
        endLsn: formatLsn(endLsn),
        commitLsn: last === undefined ? null : formatLsn(last.commitLsn),
        committedAt: last === undefined ? null : new Date(last.committedAtMs).toISOString(),
        isPartial: partial !== null,
        // An adoption counts from 0 again.
        eventCount: eventsBetween(before?.eventCount, eventCount),
        letterCount: null,
      };
    })
    .reverse();
}

const eventsBetween = (before: number | undefined, after: number): number | null =>
  before === undefined ? (after === 0 ? 0 : null) : after < before ? null : after - before;

/** Not known where the role may not read dead letters; the transactions are shown all the same. */
async function withLetters(
  config: Config,
  /** In their order. */
  transactions: readonly KafkaTransaction[],
  /** How many of them, from the first, are known already. */
  seen: number,
): Promise<{ found: KafkaTransaction[]; areLettersKnown: boolean }> {
  const found = transactions.slice(seen);
  const pairs = transactions.slice(1).map(({ endLsn }, index) => [transactions[index]!.endLsn, endLsn]);
  try {
    const counts = await withPool(config, async (pool) => {
      const lowers = pairs.map(([lower]) => lower!);
      const uppers = pairs.map(([, upper]) => upper!);
      const counted = await query(pool, countBetween, [config.slot.name, lowers, uppers]);
      await assertLettersShown(pool, config);
      return new Map(counted.map(({ nth, letters }) => [nth, letters]));
    });
    // The nth pair ends with the transaction after it.
    const letterCounts = found.map((_, index) =>
      index + seen === 0 ? null : (counts.get(index + seen) ?? 0),
    );
    return {
      found: found.map((each, index) => ({ ...each, letterCount: letterCounts[index]! })),
      areLettersKnown: true,
    };
  } catch (error) {
    if (asRelayError(error).code === 'INTERNAL') throw error;
    return { found, areLettersKnown: false };
  }
}

/** Dead letters lie below the end of their transaction, and not below the one before. */
const countBetween = statement<{ nth: number; letters: number }>(
  'operations.count_letters_between',
  'counting dead letters of transactions',
  `select nth::float8, count(*)::float8 as letters
     from unnest($2::pg_lsn[], $3::pg_lsn[]) with ordinality as range (lower, upper, nth)
     join outbox.dead_letter as letter
       on letter.slot = $1 and letter.commit_lsn >= range.lower and letter.commit_lsn < range.upper
    group by nth`,
);
