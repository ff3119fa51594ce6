/**
 * Latency from commit to receipt at a load that does not depend on the publisher: transactions of five events are due at
 * fixed instants, regardless of earlier ones; a `read_committed` consumer in its own thread records each arrival.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import pg from 'pg';
import { compareIds } from '../harness/deliveries.ts';
import { percentile } from '../harness/percentile.ts';
import { cpuMs, nowMs } from './machine.ts';
import { defaultRowBytes, eventType, payloadOf } from './workload.ts';
import type { BenchWorld } from './world.ts';

export type Live = {
  /** Events a second that were due, and those that were committed: less where the machine could not write them. */
  readonly offered: number;
  readonly written: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly cpuMicrosPerEvent: number;
  readonly lost: number;
  readonly duplicates: number;
};

/** The input of the consumer's thread, and its answers. */
export type LiveReaderInput = { readonly brokers: readonly string[]; readonly topic: string };
export type LiveReaderQuestion = 'count' | 'report';
export type Receipts = { readonly ids: readonly string[]; readonly atMs: readonly number[] };

const perTransaction = 5;
/** More than commits at 20,000 events/s need at once, when one takes a few ms. */
const connections = 24;
/** The first seconds are those of a compiler; a measurement begins after them. */
const warmUpSeconds = 3;
/** What has not arrived when nothing did for so long is lost. */
const graceMs = 10_000;

export type LiveOptions = {
  readonly rates: readonly number[];
  readonly seconds: number;
  /** Whether a load that does not count comes first: who has published a million events before was compiled by then. */
  readonly warmUp: boolean;
};

/** As many events as a round of the drain has. */
const compiling = { rate: 20_000, seconds: 10 } as const;

/** Whose latency it is: a process that streams already. */
export type Subject = {
  readonly name: string;
  readonly pid: number;
  /** The thread that notes when each event arrives. */
  readerOf(world: BenchWorld, aggregateType: string): Worker;
};

/** Of a process that publishes to a topic. */
export const publishing = (
  name: string,
  pid: number,
  topicOf: (aggregateType: string) => string,
): Subject => ({
  name,
  pid,
  readerOf: ({ stack }, aggregateType) => topicReader(stack.brokers, topicOf(aggregateType)),
});

/** A consumer under `read_committed`. */
export function topicReader(brokers: readonly string[], topic: string): Worker {
  const workerData: LiveReaderInput = { brokers, topic };
  return new Worker(new URL('./live-reader.ts', import.meta.url), { workerData });
}

/** Each rate in turn, the lowest first. */
export async function measureLive(
  world: BenchWorld,
  subject: Subject,
  { rates, seconds, warmUp }: LiveOptions,
  onProgress: (line: string) => void,
): Promise<Live[]> {
  const pool = new pg.Pool({ connectionString: world.stack.databaseUrl, max: connections });
  pool.on('error', () => {}); // the query that needed it says so
  try {
    const live: Live[] = [];
    if (warmUp) {
      onProgress(`live: warming ${subject.name} up`);
      await measureRate(world, subject, pool, compiling.rate, compiling.seconds);
    }
    for (const rate of rates) {
      onProgress(`live: ${subject.name} at ${rate} events/s`);
      const measured = await measureRate(world, subject, pool, rate, seconds);
      live.push(measured);
      const { p50Ms, p99Ms, lost, duplicates } = measured;
      onProgress(`live: p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${lost} lost, ${duplicates} duplicated`);
    }
    return live;
  } finally {
    await pool.end();
  }
}

/** Share of a core that a process takes while nothing is written, in percent. */
export async function idleCpuPercent(pid: number, seconds: number): Promise<number> {
  await sleep(1_000); // what was under way
  const [before, beforeMs] = [await cpuMs(pid), nowMs()];
  await sleep(seconds * 1_000);
  const share = (await cpuMs(pid)) - before;
  return Math.round((share * 1_000) / (nowMs() - beforeMs)) / 10;
}

