/** `outbox-relay resume`: publish again what was paused. */
import { Command } from 'commander';
import { resumeRelay } from '../operations/control.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { seconds } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeObedience } from './describe-control.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type Options = ActorOptions & { topic?: string; all?: boolean; wait: number; json?: boolean };

const help = `
Without options it ends a pause of everything; pauses of single topics stay. The stream continues where it waited.

Of a topic that was set aside, the relay then publishes what waits, key by key and in order. Later events of a key wait
until those before them are published; other keys go on at once. A key stops at an event that is refused for another reason:
see \`outbox-relay dead-letters list\`. Keys that wait behind a refused event stay parked. The relay does this by itself, also
if it is restarted meanwhile; \`outbox-relay status\` shows how much still waits.

Changes: outbox.pause, outbox.control, outbox.action. Reads: outbox.relay.

Where nothing is paused, it says so and ends with 0. A topic that --topic names must be paused: the name may be mistyped.

Exit codes: 0 stored, and every relay that streams obeys, or none streams; or nothing was paused · 1 stored, but a relay has
not confirmed it within --wait · 64 invalid arguments, or the topic is not paused · 69 Postgres is unreachable · 77 Postgres denies access

Examples:
  $ outbox-relay resume
  $ outbox-relay resume --topic outbox.event.order
  $ outbox-relay resume --all`;

export function resumeCommand(load: Load): Command {
  const command = withActor(
    new Command('resume')
      .summary('publish again what was paused')
      .description('Ends a pause of everything, of a topic, or all of them.')
      .option('--topic <topic>', 'resume this topic')
      .option('--all', 'end every pause of the slot')
      .option('--wait <seconds>', 'how long to wait until the relay obeys', seconds(0, 600), 10)
      .option('--json', 'print one JSON object'),
  ).addHelpText('after', helpText(help));
  return define<Options>(command, load, { needs: ['database'], validate, run });
}

function validate({ topic, all }: Options): string | undefined {
  return topic !== undefined && all === true ? '--topic and --all exclude each other' : undefined;
}

async function run({ config, options: { topic, all, by, reason, wait } }: Call<Options>) {
  const resumed = await resumeRelay({
    config,
    what: topic === undefined ? (all === true ? 'all' : 'everything') : { topic },
    actor: { person: by, reason: reason ?? null },
    waitMs: wait * 1_000,
    isDryRun: false,
  });
  const nothing = `${all === true ? 'nothing was paused' : 'the relay as a whole was not paused'}; nothing was changed`;
  return {
    data: resumed,
    text: describeObedience(resumed, nothing),
    hasFindings: resumed.outcome === 'waiting',
  };
}
