/** `outbox-relay dead-letters show`: everything about one event, its payload included. */
import { Command } from 'commander';
import { hints } from '../../errors.ts';
import type { LetterAction } from '../../operations/dead-letters/letter.ts';
import type { LetterFailure, LetterRelease } from '../../operations/dead-letters/read.ts';
import { type ShownLetter, showDeadLetters } from '../../operations/dead-letters/show.ts';
import { type Call, define } from '../command.ts';
import { count, formatTable } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type ShowOptions = { payload: boolean; json?: boolean };

const help = `
An event that was resubmitted and refused again has a dead letter at each position, all with the same id. If you give the
id, the command shows all of them. It prints the payload unchanged; --no-payload leaves out the payload and the headers.

Exit codes: 0 shown · 64 there is no such dead letter, or invalid arguments · 69 Postgres is unreachable · 77 access
denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters show 000000000172f1a8.00000000
  $ outbox-relay dead-letters show 6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10 --no-payload
  $ outbox-relay dead-letters show 000000000172f1a8.00000000 --json | jq -r '.[0].content.payload'`;

export function showCommand(load: Load): Command {
  const command = new Command('show')
    .description('show everything about a dead letter: reason, payload, audit trail')
    .argument('<letter>', 'position, or id of the event')
    .option('--no-payload', 'leave out payload and headers')
    .option('--json', 'print a JSON array')
    .addHelpText('after', helpText(help));
  return define<ShowOptions>(command, load, { needs: ['database'], run });
}

async function run({ config, options, args }: Call<ShowOptions>) {
  const letters = await showDeadLetters(config, args[0]!);
  const shown = options.payload ? letters : letters.map(({ content: _, ...rest }) => rest);
  return { data: shown, text: shown.map(describe).join('\n\n') };
}

function describe({
  content,
  failure,
  actions,
  release,
  ...letter
}: Omit<ShownLetter, 'content'> & Partial<ShownLetter>): string {
  const lines = [
    ['position', letter.position],
    [
      'status',
      `${letter.status}${letter.fixedAt === null ? '' : `, fixed ${letter.fixedAt}`}${letter.isOfParkedKey ? ', its key is parked' : ''}, first seen ${letter.firstSeen}`,
    ],
    ['reason', `${letter.code}${letter.path === null ? '' : ` at ${letter.path}`}: ${letter.message}`],
    ...(letter.status === 'open' || letter.status === 'parked' ? [['hint', hintOf(letter.code)]] : []),
    ['event', `${letter.eventId ?? 'no id'}, ${letter.type ?? 'no type'}`],
    ['key', `${letter.aggregateid ?? 'none'} of ${letter.aggregatetype ?? 'no aggregatetype'}`],
    ['topic', letter.topic ?? 'none'],
    ['schema', letter.subject === null ? 'none' : `${letter.subject}${idOf(letter.schemaId)}`],
    ...describeFailure(failure ?? null),
    ...actions.map((action) => ['trail', describeAction(action)]),
    ...(release == null ? [] : [['trail', describeAction({ ...release, ...releasing(release) })]]),
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
  return [['attempts', count(failure.attempts)], ...stack];
}

/** Indented under its name, so that no line of it looks like one of ours. */
function linesOf(name: string, text: string): string[][] {
  return text.split(/\r?\n/).map((line, index) => [index === 0 ? name : '', line]);
}

/** A newer release may have codes that are unknown here. */
function hintOf(code: string): string {
  return (hints as Readonly<Record<string, string>>)[code] ?? 'none';
}

function idOf(schemaId: number | null): string {
  return schemaId === null ? '' : `, id ${schemaId}`;
}

/** It is published when the relay meets the request, which is when it counts as done. */
const releasing = ({ requestedAt, processedAt }: LetterRelease) => ({
  action: 'release',
  actedAt: processedAt ?? requestedAt,
});

type Act = Pick<LetterAction, 'actedAt' | 'person' | 'sessionRole' | 'note'> & { readonly action: string };

function describeAction({ actedAt, action, person, sessionRole, note }: Act): string {
  return `${actedAt} ${action} by ${person} (${sessionRole})${note === null ? '' : `: ${note}`}`;
}
