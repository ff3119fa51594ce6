/** `outbox-relay dead-letters show`: everything of one event, with its payload, for whoever asked for it by name. */
import { Command } from 'commander';
import type pg from 'pg';
import { createPool } from '../../connect/postgres/pool.ts';
import { hints } from '../../errors.ts';
import { printable } from '../../observe/printable.ts';
import { type Letter, type LetterAction, parseLetterName } from '../../operations/dead-letters/letter.ts';
import {
  type LetterContent,
  type LetterFailure,
  listLetters,
  readActions,
  readContent,
  readFailure,
} from '../../operations/dead-letters/read.ts';
import { assertLettersShown } from '../../operations/dead-letters/transaction.ts';
import type { Load } from '../load.ts';
import { print } from '../output.ts';
import { formatTable } from '../table.ts';

type Shown = Letter & {
  readonly content: LetterContent;
  /** null where the reason was clear at once. */
  readonly failure: LetterFailure | null;
  readonly actions: readonly LetterAction[];
};

const help = `
An event that was resubmitted and refused again is a dead letter of another position and the same id: by its id, all are
shown. The payload is printed as it is; --no-payload leaves it and the headers out.

Exit codes: 0 shown · 64 there is none of that name · 69 Postgres does not answer · 77 rights

Examples:
  $ outbox-relay dead-letters show 000000000172f1a8.00000000
  $ outbox-relay dead-letters show 6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10 --no-payload
  $ outbox-relay dead-letters show 000000000172f1a8.00000000 --json | jq -r '.[0].content.payload'`;

/** No event has more positions than a person resubmits it. */
const lettersMax = 100;

export function showCommand(load: Load): Command {
  return new Command('show')
    .description('show all of a dead letter: reason, payload, who did what')
    .argument('<letter>', 'position, or id of the event')
    .option('--no-payload', 'leave payload and headers out')
    .option('--json', 'print a JSON array')
    .addHelpText('after', help)
    .action(async (name: string, options: { payload: boolean; json?: boolean }, command: Command) => {
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      const look = async () => {
        const shown = await read(pool, config.slot, name);
        await assertLettersShown(pool, config);
        return shown;
      };
      const shown = await look().finally(() => pool.end());
      if (shown.length === 0)
        command.error(`error: no dead letter ${printable(name)} of slot ${config.slot}`);
      const seen = options.payload ? shown : shown.map(({ content: _, ...rest }) => rest);
      print(command, options.json ? JSON.stringify(seen) : seen.map(describe).join('\n\n'));
    });
}

async function read(pool: pg.Pool, slot: string, name: string): Promise<Shown[]> {
  const shown: Shown[] = [];
  for (const letter of await listLetters(pool, slot, { names: [parseLetterName(name)] }, lettersMax)) {
    const content = await readContent(pool, slot, letter);
    if (content === undefined) continue;
    const failure = (await readFailure(pool, slot, letter)) ?? null;
    shown.push({ ...letter, content, failure, actions: await readActions(pool, slot, letter) });
  }
  return shown;
}

function describe({ content, failure, actions, ...letter }: Omit<Shown, 'content'> & Partial<Shown>): string {
  const lines = [
    ['position', letter.position],
    [
      'status',
      `${letter.status}${letter.isOfParkedKey ? ', its key is parked' : ''}, first seen ${letter.firstSeen}`,
    ],
    ['reason', `${letter.code}${letter.path === null ? '' : ` at ${letter.path}`}: ${letter.message}`],
    ...(letter.status === 'open' || letter.status === 'parked' ? [['hint', hintOf(letter.code)]] : []),
    ['event', `${letter.eventId ?? 'no id'}, ${letter.type ?? 'no type'}`],
    ['key', `${letter.aggregateid ?? 'none'} of ${letter.aggregatetype ?? 'no aggregatetype'}`],
    ['topic', letter.topic ?? 'none'],
    ['schema', letter.subject === null ? 'none' : `${letter.subject}${idOf(letter.schemaId)}`],
    ...describeFailure(failure ?? null),
    ...actions.map((action) => ['trail', describeAction(action)]),
    ...(content === undefined
      ? []
      : [
          ...linesOf('headers', content.headers ?? absent(letter.leftOut?.headers)),
          ...linesOf('payload', content.payload ?? absent(letter.leftOut?.payload)),
        ]),
  ];
  return formatTable(lines);
}

/** @param bytes of what was left out */
function absent(bytes: number | undefined): string {
  return bytes === undefined ? 'NULL' : `left out (${bytes} bytes)`;
}

function describeFailure(failure: LetterFailure | null): string[][] {
  if (failure === null) return [];
  const stack = failure.stack.split('\n').map((line, index) => [index === 0 ? 'stack' : '', line]);
  return [['attempts', String(failure.attempts)], ...stack];
}

/** Under its name, so that no line of it passes for one of ours. */
function linesOf(name: string, text: string): string[][] {
  return text.split(/\r?\n/).map((line, index) => [index === 0 ? name : '', line]);
}

/** A code of another release has none here. */
function hintOf(code: string): string {
  return (hints as Readonly<Record<string, string>>)[code] ?? 'none';
}

function idOf(schemaId: number | null): string {
  return schemaId === null ? '' : `, id ${schemaId}`;
}

function describeAction({ actedAt, action, person, sessionRole, note }: LetterAction): string {
  return `${actedAt} ${action} by ${person} (${sessionRole})${note === null ? '' : `: ${note}`}`;
}
