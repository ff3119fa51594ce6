/** `outbox-relay dead-letters list`: which there are, never what is in them. */
import { once } from 'node:events';
import { Command } from 'commander';
import { createPool } from '../../connect/postgres/pool.ts';
import { printableJson, shortened } from '../../observe/printable.ts';
import { type Letter, type LetterStatus, letterStatuses } from '../../operations/dead-letters/letter.ts';
import { pagesOfLetters } from '../../operations/dead-letters/read.ts';
import { assertLettersShown } from '../../operations/dead-letters/transaction.ts';
import type { Load } from '../load.ts';
import { columnWidths, formatTable } from '../table.ts';
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
      try {
        // One more than is shown tells whether there are more.
        const pages = pagesOfLetters(pool, config.slot, selection, options.limit + 1);
        const shown = await print(pages, options);
        await assertLettersShown(pool, config);
        if (shown > options.limit) process.stderr.write(`and more: --limit ${options.limit}\n`);
      } finally {
        await pool.end();
      }
    });
}

/** Page by page, so that memory does not depend on how many there are. @returns how many there are, shown or not */
async function print(pages: AsyncIterable<readonly Letter[]>, { limit, json }: ListOptions): Promise<number> {
  const table = new GrowingTable();
  let shown = 0;
  if (json) await write('[');
  for await (const page of pages) {
    const letters = page.slice(0, limit - shown);
    const separator = json && shown > 0 ? ',' : '';
    if (letters.length > 0)
      await write(
        separator +
          (json ? letters.map((letter) => printableJson(JSON.stringify(letter))).join() : table.add(letters)),
      );
    shown += page.length;
  }
  if (json) await write(']\n');
  else if (shown === 0) await write('no dead letters\n');
  return shown;
}

/** Waits for whoever reads, as through a pipe. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

const head = ['POSITION', 'STATUS', 'FIRST SEEN', 'CODE', 'TYPE', 'KEY', 'PATH', 'MESSAGE'];

/** Columns are as wide as the page needs, and no narrower than those of the page before. */
class GrowingTable {
  #widths = head.map(({ length }) => length);
  #isBegun = false;

  add(letters: readonly Letter[]): string {
    const rows = letters.map((letter) => cellsOf(letter).map(shortened));
    if (!this.#isBegun) rows.unshift(head);
    this.#isBegun = true;
    this.#widths = columnWidths(rows, this.#widths);
    return `${formatTable(rows, this.#widths)}\n`;
  }
}

function cellsOf(letter: Letter): string[] {
  return [
    letter.position,
    letter.status,
    letter.firstSeen.slice(0, 19).concat('Z'),
    letter.code,
    letter.type ?? '',
    letter.aggregateid ?? '',
    letter.path ?? '',
    letter.leftOut?.payload === undefined
      ? letter.message
      : `payload left out (${letter.leftOut.payload} bytes); ${letter.message}`,
  ];
}
