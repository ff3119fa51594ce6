/** `outbox-relay dead-letters fix`: correct the payload of one, and be told at once whether it would be refused again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { createPool } from '../../connect/postgres/pool.ts';
import { parseLosslessJson } from '../../encode/formats/json.ts';
import { exitCodes, RelayError } from '../../errors.ts';
import { printable } from '../../observe/printable.ts';
import { judge, storeFix } from '../../operations/dead-letters/fix.ts';
import { applyPatch, PatchInvalid } from '../../operations/dead-letters/json-patch.ts';
import { jsonText } from '../../operations/dead-letters/json-text.ts';
import { type Letter, parseLetterName } from '../../operations/dead-letters/letter.ts';
import { type LetterContent, listLetters, readContent } from '../../operations/dead-letters/read.ts';
import { assertLettersShown, whoami } from '../../operations/dead-letters/transaction.ts';
import type { Load } from '../load.ts';
import { print } from '../output.ts';

type FixOptions = { payload?: string; patch?: string; by: string; reason?: string; json?: boolean };

const help = `
Give the whole payload, or a JSON patch (RFC 6902), or neither to edit it in $VISUAL or $EDITOR. The event is encoded as
the relay would, with the schema now in the registry; what would be refused again is not accepted. Numbers keep their
digits. The payload of a row over publish.maxRowBytes is not in the dead letter: give --payload. What was replaced stays in outbox.dead_letter_action. Nothing is published: \`resubmit\` does that, or \`release\`.

Exit codes: 0 stored · 1 not stored: it would be refused again, or nothing was changed, or somebody else was faster ·
64 arguments, the patch does not apply, or there is no open dead letter of that name · 69 a server does not answer ·
77 rights: grant outbox_operator

Examples:
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --payload order.json
  $ outbox-relay dead-letters fix 000000000172f1a8.00000000 --patch '[{"op":"replace","path":"/total","value":"9.90"}]'`;

export function fixCommand(load: Load): Command {
  return new Command('fix')
    .description('correct the payload of an open dead letter')
    .argument('<letter>', 'position, or id of the event')
    .option('--payload <file>', 'take the payload from a file; - for stdin')
    .option('--patch <json>', 'apply a JSON patch')
    .option('--by <name>', 'who does it, for the trail', whoami())
    .option('--reason <text>', 'noted in the trail')
    .option('--json', 'print one JSON object: {position, stored, code, message, path}')
    .addHelpText('after', help)
    .action(async (name: string, options: FixOptions, command: Command) => {
      if (options.payload !== undefined && options.patch !== undefined)
        command.error('error: give --payload or --patch, not both');
      const { config } = load(command);
      const refuse = (message: string): never => command.error(`error: ${message}`);
      const { letter, content } = await readOne(config, name, refuse);
      assertFixable(letter, options, refuse);
      const after = newPayload(content.payload, options, refuse);
      const outcome = await tryToStore(config, letter, content, after, options);
      print(
        command,
        options.json ? JSON.stringify({ position: letter.position, ...outcome }) : describe(letter, outcome),
      );
      if (!outcome.stored) process.exitCode = exitCodes.findings;
    });
}

type Outcome = {
  readonly stored: boolean;
  /** Of the refusal; null where it is not about the payload. */
  readonly code: string | null;
  readonly message: string;
  readonly path: string | null;
};

async function readOne(
  config: Config,
  name: string,
  refuse: (message: string) => never,
): Promise<{ letter: Letter; content: LetterContent }> {
  const pool = createPool(config);
  try {
    const selection = { names: [parseLetterName(name)], statuses: ['open'] as const };
    const [letter, another] = await listLetters(pool, config.slot, selection, 2);
    await assertLettersShown(pool, config);
    if (letter === undefined) return refuse(`no open dead letter ${printable(name)} of slot ${config.slot}`);
    if (another !== undefined)
      return refuse(`several dead letters are of this event; name one by its position`);
    const content = await readContent(pool, config.slot, letter);
    return content === undefined ? refuse(`dead letter ${printable(name)} is gone`) : { letter, content };
  } finally {
    await pool.end();
  }
}

