/**
 * What a transaction takes in Kafka's two transaction protocols: the relay's own producer on the same brokers, with each
 * protocol in turn. Protocol 2 twice: as the relay uses it, and with the partitions always added by the leaders. CPU is
 * user and system time per transaction, of this process and of all brokers.
 *
 * `npx node bench/transactions.ts [rounds [brokers]]`, brokers 1 or 3
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { quantile } from '../harness/percentile.ts';
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

/** Pause between two transactions, and how many a turn has: a turn is short, so that a busy machine treats all alike. */
const loads = [
  { pauseMs: 0, transactions: 50 },
  { pauseMs: 20, transactions: 10 },
  { pauseMs: 100, transactions: 5 },
] as const;
type Load = (typeof loads)[number];

/** As live traffic has: some events in some partitions, and the progress. */
const partitions = 4;
const value = Buffer.alloc(300, 'v');
const topic = 'bench';

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
    for (let partition = 0; partition < partitions; partition++)
      batch.append({
        ...{
          topic,
          partition,
          value,
          headers: {},
          timestampMs: Date.now(),
          bytes: 400,
          maxBatchBytes: 1_000_000,
        },
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

function line(kind: Kind, turns: readonly Turn[]): string {
  const tookMs = turns.flatMap((one) => one.tookMs);
  const sum = (pick: (one: Turn) => number) => turns.reduce((total, one) => total + pick(one), 0);
  return [
    kind.padEnd(14),
    ...[0.5, 0.95, 0.99].map((share) => quantile(tookMs, share).toFixed(2).padStart(8)),
    ((tookMs.filter((ms) => ms >= 20).length * 100) / tookMs.length).toFixed(0).padStart(9),
    ((tookMs.length * 1_000) / sum(({ elapsedMs }) => elapsedMs)).toFixed(0).padStart(8),
    ((sum((one) => one.cpuMs) * 1_000) / tookMs.length).toFixed(0).padStart(10),
    ((sum((one) => one.brokerCpuMs) * 1_000) / tookMs.length).toFixed(0).padStart(12),
  ].join(' ');
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
    for (const kind of names) await turn(kafka, producers.get(kind)!, loads[0], pool);
  console.log(
    `${brokers} brokers; protocol, ms per transaction, transactions per second, CPU µs per transaction`,
  );
  for (const load of loads) {
    const turns = new Map(names.map((kind) => [kind, [] as Turn[]]));
    for (let round = 0; round < rounds; round++)
      for (const kind of round % 2 === 0 ? names : names.toReversed())
        turns.get(kind)!.push(await turn(kafka, producers.get(kind)!, load, pool));
    console.log(
      `\npause of ${load.pauseMs} ms`.padEnd(16),
      '    p50      p95      p99  % ≥ 20 ms  per s  this CPU  brokers CPU',
    );
    for (const kind of names) console.log(line(kind, turns.get(kind)!));
  }
  for (const producer of producers.values()) await producer.close();
}

const [rounds = '20', brokers = '1'] = process.argv.slice(2);
await compare(Number(rounds), brokers === '3' ? 3 : 1);
