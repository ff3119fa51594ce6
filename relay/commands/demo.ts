/** `outbox-relay demo`: starts the demo as a process of its own, which is no part of the relay. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Command } from 'commander';
import { helpText } from './help-text.ts';

const help = `
Starts Postgres, Kafka and a schema registry on this machine, with an order service that writes events and a consumer that
compares what arrives. Needs Java 17 and Maven, or a Docker engine; says what is missing. The first run downloads the servers
into a cache folder (about 400 MB, of which 240 MB stay) and says so. Nothing else is left behind, and no other server is
touched.

Exit codes: 0 every committed event arrived exactly once and in order · 1 it did not, or a server failed to start ·
64 invalid arguments

Examples:
  $ npx outbox-relay demo
  $ npx outbox-relay demo --seconds 60 --rate 1000 --crash`;

export function demoCommand(): Command {
  return new Command('demo')
    .description('show the whole pipeline at work on servers that it starts itself')
    .option('--seconds <number>', 'how long the order service writes (default: 30)')
    .option('--rate <number>', 'events per second that it writes (default: 200)')
    .option('--seed <number>', 'repeat the random choices of another run')
    .option('--crash', 'kill the relay with SIGKILL every 1 to 4 s, and restart it')
    .option('--keep', 'keep everything running afterwards, until Ctrl-C')
    .option('--console', 'open the web console, and have a bad deployment to repair')
    .option('--json', 'print the summary as one JSON object on the last line')
    .allowExcessArguments(false)
    .addHelpText('after', helpText(help))
    .action(async (options: Readonly<Record<string, string | true>>) => {
      process.exitCode = await run(
        Object.entries(options).flatMap(([name, value]) =>
          value === true ? [`--${name}`] : [`--${name}`, value],
        ),
      );
    });
}

async function run(options: readonly string[]): Promise<number> {
  const main = path.join(import.meta.dirname, '../../demo', `main${path.extname(import.meta.filename)}`);
  const child = spawn(process.execPath, [main, ...options], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both, and the demo ends in order. A supervisor knows only this process.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return exitCode(child);
}

async function exitCode(child: ChildProcess): Promise<number> {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
