/** `npm run simulate`: runs the relay against models of its servers, seed by seed, and reports what broke. */

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { integer } from '../harness/arguments.ts';
import { type TransactionVersions, transactionVersions } from './kafka/weather.ts';
import { runSeeds } from './seeds.ts';
import { Summary } from './summary.ts';

const program = new Command('npm run simulate --')
  .description(
    'Runs the relay’s own code against models of Postgres, Kafka and the network. A seed decides everything.',
  )
  .option('--seeds <count>', 'how many seeds', integer(0, Number.MAX_SAFE_INTEGER), 1_000)
  .option('--from <seed>', 'the first seed', integer(0, Number.MAX_SAFE_INTEGER), 1)
  .option('--seed <seed>', 'run only this seed, and print its trace', integer(0, Number.MAX_SAFE_INTEGER))
  .addOption(
    new Option(
      '--transaction-version <version>',
      'which version of Kafka’s transactions the cluster has in every seed; moving: it changes during the run',
    )
      .choices(transactionVersions)
      .default(undefined, 'drawn from the seed'),
  )
  .option(
    '--keep-markers',
    'Kafka writes every marker of a transaction, in every seed; without it, two of three seeds leave some out, as 4.3.0 and 4.3.1 do',
    false,
  )
  .option(
    '--jobs <count>',
    'how many seeds run at the same time, each in a thread of its own',
    integer(1, 256),
    availableParallelism(),
  )
  .option('--json <file>', 'write the summary as JSON')
  .option('--keep-going', 'do not stop at the first seed that breaks an invariant', false)
  .parse();

const options = program.opts<{
  seeds: number;
  from: number;
  seed?: number;
  transactionVersion?: TransactionVersions;
  keepMarkers: boolean;
  jobs: number;
  json?: string;
  keepGoing: boolean;
}>();

const { transactionVersion, keepMarkers } = options;
const asked = { transactionVersions: transactionVersion, keepsMarkers: keepMarkers };
const askedOptions = [
  ...(transactionVersion === undefined ? [] : [`--transaction-version ${transactionVersion}`]),
  ...(keepMarkers ? ['--keep-markers'] : []),
];
const summary = new Summary(() => performance.now(), askedOptions);
const isTraced = options.seed !== undefined;
const seeds = isTraced ? 1 : options.seeds;
await runSeeds({
  from: options.seed ?? options.from,
  seeds,
  asked,
  isTraced,
  jobs: options.jobs,
  onLine: (line) => console.log(line),
  onOutcome: (outcome) => {
    summary.add(outcome);
    if (!isTraced) summary.progress(seeds);
    return options.keepGoing || summary.failures.length === 0;
  },
});
console.log(summary.text());
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary.json(), null, 2)}\n`);
process.exit(summary.failures.length === 0 ? 0 : 1);
