/**
 * `npm run bench:latency`: how far the relay's latency is from what Postgres and Kafka take themselves, on the same servers in
 * the same run. The floor has two parts, and the relay cannot be faster than their sum:
 *
 * - slot: from the answer to COMMIT until a bare reader of a replication slot has the row, under the same load;
 * - transaction: from the first request of a Kafka transaction with one record until a `read_committed` consumer has it, one
 *   after the other at the pace of the load's commits.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Command, Option } from 'commander';
import { integer } from '../harness/arguments.ts';
import { median } from '../harness/percentile.ts';
import { LeanBatchBuilder } from '../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../relay/publish/lean/buffer-pool.ts';
import { TransactionalProducer } from '../relay/publish/lean/transactional-producer.ts';
import {
  compare,
  type Live,
  measureLive,
  publishing,
  receiptsOf,
  type Subject,
  topicReader,
} from './live.ts';
import { describeMachine, nowMs } from './machine.ts';
import type { SlotLiveReaderInput } from './slot-live-reader.ts';
import { topicOf } from './topics.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld } from './world.ts';

const help = `
Starts Postgres, Kafka and a registry with production settings. Exit codes: 0 measured, nothing lost or doubled; 1 otherwise.`;

const { rates, rounds, seconds, json } = new Command('npm run bench:latency --')
  .addOption(
    new Option('--rates <numbers>', 'events/s, separated by commas')
      .argParser(numbers)
      .default([100, 1_000, 4_000], '100,1000,4000'),
  )
  .option('--rounds <number>', 'rounds of each', integer(1, 100), 5)
  .option('--seconds <number>', 'of each measurement', integer(1, 600), 10)
  .option('--json <file>', 'also write every figure to this file')
  .addHelpText('after', help)
  .parse()
  .opts<{ rates: number[]; rounds: number; seconds: number; json?: string }>();

type Parts = Pick<Live, 'p50Ms' | 'p99Ms'>;
type Round = { readonly slot: Parts; readonly transaction: Parts; readonly relay: Live };

const floorSlot = 'bench_floor';
const perTransaction = 5;
/** A transaction takes some ms: more of them a second would queue, and measure the queue. */
const transactionsPerSecondMax = 100;

/** The slot, read by nobody else. */
const bareSlot: Subject = {
  name: 'the slot',
  pid: process.pid,
  readerOf({ stack }) {
    const workerData: SlotLiveReaderInput = { url: stack.databaseUrl, slot: floorSlot };
    return new Worker(new URL('./slot-live-reader.ts', import.meta.url), { workerData });
  },
};

/** From the first request of each transaction to the receipt of its record. */
async function bareTransactions(world: BenchWorld, rate: number): Promise<Parts> {
  const topic = topicOf(await world.newTopic(3));
  const reader = topicReader(world.stack.brokers, topic);
  const producer = await TransactionalProducer.open(world.kafka, {
    transactionalId: randomUUID(),
    transactionTimeoutMs: 60_000,
    requestTimeoutMs: 15_000,
    transactionVersion: '1',
    topic,
  });
  try {
    await once(reader, 'message');
    const pool = new BufferPool();
    const begun = new Map<string, number>();
    const value = Buffer.alloc(defaultRowBytes, 'v');
    const everyMs = 1_000 / Math.min(rate / perTransaction, transactionsPerSecondMax);
    const startMs = performance.now();
    let warm = 0;
    for (let n = 0; n * everyMs < (seconds + 3) * 1_000; n++) {
      const waitMs = startMs + n * everyMs - performance.now();
      if (waitMs > 1) await sleep(waitMs);
      const id = randomUUID();
      const batch = new LeanBatchBuilder(pool);
      const record = { topic, partition: n % 3, key: id, value, headers: { id }, timestampMs: Date.now() };
      batch.append({ ...record, bytes: 500, maxBatchBytes: 1_000_000 });
      if (n * everyMs < 3_000) warm += 1;
      else begun.set(id, nowMs());
      await producer.commit([...batch.partitions()]);
      batch.release();
    }
    const receipts = await receiptsOf(reader, begun.size + warm);
    return compare(begun, receipts, 0);
  } finally {
    await producer.close();
    await reader.terminate();
  }
}

async function measureRound(world: BenchWorld, rate: number): Promise<Round> {
  const options = { rates: [rate], seconds, warmUp: false };
  await world.database.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [floorSlot]);
  const [slot] = await measureLive(world, bareSlot, options, () => {});
  await dropFloorSlot(world);
  const transaction = await bareTransactions(world, rate);
  const relay = world.startRelay();
  try {
    await relay.streaming();
    // As much as a relay has published that has run for a while: its code is compiled.
    const subject = publishing('relay', relay.pid, topicOf);
    const [live] = await measureLive(world, subject, { ...options, warmUp: true }, () => {});
    return { slot: slot!, transaction, relay: live! };
  } finally {
    await relay.stop();
  }
}

/** Once its reader has ended. */
async function dropFloorSlot({ database }: BenchWorld): Promise<void> {
  for (;;) {
    const { rowCount } = await database.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active',
      [floorSlot],
    );
    if (rowCount === 1) return;
    await sleep(20);
  }
}

function line(rate: number, measured: readonly Round[]): string {
  const column = (of: (round: Round) => number) => {
    const values = measured.map(of);
    return `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;
  };
  const ratio = (pick: (parts: Parts) => number) => (round: Round) =>
    pick(round.relay) / (pick(round.slot) + pick(round.transaction));
  const cells = [
    rate.toLocaleString('en'),
    ...(['p50Ms', 'p99Ms'] as const).flatMap((name) => [
      column(({ slot }) => slot[name]),
      column(({ transaction }) => transaction[name]),
      column(({ relay }) => relay[name]),
      column(ratio((parts) => parts[name])),
    ]),
  ];
  return `| ${cells.join(' | ')} |`;
}

function numbers(text: string): number[] {
  return text.split(',').map(integer(1, 1_000_000));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await using world = await BenchWorld.start((progress) => process.stderr.write(`# ${progress}\n`));
// The slot of the relay first: the publication is there from then on.
const first = world.startRelay();
await first.streaming();
await first.stop();
const measured = new Map(rates.map((rate) => [rate, [] as Round[]]));
for (let round = 1; round <= rounds; round++)
  for (const rate of rates) {
    process.stderr.write(`# round ${round} of ${rounds}, ${rate} events/s\n`);
    measured.get(rate)!.push(await measureRound(world, rate));
  }
print(`${JSON.stringify(await describeMachine())}\n`);
print(
  '| events/s | p50 ms: slot | transaction | relay | relay / floor | p99 ms: slot | transaction | relay | relay / floor |',
);
print(`| ${['--:', ...Array.from({ length: 8 }, () => '---')].join(' | ')} |`);
for (const [rate, rows] of measured) print(line(rate, rows));
const flawed = [...measured.values()].flat().filter(({ relay }) => relay.lost + relay.duplicates > 0);
print(
  `\nMedians of ${rounds} rounds, and their range. ${flawed.length} of the relay's lost or doubled an event.`,
);
if (json !== undefined) await writeFile(json, `${JSON.stringify(Object.fromEntries(measured), null, 2)}\n`);
process.exitCode = flawed.length === 0 ? 0 : 1;
