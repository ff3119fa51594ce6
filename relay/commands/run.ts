/** `outbox-relay run`: the service. */
import { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { boundHeapGrowth } from '../config/node-flags.ts';
import { exitCodes } from '../errors.ts';
import { componentLogs } from '../observe/component-logs.ts';
import { createLogger } from '../observe/log.ts';
import { runRelay } from '../operations/run.ts';
import { define } from './command.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { serve } from './until-signalled.ts';

const help = `
Several relays may run on the same slot. One is active; the others wait in standby, and one of them takes over when it
ends.

Writes to Postgres: the replication slot, which the first start creates, and tables of the schema outbox. Writes to Kafka:
the event topics, the progress topic and, if it is set, the topic of dead letters.

When the file of the configuration changes, and on SIGHUP, the relay reads it again. \`outbox-relay config\` shows which
settings apply at once. The log says what changed, and which settings need a restart. An invalid file changes nothing.

On SIGTERM or SIGINT the relay finishes the open Kafka transaction, acknowledges it to Postgres and exits with 0. After a
second signal, more than a second later, or after shutdownMs, it exits at once. In no case is an event lost or repeated.

Exit codes: 0 stopped by a signal · 64 invalid arguments or configuration · 70 a bug in the relay · 77 access denied ·
78 the relay stopped itself: the log line of level fatal says what to do. It retries by itself while a server is unreachable.`;

export function runCommand(load: Load): Command {
  const command = new Command('run')
    .summary('stream the outbox to Kafka until a signal stops it')
    .description(
      'Streams committed events from the outbox table to Kafka, exactly once, until SIGTERM or SIGINT.',
    )
    .addHelpText('after', helpText(help));
  return define(command, load, {
    async run({ config, file, reload }) {
      boundHeapGrowth();
      const logs = componentLogs(createLogger(config.log.level), config.log);
      const loaded = { config, file, load: () => reload().config };
      await serve(manner(config, logs.relay), (ending) => runRelay(loaded, logs, ending));
      return {};
    },
  });
}

/** A drain that takes too long, or a second signal, ends the process. */
function manner({ shutdownMs }: Config, log: Logger): Parameters<typeof serve>[0] {
  return {
    log,
    name: 'the relay',
    onFirst: (signal: NodeJS.Signals) => {
      log.info({ signal }, 'stopping');
      setTimeout(() => {
        log.warn({ shutdownMs }, 'shutdown took too long: exiting at once; the next start resumes');
        process.exit(exitCodes.ok);
      }, shutdownMs).unref();
    },
    onSecond: (signal: NodeJS.Signals) =>
      log.warn({ signal }, 'second signal: exiting at once; the next start resumes'),
  };
}
