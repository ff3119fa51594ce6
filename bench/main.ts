/** `npm run bench`: compares the relay with the limits of Postgres and Kafka, on the same rows in the same run. */
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { integer } from '../harness/arguments.ts';
import { kafkaVersion } from '../stack/fetch.ts';
import { debeziumVersion } from './debezium/connect.ts';
import { Debezium } from './debezium/debezium.ts';
import { type Drain, drainDebezium, drainPerfClient, drainRelay } from './drain.ts';
import { measureGrowth } from './growth.ts';
import { idleCpuPercent, measureLive, publishing } from './live.ts';
import { describeMachine, settleDisks } from './machine.ts';
import { writePage } from './page.ts';
import { type Competitor, competitors, type Report, report } from './report.ts';
import { createLimitSlot, drainSlot, findSlotReader, type SlotReader } from './slot.ts';
import { tables } from './tables.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld, debeziumTopicOf, type Rows, topicOf } from './world.ts';

const help = `
Starts Postgres, Kafka and a schema registry with production settings (fsync on) and measures, in turn:
  relay           this relay, exactly once, from the outbox to Avro records
  debezium        Debezium's outbox event router, exactly once, passing the JSON through; Maven downloads it once
  perf-client     Kafka's kafka-producer-perf-test with transactions: what one producer can write
  pg_recvlogical  what one replication slot of Postgres delivers, discarded; if the program is missing, a reader
                  of this project replaces it
An independent read_committed consumer reads back what the relay and Debezium published; one lost or duplicated event
voids the figures. Takes about eight minutes, with --growth about twelve.

Exit codes: 0 measured; 1 void, or failed; 64 wrong arguments

Examples:
  $ npm run bench
  $ npm run bench -- --quick --json bench.json
  $ npm run bench -- --only relay --rounds 1 --events 20000
  $ npm run bench -- --growth --docs --json bench.json
  $ npm run bench -- --growth --no-drain --no-live --max-rows 10000000`;

/** The rates of its targets; 20,000 are beyond its capacity. */
const debeziumRates = [1_000, 4_000];

type Arguments = {
  quick?: boolean;
  only?: Competitor[];
  rounds?: number;
  events?: number;
  perTransaction: number;
  rowBytes: number;
  partitions: number;
  json?: string;
  drain: boolean;
  growth?: boolean;
  maxRows: number;
  ownReader?: boolean;
  live: boolean;
  liveSeconds?: number;
  warmUp: boolean;
  docs?: boolean;
};

const command = new Command('npm run bench --')
  .description('Compares the relay with the limits of Postgres and Kafka, on real servers.')
  .option('--quick', 'finish in under 90 s: no Debezium, two rounds, live latency at 500 and 4,000 events/s')
  .option('--only <names>', `only these, separated by commas: ${competitors.join(', ')}`, names)
  .option('--rounds <number>', 'rounds of each (default 3, with --quick 2)', integer(1, 100))
  .option(
    '--events <number>',
    'events per round (default 200,000, with --quick 100,000)',
    integer(100, 10_000_000),
  )
  .option('--per-transaction <number>', 'events per Postgres transaction', integer(1, 1_000_000), 5)
  .option('--row-bytes <number>', 'bytes of JSON per payload', integer(1, 100_000), defaultRowBytes)
  .option('--partitions <number>', 'partitions of the topics', integer(1, 1_000), 3)
  .option('--no-warm-up', 'skip the warm-up round, which does not count')
  .option('--no-drain', 'skip the rounds')
  .option(
    '--growth',
    'also measure how cost and memory of the relay grow with backlog, transactions, partitions and rows',
  )
  .option('--max-rows <number>', 'largest backlog of --growth', integer(10_000, 10_000_000), 1_000_000)
  .option('--own-reader', 'use the replacement of pg_recvlogical even if pg_recvlogical exists')
  .option('--no-live', 'skip live latency')
  .option('--live-seconds <number>', 'seconds per load (default 20, with --quick 5)', integer(1, 3_600))
  .option('--json <file>', 'also write every figure to this file')
  .option('--docs', 'also write the tables to docs/evidence/benchmark.md, and the plot beside it')
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64));

