/** `outbox-relay dead-letters fix`: correct the payload of one or many, and see whether they would be refused again. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { RequestInvalid } from '../../errors.ts';
import {
  type FixableLetter,
  type FixOutcome,
  findFixable,
  fixDeadLetter,
  payloadOf,
} from '../../operations/dead-letters/fix.ts';
import {
  fixDeadLetters,
  type ManyFixed,
  patchedByItself,
  tryDeadLetters,
} from '../../operations/dead-letters/fix-many.ts';
import { indented } from '../../operations/json-text.ts';
import { type ActorOptions, withActor } from '../actor.ts';
import { type Call, define } from '../command.ts';
import { count } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { bar, ProgressLine } from '../progress-line.ts';
import { type FilterOptions, isEmpty, patchFault, selectionOf, withFilters } from './options.ts';
import { screenNow, tableOf } from './table.ts';
import { rowsOfRefused, rowsOfWarnings, withoutValues } from './try.ts';

type FixOptions = ActorOptions &
  FilterOptions & {
    payload?: string;
    patch?: string;
    allMatching?: boolean;
    dryRun?: boolean;
    yes?: boolean;
    json?: boolean;
  };

const help = `
Give the whole payload in a file, which --payload names, or a JSON patch (RFC 6902) as the value of --patch. Without either, the payload opens in $VISUAL
or $EDITOR. The command encodes the event as the relay would, with the schema that is in the
registry now, and stores the payload only if the relay would publish it. Numbers keep all their digits.

It replaces the stored payload at once; outbox.dead_letter_action keeps the old one, and \`undo\` puts it back. It publishes nothing: \`resubmit\` does, or
\`release\` if the key is parked. If the dead letter has no payload because the row is over publish.maxRowBytes, use
--payload.

Beyond RFC 6902, a patch can convert a value to the type number, text or boolean without changing a digit, with
{"op":"convert","path":"/total","to":"number"}. A text that is not exactly a number of JSON, such as " 1" or "01", is not
converted. \`*\` in place of an index stands for the element of a list at which the event is refused.

With --all-matching and the filters of \`list\`, the patch goes to every open dead letter that they choose. Each is judged by
itself: those that the relay would publish are stored, and the others stay as they are. Without --yes the command shows what
it would store, as \`try\` does, and warns of a patch that sets one value in events that have different ones there. It stores
up to 500 in one Postgres transaction. If it is interrupted, what it has stored stays, and running it again does the rest.

Exit codes: 0 stored · 1 not stored, or not all of them: refused again, unchanged, or changed by somebody else; or shown but
not done · 64 the patch does not apply, there is no such open dead letter, or invalid arguments · 69 a server is unreachable ·
77 access denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --payload order.json
  $ jq '.total = 9.90' order.json | outbox-relay dead-letters fix 000000000172f1a8.00000000 --payload -
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --patch '[{"op":"replace","path":"/total","value":"9.90"}]'
  $ outbox-relay dead-letters fix --all-matching --code PAYLOAD_INVALID --type shop.OrderPlaced --path '$.total' \\
      --patch '[{"op":"move","from":"/sum","path":"/total"}]' --reason OPS-17 --yes
  $ outbox-relay dead-letters fix --all-matching --path '$.lines[*].quantity' \\
      --patch '[{"op":"convert","path":"/lines/*/quantity","to":"number"}]' --reason OPS-18 --yes`;

export function fixCommand(load: Load): Command {
  const command = new Command('fix')
    .description('correct the payload of an open dead letter, or of many with one patch')
    .argument('[letter]', 'position, or id of the event')
    .option('--payload <file>', 'name of a file with the whole payload; - for standard input')
    .option('--patch <json>', 'change the payload with a JSON patch: the JSON itself, no file')
    .option('--all-matching', 'patch every open dead letter that the filters choose')
    .option('--dry-run', 'with --all-matching: show what would be stored; change nothing, and exit with 0')
    .option('--yes', 'with --all-matching: do it');
  withActor(withFilters(command))
    .option('--json', 'print one JSON object: {position, stored, code, message, path, isConflict} of one')
    .addHelpText('after', helpText(help));
  return define<FixOptions>(command, load, { validate, run });
}

function validate(options: FixOptions, names: readonly string[]): string | undefined {
  const { payload, patch, allMatching, dryRun, yes } = options;
  const isFiltered = !isEmpty(selectionOf(options));
  const fault = patchFault(patch);
  if (fault !== undefined) return fault;
  // commander gives an argument that was left out as undefined.
  const isNamed = names[0] !== undefined;
  if (allMatching === true) {
    if (isNamed) return 'name a dead letter or give --all-matching, not both';
    if (patch === undefined || payload !== undefined) return '--all-matching needs --patch, and no --payload';
    return isFiltered ? undefined : 'give filters with --all-matching: which dead letters?';
  }
  if (!isNamed) return 'name a dead letter, or give --all-matching and filters';
  if (isFiltered || dryRun === true || yes === true)
    return 'filters, --dry-run and --yes need --all-matching';
  return payload === undefined || patch === undefined ? undefined : 'give --payload or --patch, not both';
}

