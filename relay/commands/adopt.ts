/** `outbox-relay adopt`: accept by hand what the relay refuses by itself. */
import { Argument, Command } from 'commander';
import { type Adoption, adoptions, exitCodes } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { createLogger } from '../observe/log.ts';
import { type Adopted, adopt } from '../operations/adopt.ts';
import type { Load } from './load.ts';
import { print } from './output.ts';

const help = `
What can be adopted, and the refusal it answers:
  database  the progress belongs to another cluster, or to a later state of this one (LINEAGE_OTHER_DATABASE,
            LINEAGE_REWOUND): go on from the slot as it is
  slot      the slot starts after the progress (LINEAGE_SLOT_AHEAD): what lies between is not streamed
  progress  Kafka holds no usable progress for a slot that has published (LINEAGE_PROGRESS_LOST,
            PROGRESS_UNREADABLE): go on from the slot; what it published without telling Postgres comes twice
  new-slot  the slot is gone or invalidated (SLOT_MISSING, SLOT_INVALIDATED): make a new one and go on from there
  gap       the publication was away for a while (PUBLICATION_GAP): what was written then is not streamed

Run \`outbox-relay verify\` first: it lists the events that are missing or would come twice. Stop the relays of this
slot. Without --yes nothing is changed: it shows what was found and what would be written.

Exit codes: 0 written · 1 shown, not written · 64 nothing of that kind to adopt · 69 a server did not answer, or a
relay still holds the slot

Examples:
  $ outbox-relay adopt slot
  $ outbox-relay adopt slot --yes`;

export function adoptCommand(load: Load): Command {
  return new Command('adopt')
    .summary('accept a changed database, slot or progress by hand')
    .description('Writes a new progress, so that the relay goes on from what the database is now.')
    .addArgument(new Argument('<what>', 'what to accept').choices(adoptions))
    .option('--yes', 'write it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', help)
    .action(async (what: Adoption, options: { yes?: boolean; json?: boolean }, command: Command) => {
      const { config } = load(command, ['database', 'kafka']);
      const adopted = await adopt(config, createLogger('fatal'), what, options.yes !== true);
      print(command, options.json === true ? toJson(adopted) : describe(adopted));
      if (!adopted.isWritten) process.exitCode = exitCodes.findings;
    });
}

function describe({ found, before, after, isWritten }: Adopted): string {
  return [
    `found    ${found.code}: ${found.message}`,
    `before   ${before === null ? 'no progress' : summarize(before)}`,
    `after    ${after === null ? 'a new slot that starts now; what it never reads is not streamed' : summarize(after)}`,
    isWritten ? 'written; the relay can be started' : 'not written; run again with --yes to write it',
  ].join('\n');
}

function summarize({ endLsn, partial, timeline, systemIdentifier, beat }: Progress): string {
  const part = partial === null ? '' : `, then ${partial.ordinal} events of ${formatLsn(partial.commitLsn)}`;
  return `up to ${formatLsn(endLsn)}${part} on timeline ${timeline} of ${systemIdentifier}, heartbeat ${beat}`;
}

function toJson(adopted: Adopted): string {
  const { found, ...rest } = adopted;
  const shown = { found: { code: found.code, message: found.message }, ...rest };
  return JSON.stringify(shown, (_, value: unknown) => (typeof value === 'bigint' ? formatLsn(value) : value));
}
