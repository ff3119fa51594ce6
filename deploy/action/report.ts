/** What the schema gate says of the answers of the commands, as Markdown. Pure. */

import type { VersionFinding } from '../../relay/operations/schemas/check.ts';
import type { CheckedFile, SchemasChecked } from '../../relay/operations/schemas/check-files.ts';
import type { Difference } from '../../relay/operations/schemas/diff.ts';
import type { SchemasDiffed } from '../../relay/operations/schemas/diff-files.ts';
import type { Warning } from '../../relay/operations/schemas/lint.ts';

/** A command that ended: 0 is yes, 1 is no, anything else is that it could not answer. */
export type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Answers = {
  readonly check: Answer;
  readonly diff: Answer;
  readonly types?: Answer | undefined;
};

export type Verdict = { readonly ok: boolean; readonly isChanged: boolean; readonly text: string };

/** By which the comment of an earlier push is found. */
export const marker = '<!-- outbox-relay schema gate -->';

/** GitHub takes 65,536 characters in a comment. */
const textMax = 60_000;

export function report({ check, diff, types }: Answers): Verdict {
  const failures = [check, diff, ...(types === undefined ? [] : [types])].filter(({ code }) => code > 1);
  if (failures.length > 0) {
    const [{ stderr, stdout }] = failures as [Answer];
    const lines = ['## Schemas: not checked', '', fenced(stderr.trim() || stdout.trim())];
    return { ok: false, isChanged: false, text: lines.join('\n') };
  }
  const checked = JSON.parse(check.stdout) as SchemasChecked;
  const diffed = JSON.parse(diff.stdout) as SchemasDiffed;
  const broken = checked.schemas.filter(({ status }) => status === 'incompatible');
  const changed = diffed.schemas.filter(({ status }) => status === 'changed' || status === 'unregistered');
  const isOutdated = types !== undefined && types.code !== 0;
  const ok = broken.length === 0 && !isOutdated;
  const passed = uncompared(checked);
  const title = !ok
    ? broken.length > 0
      ? `${counted(broken.length, 'schema')} would break consumers`
      : 'generated types are out of date'
    : changed.length === 0
      ? 'no changes'
      : passed > 0
        ? `${counted(changed.length, 'change')}, ${passed} not compared`
        : `${counted(changed.length, 'change')}, all compatible`;
  const lines = [`## Schemas: ${title}`];
  for (const { file, subject, status, differences } of changed) {
    const verdict = checked.schemas.find((each) => each.file === file);
    lines.push('', `**${inline(file)}** → ${inline(subject)}: ${describe(status, verdict)}`);
    if (differences.length > 0) lines.push('', fenced(differences.map(line).join('\n'), 'diff'));
    for (const finding of verdict?.findings ?? []) lines.push('', `❌ ${said(finding)}`);
    for (const warning of verdict?.warnings ?? []) lines.push('', `⚠️ ${said(warning)}`);
  }
  // A file that equals the registered one has findings too where the registry refuses it.
  for (const { file, findings } of broken.filter(({ file }) => !changed.some((each) => each.file === file)))
    lines.push('', `**${inline(file)}**`, ...findings.map((finding) => `❌ ${said(finding)}`));
  if (isOutdated) lines.push('', fenced(types.stdout.trim() || types.stderr.trim()));
  return { ok, isChanged: changed.length > 0, text: bounded(lines.join('\n')) };
}

function said({ path, explanation, remedy }: Warning | VersionFinding): string {
  return `${inline(path)}: ${plain(explanation)} ${plain(remedy)}`;
}

function describe(status: string, verdict: CheckedFile | undefined): string {
  if (status === 'unregistered') return 'new';
  if (verdict === undefined) return status;
  if (isUncompared(verdict)) return 'changed; **not compared**, because the level of its subject is NONE';
  if (verdict.status === 'unchanged')
    return `equals version ${verdict.version}, but the latest is version ${verdict.latestVersion}`;
  return verdict.level === 'UNKNOWN'
    ? `${verdict.status}, by a level that the registry does not show`
    : `${verdict.status} at ${verdict.level}`;
}

/** At NONE any change passes. */
const isUncompared = ({ status, level }: CheckedFile): boolean => status === 'compatible' && level === 'NONE';

const uncompared = ({ schemas }: SchemasChecked): number => schemas.filter(isUncompared).length;

function line({ path, kind, before, after }: Difference): string {
  if (kind === 'added') return `+ ${path}: ${after}`;
  if (kind === 'removed') return `- ${path}: ${before}`;
  return `- ${path} ${kind}: ${before ?? 'none'}\n+ ${path} ${kind}: ${after ?? 'none'}`;
}

/** Text of a file cannot end the block: its fence is longer than any run of backticks in it. */
function fenced(text: string, language = ''): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

const inline = (text: string): string => `\`${text.replace(/[`\n\r]/g, ' ')}\``;

/** Names in a schema are of whoever wrote it: they make no link, no mention and no HTML. */
const plain = (text: string): string =>
  text
    .replace(/[\n\r]/g, ' ')
    .replace(/[\\<>[\]*_|~@#]/g, (sign) => (sign === '@' ? '@\u200b' : `\\${sign}`));

function bounded(text: string): string {
  if (text.length <= textMax) return text;
  return `${text.slice(0, textMax)}\n${'`'.repeat(40)}\n\nToo long to show in full: run \`outbox-relay schemas diff\`.`;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
