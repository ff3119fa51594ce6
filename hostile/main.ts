/** `npm run hostile`: rows that do harm, through the real relay on real servers, and what did not hold. */
import { Command, InvalidArgumentError } from 'commander';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { startStack } from '../stack/stack.ts';
import { runHostile } from './run.ts';

const help = `
Starts Postgres, Kafka and a schema registry, where the environment does not name them (DATABASE_URL, KAFKA_BROKERS,
SCHEMA_REGISTRY_URL), and sends rows of every size and oddity through a relay with the heap of a container of 512 MB. Behind
each comes a good event, which must be in Kafka within seconds. Each row must become a record or a dead letter, once.

Exit codes: 0 everything held; 1 something did not, or a server did not start; 64 wrong arguments

Examples:
  $ npm run hostile
  $ npm run hostile -- --rows 5000 --seed 1`;

const usageExitCode = 64;

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a number.');
  return Number(text);
}

const { rows, seed } = new Command('npm run hostile --')
  .description('Sends hostile rows through the relay, and checks that nothing stops, is lost or is doubled.')
  .option('--rows <number>', 'how many', whole, 500)
  .option('--seed <number>', 'the same rows again', whole, Math.floor(Math.random() * 1e9))
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
