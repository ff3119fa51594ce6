/** `outbox-relay dead-letters purge`: retention of what is closed. */
import { Command, InvalidArgumentError } from 'commander';
import { createPool } from '../../connect/postgres/pool.ts';
import { purgeClosed } from '../../ledger/purge.ts';
import type { LetterStatus } from '../../operations/dead-letters/letter.ts';
import type { Load } from '../load.ts';
import { print } from '../output.ts';
import { age, statusesOf, whole } from './options.ts';
import { reporter } from './reporter.ts';

type PurgeOptions = { olderThan?: number; keep?: number; status: LetterStatus[]; json?: boolean };

const closed = ['resubmitted', 'discarded', 'released'] as const;

const help = `
Removes dead letters that were closed longer ago than --older-than, and all but the --keep that were closed last, with
their trails. Open and parked ones are never removed, nor what was closed less than a day ago. \`verify\` accounts for a discarded event by its dead letter: keep
these as long as the rows of the outbox table. The relay does the same by itself where deadLetters.keepClosed or
deadLetters.keepClosedDays is set.

Exit codes: 0 done · 64 arguments · 69 Postgres does not answer · 77 rights: grant outbox_operator

Examples:
  $ outbox-relay dead-letters purge --older-than 90d
  $ outbox-relay dead-letters purge --older-than 30d --status resubmitted
  $ outbox-relay dead-letters purge --keep 100000`;

export function purgeCommand(load: Load): Command {
  return new Command('purge')
    .description('remove dead letters that were closed long ago')
    .option('--older-than <age>', 'closed longer ago than this, such as 90d; at least 1d', atLeastADay)
    .option('--keep <number>', 'all but so many', whole)
    .option('--status <list>', `of ${closed.join(', ')}; separated by commas`, statusesOf(closed), [
      ...closed,
    ] as LetterStatus[])
    .option('--json', 'print one JSON object {purged}')
    .addHelpText('after', help)
    .action(async (options: PurgeOptions, command: Command) => {
      const { olderThan, keep, status } = options;
      if (olderThan === undefined && keep === undefined) command.error('error: give --older-than or --keep');
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      const report = reporter();
      const { purged } = await purgeClosed(pool, config.slot, {
        by: 'person',
        olderThanSeconds: olderThan,
        keep,
        statuses: status,
        mayGoOn: (purged) => {
          report.show(purged);
          return true;
        },
      }).finally(() => {
        report.clear();
        return pool.end();
      });
      print(command, options.json ? JSON.stringify({ purged }) : `removed ${purged} dead letters`);
    });
}

/** The trail of what was closed a moment ago is not for anybody who runs a command to remove: migration 0011. */
function atLeastADay(value: string): number {
  const seconds = age(value);
  if (seconds < 86_400) throw new InvalidArgumentError('expected an age of a day or more.');
  return seconds;
}
