/** `outbox-relay schemas diff`: how each file differs from the latest version in the registry. */
import { Command } from 'commander';
import type { Difference } from '../../operations/schemas/diff.ts';
import { diffSchemaFiles, type FileDiff } from '../../operations/schemas/diff-files.ts';
import { type Call, define } from '../command.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type DiffOptions = { json?: boolean };

const help = `
Changes nothing. Compares field by field: added, removed, type, default, doc, aliases, symbols, order. It does not say
whether a change is compatible; \`outbox-relay schemas check\` does.

Exit codes: 0 every file is the latest version of its subject · 1 a file differs, is not registered, or cannot be compared
with what is registered · 64 a file is invalid (every fault is listed), or invalid arguments · 69 the registry is
unreachable · 77 access denied

Examples:
  $ outbox-relay schemas diff
  $ outbox-relay schemas diff --json | jq '.schemas[] | select(.status != "same")'`;

export function diffCommand(load: Load): Command {
  const command = new Command('diff')
    .description('show how the schema files differ from the registry')
    .option('--json', 'print one JSON object {ok, schemas: [{file, subject, status, differences}]}')
    .addHelpText('after', helpText(help));
  return define<DiffOptions>(command, load, { needs: ['registry'], run });
}

async function run({ config }: Call<DiffOptions>) {
  const diff = await diffSchemaFiles(config);
  const text = diff.schemas.map(describe).join('\n') || 'no .avsc files';
  return { data: diff, text, hasFindings: !diff.ok };
}

const words: Readonly<Record<FileDiff['status'], string>> = {
  same: 'same',
  changed: 'changed',
  rewritten: 'rewritten: the same schema in another text',
  unregistered: 'unregistered: its subject has no version yet',
  uncomparable: 'cannot be compared with what is registered',
};

function describe({ file, subject, status, differences, message }: FileDiff): string {
  const why = message === undefined ? '' : `: ${message}`;
  return [`${file}  ${subject}: ${words[status]}${why}`, ...differences.map(describeDifference)].join('\n');
}

function describeDifference({ path, kind, before, after }: Difference): string {
  if (kind === 'added') return `  + ${path}: ${after}`;
  if (kind === 'removed') return `  - ${path}: ${before}`;
  return `  ~ ${path} ${kind}: ${before ?? 'none'} → ${after ?? 'none'}`;
}
