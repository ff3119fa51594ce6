/**
 * Whether a file may become the next version of its subject. The registry decides what it accepts; the comparison here says
 * why, and finds changes that the registry accepts although consumers would read other values.
 */
import type { Reference } from '../../encode/registry/registry-client.ts';
import { compareSchemas, isSilent, type SchemaFinding } from './compare.ts';
import type { Registered } from './files.ts';
import { type Node, readModel } from './model.ts';
import type { AppliedLevel, Compatibility, Level, SubjectHistory } from './subject-history.ts';

/** A difference with one of the versions, or what the registry says where we see nothing. */
export type VersionFinding = Omit<SchemaFinding, 'kind'> & {
  readonly kind: SchemaFinding['kind'] | 'registry';
  readonly version: number | null;
};

export type CheckedSchema = {
  readonly file: string;
  readonly subject: string;
  /** `new`: the subject has no version yet. `unchanged`: exactly this is registered, as the latest version or an older one. */
  readonly status: 'new' | 'unchanged' | 'compatible' | 'incompatible';
  /**
   * The level of the comparison: the one asked for, else the registry's for the subject, by which the registry refuses
   * whatever was asked for; null for `new`.
   */
  readonly level: AppliedLevel | null;
  /** Of an `unchanged` file; else null. */
  readonly version: number | null;
  /** Of its subject; null for `new`. */
  readonly latestVersion: number | null;
  readonly findings: readonly VersionFinding[];
};

/** It changed, and nobody knows whom that breaks. */
export const isUncompared = ({ status, level }: Pick<CheckedSchema, 'status' | 'level'>): boolean =>
  status === 'compatible' && level === 'NONE';

type FileToCheck = {
  readonly file: string;
  readonly subject: string;
  readonly schemaText: string;
  /** Texts of the types it uses from other files, each after those it uses itself. */
  readonly usedTexts: readonly string[];
};

/**
 * Checks one file.
 * @param references versions of the types it uses; undefined if one is not registered yet, so that the registry cannot judge
 * @param registered where it is registered already
 * @param level instead of the registry's for the subject; the registry's own verdict still counts
 * @throws RelayError REGISTRY_*, SCHEMA_INVALID for a registered version that cannot be read
 */
export async function checkSchema(
  history: SubjectHistory,
  { file, subject, schemaText, usedTexts }: FileToCheck,
  references: readonly Reference[] | undefined,
  registered: Pick<Registered, 'version'> | undefined,
  level?: Level,
): Promise<CheckedSchema> {
  const numbers = await history.versions(subject);
  const latestVersion = numbers.at(-1) ?? null;
  const of = { file, subject, version: registered?.version ?? null, latestVersion };
  if (numbers.length === 0) return { ...of, status: 'new', level: null, findings: [] };
  const { level: own } = await history.level(subject);
  const applied = level ?? own;
  if (registered !== undefined) return { ...of, status: 'unchanged', level: applied, findings: [] };
  const past = { history, subject, numbers, fresh: readModel(schemaText, usedTexts) };
  let [findings, by] = [await findingsAt(past, applied), applied];
  const verdict =
    references && (await history.judge(subject, schemaText, concerned(numbers, own), references));
  if (verdict?.isCompatible === false && findings.every(isMisread)) {
    // It refuses by its own level, whatever level was asked for, and that finds why.
    if (own === 'UNKNOWN' || own === 'NONE') findings = await findingsOfAny(past);
    else if (own !== applied) findings = await findingsAt(past, own);
    by = own;
    if (findings.every(isMisread)) findings.push(refusal(verdict));
  }
  return {
    ...of,
    status: findings.length > 0 ? 'incompatible' : 'compatible',
    level: by,
    findings,
  };
}

type Past = {
  readonly history: SubjectHistory;
  readonly subject: string;
  readonly numbers: readonly number[];
  readonly fresh: Node;
};

/** What the first level finds that finds anything: why a registry refuses whose level nobody knows. */
async function findingsOfAny(past: Past): Promise<VersionFinding[]> {
  let findings: VersionFinding[] = [];
  for (const level of ['BACKWARD', 'FORWARD', 'FULL_TRANSITIVE'] as const) {
    findings = await findingsAt(past, level);
    if (!findings.every(isMisread)) break;
  }
  return findings;
}

async function findingsAt(
  { history, subject, numbers, fresh }: Past,
  level: AppliedLevel,
): Promise<VersionFinding[]> {
  const findings: VersionFinding[] = [];
  for (const version of concerned(numbers, level)) {
    const { schemaText: text, references } = await history.version(subject, version);
    const isLatest = version === numbers.at(-1);
    for (const finding of compareVersions(fresh, readModel(text, references), level, version, isLatest))
      findings.push({ ...finding, version });
  }
  return findings;
}

/** The versions that a level looks at. */
function concerned(versions: readonly number[], level: AppliedLevel): readonly number[] {
  return level.endsWith('_TRANSITIVE') ? versions : versions.slice(-1);
}

/**
 * Why `fresh` may not follow `old` at a level. A silent change of values counts at every level, but only against the latest
 * version: an older change is done, and people ignore a finding that never goes away.
 */
export function compareVersions(
  fresh: Node,
  old: Node,
  level: AppliedLevel,
  version: number,
  isLatest: boolean,
): SchemaFinding[] {
  const other = `version ${version}`;
  const forward = compareSchemas(fresh, old, { fresh: 'writer', other });
  const backward = compareSchemas(old, fresh, { fresh: 'reader', other });
  const findings = [
    ...(/^(FORWARD|FULL)/.test(level) ? forward : forward.filter(isSilent)),
    ...(/^(BACKWARD|FULL)/.test(level) ? backward : backward.filter(isSilent)),
  ];
  return withoutEchoes(findings).filter((finding) => isLatest || !isSilent(finding));
}

/** A changed scale is found in both directions; one finding is enough. */
function withoutEchoes(findings: readonly SchemaFinding[]): SchemaFinding[] {
  return findings.filter(
    (finding, index) =>
      !isSilent(finding) ||
      findings.findIndex(({ path, kind }) => path === finding.path && kind === finding.kind) === index,
  );
}

/** Consumers get other values than were written, without an error. A registry accepts that. */
export function isMisread({ kind }: VersionFinding): boolean {
  return kind !== 'registry' && isSilent({ kind });
}

function refusal({ messages }: Compatibility): VersionFinding {
  const said = messages.length === 0 ? ', and does not say why' : `: ${messages.join('; ')}`;
  return {
    path: '$',
    kind: 'registry',
    breaks: 'consumers',
    version: null,
    explanation: `the registry rejects it by its level for the subject${said}`,
    remedy:
      'Look for the difference from earlier versions with `outbox-relay schemas diff`, or with `outbox-relay schemas check --level FULL_TRANSITIVE`.',
  };
}