/** What was left out of a row that is too large is not there to be edited, nor to be published. */
function assertFixable(
  { leftOut }: Letter,
  { payload }: FixOptions,
  refuse: (message: string) => never,
): void {
  const { rowBytes: _, payload: payloadBytes, ...others } = leftOut ?? {};
  const [column, bytes] = Object.entries(others)[0] ?? [];
  if (column !== undefined)
    refuse(`its ${column} was left out (${bytes} bytes); discard it, and write the event again without that`);
  if (payloadBytes !== undefined && payload === undefined)
    refuse(`its payload was left out (${payloadBytes} bytes); give another one with --payload`);
}

function newPayload(
  before: string | null,
  { payload, patch }: FixOptions,
  refuse: (message: string) => never,
): string {
  try {
    if (patch !== undefined) return patched(before, patch);
    // 0 is stdin.
    if (payload !== undefined) return readFileSync(payload === '-' ? 0 : payload, 'utf8').trim();
    return edited(before);
  } catch (error) {
    const isTheirs = error instanceof PatchInvalid || (error instanceof Error && 'syscall' in error);
    if (isTheirs) return refuse(error.message);
    // Without the text, which may be quoted.
    if (error instanceof RelayError && error.code === 'PAYLOAD_NOT_JSON')
      return refuse('the stored payload is not JSON, so no patch applies; give --payload');
    throw error;
  }
}

function patched(before: string | null, patch: string): string {
  return jsonText(applyPatch(parseLosslessJson(before ?? 'null'), patch));
}

function edited(before: string | null): string {
  const editor = process.env.VISUAL || process.env.EDITOR;
  if (!editor) throw new PatchInvalid('set $EDITOR, or give --payload or --patch');
  // Of mode 0700: nobody else reads the payload meanwhile.
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-'));
  try {
    const file = join(folder, 'payload.json');
    writeFileSync(file, `${readable(before ?? '')}\n`, { mode: 0o600 });
    const { status } = spawnSync(`${editor} '${file}'`, { stdio: 'inherit', shell: true });
    if (status !== 0) throw new PatchInvalid('the editor failed; nothing was changed');
    const after = readFileSync(file, 'utf8').trim();
    return after === readable(before ?? '') ? (before ?? '') : after;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Indented where it is JSON. */
function readable(payload: string): string {
  try {
    return jsonText(parseLosslessJson(payload), 2);
  } catch {
    return payload.trim();
  }
}

async function tryToStore(
  config: Config,
  letter: Letter,
  content: LetterContent,
  after: string,
  options: FixOptions,
): Promise<Outcome> {
  const failed = (message: string): Outcome => ({ stored: false, code: null, message, path: null });
  if (after === (content.payload ?? '')) return failed('the payload is as it was');
  const refusal = await judge(config, letter, { ...content, payload: after });
  if (refusal !== undefined)
    return { stored: false, code: refusal.code, message: refusal.message, path: refusal.path };
  const fix = {
    config,
    letter,
    before: content.payload,
    after,
    person: options.by,
    note: options.reason ?? null,
  };
  return (await storeFix(fix))
    ? { stored: true, code: null, message: 'the relay would publish it', path: null }
    : failed('somebody else closed or changed it meanwhile, or its key is being released; look at it again');
}

function describe({ position, isOfParkedKey }: Letter, { stored, code, message, path }: Outcome): string {
  const next = isOfParkedKey ? 'release' : 'resubmit';
  if (stored) return `stored: ${message}. Next: outbox-relay dead-letters ${next} ${position} --yes`;
  return `not stored: ${code === null ? '' : `${code}${path === null ? '' : ` at ${path}`}: `}${message}`;
}
