/** `outbox-relay dead-letters purge`: remove dead letters that were closed long ago. */
import { Command, InvalidArgumentError } from 'commander';
import type { LetterStatus } from '../../operations/dead-letters/letter.ts';
import { closedStatuses, previewPurge, purgeDeadLetters } from '../../operations/dead-letters/purge.ts';
import { type ActorOptions, withActor } from '../actor.ts';
import { age, wholeNumber } from '../arguments.ts';
import { type Call, define } from '../command.ts';
import { count, counted } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { ProgressLine } from '../progress-line.ts';
import { statusesOf } from './options.ts';

type PurgeOptions = ActorOptions & {
  olderThan?: number;
  keep?: number;
  status: LetterStatus[];
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
};

const help = `
Deletes dead letters that were closed longer ago than --older-than, and all but the --keep that were closed last,
together with their audit trail. This cannot be undone. Open and parked dead letters stay, and so do those that were
closed less than a day ago. \`verify\` needs the dead letter of a discarded event: keep it as long as the row in the
outbox table. Without --yes the command says how many it would delete, and changes nothing.

The relay purges on its own if deadLetters.keepClosed or deadLetters.keepClosedDays is set.

Purge only what has no row in the outbox table any more. Without its dead letter, a discarded event whose row is left looks
as if it was never published: verify lists it as missing, recover asks about it, and replay publishes it.

Exit codes: 0 done, or nothing to delete (with --dry-run: shown) · 1 shown but not done · 64 invalid arguments or configuration · 69 Postgres is
unreachable · 77 access denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters purge --older-than 90d
  $ outbox-relay dead-letters purge --older-than 90d --yes
  $ outbox-relay dead-letters purge --older-than 30d --status resubmitted --yes
  $ outbox-relay dead-letters purge --keep 100000 --yes`;

export function purgeCommand(load: Load): Command {
  const command = new Command('purge')
    .description('delete dead letters that were closed long ago, with their audit trail')
    .option(
      '--older-than <age>',
      'delete those that were closed longer ago, such as 90d; at least 1d',
      atLeastADay,
    )
    .option('--keep <number>', 'keep only this many, those that were closed last', wholeNumber(1, 9_999_999))
    .option(
      '--status <list>',
      `any of ${closedStatuses.join(', ')}, separated by commas`,
      statusesOf(closedStatuses),
      [...closedStatuses] as LetterStatus[],
    )
    .option('--dry-run', 'show what would be deleted; change nothing, and exit with 0')
    .option('--yes', 'do it')
    .option('--json', 'print one JSON object: {purged}, of a preview {wouldPurge}')
    .addHelpText('after', helpText(help));
  return define<PurgeOptions>(withActor(command), load, { needs: ['database'], validate, run });
}

function validate({ olderThan, keep }: PurgeOptions): string | undefined {
  return olderThan === undefined && keep === undefined ? 'give --older-than or --keep' : undefined;
}

async function run({ config, options }: Call<PurgeOptions>) {
  const { olderThan, keep, status, by, reason, dryRun, yes } = options;
  const chosen = { config, olderThanSeconds: olderThan, keep, statuses: status };
  if (dryRun === true || yes !== true) {
    const preview = await previewPurge(chosen);
    const isNone = preview.wouldPurge === 0;
    const next = isNone ? '' : ': run again with --yes to do it, which cannot be undone';
    const text = `would delete ${counted(preview.wouldPurge, 'dead letter')}; nothing was changed${next}`;
    return { data: preview, text, hasFindings: !isNone && dryRun !== true };
  }
  const line = new ProgressLine<number>((purged) => `${count(purged)} deleted so far`);
  const { purged } = await purgeDeadLetters({
    ...chosen,
    actor: { person: by, reason: reason ?? null },
    onProgress: (purged) => line.show(purged),
  }).finally(() => line.end());
  return { data: { purged }, text: `${counted(purged, 'dead letter')} deleted` };
}

/** Nobody who runs a command may delete the trail of a recent action: migration 0011. */
function atLeastADay(value: string): number {
  const seconds = age(value);
  if (seconds < 86_400) throw new InvalidArgumentError('Expected an age of a day or more.');
  return seconds;
}
