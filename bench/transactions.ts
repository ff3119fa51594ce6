/**
 * What a transaction takes in Kafka's two transaction protocols: the relay's own producer on the same brokers, with each
 * protocol in turn. Protocol 2 twice: as the relay uses it, and with the partitions always added by the leaders. CPU is
 * user and system time per transaction, of this process and of all brokers. The rounds are measured in five blocks: each
 * figure is the median of its blocks, with the lowest and the highest one.
 *
 * `npx node bench/transactions.ts [rounds [brokers]]`, brokers 1 or 3; a round takes about 4 s
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { median, quantile } from '../harness/percentile.ts';
import { LeanBatchBuilder } from '../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../relay/publish/lean/buffer-pool.ts';
import { type ProducerOptions, TransactionalProducer } from '../relay/publish/lean/transactional-producer.ts';
import { type Kafka, startKafka } from '../stack/kafka.ts';
import { cpuMs } from './machine.ts';

const kinds = {
  '1': { transactionVersion: '1' },
  '2': { transactionVersion: 'auto' },
  '2, leaders add': { transactionVersion: 'auto', addsFirst: (version) => version === 1 },
} satisfies Record<string, Pick<ProducerOptions, 'transactionVersion' | 'addsFirst'>>;
type Kind = keyof typeof kinds;

/**
 * Events of a transaction, the pause before it, and how many transactions a turn has: a turn is short, so that a busy
 * machine treats all alike. Without a pause as during a backlog; with one of 100 ms as with little traffic.
 */
const loads = [
  { events: 1_000, pauseMs: 0, transactions: 20 },
  { events: 4, pauseMs: 0, transactions: 50 },
  { events: 4, pauseMs: 20, transactions: 10 },
  { events: 4, pauseMs: 100, transactions: 5 },
] as const;
type Load = (typeof loads)[number];

/** As live traffic has: events in some partitions. */
const partitions = 4;
const value = Buffer.alloc(300, 'v');
const topic = 'bench';
const blocks = 5;

type Turn = {
  readonly tookMs: readonly number[];
  readonly elapsedMs: number;
  readonly cpuMs: number;
  readonly brokerCpuMs: number;
};

async function brokerCpu({ nodes }: Kafka): Promise<number> {
  const all = await Promise.all(nodes.map(({ pid }) => cpuMs(pid)));
  return all.reduce((sum, one) => sum + one, 0);
}

async function turn(
  kafka: Kafka,
  producer: TransactionalProducer,
  load: Load,
  pool: BufferPool,
): Promise<Turn> {
  const begun = { brokers: await brokerCpu(kafka), atMs: performance.now(), cpu: process.cpuUsage() };
  const tookMs: number[] = [];
  for (let n = 0; n < load.transactions; n++) {
    if (load.pauseMs > 0) await delay(load.pauseMs);
    const batch = new LeanBatchBuilder(pool);
    for (let event = 0; event < load.events; event++)
      batch.append({
        ...{ topic, value, headers: {}, timestampMs: Date.now(), bytes: 400, maxBatchBytes: 1_000_000 },
        partition: event % partitions,
        key: randomUUID(),
      });
    const atMs = performance.now();
    await producer.commit([...batch.partitions()]);
    tookMs.push(performance.now() - atMs);
    batch.release();
  }
  const { user, system } = process.cpuUsage(begun.cpu);
  const elapsedMs = performance.now() - begun.atMs;
  return {
    tookMs,
    elapsedMs,
    cpuMs: (user + system) / 1_000,
    brokerCpuMs: (await brokerCpu(kafka)) - begun.brokers,
  };
}

