/**
 * Latency from commit to receipt at a load that does not depend on the relay: transactions of five are due at fixed
 * instants, whatever became of the ones before; a `read_committed` consumer of its own thread notes each arrival.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import pg from 'pg';
import { cpuMs, nowMs } from './machine.ts';
import { BenchRelay } from './relay.ts';
import { defaultRowBytes, eventType, payloadOf } from './workload.ts';
import { type BenchWorld, topicOf } from './world.ts';

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

/** What the thread of the consumer is told, and what it tells when it is asked. */
export type LiveReaderInput = { readonly brokers: readonly string[]; readonly topic: string };
export type Receipts = { readonly ids: readonly string[]; readonly atMs: readonly number[] };

const perTransaction = 5;
/** More than commits at 20,000 events/s need at once, when one takes a few ms. */
const connections = 24;
/** The first seconds of a relay are those of a compiler; a measurement begins after them. */
const warmUpSeconds = 3;
/** What has not arrived so long after the last commit is lost. */
const graceMs = 10_000;

export type LiveOptions = { readonly rates: readonly number[]; readonly seconds: number };

export async function measureLive(
  world: BenchWorld,
  options: LiveOptions,
  onProgress: (line: string) => void,
): Promise<{ readonly live: Live[]; readonly idleCpuPercent: number }> {
  const relay = await BenchRelay.start(world);
  const pool = new pg.Pool({ connectionString: world.stack.databaseUrl, max: connections });
  pool.on('error', () => {}); // the query that needed it says so
  try {
    await relay.streaming();
    const live: Live[] = [];
    for (const rate of options.rates) {
      onProgress(`live at ${rate} events/s`);
      live.push(await measureRate(world, relay, pool, rate, options.seconds));
    }
    onProgress('idle');
    return { live, idleCpuPercent: await idleCpu(relay, options.seconds) };
  } finally {
    await pool.end();
    await relay.stop();
  }
}

async function idleCpu(relay: BenchRelay, seconds: number): Promise<number> {
  await sleep(1_000); // what was under way
  const [before, beforeMs] = [await cpuMs(relay.pid), nowMs()];
  await sleep(seconds * 1_000);
  const share = (await cpuMs(relay.pid)) - before;
  return Math.round((share * 1_000) / (nowMs() - beforeMs)) / 10;
}

async function measureRate(
  world: BenchWorld,
  relay: BenchRelay,
  pool: pg.Pool,
  rate: number,
  seconds: number,
): Promise<Live> {
  const aggregateType = await world.newTopic(3);
  const workerData: LiveReaderInput = { brokers: world.stack.brokers, topic: topicOf(aggregateType) };
  const reader = new Worker(new URL('./live-reader.ts', import.meta.url), { workerData });
  try {
    await once(reader, 'message');
    await offer(pool, aggregateType, rate, warmUpSeconds);
    const [cpuBefore, startMs] = [await cpuMs(relay.pid), nowMs()];
    const committed = await offer(pool, aggregateType, rate, seconds);
    const wroteMs = nowMs() - startMs;
    const receipts = await receiptsOf(reader, committed);
    const cpu = (await cpuMs(relay.pid)) - cpuBefore;
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

async function receiptsOf(reader: Worker, committed: ReadonlyMap<string, number>): Promise<Receipts> {
  const untilMs = nowMs() + graceMs;
  for (;;) {
    reader.postMessage('report');
    const [receipts] = (await once(reader, 'message')) as [Receipts];
    const seen = new Set(receipts.ids);
    if (nowMs() > untilMs || [...committed.keys()].every((id) => seen.has(id))) return receipts;
    await sleep(200);
  }
}

function compare(committed: ReadonlyMap<string, number>, { ids, atMs }: Receipts, relayCpuMs: number) {
  const latencies: number[] = [];
  const seen = new Set<string>();
  let duplicates = 0;
  for (const [at, id] of ids.entries()) {
    if (seen.has(id)) duplicates += 1;
    seen.add(id);
    const committedMs = committed.get(id);
    // Below zero where the record overtook the answer to COMMIT.
    if (committedMs !== undefined) latencies.push(Math.max(0, atMs[at]! - committedMs));
  }
  latencies.sort((a, b) => a - b);
  const quantile = (share: number) =>
    Math.round(
      (latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN) * 10,
    ) / 10;
  return {
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    maxMs: quantile(1),
    cpuMicrosPerEvent: Math.round((relayCpuMs * 10_000) / committed.size) / 10,
    lost: [...committed.keys()].filter((id) => !seen.has(id)).length,
    duplicates,
  };
}
