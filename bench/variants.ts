/**
 * What an option of the whole relay costs: it drains the same backlog with each variant in turn, round after round, so
 * that changes on the machine affect all of them. CPU is that of the relay's process per event, start excluded.
 *
 * `node bench/variants.ts tracing`: traces off, and on with none, 1 % and all of the writers' traces sampled.
 * `node bench/variants.ts compression`: each codec of `publish.compression`.
 * `node bench/variants.ts young-generation`: the space in which V8 makes objects, with its size in MiB.
 * With `--base <folder>` the first variant is the relay of another checkout, for example of the commit before a change.
 */
import { Command } from 'commander';
import { integer } from '../harness/arguments.ts';
import { OtlpReceiver } from '../harness/otlp-receiver.ts';
import { median } from '../harness/percentile.ts';
import { settingsEnv } from '../harness/relay-process.ts';
import { compressionNames } from '../relay/config/compression-names.ts';
// So that the reader of the topics knows every codec.
import '../relay/connect/compression/codecs.ts';
import { relayContender } from './contender.ts';
import { type Drain, drain } from './drain.ts';
import { settleDisks } from './machine.ts';
import { compileRelay } from './package.ts';
import { defaultRowBytes } from './workload.ts';
import { BenchWorld, type RelayVariant } from './world.ts';

const kinds = ['tracing', 'compression', 'young-generation'] as const;
/** The first is that of the product, the last V8's own. */
const youngGenerationsMib = [8, 4, 2, 16, 32] as const;

type Variant = RelayVariant & { readonly name: string; readonly headers: string };

/** SQL for the headers of row n: every row has a context, so many of a hundred are sampled. */
const contexts = (sampledPercent: number): string =>
  `jsonb_build_object('traceparent', '00-' || md5(n::text) || '-' || substr(md5('s' || n), 1, 16) ||
     case when n % 100 < ${sampledPercent} then '-01' else '-00' end)`;

function variantsOf(option: string, collector: string): Variant[] {
  if (option === 'compression')
    return compressionNames.map((name) => ({
      name,
      env: settingsEnv({ PUBLISH_COMPRESSION: name }),
      headers: contexts(0),
    }));
  if (option === 'young-generation')
    return youngGenerationsMib.map((mib) => ({
      name: `${mib} MiB`,
      nodeFlags: [`--max-semi-space-size=${mib}`],
      headers: contexts(0),
    }));
  if (option !== 'tracing') throw new Error(`expected one of ${kinds.join(', ')}`);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector };
  return [
    { name: 'off', headers: contexts(1) },
    { name: 'on, 0 %', env, headers: contexts(0) },
    { name: 'on, 1 %', env, headers: contexts(1) },
    { name: 'on, 100 %', env, headers: contexts(100) },
  ];
}

const command = new Command('node bench/variants.ts')
  .argument('<option>', kinds.join(', '))
  .option('--base <folder>', 'a checkout whose relay is measured too')
  .option('--rounds <number>', 'rounds of each', integer(1, 100), 5)
  .option('--events <number>', 'events per round', integer(100, 10_000_000), 100_000)
  .option('--per-transaction <number>', 'events per Postgres transaction', integer(1, 1_000_000), 5)
  .option('--only <number>', 'only the first so many variants', integer(1, 10), 10)
  .parse();
const options = command.opts<{
  base?: string;
  rounds: number;
  events: number;
  perTransaction: number;
  only: number;
}>();
const { events, perTransaction } = options;
const rows = { events, perTransaction, rowBytes: defaultRowBytes };
const say = (line: string) => console.error(line);

await using receiver = await OtlpReceiver.start();
await using world = await BenchWorld.start(say);
const own = variantsOf(command.args[0]!, receiver.url).slice(0, options.only);
const base =
  options.base === undefined
    ? []
    : [{ ...own[0]!, name: 'base', checkout: await compileRelay(world.run, options.base) }];
const variants: readonly Variant[] = [...base, ...own];
const drains = new Map<string, Drain[]>(variants.map(({ name }) => [name, []]));
const first = world.startRelay(variants[0]);
await first.streaming();
await first.stop();
// Round 0 does not count: the JVMs of the servers compile their code, at the cost of the first variant.
for (let round = 0; round <= options.rounds; round++)
  for (const turn of variants.keys()) {
    const variant = variants[(round + turn) % variants.length]!;
    const aggregateType = await world.newTopic(3);
    await world.write(aggregateType, rows, { headers: variant.headers });
    await settleDisks();
    const contender = relayContender(world, variant);
    const found = await drain(world, contender, aggregateType, rows);
    await contender.reset();
    if (found.lost + found.duplicates > 0) throw new Error(`${variant.name}: not exactly once`);
    say(
      `round ${round}: ${variant.name}: ${found.cost.own} µs, ${found.eventsPerSecond} events/s, ${found.peakMemoryMb} MB`,
    );
    if (round > 0) drains.get(variant.name)!.push(found);
  }

const medianOf = (name: string, pick: (drain: Drain) => number) => median(drains.get(name)!.map(pick));
const cpu = (name: string) => medianOf(name, ({ cost }) => cost.own ?? Number.NaN);
const reference = variants[0]!.name;
console.log('variant      CPU µs/event  ratio  events/s  memory MB   (median of rounds)');
for (const { name } of variants)
  console.log(
    name.padEnd(12),
    cpu(name).toFixed(2).padStart(12),
    (cpu(name) / cpu(reference)).toFixed(3).padStart(6),
    medianOf(name, ({ eventsPerSecond }) => eventsPerSecond)
      .toFixed(0)
      .padStart(9),
    medianOf(name, ({ peakMemoryMb }) => peakMemoryMb ?? Number.NaN)
      .toFixed(0)
      .padStart(10),
  );
