/** One round of the relay, Debezium or the perf client on one backlog. Without exactly-once delivery a speed is void. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serverSource } from '../stack/fetch.ts';
import { javaCommand } from '../stack/java.ts';
import { logTail, type Server } from '../stack/run.ts';
import type { Debezium } from './debezium/debezium.ts';
import { cpuMs, nowMs, peakMemoryMb } from './machine.ts';
import { readTopic, untilWritten } from './reader.ts';
import { payloadOf } from './workload.ts';
import { type BenchWorld, debeziumTopicOf, type RelayVariant, type Rows, topicOf } from './world.ts';

export type Drain = {
  readonly events: number;
  /** From the first event to the last. */
  readonly eventsPerSecond: number;
  /** From the start of the process, or of the connector, to the last event. */
  readonly eventsPerSecondFromStart: number;
  /** Of the competitor's own process, while it streams; null where it is not known. */
  readonly cpuMicrosPerEvent: number | null;
  /** The same with its start. */
  readonly cpuMicrosPerEventFromStart: number | null;
  readonly peakMemoryMb: number | null;
  readonly lost: number;
  readonly duplicates: number;
};

export const perSecond = (events: number, ms: number) => Math.round((events * 1_000) / ms);
export const micros = (ms: number, events: number) => Math.round((ms * 10_000) / events) / 10;

/** A process that streams from Postgres to a topic; its start may or may not be part of the round. */
type Stream = {
  readonly pid: number;
  readonly topic: string;
  readonly startMs: number;
  readonly cpuAtStartMs: number;
  check(): void | Promise<void>;
  /** Ends it, before its records are read back. */
  end(): Promise<void>;
};

async function drained(world: BenchWorld, { events }: Rows, stream: Stream): Promise<Drain> {
  const { pid, topic } = stream;
  const cpuStreamingMs = await cpuMs(pid);
  let cpu = 0;
  await untilWritten(world.kafka, topic, events, stream.check, async () => {
    cpu = await cpuMs(pid);
  });
  const memory = await peakMemoryMb(pid);
  await stream.end();
  const content = await readTopic(world.kafka, topic, events);
  return {
    events,
    eventsPerSecond: perSecond(events, content.lastMs - content.firstMs),
    eventsPerSecondFromStart: perSecond(events, content.lastMs - stream.startMs),
    cpuMicrosPerEvent: micros(cpu - cpuStreamingMs, events),
    cpuMicrosPerEventFromStart: micros(cpu - stream.cpuAtStartMs, events),
    peakMemoryMb: memory,
    lost: content.missing,
    duplicates: content.duplicates + content.unknown,
  };
}

export async function drainRelay(
  world: BenchWorld,
  aggregateType: string,
  rows: Rows,
  variant: RelayVariant = {},
): Promise<Drain> {
  const startMs = nowMs();
  const relay = world.startRelay(variant);
  try {
    await relay.streaming();
    return await drained(world, rows, {
      pid: relay.pid,
      topic: topicOf(aggregateType),
      startMs,
      cpuAtStartMs: 0,
      check: () => relay.assertRunning(),
      end: async () => void (await relay.stop()),
    });
  } finally {
    await relay.stop();
  }
}

/** The JVM keeps running between rounds; only the connector starts. @param slot created before the rows */
export async function drainDebezium(
  world: BenchWorld,
  debezium: Debezium,
  aggregateType: string,
  rows: Rows,
  slot: string,
): Promise<Drain> {
  const { pid } = debezium;
  const cpuAtStartMs = await cpuMs(pid);
  const startMs = nowMs();
  await debezium.stream(slot);
  return drained(world, rows, {
    pid,
    topic: debeziumTopicOf(aggregateType),
    startMs,
    cpuAtStartMs,
    check: () => debezium.assertStreaming(slot),
    end: () => debezium.end(slot),
  });
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
  const startMs = nowMs();
  const server = world.run.start({
    name: `perf-${aggregateType}`,
    command: javaCommand(),
    args: ['-Xmx512m', '-cp', source.kafkaClassPath, 'org.apache.kafka.tools.ProducerPerformance', ...args],
  });
  const { cpu, memory } = await usageOf(server);
  const endMs = nowMs();
  const output = logTail(server.logFile);
  const speed = Number(/^\d+ records sent, ([\d.]+) records\/sec.*99\.9th/m.exec(output)?.[1]);
  if (!(speed > 0)) throw new Error(`the perf client failed:\n${output}`);
  return {
    events,
    eventsPerSecond: Math.round(speed),
    eventsPerSecondFromStart: perSecond(events, endMs - startMs),
    cpuMicrosPerEvent: null,
    cpuMicrosPerEventFromStart: micros(cpu, events),
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
