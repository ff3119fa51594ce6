/** `outbox-relay run`: the service. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { exitCodes } from '../errors.ts';
import { createLogger } from '../observe/log.ts';
import { runRelay } from '../operations/run.ts';
import type { Load } from './load.ts';

export function runCommand(load: Load): Command {
  return new Command('run')
    .summary('stream the outbox to Kafka until told to stop')
    .description(
      `Streams committed events from the outbox table to Kafka, exactly once, until SIGTERM or SIGINT.

Several may run on the same slot: one is active, the others wait in standby and take over.
Writes: the replication slot (made at the first start), the tables outbox.heartbeat, outbox.progress and
outbox.dead_letter, the progress topic, and the event topics.

On SIGTERM or SIGINT the open Kafka transaction is finished, Postgres is told, and the exit code is 0; a second
signal ends the process at once. Nothing is lost either way.`,
    )
    .action(async (_options, command: Command) => {
      const { config } = load(command);
      const log = createLogger(config.log.level);
      await runRelay(config, log, untilSignalled(config, log));
    });
}

/**
 * A supervisor that signals the whole group, and a wrapper that passes its signal on, make one signal two. A person does
 * not press twice within this time.
 */
const echoMs = 300;

/** Aborted by the first SIGTERM or SIGINT. Draining that takes too long is abandoned, and so is it by a second signal. */
function untilSignalled(config: Config, log: Logger): AbortSignal {
  const ending = new AbortController();
  let firstMs = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (ending.signal.aborted && performance.now() - firstMs < echoMs) return;
    if (ending.signal.aborted) {
      log.warn({ signal }, 'second signal: ending at once, the next start resumes');
      process.exit(exitCodes.ok);
    }
    log.info({ signal }, 'stopping');
    firstMs = performance.now();
    ending.abort();
    setTimeout(() => {
      log.warn(
        { shutdownMs: config.shutdownMs },
        'draining took too long and is abandoned; the next start resumes',
      );
      process.exit(exitCodes.ok);
    }, config.shutdownMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return ending.signal;
}
