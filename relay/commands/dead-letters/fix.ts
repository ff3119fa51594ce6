/** `outbox-relay dead-letters fix`: correct the payload of one dead letter, and see whether it would be refused again. */

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
  patchedPayload,
  payloadOf,
} from '../../operations/dead-letters/fix.ts';
import { indented } from '../../operations/json-text.ts';
import { type ActorOptions, withActor } from '../actor.ts';
import { type Call, define } from '../command.ts';
import type { Load } from '../load.ts';

type FixOptions = ActorOptions & { payload?: string; patch?: string; json?: boolean };

const help = `
Give the whole payload with --payload, or a JSON patch (RFC 6902) with --patch. Without either, the
payload opens in $VISUAL or $EDITOR. The command encodes the event as the relay would, with the schema that is in the
registry now, and stores the payload only if the relay would publish it. Numbers keep all their digits.

It replaces the stored payload; outbox.dead_letter_action keeps the old one. It publishes nothing: \`resubmit\` does, or
\`release\` if the key is parked. If the dead letter has no payload because the row is over publish.maxRowBytes, use
--payload.

Exit codes: 0 stored · 1 not stored: it would be refused again, it is unchanged, or somebody else changed it · 64 the
patch does not apply, there is no such open dead letter, or invalid arguments · 69 a server is unreachable ·
77 access denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --payload order.json
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --patch '[{"op":"replace","path":"/total","value":"9.90"}]'`;

export function fixCommand(load: Load): Command {
  const command = new Command('fix')
    .description('correct the payload of an open dead letter')
    .argument('<letter>', 'position, or id of the event')
    .option('--payload <file>', 'read the payload from a file; - for standard input')
    .option('--patch <json>', 'change the payload with a JSON patch');
  withActor(command)
    .option('--json', 'print one JSON object {position, stored, code, message, path, isConflict}')
    .addHelpText('after', help);
  return define<FixOptions>(command, load, { validate, run });
}

function validate({ payload, patch }: FixOptions): string | undefined {
  return payload === undefined || patch === undefined ? undefined : 'give --payload or --patch, not both';
}

async function run({ config, options, args }: Call<FixOptions>) {
  const fixable = await findFixable(config, args[0]!);
  const actor = { person: options.by, reason: options.reason ?? null };
  const payload = newPayload(fixable, options);
  const outcome = await fixDeadLetter({ config, fixable, payload, actor });
  return { data: outcome, text: describe(fixable, outcome), hasFindings: !outcome.stored };
}

function newPayload(fixable: FixableLetter, { payload, patch }: FixOptions): string {
  if (patch !== undefined) return patchedPayload(fixable, patch);
  if (payload !== undefined) return read(payload);
  return edited(payloadOf(fixable));
}

function read(file: string): string {
  try {
    // 0 is standard input.
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (error) {
    throw new RequestInvalid(`cannot read the payload: ${(error as Error).message}`);
  }
}

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

function describe({ letter }: FixableLetter, { position, stored, code, message, path }: FixOutcome): string {
  const next = letter.isOfParkedKey ? 'release' : 'resubmit';
  if (stored) return `stored: ${message}. Next: outbox-relay dead-letters ${next} ${position} --yes`;
  return `not stored: ${code === null ? '' : `${code}${path === null ? '' : ` at ${path}`}: `}${message}`;
}