async function run(call: Call<FixOptions>) {
  const { config, options, args } = call;
  if (options.allMatching === true) return fixAll(call);
  const fixable = await findFixable(config, args[0]!);
  const actor = { person: options.by, reason: options.reason ?? null };
  const payload = await newPayload(call, fixable);
  const outcome = await fixDeadLetter({ config, fixable, payload, actor });
  return { data: outcome, text: describe(fixable, outcome), hasFindings: !outcome.stored };
}

async function fixAll({ config, options }: Call<FixOptions>) {
  const isPreview = options.dryRun === true || options.yes !== true;
  const verb = isPreview ? 'tried' : 'judged';
  const line = new ProgressLine<readonly [number, number]>(([done, of]) => `${verb} ${bar(done, of)}`);
  const onProgress = (done: number, of: number) => line.show([done, of]);
  const many = { config, selection: selectionOf(options), patch: options.patch!, onProgress };
  if (isPreview) {
    const trial = await tryDeadLetters(many).finally(() => line.end());
    const rows = [
      ['would publish with it', `${count(trial.wouldPublish)} of ${count(trial.tried)}`, ''],
      ...rowsOfRefused(trial.refused),
      ...rowsOfWarnings(trial.sameValues),
      ['not changed', '', 'run again with --yes to store these'],
    ];
    const text = tableOf(rows, screenNow());
    return { data: withoutValues(trial), text, hasFindings: options.dryRun !== true };
  }
  const actor = { person: options.by, reason: options.reason ?? null };
  const fixed = await fixDeadLetters({ ...many, actor }).finally(() => line.end());
  return {
    data: fixed,
    text: describeMany(fixed),
    hasFindings: fixed.fixed + fixed.unchanged < fixed.seen,
  };
}

function describeMany({ seen, fixed, unchanged, conflicts, refused }: ManyFixed): string {
  const left = [
    ['unchanged', unchanged, 'the patch changes nothing in them'],
    ['skipped', conflicts, 'somebody else has closed or changed them, or their key is being released'],
  ] as const;
  const rows = [
    ['stored', `${count(fixed)} of ${count(seen)}`, ''],
    ...left.filter(([, number]) => number > 0).map(([what, number, why]) => [what, count(number), why]),
    ...rowsOfRefused(refused),
  ];
  return tableOf(rows, screenNow());
}

async function newPayload({ config, options }: Call<FixOptions>, fixable: FixableLetter): Promise<string> {
  const { payload, patch } = options;
  if (patch !== undefined) return patchedByItself(config, fixable, patch);
  if (payload !== undefined) return read(payload);
  return edited(payloadOf(fixable));
}

function read(file: string): string {
  try {
    // 0 is standard input.
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (error) {
    // What somebody gave in place of a name may be a payload, and no message quotes one.
    if (looksLikeJson(file))
      throw new RequestInvalid(
        '--payload takes the name of a file, and this looks like JSON: write it to a file, or give it on standard input with --payload -',
      );
    const { code, message } = error as NodeJS.ErrnoException;
    const where = file === '-' ? 'standard input' : `the file ${file} of --payload`;
    throw new RequestInvalid(`cannot read ${where}: ${code ?? message}`);
  }
}

/** Not of a number or a word alone, which may be names. */
const looksLikeJson = (text: string): boolean => /^\s*[[{"]/.test(text);

function edited(before: string | null): string {
  const editor = process.env.VISUAL || process.env.EDITOR;
  if (!editor) throw new RequestInvalid('set $EDITOR, or give --payload or --patch');
  // Of mode 0700: nobody else can read the payload.
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-'));
  try {
    const file = join(folder, 'payload.json');
    writeFileSync(file, `${indented(before ?? '')}\n`, { mode: 0o600 });
    const { status } = spawnSync(`${editor} '${file}'`, { stdio: 'inherit', shell: true });
    if (status !== 0) throw new RequestInvalid('the editor failed; nothing was changed');
    const after = read(file);
    return after === indented(before ?? '') ? (before ?? '') : after;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What publishes it. */
function nextOf(
  { isOfParkedKey, isOfKeySetAside, topic }: FixableLetter['letter'],
  position: string,
): string {
  if (isOfKeySetAside)
    return `It is published in its place when its topic is resumed: outbox-relay resume --topic ${topic ?? '…'}`;
  return `Next: outbox-relay dead-letters ${isOfParkedKey ? 'release' : 'resubmit'} ${position} --yes`;
}

function describe({ letter }: FixableLetter, { position, stored, code, message, path }: FixOutcome): string {
  if (stored) return `stored: ${message}. ${nextOf(letter, position)}`;
  return `not stored: ${code === null ? '' : `${code}${path === null ? '' : ` at ${path}`}: `}${message}`;
}
