/** `npm run bench`: compares the relay with Debezium and with the limits of Postgres and Kafka, in one run. */
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { integer } from '../harness/arguments.ts';
import { type Dimension, dimensions, growing, growthCells } from './growth-cells.ts';
import { writePage } from './page.ts';
import { describeEstimate, estimate, liveOf, type Plan } from './plan.ts';
import { type Competitor, competitors } from './report.ts';
import { measure } from './run.ts';
import { tables } from './tables.ts';
import { defaultRowBytes } from './workload.ts';

const help = `
Starts Postgres, Kafka and a schema registry with production settings (fsync on) and measures, in turn, on the same rows:
  relay             this relay, exactly once, from the outbox to Avro records
  relay-json        the same with records.format: json
  debezium          Debezium's outbox event router, exactly once, tuned, passing the JSON through
  debezium-avro     the same, writing Avro with Apicurio's converter
  debezium-default  the same as debezium, with its default settings
  perf-client       Kafka's kafka-producer-perf-test with transactions: what one producer can write
  pg_recvlogical    what one replication slot of Postgres delivers, discarded; if the program is missing, a reader
                    of this project replaces it
Maven downloads Debezium and the converter once. Each contender publishes a million events before anything counts.
An independent read_committed consumer reads back what was published; one lost or duplicated event, or a part that
fails, voids the run: no page is written then. It says beforehand how long it takes.

Exit codes: 0 measured; 1 void, or failed; 64 wrong arguments

Examples:
  $ npm run bench -- --all --docs                # everything; writes the benchmark page and its picture
  $ npm run bench
  $ npm run bench -- --quick --json bench.json
  $ npm run bench -- --quick --all               # every part, with few events
  $ npm run bench -- --only relay --rounds 1 --events 20000
  $ npm run bench -- --growth --only relay --no-drain --no-live --max-rows 10000000`;

type Arguments = {
  quick?: boolean;
  all?: boolean;
  only?: Competitor[];
  rounds?: number;
  events?: number;
  warmUpEvents?: number;
  perTransaction: number;
  rowBytes: number;
  partitions: number;
  json?: string;
  drain: boolean;
  growth?: boolean;
  vary: readonly Dimension[];
  growthEvents?: number;
  maxRows?: number;
  ownReader?: boolean;
  live: boolean;
  liveSeconds?: number;
  warmUp: boolean;
  docs?: boolean;
};

const command = new Command('npm run bench --')
  .description('Compares the relay with Debezium and with the limits of Postgres and Kafka, on real servers.')
  .option('--all', 'measure everything: also growth, up to 10,000,000 rows')
  .option('--quick', 'few events and seconds; without Debezium, unless --all or --only name it')
  .option('--only <names>', `only these, separated by commas: ${competitors.join(', ')}`, someOf(competitors))
  .option('--rounds <number>', 'rounds of each (default 5, with --quick 2)', integer(1, 100))
  .option(
    '--events <number>',
    'events per round (default 200,000, with --quick 20,000)',
    integer(100, 10_000_000),
  )
  .option(
    '--warm-up-events <number>',
    'events that each contender publishes first (default 1,000,000, with --quick 20,000)',
    integer(100, 10_000_000),
  )
  .option('--no-warm-up', 'skip the warm-up, which does not count')
  .option('--per-transaction <number>', 'events per Postgres transaction', integer(1, 1_000_000), 5)
  .option('--row-bytes <number>', 'bytes of JSON per payload', integer(1, 100_000), defaultRowBytes)
  .option('--partitions <number>', 'partitions of the topics', integer(1, 1_000), 3)
  .option('--no-drain', 'skip the rounds')
  .option('--no-live', 'skip latency')
  .option('--live-seconds <number>', 'seconds per load (default 20, with --quick 3)', integer(1, 3_600))
  .option('--growth', 'also measure how the cost grows with rows, transactions, partitions and compression')
  .addOption(
    new Option('--vary <names>', `growth only with these: ${dimensions.join(', ')}`)
      .argParser(someOf(dimensions))
      .default([...dimensions], 'all of them'),
  )
  .option(
    '--growth-events <number>',
    'events of a cell of growth (default 100,000, with --quick 2,000)',
    integer(100, 1_000_000),
  )
  .option(
    '--max-rows <number>',
    'largest backlog of growth (default 1,000,000, with --all 10,000,000, with --quick that of a cell)',
    integer(100, 10_000_000),
  )
  .option('--own-reader', 'use the replacement of pg_recvlogical even if pg_recvlogical exists')
  .option('--json <file>', 'also write every figure to this file')
  .option(
    '--docs',
    'also write the benchmark page with its picture and figures, and the figures of the README',
  )
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64));

const options = command.parse().opts<Arguments>();
const say = (line: string) => void process.stderr.write(`# ${line}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130)); // servers follow
try {
  const beganMs = performance.now();
  const plan = planOf(options);
  say(describeEstimate(estimate(plan)));
  const result = await measure(plan, { ownReader: options.ownReader === true, say });
  say(`took ${Math.round((performance.now() - beganMs) / 60_000)} minutes`);
  process.stdout.write(`${tables(result)}\n`);
  if (options.json) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  if (options.docs && !result.void) await writePage(result);
  if (result.void) say('the run is void: see the failures, and the events that were lost or duplicated');
  process.exit(result.void ? 1 : 0);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function planOf(given: Arguments): Plan {
  const quick = given.quick === true;
  const usual =
    quick && !given.all ? competitors.filter((name) => !name.startsWith('debezium')) : competitors;
  const wanted = given.only ?? usual;
  const cellEvents = given.growthEvents ?? (quick ? 2_000 : 100_000);
  const maxRows = given.maxRows ?? (quick ? cellEvents : given.all ? 10_000_000 : 1_000_000);
  const grows = given.growth === true || given.all === true;
  return {
    competitors: wanted,
    rounds: given.drain ? (given.rounds ?? (quick ? 2 : 5)) : 0,
    events: given.events ?? (quick ? 20_000 : 200_000),
    warmUpEvents: given.warmUp ? (given.warmUpEvents ?? (quick ? 20_000 : 1_000_000)) : 0,
    partitions: given.partitions,
    perTransaction: given.perTransaction,
    rowBytes: given.rowBytes,
    live: given.live ? liveOf(wanted, quick) : [],
    liveSeconds: given.liveSeconds ?? (quick ? 3 : 20),
    cells: grows ? growthCells(maxRows, cellEvents, given.vary) : [],
    growing: growing.filter((name) => wanted.includes(name)),
  };
}

function someOf<Name extends string>(known: readonly Name[]): (text: string) => Name[] {
  return (text) =>
    text.split(',').map((given) => {
      const found = known.find((name) => name === given.trim());
      if (found === undefined) throw new InvalidArgumentError(`expected some of ${known.join(', ')}.`);
      return found;
    });
}
