/** `npm run hostile`: sends harmful rows through the real relay on real servers, and reports what broke. */
import { Command } from 'commander';
import { integer, randomSeed } from '../harness/arguments.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { startStack } from '../stack/stack.ts';
import { runHostile } from './run.ts';

const help = `
Starts Postgres, Kafka and a schema registry, unless the environment names them (DATABASE_URL, KAFKA_BROKERS,
SCHEMA_REGISTRY_URL), and sends rows of many sizes and oddities through a relay with the heap of a 512 MB container.
A valid event follows each row and must be in Kafka within seconds. Each row must become one record or one dead letter.

Exit codes: 0 all checks passed; 1 a check failed, or a server failed to start; 64 wrong arguments

Examples:
  $ npm run hostile
  $ npm run hostile -- --rows 5000 --seed 1`;

const usageExitCode = 64;

const { rows, seed } = new Command('npm run hostile --')
  .description(
    'Sends hostile rows through the relay, and checks that none stops it, is lost or is duplicated.',
  )
  .option('--rows <number>', 'how many rows to send', integer(1, 1_000_000_000), 500)
  .option('--seed <number>', 'repeat the rows of another run', integer(0, 2 ** 32 - 1), randomSeed())
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : usageExitCode))
  .parse()
  .opts<{ rows: number; seed: number }>();

ignoreNegativeTimeouts();
const onProgress = (line: string) => console.error(`# ${line}`);
const stack = await startStack({ purpose: 'test', onProgress }).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
try {
  const report = await runHostile({ ...stack, rows, seed, onProgress });
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.breaches.length === 0 ? 0 : 1;
} finally {
  await stack.stop();
}
