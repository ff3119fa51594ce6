/** `npm run demo`: runs the whole pipeline on real servers, which it starts itself, and gives a verdict. */
import { Command, Option } from 'commander';
import { integer, randomSeed } from '../harness/arguments.ts';
import { untilSignalled } from '../relay/commands/until-signalled.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { cacheFolder } from '../stack/cache.ts';
import { type Addresses, type DemoOptions, runDemo } from './demo.ts';
import { describeSummary, isGood, type Summary } from './summary.ts';
import { LineView, LiveView, type View } from './view.ts';

const isSource = import.meta.filename.endsWith('.ts');
/** How the demo is called here, and how the command line. */
const self = isSource ? 'npm run demo --' : 'npx outbox-relay demo';
const relay = isSource ? 'npm run --silent outbox-relay --' : 'npx outbox-relay';
const cache = isSource ? '.cache' : cacheFolder();

const help = `
Starts Postgres, Kafka and a schema registry, and runs the relay as a process of its own. An order service writes events
in its own transactions, an independent read_committed consumer follows the topics, and the demo compares the two.
The first run downloads the servers (about 400 MB, of which 240 MB stay in ${cache}); nothing else is left behind.
With --console the web console shows it while it runs, and a second relay stands by. After the verdict orders go on until
Ctrl-C: a deployment forgets a field in every other order, and 500 events wait for you to repair them.
Ctrl-C ends the demo early, with a summary of what was done so far.

Exit codes: 0 every committed event arrived exactly once and in order; 1 it did not, or a server failed to start;
64 wrong arguments

Examples:
  $ ${self.replace(/ --$/, '')}
  $ ${self} --seconds 60 --rate 1000 --crash
  $ ${self} --keep
  $ ${self} --console
  $ ${self.replace('run', 'run --silent')} --json | tail -n 1`;

/** EX_USAGE of sysexits.h, as in `outbox-relay`. */
const usageExitCode = 64;
/** After a second Ctrl-C: 128 + SIGINT, as in shells. */
const interruptedExitCode = 130;

type Arguments = {
  seconds: number;
  rate: number;
  seed: number;
  crash?: boolean;
  keep?: boolean;
  console?: boolean;
  json?: boolean;
};

const command = new Command(self)
  .description('Shows the outbox relay at work on real servers.')
  .option('--seconds <number>', 'how long the order service writes', integer(1, 86_400), 30)
  .option(
    '--rate <number>',
    'events per second that it writes, independent of the relay',
    integer(1, 100_000),
    200,
  )
  .option('--crash', 'kill the relay with SIGKILL every 1 to 4 s, and restart it')
  .option('--keep', 'keep the servers and the relay running afterwards, until Ctrl-C')
  .option('--console', 'open the web console, and have a bad deployment to repair; implies --keep')
  .option(
    '--json',
    'print the summary as one JSON object on the last line of stdout, and everything else to stderr',
  )
  .addOption(
    new Option('--seed <number>', 'repeat the random choices of another run')
      .argParser(integer(0, 2 ** 32 - 1))
      .default(randomSeed(), 'random'),
  )
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : usageExitCode));

ignoreNegativeTimeouts();
const {
  json = false,
  crash = false,
  keep = false,
  console = false,
  ...rest
} = command.parse().opts<Arguments>();
// Of a terminal that is closed; the servers are not to stay.
process.on('SIGHUP', () => process.kill(process.pid, 'SIGTERM'));
process.exit(await demo({ ...rest, crash, keep: keep || console, console }, json));

async function demo(options: DemoOptions, isJson: boolean): Promise<number> {
  const output = isJson ? process.stderr : process.stdout;
  const view: View =
    output.isTTY && !isJson ? new LiveView(output) : new LineView((text) => output.write(text));
  const print = (lines: readonly string[]) => void output.write(`${lines.join('\n')}\n`);
  const outlet = {
    view,
    onSummary: (summary: Summary) => {
      print(['', ...describeSummary(summary, output.isTTY && output.hasColors()), '']);
      if (isJson) process.stdout.write(`${JSON.stringify(summary)}\n`);
    },
    onKept: (addresses: Addresses) => print(describeAddresses(addresses)),
  };
  try {
    const summary = await untilSignalled(
      {
        exitCode: interruptedExitCode,
        onFirst: () => view.note('stopping; press Ctrl-C again to stop now'),
      },
      (ending) => runDemo(options, outlet, ending),
    );
    return isGood(summary) ? 0 : 1;
  } catch (error) {
    view.end();
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function describeAddresses(addresses: Addresses): string[] {
  const { databaseUrl, brokers, registryUrl, relayUrl, relayLog, consoleUrl } = addresses;
  const event = `'{"orderId":"${crypto.randomUUID()}","cancelledAt":"2030-01-01T00:00:00Z","reason":"OTHER","comment":null}'`;
  return [
    ...(consoleUrl === undefined ? [] : [`The console: ${consoleUrl}`, '']),
    'Running until Ctrl-C. Try this in another terminal, in the same folder:',
    '',
    `export DATABASE_URL='${databaseUrl}'`,
    `export KAFKA_BROKERS='${brokers.join(',')}'`,
    `export SCHEMA_REGISTRY_URL='${registryUrl}'`,
    '',
    '# follow a topic (most systems have a package kcat)',
    'kcat -C -b "$KAFKA_BROKERS" -t outbox.event.order -o end -X isolation.level=read_committed -f \'%k  %h\\n\'',
    '# write an event',
    `psql "$DATABASE_URL" -c "select outbox.emit('order', '42', 'shop.order.OrderCancelled',`,
    `  ${event})"`,
    '# look at the state, metrics and log of the relay',
    `curl ${relayUrl}/readyz; curl ${relayUrl}/metrics`,
    `tail -f ${relayLog}`,
    '# compare the outbox with the topics',
    `${relay} status`,
    `${relay} verify`,
    '',
  ];
}
