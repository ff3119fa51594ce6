/**
 * The cost of a record with each of the two producers: the same records to the same broker, in processes of their own
 * that take turns. CPU is user and system time of the process per record, so it holds on a busy machine too.
 *
 * `node bench/producers.ts [rounds]`
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTopics, kafkaClient, withAdmin } from '../harness/kafka.ts';
import { median, quantile } from '../harness/percentile.ts';
import type { OutboundRecord } from '../relay/encode/record.ts';
import { KafkajsPublisher } from '../relay/publish/kafkajs/kafkajs-publisher.ts';
import { LeanPublisher } from '../relay/publish/lean/lean-publisher.ts';
import { ensureProgressTopic } from '../relay/publish/progress-topic.ts';
import { startKafka } from '../stack/kafka.ts';
import { type Load, publishLoad } from './publish-load.ts';

const run = promisify(execFile);

const kinds = ['lean', 'kafkajs'] as const;
type Kind = (typeof kinds)[number];
const loads = [
  { events: 5, transactions: 400 },
  { events: 20, transactions: 400 },
  { events: 2_000, transactions: 50 },
] as const satisfies Load[];

type Result = {
  readonly cpuMicrosPerRecord: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxRssMb: number;
};

const partitions = 12;

function makeRecords(topic: string): OutboundRecord[] {
  return Array.from({ length: 2_000 }, (_, i) => ({
    topic,
    partition: i % partitions,
    key: randomUUID(),
    value: Buffer.alloc(300, i),
    headers: {
      id: randomUUID(),
      type: 'OrderPlaced',
      position: `000000001A2B3C4D.${i.toString(16).padStart(8, '0')}`,
      traceparent: `00-${'4bf92f3577b34da6'.repeat(2)}-00f067aa0ba902b7-01`,
    },
    timestampMs: Date.now(),
    bytes: 640,
    maxBatchBytes: 1_000_000,
  }));
}

async function measure(kind: Kind, load: Load, broker: string, topic: string): Promise<Result> {
  const producer = kind === 'lean' ? LeanPublisher : KafkajsPublisher;
  const { cpuMicros, tookMs } = await publishLoad({
    load,
    broker,
    settings: {},
    records: makeRecords(topic),
    fence: (kafka, config) => producer.fence(kafka, config),
  });
  return {
    cpuMicrosPerRecord: cpuMicros,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    maxRssMb: process.resourceUsage().maxRSS / 1024,
  };
}

async function compare(rounds: number): Promise<void> {
  await using kafka = await startKafka();
  const broker = kafka.brokers[0] ?? '';
  const topic = 'bench';
  const client = kafkaClient(kafka.brokers);
  await createTopics(client, [{ topic, numPartitions: partitions }]);
  await withAdmin(client, (admin) => ensureProgressTopic(admin, 'progress'));
  console.log('events/txn  producer   CPU µs/record   p50 ms   p99 ms   peak RSS MB   (median of rounds)');
  for (const [index, { events }] of loads.entries()) {
    const results: Record<Kind, Result[]> = { lean: [], kafkajs: [] };
    for (let round = 0; round < rounds; round++)
      for (const kind of round % 2 === 0 ? kinds : [...kinds].reverse())
        results[kind].push(await inChild(kind, index, broker, topic));
    for (const kind of kinds) {
      const of = (pick: (result: Result) => number, digits: number) =>
        median(results[kind].map(pick)).toFixed(digits);
      console.log(
        `${String(events).padStart(10)}  ${kind.padEnd(9)}`,
        of(({ cpuMicrosPerRecord }) => cpuMicrosPerRecord, 2).padStart(14),
        of(({ p50Ms }) => p50Ms, 2).padStart(8),
        of(({ p99Ms }) => p99Ms, 1).padStart(8),
        of(({ maxRssMb }) => maxRssMb, 0).padStart(13),
      );
    }
    const cpu = (kind: Kind) => median(results[kind].map(({ cpuMicrosPerRecord }) => cpuMicrosPerRecord));
    console.log(`${' '.repeat(12)}ratio      ${(cpu('kafkajs') / cpu('lean')).toFixed(2).padStart(14)}`);
  }
}

async function inChild(kind: Kind, load: number, broker: string, topic: string): Promise<Result> {
  const args = [
    '--no-warnings',
    fileURLToPath(import.meta.url),
    'measure',
    kind,
    String(load),
    broker,
    topic,
  ];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout);
}

const [command = '3', kind, load, broker, topic] = process.argv.slice(2);
if (command === 'measure') {
  const result = await measure(kind as Kind, loads[Number(load)] ?? loads[0], broker ?? '', topic ?? '');
  console.log(JSON.stringify(result));
  process.exit(0);
} else await compare(Number(command));
