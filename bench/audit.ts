/** `npm run bench:audit`: how long the standing audit takes for many rows, how much memory, and what a run costs later. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { integer } from '../harness/arguments.ts';
import { relayEnv } from '../harness/relay-process.ts';
import { logTail } from '../stack/run.ts';
import { micros } from './cost.ts';
import { Debezium } from './debezium/debezium.ts';
import { perSecond, usageOf } from './drain.ts';
import { describeMachine, nowMs } from './machine.ts';
import { untilWritten } from './reader.ts';
import { debeziumTopicOf, topicOf } from './topics.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld } from './world.ts';

const help = `
Starts Postgres, Kafka and a registry, lets the relay publish rows, and then runs \`outbox-relay audit --once\` twice: the
first run verifies all rows, the second none. Exit codes: 0 measured; 1 the audit found something, or failed.`;

type Arguments = { events: number; partitions: number; source: 'relay' | 'debezium'; json?: string };

const { events, partitions, source, json } = new Command('npm run bench:audit --')
  .option('--events <number>', 'rows to verify', integer(1_000, 100_000_000), 2_000_000)
  .option('--partitions <number>', 'partitions of the topic', integer(1, 100), 6)
  .addOption(
    new Option('--source <publisher>', 'what publishes the rows')
      .choices(['relay', 'debezium'])
      .default('relay'),
  )
  .option('--json <file>', 'write the figures to this file')
  .addHelpText('after', help)
  .parse()
  .opts<Arguments>();

/** One call: what it took, and what the audit knows after it. */
type Figures = {
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
  readonly peakMemoryMb: number;
};

await using world = await BenchWorld.start(print);
const aggregateType = await world.newTopic(partitions);
const rows = { events, perTransaction: 1_000, rowBytes: defaultRowBytes };
const publishedFromMs = nowMs();
const publisher = source === 'relay' ? await publishWithRelay() : await publishWithDebezium();
print(`published ${events} events in ${Math.round((nowMs() - publishedFromMs) / 1_000)} s`);
const first = await auditOnce();
const second = await auditOnce();
await publisher.end();
print(JSON.stringify({ machine: await describeMachine(), events, partitions, first, second }, null, 2));
if (json !== undefined)
  await writeFile(
    json,
    `${JSON.stringify({ machine: await describeMachine(), events, partitions, first, second })}\n`,
  );

async function publishWithRelay() {
  const relay = world.startRelay();
  await relay.streaming();
  await world.write(aggregateType, rows);
  await untilWritten(world.kafka, topicOf(aggregateType), events, () => relay.assertRunning());
  return { args: [], env: {}, end: () => relay.stop() };
}

/** A connector confirms nothing while nothing is written, so a row comes every now and then. */
async function publishWithDebezium() {
  const debezium = await Debezium.start(world, print);
  const slot = await debezium.createSlot();
  await world.write(aggregateType, rows);
  await debezium.stream(slot);
  const topic = debeziumTopicOf(aggregateType);
  await untilWritten(world.kafka, topic, events, () => debezium.assertStreaming(slot));
  let first = events;
  const writing = setInterval(
    () => void world.write(aggregateType, { ...rows, events: 1 }, { first: first++ }),
    1_000,
  );
  const env = {
    OUTBOX_RELAY_SLOT: slot,
    OUTBOX_RELAY_TOPICS_ALLOW: topic,
    OUTBOX_RELAY_TOPICS_TEMPLATE: debeziumTopicOf('{aggregatetype}'),
  };
  const end = async () => {
    clearInterval(writing);
    await debezium.end(slot);
  };
  return { args: ['--source', 'debezium', '--wait-seconds', '120'], env, end };
}

async function auditOnce(): Promise<Figures> {
  const beganMs = nowMs();
  const server = world.run.start({
    name: 'audit',
    command: process.execPath,
    args: [path.join(import.meta.dirname, '..', 'relay', 'main.ts'), 'audit', '--once', ...publisher.args],
    env: { ...relayEnv(world.stack, {}), OUTBOX_RELAY_AUDIT_MAX_PER_SECOND: '0', ...publisher.env },
  });
  const { cpu, memory } = await usageOf(server);
  const how = await server.exited;
  const output = logTail(server.logFile);
  if (how !== 'exit code 0') throw new Error(`the audit ended with ${how}:\n${output}`);
  const ms = nowMs() - beganMs;
  print(output);
  return {
    seconds: Math.round(ms / 100) / 10,
    rowsPerSecond: perSecond(events, ms),
    cpuMicrosPerRow: micros(cpu, events),
    peakMemoryMb: memory,
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
