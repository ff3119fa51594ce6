/** `outbox-relay console`: the web page for looking, understanding and repairing. */
import { Command } from 'commander';
import { startConsole } from '../../console/server/serve.ts';
import { createLogger } from '../observe/log.ts';
import { define } from './command.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { serve } from './until-signalled.ts';

const help = `
Shows what the relays of the slot do, and lets a person repair what could not be published, with the rights of its role in
Postgres; grant it outbox_operator. It listens on console.host and console.port, loopback by default.

People sign in with console.viewToken or console.operateToken, or through a proxy that names them (console.userHeader).
Without any of these it makes up a token and prints the address with it. Everything that a person does is recorded with
name, time and reason, as what the commands do: the view outbox.trail shows it. Payloads are masked unless
console.viewPayloads or console.operatePayloads says otherwise.

It keeps the figures of the last six hours in memory and writes nothing by itself. SIGTERM or SIGINT ends it. A server that
cannot be reached, or that refuses the sign-in, does not: the pages say so, and the console tries again.

Exit codes: 0 stopped by a signal · 64 invalid arguments or configuration

Examples:
  $ outbox-relay console
  $ OUTBOX_RELAY_CONSOLE_OPERATE_TOKEN=… OUTBOX_RELAY_CONSOLE_HOST=0.0.0.0 outbox-relay console`;

export function consoleCommand(load: Load): Command {
  const command = new Command('console')
    .summary('serve the web console')
    .description('Serves the web console until SIGTERM or SIGINT.')
    .addHelpText('after', helpText(help));
  return define(command, load, {
    async run({ config, provenance, print }) {
      const log = createLogger(config.log.level);
      await serve({ log, name: 'the console' }, async (ending) => {
        const running = await startConsole({ config, provenance, log });
        const { url, madeUpToken } = running;
        // A token in the fragment reaches no log of a proxy.
        print(madeUpToken === undefined ? `console: ${url}` : `console: ${url}#token=${madeUpToken}`);
        await aborted(ending);
        await running.close();
      });
      return {};
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
