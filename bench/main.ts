/** `npm run bench`: the relay beside what Postgres and Kafka can give at most, on the same rows in the same run. */
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import {
  createLimitSlot,
  type Drain,
  drainPerfClient,
  drainRecvlogical,
  drainRelay,
  findRecvlogical,
  versionOf,
} from './drain.ts';
import { ignoreNegativeTimeouts } from './kafkajs-warnings.ts';
import { measureLive } from './live.ts';
import { describeMachine, settleDisks } from './machine.ts';
import { writeReadme } from './readme.ts';
import { BenchRelay } from './relay.ts';
import { type Competitor, competitors, type Report, report, tables } from './report.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld, type Rows } from './world.ts';

const help = `
Starts Postgres, Kafka and a schema registry (purpose: as in production, fsync on) and compares, alternating:
  relay           this relay, exactly-once, from the outbox to Avro records
  perf-client     Kafka's kafka-producer-perf-test with transactions: what one producer can write
  pg_recvlogical  what one replication slot of Postgres gives, written to nowhere
Each relay round is read back by an independent read_committed consumer; one event lost or doubled voids its figures.

Exit codes: 0 measured; 1 void or failed; 64 wrong arguments

Examples:
  $ npm run bench
  $ npm run bench -- --quick --json bench.json
  $ npm run bench -- --only relay --rounds 1 --events 20000`;

type Arguments = {
  quick?: boolean;
  only?: Competitor[];
  rounds?: number;
  events?: number;
  perTransaction: number;
  rowBytes: number;
  partitions: number;
  json?: string;
  live: boolean;
  liveSeconds?: number;
  warmUp: boolean;
  readme?: boolean;
};

const command = new Command('npm run bench --')
  .description('Measures the relay beside the limits of Postgres and Kafka, on real servers.')
  .option('--quick', 'one run of under 90 s: two rounds, live latency at 500 and 4,000 events/s')
  .option('--only <names>', `only these, by comma: ${competitors.join(', ')}`, names)
  .option('--rounds <number>', 'rounds of each (default 3, quick 2)', integer(1, 100))
  .option('--events <number>', 'events in a round (default 200,000, quick 100,000)', integer(100, 10_000_000))
  .option('--per-transaction <number>', 'events in one Postgres transaction', integer(1, 1_000_000), 5)
  .option('--row-bytes <number>', 'bytes of JSON in a payload', integer(1, 100_000), defaultRowBytes)
  .option('--partitions <number>', 'partitions of the topics', integer(1, 1_000), 3)
  .option('--no-warm-up', 'without the round that does not count')
  .option('--no-live', 'without live latency')
  .option('--live-seconds <number>', 'how long each load is offered (default 20, quick 5)', integer(1, 3_600))
  .option('--json <file>', 'also save every figure there')
  .option('--readme', 'also write the table into the README and the plot to docs/bench.svg')
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64));

const options = command.parse().opts<Arguments>();
const say = (line: string) => void process.stderr.write(`# ${line}\n`);
ignoreNegativeTimeouts();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130)); // servers follow
try {
  const result = await bench();
  process.stdout.write(`${tables(result)}\n`);
  if (options.json) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (options.readme) await writeReadme(result);
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
  const recvlogical = await findRecvlogical(world);
  const wanted = (options.only ?? competitors).filter((name) => {
    if (name !== 'pg_recvlogical' || recvlogical !== undefined) return true;
    say('pg_recvlogical is not on this machine: left out (POSTGRES_BIN_DIR names a folder that has it)');
    return false;
  });
  const rounds = await drainAll(world, wanted, rows, recvlogical);
  const wantsLive = options.live && wanted.includes('relay');
  const rates = options.quick ? [500, 4_000] : [500, 1_000, 4_000, 20_000];
  const live = wantsLive
    ? await measureLive(world, { rates, seconds: options.liveSeconds ?? (options.quick ? 5 : 20) }, say)
    : { live: [], idleCpuPercent: null };
  const versions = {
    postgres: (await world.database.query<{ v: string }>(`select current_setting('server_version') v`))
      .rows[0]?.v,
    pgRecvlogical: recvlogical === undefined ? null : await versionOf(recvlogical),
  };
  return report(
    { rounds, ...live },
    { ...machine, ...versions },
    { ...rows, partitions: options.partitions },
  );
}

/** Alternating, and beginning with another one each round, so that what changes on the machine meets all. */
async function drainAll(
  world: BenchWorld,
  wanted: readonly Competitor[],
  rows: Rows,
  recvlogical: string | undefined,
): Promise<Map<Competitor, Drain[]>> {
  const rounds = new Map<Competitor, Drain[]>(wanted.map((name) => [name, []]));
  if (wanted.includes('relay')) await createRelaySlot(world);
  if (wanted.includes('pg_recvlogical')) await createLimitSlot(world);
  const count = options.rounds ?? (options.quick ? 2 : 3);
  // Round 0 does not count: in it the servers compile themselves, and whoever comes first would pay for all.
  for (let round = options.warmUp ? 0 : 1; round <= count; round += 1) {
    say(`round ${round} of ${count}${round === 0 ? ' (warm-up)' : ''}: writing ${rows.events} events`);
    const aggregateType = await world.newTopic(options.partitions);
    const end = await world.write(aggregateType, rows);
    for (let turn = 0; turn < wanted.length; turn += 1) {
      const name = wanted[(round + turn) % wanted.length]!;
      await settleDisks();
      const drain = await drainOf(name);
      if (round > 0 || drain.lost + drain.duplicates > 0) rounds.get(name)!.push(drain);
      say(
        `round ${round}: ${name} ${drain.eventsPerSecond} events/s, lost ${drain.lost}, doubled ${drain.duplicates}`,
      );
    }
    async function drainOf(name: Competitor): Promise<Drain> {
      if (name === 'relay') return drainRelay(world, aggregateType, rows);
      if (name === 'pg_recvlogical') return drainRecvlogical(world, recvlogical!, end, rows);
      // A JVM takes seconds to compile itself: five times the events, or its figure would be that of a cold start.
      return drainPerfClient(world, await world.newTopic(options.partitions), {
        ...rows,
        events: rows.events * 5,
      });
    }
  }
  return rounds;
}

async function createRelaySlot(world: BenchWorld): Promise<void> {
  const relay = await BenchRelay.start(world);
  await relay.streaming();
  await relay.stop();
}

function integer(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`must be an integer from ${lowest} to ${highest}`);
  };
}

function names(text: string): Competitor[] {
  const given = text.split(',').map((name) => name.trim());
  return given.map((name) => {
    const found = competitors.find((known) => known === name);
    if (found === undefined) throw new InvalidArgumentError(`must be of ${competitors.join(', ')}`);
    return found;
  });
}
