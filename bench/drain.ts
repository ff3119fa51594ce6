/** One round of a contender on one backlog. Without exactly-once delivery a speed is void. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serverSource } from '../stack/fetch.ts';
import { javaCommand } from '../stack/java.ts';
import { logTail, type Server } from '../stack/run.ts';
import type { Contender } from './contender.ts';
import { type Cost, CostMeter, micros } from './cost.ts';
import { cpuMs, peakMemoryMb, resetPeakMemory } from './machine.ts';
import { readTopic, untilWritten } from './reader.ts';
import { formOf } from './report.ts';
import { topicOf } from './topics.ts';
import { payloadOf } from './workload.ts';
import type { BenchWorld, Rows } from './world.ts';

export type Drain = {
  readonly events: number;
  /** From the first event to the last, as the broker stamped them. */
  readonly eventsPerSecond: number;
  /** From the moment the slot is read to the last event. */
  readonly cost: Cost;
  readonly peakMemoryMb: number | null;
  readonly lost: number;
  readonly duplicates: number;
};

export const perSecond = (events: number, ms: number) => Math.round((events * 1_000) / ms);

/** @param contender prepared before the rows were written; it is paused again when this resolves */
export async function drain(
  world: BenchWorld,
  contender: Contender,
  aggregateType: string,
  { events }: Rows,
): Promise<Drain> {
  const topic = contender.topicOf(aggregateType);
  const meter = await CostMeter.of(world, contender);
  await contender.resume(() => meter.begin());
  await resetPeakMemory(contender.pid);
  await untilWritten(
    world.kafka,
    topic,
    events,
    () => contender.check(),
    () => meter.sample(),
  );
  const memory = await peakMemoryMb(contender.pid);
  await contender.pause();
  const content = await readTopic(world.kafka, topic, events, formOf(contender.name));
  return {
    events,
    eventsPerSecond: perSecond(events, Math.max(1, content.lastMs - content.firstMs)),
    cost: meter.costOf(events),
    peakMemoryMb: memory,
    lost: content.missing,
    duplicates: content.duplicates + content.unknown,
  };
}

/** `kafka-producer-perf-test` with transactions, on payloads of the same size. Its own figure, JVM start excluded. */
export async function drainPerfClient(world: BenchWorld, aggregateType: string, rows: Rows): Promise<Drain> {
  const source = await serverSource();
  if (source.kind !== 'jars') throw new Error('the perf client needs Java and Maven');
  const { events } = rows;
  const args = [
    ...['--topic', topicOf(aggregateType), '--num-records', String(events), '--throughput', '-1'],
    ...['--record-size', String(payloadOf(rows.rowBytes).length)],
    ...['--transactional-id', aggregateType, '--transaction-duration-ms', '100'],
    ...['--producer-props', `bootstrap.servers=${world.stack.brokers.join(',')}`, 'batch.size=131072'],
    ...['linger.ms=5', 'acks=all', 'compression.type=none'],
  ];
  const meter = await CostMeter.of(world, { pid: null, slot: null });
  await meter.begin();
  const server = world.run.start({
    name: `perf-${aggregateType}`,
    command: javaCommand(),
    args: ['-Xmx512m', '-cp', source.kafkaClassPath, 'org.apache.kafka.tools.ProducerPerformance', ...args],
  });
  const { cpu, memory } = await usageOf(server, () => meter.sample());
  const output = logTail(server.logFile);
  const speed = Number(/^\d+ records sent, ([\d.]+) records\/sec.*99\.9th/m.exec(output)?.[1]);
  if (!(speed > 0)) throw new Error(`the perf client failed:\n${output}`);
  return {
    events,
    eventsPerSecond: Math.round(speed),
    // Its own is with the start of its JVM, which cannot be told apart.
    cost: { ...meter.costOf(events), own: micros(cpu, events) },
    peakMemoryMb: memory,
    lost: 0,
    duplicates: 0,
  };
}

/** CPU ms and peak MB of a process up to its end, without its last 10 ms. */
export async function usageOf(server: Server, onPoll: () => Promise<void> = async () => {}) {
  let [cpu, memory] = [0, 0];
  while (server.running) {
    const now = await Promise.all([cpuMs(server.pid), peakMemoryMb(server.pid)]).catch(() => [0, 0]);
    // A process that has ended but was not waited for has no memory.
    [cpu, memory] = [Math.max(cpu, now[0] ?? 0), Math.max(memory, now[1] ?? 0)];
    await onPoll();
    await sleep(10);
  }
  return { cpu, memory };
}
