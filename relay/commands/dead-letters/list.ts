/** `outbox-relay dead-letters list`: which there are, never what is in them. */
import { Command } from 'commander';
import { type Letter, type LetterStatus, letterStatuses } from '../../dead-letters/letter.ts';
import { listLetters } from '../../dead-letters/read.ts';
import { createPool } from '../../postgres.ts';
import type { Load } from '../load.ts';
import { formatTable } from '../table.ts';
import { type FilterOptions, selectionOf, statusesOf, whole, withFilters } from './options.ts';

type ListOptions = FilterOptions & { status: LetterStatus[]; limit: number; json?: boolean };

const help = `
Oldest positions first. Those that are parked wait behind an open one of their key: see \`release\`. Payloads are not shown, and the message tells places and types only.

Exit codes: 0 listed, also when there are none · 64 arguments · 69 Postgres does not answer · 77 rights

Examples:
  $ outbox-relay dead-letters list
  $ outbox-relay dead-letters list --code PAYLOAD_INVALID --since 2h
  $ outbox-relay dead-letters list --status open,discarded --json | jq -r '.[].eventId'`;

export function listCommand(load: Load): Command {
  return withFilters(new Command('list').description('list dead letters, without their payloads'))
    .option('--status <list>', `of ${letterStatuses.join(', ')}; separated by commas; or all`, statusesOf(), [
      'open',
      'parked',
    ] as LetterStatus[])
    .option('--limit <number>', 'most that are listed', whole, 100)
    .option('--json', 'print a JSON array')
    .addHelpText('after', help)
    .action(async (options: ListOptions, command: Command) => {
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      const selection = { ...selectionOf(options), statuses: options.status };
      // One more than is shown tells whether there are more.
      const found = await listLetters(pool, config.slot, selection, options.limit + 1).finally(() =>
        pool.end(),
      );
      const letters = found.slice(0, options.limit);
      console.log(options.json ? JSON.stringify(letters) : describe(letters));
      if (found.length > options.limit) process.stderr.write(`and more: --limit ${options.limit}\n`);
    });
}

function describe(letters: readonly Letter[]): string {
  if (letters.length === 0) return 'no dead letters';
  const head = ['POSITION', 'STATUS', 'FIRST SEEN', 'CODE', 'TYPE', 'KEY', 'PATH', 'MESSAGE'];
  const rows = letters.map((letter) => [
    letter.position,
    letter.status,
    letter.firstSeen.slice(0, 19).concat('Z'),
    letter.code,
    letter.type ?? '',
    letter.aggregateid ?? '',
    letter.path ?? '',
    letter.message,
  ]);
  return formatTable([head, ...rows.map((row) => row.map(printable))]);
}

/** Cells come from rows: no control character of theirs reaches the terminal, and none fills the screen. */
export function printable(cell: string): string {
  const clean = cell.replace(/\p{Cc}/gu, '·');
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean;
}
