/** `outbox-relay dead-letters purge`: retention of what is closed. */
import { Command } from 'commander';
import type { LetterStatus } from '../../dead-letters/letter.ts';
import { createPool, query } from '../../postgres.ts';
import type { Load } from '../load.ts';
import { age, statusesOf } from './options.ts';

type PurgeOptions = { olderThan: number; status: LetterStatus[]; json?: boolean };

const closed = ['resubmitted', 'discarded'] as const;

const help = `
Removes dead letters that were closed longer ago than that, with their trails. Open ones are never removed. \`verify\`
accounts for a discarded event by its dead letter: keep these as long as the rows of the outbox table.

Exit codes: 0 done · 64 arguments · 69 Postgres does not answer · 77 rights: grant outbox_operator

Examples:
  $ outbox-relay dead-letters purge --older-than 90d
  $ outbox-relay dead-letters purge --older-than 30d --status resubmitted`;

export function purgeCommand(load: Load): Command {
  return new Command('purge')
    .description('remove dead letters that were closed long ago')
    .requiredOption('--older-than <age>', 'closed longer ago than this, such as 90d', age)
    .option('--status <list>', 'of resubmitted, discarded; separated by commas', statusesOf(closed), [
      ...closed,
    ] as LetterStatus[])
    .option('--json', 'print one JSON object {purged}')
    .addHelpText('after', help)
    .action(async (options: PurgeOptions, command: Command) => {
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      const [row] = await query<{ purged: string }>(
        pool,
        'removing dead letters',
        'select outbox.purge_dead_letters($1, make_interval(secs => $2), $3::text[]) as purged',
        [config.slot, options.olderThan, options.status],
      ).finally(() => pool.end());
      const purged = Number(row?.purged);
      console.log(options.json ? JSON.stringify({ purged }) : `removed ${purged} dead letters`);
    });
}