const options = command.parse().opts<Arguments>();
const say = (line: string) => void process.stderr.write(`# ${line}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130)); // servers follow
try {
  const result = await bench();
  process.stdout.write(`${tables(result)}\n`);
  if (options.json) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (options.docs) await writePage(result);
  process.exit(result.void ? 1 : 0);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function bench(): Promise<Report> {
  const machine = await describeMachine();
  await using world = await BenchWorld.start(say);
  const rows: Rows = {
    events: options.events ?? (options.quick ? 100_000 : 200_000),
    perTransaction: options.perTransaction,
    rowBytes: options.rowBytes,
  };
  const usual = options.quick ? competitors.filter((name) => name !== 'debezium') : competitors;
  const wanted = options.only ?? usual;
  const reader = await findSlotReader(world, options.ownReader);
  const debezium =
    wanted.includes('debezium') && (options.drain || options.live)
      ? await Debezium.start(world, say)
      : undefined;
  // Before the slots of the others are made, so that they need not read these rows.
  const warmUp =
    debezium !== undefined && options.warmUp ? await warmUpDebezium(world, debezium, rows) : null;
  if (wanted.includes('relay') || options.growth) await createRelaySlot(world);
  const rounds = options.drain ? await drainAll({ world, wanted, rows, reader, debezium }) : new Map();
  const live = options.live ? await liveOfAll(world, wanted, debezium) : { live: {}, idleCpuPercent: null };
  const growth = options.growth ? await measureGrowth(world, options.maxRows, say) : [];
  const versions = {
    postgres: (await world.database.query<{ v: string }>(`select current_setting('server_version') v`))
      .rows[0]?.v,
    kafka: await kafkaVersion(),
    slotReader: reader.description,
    debezium: debezium === undefined ? null : await debeziumVersion(),
  };
  return report(
    { rounds, ...live, growth, debeziumWarmUp: warmUp },
    { ...machine, ...versions },
    { ...rows, partitions: options.partitions },
  );
}

type Contest = {
  readonly world: BenchWorld;
  readonly wanted: readonly Competitor[];
  readonly rows: Rows;
  readonly reader: SlotReader;
  readonly debezium: Debezium | undefined;
};

/**
 * A JVM compiles its code for a long time: 75 µs of CPU per event in the first 200,000 became 27 after a million. Like
 * the perf client, Debezium gets five times the events of a round; the relay starts each round as a new process.
 */
async function warmUpDebezium(world: BenchWorld, debezium: Debezium, rows: Rows): Promise<Drain> {
  const events = rows.events * 5;
  say(`warming up Debezium with ${events} events`);
  const aggregateType = await world.newTopic(options.partitions);
  const slot = await debezium.createSlot();
  await world.write(aggregateType, { ...rows, events });
  const drain = await drainDebezium(world, debezium, aggregateType, { ...rows, events }, slot);
  say(`warm-up: debezium ${drain.eventsPerSecond} events/s, ${drain.cpuMicrosPerEvent} µs per event`);
  return drain;
}

/** In turn, each round starting with another one, so that changes on the machine affect all of them. */
async function drainAll(contest: Contest): Promise<Map<Competitor, Drain[]>> {
  const { world, wanted } = contest;
  const rounds = new Map<Competitor, Drain[]>(wanted.map((name) => [name, []]));
  if (wanted.includes('pg_recvlogical')) await createLimitSlot(world);
  const count = options.rounds ?? (options.quick ? 2 : 3);
  // Round 0 does not count: the JVMs of the servers compile their code, at the cost of the first competitor.
  for (let round = options.warmUp ? 0 : 1; round <= count; round += 1) {
    const label = `round ${round} of ${count}${round === 0 ? ' (warm-up)' : ''}`;
    const order = wanted.map((_, turn) => wanted[(round + turn) % wanted.length]!);
    for (const [name, drain] of await drainEach(contest, order, label))
      if (round > 0 || drain.lost + drain.duplicates > 0) rounds.get(name)!.push(drain);
  }
  return rounds;
}

/** One round of each on the same rows. */
async function drainEach(
  { world, rows, reader, debezium }: Contest,
  order: readonly Competitor[],
  label: string,
): Promise<[Competitor, Drain][]> {
  say(`${label}: writing ${rows.events} events`);
  const aggregateType = await world.newTopic(options.partitions);
  const debeziumSlot = await debezium?.createSlot();
  const end = await world.write(aggregateType, rows);
  const drains: Record<Competitor, () => Promise<Drain>> = {
    relay: () => drainRelay(world, aggregateType, rows),
    debezium: () => drainDebezium(world, debezium!, aggregateType, rows, debeziumSlot!),
    pg_recvlogical: () => drainSlot(world, reader, end, rows),
    // A JVM takes seconds to compile its code: with fewer events the figure would be that of a cold start.
    'perf-client': async () =>
      drainPerfClient(world, await world.newTopic(options.partitions), { ...rows, events: rows.events * 5 }),
  };
  const done: [Competitor, Drain][] = [];
  for (const name of order) {
    await settleDisks();
    const drain = await drains[name]();
    done.push([name, drain]);
    const { eventsPerSecond, lost, duplicates } = drain;
    say(`${label}: ${name} ${eventsPerSecond} events/s, ${lost} lost, ${duplicates} duplicated`);
  }
  return done;
}

/** One after another: at the same time they would compete for the machine. */
async function liveOfAll(
  world: BenchWorld,
  wanted: readonly Competitor[],
  debezium: Debezium | undefined,
): Promise<{ live: Report['live']; idleCpuPercent: number | null }> {
  const seconds = options.liveSeconds ?? (options.quick ? 5 : 20);
  const warmUp = options.warmUp && !options.quick;
  const live: { -readonly [Name in Competitor]?: Report['live'][Name] } = {};
  let idle: number | null = null;
  if (wanted.includes('relay')) {
    const relay = world.startRelay();
    await relay.streaming();
    const rates = options.quick ? [500, 4_000] : [500, 1_000, 4_000, 20_000];
    live.relay = await measureLive(
      world,
      publishing('relay', relay.pid, topicOf),
      { rates, seconds, warmUp },
      say,
    );
    say('measuring the idle relay');
    idle = await idleCpuPercent(relay.pid, seconds);
    await relay.stop();
  }
  if (debezium !== undefined) {
    const slot = await debezium.createSlot();
    await debezium.stream(slot);
    const subject = publishing('debezium', debezium.pid, debeziumTopicOf);
    live.debezium = await measureLive(world, subject, { rates: debeziumRates, seconds, warmUp }, say);
    await debezium.end(slot);
  }
  return { live, idleCpuPercent: idle };
}

async function createRelaySlot(world: BenchWorld): Promise<void> {
  const relay = world.startRelay();
  await relay.streaming();
  await relay.stop();
}

function names(text: string): Competitor[] {
  const given = text.split(',').map((name) => name.trim());
  return given.map((name) => {
    const found = competitors.find((known) => known === name);
    if (found === undefined) throw new InvalidArgumentError(`expected some of ${competitors.join(', ')}.`);
    return found;
  });
}