async function measureRate(
  world: BenchWorld,
  subject: Subject,
  pool: pg.Pool,
  rate: number,
  seconds: number,
): Promise<Live> {
  const aggregateType = await world.newTopic(3);
  const reader = subject.readerOf(world, aggregateType);
  try {
    await once(reader, 'message');
    const warmUp = await offer(pool, aggregateType, rate, warmUpSeconds);
    const [cpuBefore, startMs] = [await cpuMs(subject.pid), nowMs()];
    const committed = await offer(pool, aggregateType, rate, seconds);
    const wroteMs = nowMs() - startMs;
    const receipts = await receiptsOf(reader, warmUp.size + committed.size);
    const cpu = (await cpuMs(subject.pid)) - cpuBefore;
    return {
      offered: rate,
      written: Math.round((committed.size * 1_000) / wroteMs),
      ...compare(committed, receipts, cpu),
    };
  } finally {
    await reader.terminate();
  }
}

/** @returns when the COMMIT of each event returned, by its id */
async function offer(
  pool: pg.Pool,
  aggregateType: string,
  rate: number,
  seconds: number,
): Promise<Map<string, number>> {
  const committed = new Map<string, number>();
  const payload = payloadOf(defaultRowBytes);
  const total = Math.round((rate * seconds) / perTransaction);
  const intervalMs = (1_000 * perTransaction) / rate;
  const startMs = performance.now();
  const writes: Promise<void>[] = [];
  const write = async (n: number) => {
    const ids = Array.from({ length: perTransaction }, () => randomUUID());
    await pool.query({
      name: 'write',
      text: `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
             select id, $2, $3, $4, $5::json from unnest($1::uuid[]) id`,
      values: [ids, aggregateType, `key-${n % 1_000}`, eventType, payload],
    });
    const atMs = nowMs();
    for (const id of ids) committed.set(id, atMs);
  };
  for (let n = 0; n < total; ) {
    const due = Math.min(total, Math.floor((performance.now() - startMs) / intervalMs) + 1);
    for (; n < due; n += 1) writes.push(write(n));
    await sleep(1);
  }
  await Promise.all(writes);
  return committed;
}

/** Waits for `events` to be received; what is missing after a while without any is lost. */
export async function receiptsOf(reader: Worker, events: number): Promise<Receipts> {
  let [received, sinceMs] = [0, nowMs()];
  while (received < events && nowMs() - sinceMs < graceMs) {
    await sleep(200);
    const now = await ask<number>(reader, 'count');
    if (now > received) [received, sinceMs] = [now, nowMs()];
  }
  return ask<Receipts>(reader, 'report');
}

async function ask<Answer>(reader: Worker, question: LiveReaderQuestion): Promise<Answer> {
  reader.postMessage(question);
  const [answer] = (await once(reader, 'message')) as [Answer];
  return answer;
}

/** @param committed when the COMMIT of each event returned, by its id */
export function compare(
  committed: ReadonlyMap<string, number>,
  { ids, atMs }: Receipts,
  subjectCpuMs: number,
): Omit<Live, 'offered' | 'written'> {
  const latencies: number[] = [];
  const { missing, duplicates } = compareIds(ids, committed.keys());
  for (const [at, id] of ids.entries()) {
    const committedMs = committed.get(id);
    // Below zero where the record overtook the answer to COMMIT.
    if (committedMs !== undefined) latencies.push(Math.max(0, atMs[at]! - committedMs));
  }
  latencies.sort((a, b) => a - b);
  const quantile = (share: number) =>
    latencies.length === 0 ? Number.NaN : Math.round(percentile(latencies, share) * 10) / 10;
  return {
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    maxMs: quantile(1),
    cpuMicrosPerEvent: Math.round((subjectCpuMs * 10_000) / committed.size) / 10,
    lost: missing.length,
    duplicates: duplicates.length,
  };
}
