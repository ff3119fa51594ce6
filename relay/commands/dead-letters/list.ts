/** `outbox-relay dead-letters list`: which there are, never their payloads. */
import { once } from 'node:events';
import { Command } from 'commander';
import { printableJson } from '../../observe/printable.ts';
import { type Letter, type LetterStatus, letterStatuses } from '../../operations/dead-letters/letter.ts';
import { listDeadLetters } from '../../operations/dead-letters/list.ts';
import { wholeNumber } from '../arguments.ts';
import { type Call, define } from '../command.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { type FilterOptions, selectionOf, statusesOf, withFilters } from './options.ts';
import { cellOf, screenNow, tableOf, widthsOf } from './table.ts';

type ListOptions = FilterOptions & { status: LetterStatus[]; limit: number; json?: boolean };

const help = `
Lists the oldest first. The position is the place of an event in the WAL: the LSN of its commit, and its number in the
transaction. Other commands take it as an argument, or the id of the event. The payload of one that is \`open, fixed\` was changed since the event was
refused; it waits for \`resubmit\`, or for \`release\` if its key is parked. A parked event waits behind an open dead letter of
its key. The list shows no payloads, and its messages name places and types only. At a terminal, long cells are cut; a program
reads them whole.

Exit codes: 0 the list was shown, even if it is empty · 64 invalid arguments or configuration · 69 Postgres is
unreachable · 77 access denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters list
  $ outbox-relay dead-letters list --code PAYLOAD_INVALID --since 2h
  $ outbox-relay dead-letters list --status open,discarded --json | jq -r '.[].eventId'`;

export function listCommand(load: Load): Command {
  const command = withFilters(new Command('list').description('list dead letters, without their payloads'))
    .option(
      '--status <list>',
      `any of ${letterStatuses.join(', ')}, separated by commas; or all`,
      statusesOf(),
      ['open', 'parked'] as LetterStatus[],
    )
    .option('--limit <number>', 'list at most this many', wholeNumber(1, 9_999_999), 100)
    .option('--json', 'print a JSON array')
    .addHelpText('after', helpText(help));
  return define<ListOptions>(command, load, { needs: ['database'], run });
}

/** Prints page by page, so that memory does not depend on how many there are. */
async function run({ config, options }: Call<ListOptions>) {
  const selection = { ...selectionOf(options), statuses: options.status };
  const pages = options.json ? new JsonPages() : new TablePages();
  await write(pages.begin);
  const { listed, hasMore } = await listDeadLetters(config, selection, options.limit, (letters) =>
    write(pages.add(letters)),
  );
  await write(pages.end(listed));
  if (hasMore) process.stderr.write(`there are more: raise --limit ${options.limit}\n`);
  return {};
}

/** Waits for a slow reader, such as a pipe. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

class JsonPages {
  readonly begin = '[';
  #separator = '';

  add(letters: readonly Letter[]): string {
    const text = this.#separator + letters.map((letter) => printableJson(JSON.stringify(letter))).join();
    this.#separator = ',';
    return text;
  }

  end(): string {
    return ']\n';
  }
}

const head = ['POSITION', 'EVENT', 'STATUS', 'FIRST SEEN', 'CODE', 'TYPE', 'KEY', 'PATH', 'MESSAGE'];

/** Columns are as wide as the page needs, and no narrower than those of the page before. */
class TablePages {
  readonly begin = '';
  #widths: readonly number[] = [];
  #isBegun = false;

  add(letters: readonly Letter[]): string {
    const screen = screenNow();
    const rows = letters.map((letter) => cellsOf(letter, screen));
    if (!this.#isBegun) rows.unshift(head);
    this.#isBegun = true;
    this.#widths = widthsOf(rows, this.#widths);
    return `${tableOf(rows, screen, this.#widths)}\n`;
  }

  end(listed: number): string {
    return listed === 0 ? 'no dead letters\n' : '';
  }
}

function cellsOf(letter: Letter, screen: number | undefined): string[] {
  const cell = (value: string | null) => cellOf(value ?? '', screen);
  return [
    letter.position,
    cell(letter.eventId),
    letter.fixedAt === null ? letter.status : `${letter.status}, fixed`,
    letter.firstSeen.slice(0, 19).concat('Z'),
    letter.code,
    cell(letter.type),
    cell(letter.aggregateid),
    cell(letter.path),
    letter.leftOut?.payload === undefined
      ? letter.message
      : `payload left out (${letter.leftOut.payload} bytes); ${letter.message}`,
  ];
}
