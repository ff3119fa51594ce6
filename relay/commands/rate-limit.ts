/** `outbox-relay rate-limit`: how much the relay may publish per second, while it runs. */
import { Command, InvalidArgumentError } from 'commander';
import { limitRate } from '../operations/control.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { seconds } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeObedience, describeRates } from './describe-control.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

/** Not null for the setting: commander takes a null of a parser for an option without a value. */
type Rate = number | 'default';
type Options = ActorOptions & { events?: Rate; bytes?: Rate; wait: number; dryRun?: boolean; json?: boolean };

const help = `
A value is a number per second, \`none\` for no limit, or \`default\` for the setting (publish.maxEventsPerSecond,
publish.maxBytesPerSecond). What this command sets overrides the setting, in both directions, until it is set to \`default\`.
A value that is not given stays as it is. Without any it shows what counts now.

Bytes are those of the encoded events, before compression. A transaction that is larger than a second may bring passes as a
whole, and the next one waits longer. Heartbeats and progress are not limited. While the relay publishes less than is written,
WAL accumulates: \`outbox-relay status\` shows it.

The relay obeys within about a second, and one that starts later obeys too. Who and why is in outbox.trail.

Changes: outbox.control, outbox.action. Reads: outbox.relay.

Exit codes: 0 stored, and every relay that streams obeys, or none streams · 1 stored, but a relay has not confirmed it
within --wait · 64 invalid arguments · 69 Postgres is unreachable · 77 Postgres denies access

Examples:
  $ outbox-relay rate-limit
  $ outbox-relay rate-limit --events 500 --reason 'the consumer catches up'
  $ outbox-relay rate-limit --events default --bytes default`;

export function rateLimitCommand(load: Load): Command {
  const command = withActor(
    new Command('rate-limit')
      .summary('limit how much the relay publishes per second')
      .description('Shows or sets how many events and bytes per second the relay may publish.')
      .option('--events <rate>', 'events per second, none or default', rate)
      .option('--bytes <rate>', 'bytes per second, none or default', rate)
      .option('--wait <seconds>', 'how long to wait until the relay obeys', seconds(0, 600), 10)
      .option('--dry-run', 'show what counts now, and change nothing')
      .option('--json', 'print one JSON object'),
  ).addHelpText('after', helpText(help));
  return define<Options>(command, load, { needs: ['database'], run });
}

async function run({ config, options: { events, bytes, by, reason, wait, dryRun } }: Call<Options>) {
  const isQuestion = events === undefined && bytes === undefined;
  const limited = await limitRate({
    config,
    eventsPerSecond: stored(events),
    bytesPerSecond: stored(bytes),
    actor: { person: by, reason: reason ?? null },
    waitMs: wait * 1_000,
    isDryRun: isQuestion || dryRun === true,
  });
  const text = isQuestion ? describeRates(limited) : describeObedience(limited);
  return { data: limited, text, hasFindings: limited.outcome === 'waiting' };
}

const stored = (rate: Rate | undefined) => (rate === 'default' ? null : rate);

function rate(value: string): Rate {
  if (value === 'default') return value;
  if (value === 'none') return 0;
  const parsed = /^\d{1,12}$/.test(value) ? Number(value) : 0;
  if (parsed === 0) throw new InvalidArgumentError('Expected a whole number from 1, none or default.');
  return parsed;
}
