/** `npm run simulate`: runs the relay against models of its servers, seed by seed, and reports what broke. */

import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { integer } from '../harness/arguments.ts';
import { type TransactionVersions, transactionVersions } from './kafka/weather.ts';
import { Summary } from './summary.ts';
import { installVirtualTime } from './virtual-time.ts';

// Before any other module reads the time.
const realNow = performance.now.bind(performance);
installVirtualTime();
// The relay meets many errors in a run. Recording their stacks would cost a tenth of the time.
if (!process.argv.includes('--seed')) Error.stackTraceLimit = 0;
const { simulate } = await import('./run.ts');

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
  .option('--json <file>', 'write the summary as JSON')
  .option('--keep-going', 'do not stop at the first seed that breaks an invariant', false)
  .parse();

const options = program.opts<{
  seeds: number;
  from: number;
  seed?: number;
  transactionVersion?: TransactionVersions;
  keepMarkers: boolean;
  json?: string;
  keepGoing: boolean;
}>();

const { transactionVersion, keepMarkers } = options;
const asked = { transactionVersions: transactionVersion, keepsMarkers: keepMarkers };
const askedOptions = [
  ...(transactionVersion === undefined ? [] : [`--transaction-version ${transactionVersion}`]),
  ...(keepMarkers ? ['--keep-markers'] : []),
];
const summary = new Summary(realNow, askedOptions);
if (options.seed !== undefined) {
  const outcome = await simulate(options.seed, {
    ...asked,
    trace: (line) => console.log(line),
  });
  summary.add(outcome);
} else {
  for (let seed = options.from; seed < options.from + options.seeds; seed++) {
    summary.add(await simulate(seed, asked));
    summary.progress(options.seeds);
    if (summary.failures.length > 0 && !options.keepGoing) break;
  }
}
console.log(summary.text());
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary.json(), null, 2)}\n`);
process.exit(summary.failures.length === 0 ? 0 : 1);
