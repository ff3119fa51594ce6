/** One round of each competitor on one backlog. What is not exactly once has no speed: the caller voids it. */
import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { serverSource } from '../stack/fetch.ts';
import { javaCommand } from '../stack/java.ts';
import { logTail, type Server } from '../stack/run.ts';
import { cpuMs, nowMs, peakMemoryMb } from './machine.ts';
import { readTopic, untilWritten } from './reader.ts';
import { BenchRelay } from './relay.ts';
import { payloadOf } from './workload.ts';
import { type BenchWorld, type Rows, topicOf } from './world.ts';

const execFileAsync = promisify(execFile);

export type Drain = {
  readonly events: number;
  /** From the first event to the last; null where it cannot be seen from outside. */
  readonly eventsPerSecond: number;
  /** From the start of the process to the last event. */
  readonly eventsPerSecondFromStart: number;
  /** Of the competitor's own process, while it streams; null where it is not known. */
  readonly cpuMicrosPerEvent: number | null;
  /** The same with its start. */
  readonly cpuMicrosPerEventFromStart: number | null;
  readonly peakMemoryMb: number | null;
  readonly lost: number;
  readonly duplicates: number;
};

const perSecond = (events: number, ms: number) => Math.round((events * 1_000) / ms);
const micros = (ms: number, events: number) => Math.round((ms * 10_000) / events) / 10;

export async function drainRelay(world: BenchWorld, aggregateType: string, rows: Rows): Promise<Drain> {
  const topic = topicOf(aggregateType);
  const startMs = nowMs();
  const relay = await BenchRelay.start(world);
  try {
    await relay.streaming();
    const cpuAtStart = await cpuMs(relay.pid);
    await untilWritten(world.kafka, topic, rows.events, () => relay.assertRunning());
    const [cpu, memory] = await Promise.all([cpuMs(relay.pid), peakMemoryMb(relay.pid)]);
    await relay.stop();
    const content = await readTopic(world.kafka, topic, await world.idsOf(aggregateType));
    return {
      events: rows.events,
      eventsPerSecond: perSecond(rows.events, content.lastMs - content.firstMs),
      eventsPerSecondFromStart: perSecond(rows.events, content.lastMs - startMs),
      cpuMicrosPerEvent: micros(cpu - cpuAtStart, rows.events),
      cpuMicrosPerEventFromStart: micros(cpu, rows.events),
      peakMemoryMb: memory,
      lost: content.missing,
      duplicates: content.duplicates + content.unknown,
    };
  } finally {
    await relay.stop();
  }
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

/** CPU ms and peak MB of a process up to its end; what it does in its last 10 ms is not in them. */
async function usageOf(server: Server, onPoll: () => Promise<void> = async () => {}) {
  let [cpu, memory] = [0, 0];
  while (server.running) {
    const now = await Promise.all([cpuMs(server.pid), peakMemoryMb(server.pid)]).catch(() => [0, 0]);
    // One that has ended but was not waited for yet has no memory.
    [cpu, memory] = [Math.max(cpu, now[0] ?? 0), Math.max(memory, now[1] ?? 0)];
    await onPoll();
    await sleep(10);
  }
  return { cpu, memory };
}

const limitSlot = 'bench_limit';

export async function createLimitSlot(world: BenchWorld): Promise<void> {
  await world.database.query(`select pg_create_logical_replication_slot('${limitSlot}', 'pgoutput')`);
}

/** One slot of Postgres, read by its own program, which writes to nowhere. */
export async function drainRecvlogical(
  world: BenchWorld,
  command: string,
  end: string,
  rows: Rows,
): Promise<Drain> {
  const args = [
    ...['--dbname', world.stack.databaseUrl, '--slot', limitSlot, '--start', '--no-loop', '--endpos', end],
    ...['--file', '/dev/null', '--option', 'proto_version=1', '--option', 'publication_names=outbox_relay'],
  ];
  const startMs = nowMs();
  const server = world.run.start({ name: 'pg_recvlogical', command, args });
  let activeMs = 0;
  const { cpu, memory } = await usageOf(server, async () => {
    if (activeMs === 0 && (await isActive(world))) activeMs = nowMs();
  });
  const endMs = nowMs();
  const how = await server.exited;
  if (how !== 'exit code 0') throw new Error(`pg_recvlogical: ${how}\n${logTail(server.logFile)}`);
  const { events } = rows;
  return {
    events,
    eventsPerSecond: perSecond(events, endMs - (activeMs || startMs)),
    eventsPerSecondFromStart: perSecond(events, endMs - startMs),
    cpuMicrosPerEvent: micros(cpu, events),
    cpuMicrosPerEventFromStart: micros(cpu, events),
    peakMemoryMb: memory,
    lost: 0,
    duplicates: 0,
  };
}

async function isActive(world: BenchWorld): Promise<boolean> {
  const { rows } = await world.database.query<{ active: boolean }>(
    `select active from pg_replication_slots where slot_name = '${limitSlot}'`,
  );
  return rows[0]?.active === true;
}

/** `POSTGRES_BIN_DIR`, the server's own folder, the path, Debian's folders; undefined when it is nowhere. */
export async function findRecvlogical(world: BenchWorld): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql';
  const majors = await readdir(debian).catch(() => []);
  const folders = [
    process.env.POSTGRES_BIN_DIR,
    world.stack.postgres?.binDir,
    ...(process.env.PATH ?? '').split(path.delimiter),
    ...majors.sort((a, b) => Number(b) - Number(a)).map((major) => path.join(debian, major, 'bin')),
  ];
  for (const folder of folders) {
    if (!folder) continue;
    const command = path.join(folder, 'pg_recvlogical');
    if (
      await access(command).then(
        () => true,
        () => false,
      )
    )
      return command;
  }
  return undefined;
}

export async function versionOf(command: string): Promise<string> {
  return (await execFileAsync(command, ['--version'])).stdout.trim();
}
