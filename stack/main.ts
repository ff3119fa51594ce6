/** `npm run stack`: starts the three servers, prints their addresses, and keeps them running until Ctrl-C. */
import { Command } from 'commander';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { startStack } from './stack.ts';

new Command('npm run stack --')
  .description(
    'Starts Postgres, Kafka and a schema registry without Docker, prints their addresses as export lines, and keeps them running until Ctrl-C. A server that the environment names (DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL) is not started.',
  )
  .allowExcessArguments(false)
  .parse();

ignoreNegativeTimeouts();
const onProgress = (line: string) => console.error(`# ${line}`);
const stack = await startStack({ purpose: 'demo', onProgress }).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

console.log(`export DATABASE_URL='${stack.databaseUrl}'`);
console.log(`export KAFKA_BROKERS='${stack.brokers.join(',')}'`);
console.log(`export SCHEMA_REGISTRY_URL='${stack.registryUrl}'`);
console.error('# running until Ctrl-C; all data is then removed');

const keepAlive = setInterval(() => {}, 2 ** 30); // servers alone do not keep this process alive
const signal = await new Promise<string>((resolve) => {
  for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(each, () => resolve(each));
});
clearInterval(keepAlive);
console.error(`# stopping at ${signal}`);
await stack.stop();
