/**
 * `npm run whole-transaction`: one Postgres transaction of a million events. The relay is killed while it publishes it, at
 * nine random places, and must leave nothing of it visible; then it publishes it, as one Kafka transaction. The tenth kill is
 * of another such transaction, when its commit is on its way: all of it may be visible, or nothing.
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { integer } from '../harness/arguments.ts';
import { withAdmin } from '../harness/kafka.ts';
import { Random } from '../harness/random.ts';
import type { RelayProcess } from '../harness/relay-process.ts';
import { TopicReader } from '../harness/topic-reader.ts';
import { describeMachine, peakMemoryMb } from './machine.ts';
import { readTopic } from './reader.ts';
import { topicOf } from './topics.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld } from './world.ts';

const help = `
Starts Postgres, Kafka and a registry. Exit codes: 0 all or nothing at each moment, every event once, and the memory below
the limit; 1 otherwise.`;

const { events, kills, seed, memory, json } = new Command('npm run whole-transaction --')
  .option('--events <number>', 'events of the transaction', integer(10_000, 100_000_000), 1_000_000)
  .option('--kills <number>', 'how often the relay is killed', integer(0, 1_000), 10)
  .option('--seed <number>', 'of the random places', integer(0, 2 ** 31), Date.now() % 100_000)
  .option('--memory <MB>', 'most resident memory of the relay', integer(50, 10_000), 250)
  .option('--json <file>', 'write the figures to this file')
  .addHelpText('after', help)
  .parse()
  .opts<{ events: number; kills: number; seed: number; memory: number; json?: string }>();

const partEvents = 10_000;
const partitions = 6;
const sampleMs = 100;

const faults: string[] = [];
await using world = await BenchWorld.start(print);
const aggregateType = await world.newTopic(partitions);
const topic = topicOf(aggregateType);
let seen = 0;
const reader = new TopicReader({
  kafka: world.kafka,
  topics: [topic],
  onRecord: () => {
    seen += 1;
  },
});
await reader.start();

// The slot first: what is written before it does not count.
const starting = world.startRelay();
await starting.streaming();
await starting.stop();
await write(0);

const random = new Random(seed);
const parts = Math.ceil(events / partEvents);
let peakMb = 0;
for (let kill = 1; kill < kills; kill += 1) {
  // Of the last part there is no PART_WRITTEN: it goes with the commit.
  await killAt(`PART_WRITTEN:${random.integer(1, parts - 1)}`, [0]);
}
const { seconds, splits } = await publish(events);
print(`${events} events in one Kafka transaction: ${seconds} s from the start of the relay`);
if (splits > 0) faults.push(`it was split ${splits} times`);
if (kills > 0) {
  // A commit that was on its way when the relay died may come, so this kill needs a transaction that nobody needs whole.
  await write(events);
  await killAt('COMMIT_SENT:1', [events, 2 * events]);
  await publish(2 * events);
}
await reader.stop();
const written = kills > 0 ? 2 * events : events;
const { missing, duplicates, unknown } = await readTopic(world.kafka, topic, written);
if (missing + duplicates + unknown > 0)
  faults.push(`${missing} events are missing, ${duplicates} doubled, ${unknown} unknown`);
if (peakMb === 0) faults.push('the memory of no relay could be read');
if (peakMb > memory) faults.push(`the relay took ${peakMb} MB`);

const figures = { machine: await describeMachine(), events, kills, seconds, splits, peakMb, faults };
print(`no relay took more than ${peakMb} MB`);
for (const fault of faults) print(`FAULT: ${fault}`);
if (json !== undefined) await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

/** One transaction. @param first number of its first event */
async function write(first: number): Promise<void> {
  print(`writing ${events} events in one transaction, seed ${seed}`);
  await world.write(aggregateType, { events, perTransaction: events, rowBytes: defaultRowBytes }, { first });
}

/** @param allowed how many events may be visible afterwards */
async function killAt(place: string, allowed: readonly number[]): Promise<void> {
  const relay = world.startRelay({ env: { OUTBOX_RELAY_FAILPOINT: place } });
  let lives = true;
  const exited = relay.exited.then(() => {
    lives = false;
  });
  while (lives) await Promise.race([exited, samplePeak(relay)]);
  await readOn();
  if (!allowed.includes(seen)) faults.push(`killed at ${place}: ${seen} events are visible`);
  print(`killed at ${place}: ${seen} events are visible`);
}

/** @param visible how many events have to be visible in the end */
async function publish(visible: number): Promise<{ seconds: number; splits: number }> {
  const begunMs = performance.now();
  const relay = world.startRelay();
  await relay.streaming();
  const left = visible - seen;
  // The commit of a relay that died may come now; then this one publishes none of them.
  while (seen < visible && (await relay.metric('outbox_relay_events_published_total')) < left)
    await samplePeak(relay);
  const seconds = Math.round((performance.now() - begunMs) / 100) / 10;
  const splits = await relay.metric('outbox_relay_kafka_transactions_split_total');
  await relay.stop();
  await readOn();
  if (seen !== visible) faults.push(`${seen} of ${visible} events are visible`);
  return { seconds, splits };
}

/** Also waits a little. */
async function samplePeak(relay: RelayProcess): Promise<void> {
  // One that was killed has none any more.
  peakMb = Math.max(peakMb, await peakMemoryMb(relay.pid).catch(() => 0));
  await sleep(sampleMs);
}

/** Has the consumer read everything that it may see now. */
async function readOn(): Promise<void> {
  const offsets = await withAdmin(world.kafka, (admin) => admin.fetchTopicOffsets(topic));
  const ends = offsets.map(({ partition, high }) => ({ topic, partition, end: BigInt(high) }));
  await reader.readTo(ends, 60_000);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
