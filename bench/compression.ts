/**
 * What each codec costs and saves: the same order events to the same broker with each value of `publish.compression`, in
 * processes of their own that take turns. CPU is user and system time per event, of all threads of the relay's producer
 * and of the broker, so it holds on a busy machine too.
 *
 * `node bench/compression.ts [rounds [codecs]]`, for example `9 none,lz4`
 * `node bench/compression.ts pool`: what a batch costs in the event loop, and in the thread pool
 * `node bench/compression.ts least`: from how many events on a batch is worth compressing
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { createTopics, kafkaClient, withAdmin } from '../harness/kafka.ts';
import { median } from '../harness/percentile.ts';
import { Random } from '../harness/random.ts';
import { compressionNames } from '../relay/config/compression-names.ts';
import { codecNames } from '../relay/connect/compression/codec-numbers.ts';
import { type Compressor, openCompressor } from '../relay/connect/compression/compressors.ts';
import type { OutboundRecord } from '../relay/encode/record.ts';
import { BufferPool } from '../relay/publish/lean/buffer-pool.ts';
import { LeanPublisher } from '../relay/publish/lean/lean-publisher.ts';
import { RecordBatch, recordBound } from '../relay/publish/lean/record-batch.ts';
import { ensureProgressTopic } from '../relay/publish/progress-topic.ts';
import { batchHeaderBytes } from '../relay/publish/wire/batch-layout.ts';
import { startKafka } from '../stack/kafka.ts';
import { cpuMs } from './machine.ts';
import { type Load, publishLoad } from './publish-load.ts';

const run = promisify(execFile);

type Codec = (typeof compressionNames)[number];
/** One event, and some: what live traffic has. The others are busier, or catch up. */
const loads = [
  { events: 1, transactions: 1_500 },
  { events: 5, transactions: 1_000 },
  { events: 50, transactions: 500 },
  { events: 200, transactions: 200 },
  { events: 2_000, transactions: 60 },
] as const satisfies Load[];

type Result = {
  readonly cpuMicros: number;
  readonly brokerCpuMicros: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly eventsPerSecond: number;
};

const partitions = 12;
const words =
  'please leave the parcel with the neighbour on the second floor and ring twice before noon as a gift with an invoice on paper thank you'.split(
    ' ',
  );

/** Order events as the demo's, of 300 bytes with key and headers: a third of it is ids, which no codec shrinks by more than half. */
function makeRecords(topic: string): OutboundRecord[] {
  const random = new Random(1);
  const below = (limit: number) => Math.floor(random.fraction() * limit);
  return Array.from({ length: 20_000 }, (_, i) => {
    const note = Array.from({ length: 14 }, () => words[below(words.length)]).join(' ');
    const placedAt = new Date(1_767_225_600_000 + i * 37).toISOString();
    const value = `\0\0\0\0\x07H${randomUUID()}\x20customer-${below(10_000_000)}0${placedAt}${below(100_000)}EUR${note}`;
    return {
      topic,
      partition: i % partitions,
      key: randomUUID(),
      value: Buffer.from(value),
      headers: {
        id: randomUUID(),
        type: 'shop.order.OrderPlaced',
        position: `000000001A2B3C4D.${i.toString(16).padStart(8, '0')}`,
      },
      timestampMs: Date.now(),
      bytes: 400,
      maxBatchBytes: 1_000_000,
    };
  });
}

async function measure(codec: Codec, load: Load, broker: string, brokerPid: number): Promise<Result> {
  let bytes = 0;
  let brokerMs = 0;
  const { cpuMicros, tookMs, elapsedMs } = await publishLoad({
    load,
    broker,
    settings: { PUBLISH_COMPRESSION: codec },
    records: makeRecords('bench'),
    fence: (kafka, config) => LeanPublisher.fence(kafka, config),
    onWarm: async () => {
      brokerMs = await cpuMs(brokerPid);
    },
    onCommitted: (batch) => {
      bytes += batch.sentBytes ?? 0;
    },
  });
  const all = load.events * load.transactions;
  return {
    cpuMicros,
    brokerCpuMicros: (((await cpuMs(brokerPid)) - brokerMs) * 1_000) / all,
    bytes: bytes / all,
    p50Ms: median(tookMs),
    eventsPerSecond: (all * 1_000) / elapsedMs,
  };
}

