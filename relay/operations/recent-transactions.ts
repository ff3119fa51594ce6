/**
 * The last Kafka transactions of a slot, and up to which Postgres transaction each goes: the end of the progress topic, which
 * every one of them writes to. Reads Kafka and Postgres, and costs the relay nothing.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
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

export type RecentTransactions = {
  readonly topic: string;
  /** The latest first. */
  readonly transactions: readonly KafkaTransaction[];
  /** Why there are none; null where there are. */
  readonly note: string | null;
};

/** Each has a record and a marker. */
const offsetsEach = 2;
const stallMs = 5_000;
/** Slots may share a progress topic: then the records of this one are a part. */
const longerTail = 10;

/** A person waits for it. */
const withinMs = 10_000;

/** @throws RelayError KAFKA_* */
export async function recentTransactions(config: Config, limit = 12): Promise<RecentTransactions> {
  const patience = { doing: 'reading the last transactions', withinMs };
  const transactions = await withAdmin(config, patience, (servers) => readTail(servers, limit));
  const note =
    transactions.length > 0
      ? null
      : `${config.kafka.progressTopic} has no progress of this slot near its end`;
  return {
    topic: config.kafka.progressTopic,
    transactions: await withLetters(config, transactions),
    note,
  };
}

export type TailServers = { readonly config: Config; readonly kafka: Kafka; readonly admin: Admin };

/** The latest first. @throws RelayError KAFKA_*, PROGRESS_UNREADABLE */
export async function readTail(
  { config, kafka, admin }: TailServers,
  limit: number,
): Promise<KafkaTransaction[]> {
  const topic = config.kafka.progressTopic;
  const offsets = await admin.fetchTopicOffsets(topic).catch((error: unknown) => {
    if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw kafkaError(error, `reading the offsets of topic ${topic}`);
  });
  const [range] = offsets;
  if (range === undefined) return [];
  const low = BigInt(range.low);
  const end = BigInt(range.high);
  for (const length of [1, longerTail]) {
    // One more, from which the number of events of the first one follows.
    const wanted = end - BigInt((limit + 1) * offsetsEach * length);
    const from = wanted > low ? wanted : low;
    const found = await readRange(kafka, { topic, slot: config.slot.name, from, end });
    if (found.length > limit || from === low || length === longerTail)
      return transactionsOf(found).slice(0, limit);
  }
  return [];
}

export type Written = { readonly offset: bigint; readonly progress: Progress };

async function readRange(
  kafka: Kafka,
  { topic, slot, from, end }: { topic: string; slot: string; from: bigint; end: bigint },
): Promise<Written[]> {
  const found: Written[] = [];
  if (from >= end) return found;
  await readTopics({
    kafka,
    stallMs,
    ranges: [{ topic, partition: 0, low: from, end }],
    onRecords: (records) => {
      for (const { offset, key, value } of records)
        if (key?.toString() === slot && value !== null)
          found.push({ offset, progress: parseProgress(value.toString()) });
    },
  });
  return found;
}

/** The latest first. Pure. @param written in their order */
export function transactionsOf(written: readonly Written[]): KafkaTransaction[] {
  return written
    .map(({ offset, progress }, index): KafkaTransaction => {
      const before = written[index - 1]?.progress;
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
        eventCount:
          before === undefined || eventCount < before.eventCount ? null : eventCount - before.eventCount,
        letterCount: null,
      };
    })
    .reverse();
}

/** Not known where the role may not read dead letters; the transactions are shown all the same. */
async function withLetters(
  config: Config,
  transactions: readonly KafkaTransaction[],
): Promise<KafkaTransaction[]> {
  const ends = transactions.map(({ endLsn }) => endLsn);
  if (ends.length === 0) return [];
  try {
    const counts = await withPool(config, async (pool) => {
      const counted = await countLetters(pool, config, ends);
      await assertLettersShown(pool, config);
      return counted;
    });
    return transactions.map((each, index) => ({
      ...each,
      letterCount: index === transactions.length - 1 ? null : (counts.get(each.endLsn) ?? 0),
    }));
  } catch (error) {
    if (asRelayError(error).code === 'INTERNAL') throw error;
    return [...transactions];
  }
}

async function countLetters(
  pool: pg.Pool,
  config: Config,
  ends: readonly string[],
): Promise<Map<string, number>> {
  const rows = await query(pool, countBetween, [config.slot.name, ends]);
  return new Map(rows.map(({ end, letters }) => [end, letters]));
}

/** Dead letters lie below the end of their transaction, and not below the one before. */
const countBetween = statement<{ end: string; letters: number }>(
  'operations.count_letters_between',
  'counting dead letters of transactions',
  `select upper::text as end, (select count(*) from outbox.dead_letter as letter
                               where letter.slot = $1 and commit_lsn >= lower and commit_lsn < upper)::float8 as letters
     from (select upper, lag(upper) over (order by upper) as lower
             from (select distinct unnest($2::pg_lsn[]) as upper) as ends) as ranges
    where lower is not null`,
);
