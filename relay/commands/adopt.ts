/** `outbox-relay adopt`: accept by hand what the relay refuses by itself. */
import { Argument, Command } from 'commander';
import { type Adoption, adoptions } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { createLogger } from '../observe/log.ts';
import { type Adopted, adopt } from '../operations/adopt.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { adoptDebeziumCommand } from './adopt-debezium.ts';
import { type Call, define } from './command.ts';
import { counted } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type AdoptOptions = ActorOptions & { yes?: boolean; json?: boolean };

const help = `
With --yes the command overwrites the progress in Kafka, and events can be lost or published twice:
  database  The progress belongs to another cluster, or to a later state of this one (LINEAGE_OTHER_DATABASE,
            LINEAGE_REWOUND). The relay continues from the slot as it is.
  slot      The slot starts after the progress (LINEAGE_SLOT_AHEAD). Events in between are not streamed.
  progress  Kafka holds no usable progress, although the slot was used (LINEAGE_PROGRESS_LOST, PROGRESS_UNREADABLE). The
            relay continues from the slot. Events that it published but did not acknowledge to Postgres come twice.
  new-slot  The slot is missing or invalidated (SLOT_MISSING, SLOT_INVALIDATED). It is dropped and created again; events
            before the new slot are not streamed.
  gap       The publication did not cover the outbox for a while (PUBLICATION_GAP). Events of that time are not streamed.

To take over from a connector of Debezium, use \`outbox-relay adopt debezium\`.

\`outbox-relay recover\` publishes such events instead. Run \`outbox-relay verify\` first: it lists the events that are
missing or would come twice. Stop the relays of this slot.

Without --yes it shows what it found and what it would write. It then changes nothing, except that it holds the slot for
a moment and fences earlier relays.

Exit codes: 0 written · 1 shown, not written · 64 there is nothing of that kind to accept · 69 a server is unreachable, or
a relay holds the slot · 77 access denied

Examples:
  $ outbox-relay adopt slot
  $ outbox-relay adopt slot --yes`;

export function adoptCommand(load: Load): Command {
  const command = new Command('adopt')
    .summary('accept a changed database, slot or progress by hand')
    .description('Writes a new progress, so that the relay continues from the current state of the database.')
    .addArgument(new Argument('<what>', 'what to accept').choices(adoptions))
    .option('--yes', 'write the progress; without --yes it is only shown')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  command.addCommand(adoptDebeziumCommand(load));
  return define<AdoptOptions>(withActor(command), load, { needs: ['database', 'kafka'], run });
}

async function run({ config, options, args }: Call<AdoptOptions>) {
  const adopted = await adopt(config, createLogger('fatal'), args[0] as Adoption, options.yes !== true, {
    person: options.by,
    reason: options.reason ?? null,
  });
  const { code, message } = adopted.found;
  return {
    data: { ...adopted, found: { code, message } },
    text: describe(adopted),
    hasFindings: !adopted.isWritten,
  };
}

function describe({ found, before, after, isWritten }: Adopted): string {
  return [
    `found    ${found.code}: ${found.message}`,
    `before   ${before === null ? 'no progress' : summarize(before)}`,
    `after    ${after === null ? 'a new slot that starts now; events before it are not streamed' : summarize(after)}`,
    isWritten
      ? 'written; you can start the relay now'
      : 'not written; run the command again with --yes to write it',
  ].join('\n');
}

function summarize({ endLsn, partial, timeline, systemIdentifier, beat }: Progress): string {
  const part =
    partial === null
      ? ''
      : `, plus ${counted(partial.ordinal, 'event')} of the transaction ${formatLsn(partial.commitLsn)}`;
  return `up to ${formatLsn(endLsn)}${part}; timeline ${timeline} of cluster ${systemIdentifier}, heartbeat ${beat}`;
}