async function compare(rounds: number, codecs: readonly Codec[]): Promise<void> {
  await using kafka = await startKafka();
  const broker = kafka.brokers[0] ?? '';
  const client = kafkaClient(kafka.brokers);
  await createTopics(client, [{ topic: 'bench', numPartitions: partitions }]);
  await withAdmin(client, (admin) => ensureProgressTopic(admin, 'progress'));
  console.log(
    'events/txn  codec   bytes/event  ratio   relay CPU µs  ratio   broker CPU µs  p50 ms  events/s   (median of rounds)',
  );
  for (const [index, { events }] of loads.entries()) {
    const results = new Map<Codec, Result[]>(codecs.map((codec) => [codec, []]));
    for (let round = 0; round < rounds; round++)
      for (const codec of round % 2 === 0 ? codecs : codecs.toReversed())
        results.get(codec)!.push(await inChild(codec, index, broker, kafka.nodes[0]!.pid));
    const of = (codec: Codec, pick: (result: Result) => number) => median(results.get(codec)!.map(pick));
    for (const codec of codecs) {
      const ratio = (pick: (result: Result) => number) => (of(codec, pick) / of(codecs[0]!, pick)).toFixed(2);
      console.log(
        `${String(events).padStart(10)}  ${codec.padEnd(6)}`,
        of(codec, ({ bytes }) => bytes)
          .toFixed(0)
          .padStart(12),
        ratio(({ bytes }) => bytes).padStart(6),
        of(codec, ({ cpuMicros }) => cpuMicros)
          .toFixed(2)
          .padStart(14),
        ratio(({ cpuMicros }) => cpuMicros).padStart(6),
        of(codec, ({ brokerCpuMicros }) => brokerCpuMicros)
          .toFixed(2)
          .padStart(15),
        of(codec, ({ p50Ms }) => p50Ms)
          .toFixed(2)
          .padStart(7),
        of(codec, ({ eventsPerSecond }) => eventsPerSecond)
          .toFixed(0)
          .padStart(9),
      );
    }
  }
}

/** Without a broker: the records alone, in batches of several sizes. */
async function comparePool(): Promise<void> {
  const all = Buffer.concat(makeRecords('bench').map(({ value }) => value!));
  console.log('KiB   codec    at once, CPU µs   in the pool, CPU µs   of it, event loop µs   (per batch)');
  for (const kib of [1, 4, 16, 64, 256, 700])
    for (const codec of codecNames) {
      const plain = all.subarray(0, kib * 1_024);
      const atOnce = await cost(await openCompressor(codec, Number.POSITIVE_INFINITY), plain);
      const inPool = await cost(await openCompressor(codec, 0), plain);
      console.log(
        String(kib).padStart(3),
        ` ${codec.padEnd(7)}`,
        atOnce.cpuMicros.toFixed(0).padStart(16),
        inPool.cpuMicros.toFixed(0).padStart(21),
        inPool.loopMicros.toFixed(0).padStart(22),
      );
    }
}

/** Without a broker: batches of few events. What a saved KiB is worth, the table of `compare` shows in the broker's CPU. */
async function compareLeast(): Promise<void> {
  const records = makeRecords('bench');
  const pool = new BufferPool();
  const recordsOf = (first: number, events: number) => {
    const batch = new RecordBatch(pool, 0);
    for (const record of records.slice(first, first + events)) batch.append(record, recordBound(record));
    const sealed = batch.seal({ producerId: 1n, producerEpoch: 0, baseSequence: 0 });
    return Buffer.from(sealed.subarray(sealed.length - batch.bytes + batchHeaderBytes));
  };
  console.log('events  bytes   codec   compressed   CPU µs   CPU µs per KiB saved   (per batch)');
  for (const events of [1, 2, 3, 4, 6, 8, 16, 32])
    for (const codec of codecNames) {
      const compressor = (await openCompressor(codec, Number.POSITIVE_INFINITY))!;
      const plain = Array.from({ length: 50 }, (_, n) => recordsOf(n * events, events));
      const compressed = await Promise.all(plain.map((each) => compressor.compress(each)));
      const costs: number[] = [];
      for (const each of plain) costs.push((await cost(compressor, each, 500)).cpuMicros);
      const [before, after] = [
        mean(plain.map(({ length }) => length)),
        mean(compressed.map(({ length }) => length)),
      ];
      console.log(
        String(events).padStart(6),
        before.toFixed(0).padStart(6),
        ` ${codec.padEnd(7)}`,
        (after / before).toFixed(2).padStart(10),
        mean(costs).toFixed(1).padStart(8),
        before > after
          ? ((mean(costs) * 1_024) / (before - after)).toFixed(1).padStart(15)
          : 'nothing saved'.padStart(15),
      );
    }
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, each) => sum + each, 0) / values.length;

async function cost(compressor: Compressor | undefined, plain: Buffer, most = 2_000) {
  const times = Math.max(30, Math.min(most, Math.round(20_000_000 / plain.length)));
  for (let n = 0; n < times / 4; n++) await compressor!.compress(plain);
  const before = process.cpuUsage();
  const threadBefore = process.threadCpuUsage();
  for (let n = 0; n < times; n++) await compressor!.compress(plain);
  const { user, system } = process.cpuUsage(before);
  const thread = process.threadCpuUsage(threadBefore);
  return { cpuMicros: (user + system) / times, loopMicros: (thread.user + thread.system) / times };
}

async function inChild(codec: Codec, load: number, broker: string, brokerPid: number): Promise<Result> {
  const args = ['--no-warnings', fileURLToPath(import.meta.url), 'measure'];
  const { stdout } = await run(process.execPath, [...args, codec, String(load), broker, String(brokerPid)]);
  return JSON.parse(stdout);
}

const [command = '5', codec, load, broker = '', brokerPid] = process.argv.slice(2);
const chosen = codec?.split(',').map((name) => z.enum(compressionNames).parse(name)) ?? compressionNames;
if (command === 'measure') {
  const result = await measure(codec as Codec, loads[Number(load)] ?? loads[0], broker, Number(brokerPid));
  console.log(JSON.stringify(result));
  process.exit(0);
} else if (command === 'pool') await comparePool();
else if (command === 'least') await compareLeast();
else await compare(Number(command), chosen);
