/** `outbox-relay pause`: publish nothing, or nothing to a topic, until somebody resumes it. */
import { Command } from 'commander';
import { pauseRelay } from '../operations/control.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { age, seconds } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeObedience } from './describe-control.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type Options = ActorOptions & {
  topic?: string;
  setAside?: boolean;
  for?: number;
  wait: number;
  dryRun?: boolean;
  json?: boolean;
};

const help = `
Three ways, from the widest to the narrowest:
  pause                       The relay publishes nothing. It keeps the slot and its heartbeats.
  pause --topic T             The whole stream waits at the first event of topic T. Every order is kept, of all topics.
                              Events before it are published. WAL accumulates, as with a pause of everything.
  pause --topic T --set-aside Events of topic T become parked dead letters (TOPIC_PAUSED), and all other topics go on.
                              \`resume --topic T\` publishes them in order, key by key. WAL does not accumulate. At most
                              500,000 keys can wait; then the stream waits as without --set-aside. An event that is
                              refused waits in its place too, under every policy: fix or discard it before you resume.

While the stream waits, Postgres keeps the WAL: \`outbox-relay status\` shows how much, and how long the slot is safe. With
--for the pause ends by itself; without it, only \`outbox-relay resume\` ends it. Pausing the same again replaces the reason and
the end: without --for there is no end any more, and the command says so.

The relay obeys within about a second. The command waits until it does: nothing more is then published to what is paused.
A pause is stored in outbox.pause, so a relay that starts later obeys too. /readyz stays 200 and says who paused the relay:
unready, it would stop a rolling deploy, and no restart resumes what a person has paused. Who and why is in outbox.trail.

With --topic it asks Kafka whether the topic exists, and says if it does not, or if Kafka does not answer: the name may be
mistyped. The pause is stored in any case.

Changes: outbox.pause, outbox.control, outbox.action. Reads: outbox.relay, the names of the topics.

Exit codes: 0 stored, and every relay that streams obeys, or none streams · 1 stored, but a relay has not confirmed it
within --wait · 64 invalid arguments, or a topic to which no event goes · 69 Postgres is unreachable · 77 Postgres denies
access

Examples:
  $ outbox-relay pause --for 2h --reason 'Kafka upgrade'
  $ outbox-relay pause --topic outbox.event.order --set-aside --reason 'the consumer is broken'`;

export function pauseCommand(load: Load): Command {
  const command = withActor(
    new Command('pause')
      .summary('publish nothing, or nothing to a topic')
      .description('Pauses the relay, or one topic, until somebody resumes it.')
      .option('--topic <topic>', 'pause this topic; without it, everything')
      .option('--set-aside', 'set events of the topic aside as dead letters; the stream goes on')
      .option('--for <time>', 'end by itself after this time, such as 30m or 2h', age)
      .option('--wait <seconds>', 'how long to wait until the relay obeys', seconds(0, 600), 10)
      .option('--dry-run', 'show what is paused now, and change nothing')
      .option('--json', 'print one JSON object'),
    'why; required, and shown wherever the pause is shown',
  ).addHelpText('after', helpText(help));
  return define<Options>(command, load, { needs: ['database'], validate, run });
}

function validate({ topic, setAside, reason, dryRun, for: forSeconds }: Options): string | undefined {
  if (setAside === true && topic === undefined) return '--set-aside needs --topic';
  if (forSeconds === 0) return '--for must be at least 1s';
  if (dryRun !== true && (reason ?? '').trim() === '') return '--reason is required';
  return undefined;
}

async function run({ config, options }: Call<Options>) {
  const { topic, setAside, by, reason = '', wait, dryRun } = options;
  const paused = await pauseRelay({
    config,
    topic,
    mode: setAside === true ? 'set-aside' : 'hold',
    forSeconds: options.for,
    actor: { person: by, reason },
    waitMs: wait * 1_000,
    isDryRun: dryRun === true,
  });
  return { data: paused, text: describeObedience(paused), hasFindings: paused.outcome === 'waiting' };
}