/** What is told of some turns: a heading, the figure, and how many decimals it has. */
const figures: readonly [string, (turns: readonly Turn[]) => number, number][] = [
  ['p50 ms', latency(0.5), 2],
  ['p95 ms', latency(0.95), 2],
  ['p99 ms', latency(0.99), 2],
  ['≥ 20 ms, %', (turns) => share(turns, (ms) => ms >= 20), 1],
  ['per s', (turns) => (count(turns) * 1_000) / sum(turns, ({ elapsedMs }) => elapsedMs), 0],
  ['this CPU, µs', (turns) => (sum(turns, (one) => one.cpuMs) * 1_000) / count(turns), 0],
  ['broker CPU, µs', (turns) => (sum(turns, (one) => one.brokerCpuMs) * 1_000) / count(turns), 0],
];

function latency(rank: number): (turns: readonly Turn[]) => number {
  return (turns) => quantile(tookMs(turns), rank);
}

function tookMs(turns: readonly Turn[]): number[] {
  return turns.flatMap((one) => one.tookMs);
}

function count(turns: readonly Turn[]): number {
  return sum(turns, (one) => one.tookMs.length);
}

function share(turns: readonly Turn[], isCounted: (ms: number) => boolean): number {
  return (tookMs(turns).filter(isCounted).length * 100) / count(turns);
}

function sum(turns: readonly Turn[], pick: (one: Turn) => number): number {
  return turns.reduce((total, one) => total + pick(one), 0);
}

const cellWidth = 24;

function line(kind: Kind, turns: readonly Turn[]): string {
  const cells = figures.map(([, of, decimals]) => {
    const values = blocksOf(turns).map(of);
    const [middle, low, high] = [median(values), Math.min(...values), Math.max(...values)].map((one) =>
      one.toFixed(decimals),
    );
    return `${middle} (${low}–${high})`.padStart(cellWidth);
  });
  return [kind.padEnd(14), ...cells].join('');
}

function blocksOf(turns: readonly Turn[]): (readonly Turn[])[] {
  const size = Math.ceil(turns.length / blocks);
  const begins = Array.from({ length: Math.ceil(turns.length / size) }, (_, at) => at * size);
  return begins.map((begin) => turns.slice(begin, begin + size));
}

async function compare(rounds: number, brokers: 1 | 3): Promise<void> {
  await using kafka = await startKafka({ brokers });
  const client = kafkaClient(kafka.brokers);
  await createTopics(client, [{ topic, numPartitions: partitions }]);
  const pool = new BufferPool();
  // Leaders that add at the same time refuse each other, at worst for longer than they retry.
  const names = (Object.keys(kinds) as Kind[]).filter((kind) => brokers === 1 || kind !== '2, leaders add');
  const open = async (kind: Kind) => {
    const options = {
      transactionalId: randomUUID(),
      transactionTimeoutMs: 60_000,
      requestTimeoutMs: 15_000,
      topic,
    };
    return TransactionalProducer.open(client, { ...options, ...kinds[kind] });
  };
  const producers = new Map<Kind, TransactionalProducer>();
  for (const kind of names) producers.set(kind, await open(kind));
  // The brokers' code and this one's are compiled in the first transactions, which do not count.
  for (let round = 0; round < 6; round++)
    for (const kind of names) await turn(kafka, producers.get(kind)!, loads[1], pool);
  console.log(`${brokers} brokers, ${rounds} rounds; latency and CPU of a transaction`);
  for (const load of loads) {
    const turns = new Map(names.map((kind) => [kind, [] as Turn[]]));
    for (let round = 0; round < rounds; round++)
      for (const kind of round % 2 === 0 ? names : names.toReversed())
        turns.get(kind)!.push(await turn(kafka, producers.get(kind)!, load, pool));
    console.log(`\n${load.events} events in a transaction, ${load.pauseMs} ms between two transactions`);
    console.log([''.padEnd(14), ...figures.map(([heading]) => heading.padStart(cellWidth))].join(''));
    for (const kind of names) console.log(line(kind, turns.get(kind)!));
  }
  for (const producer of producers.values()) await producer.close();
}

const [rounds = '20', brokers = '1'] = process.argv.slice(2);
await compare(Number(rounds), brokers === '3' ? 3 : 1);
