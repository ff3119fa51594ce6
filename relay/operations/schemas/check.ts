/**
 * Whether the files may become the next versions of their subjects. The registry's verdict decides what it takes; our own
 * comparison says why, and finds what it lets pass though values arrive as others.
 */
import type { Reference } from '../../encode/registry/registry-client.ts';
import { compareSchemas, type Finding, isSilent } from './compare.ts';
import { type Node, readModel } from './model.ts';
import type { Level, SubjectHistory, Verdict } from './subject-history.ts';

/** A difference with one of the versions, or what the registry says where we see nothing. */
export type VersionFinding = Omit<Finding, 'kind'> & {
  readonly kind: Finding['kind'] | 'registry';
  readonly version: number | null;
};

export type CheckedSchema = {
  readonly file: string;
  readonly subject: string;
  /** `new`: the subject has no version yet. `unchanged`: exactly this is registered. */
  readonly status: 'new' | 'unchanged' | 'compatible' | 'incompatible';
  /** What was compared by: the level asked for, else the registry's for the subject; null for `new`. */
  readonly level: Level | null;
  readonly findings: readonly VersionFinding[];
};

type CheckedFile = {
  readonly file: string;
  readonly subject: string;
  readonly schemaText: string;
  /** Texts of what it uses of other files, what one builds on before it. */
  readonly usedTexts: readonly string[];
};

/**
 * Checks one file.
 * @param references versions of what it uses; undefined where one is not registered yet, so that the registry cannot judge
 * @param level instead of the registry's for the subject; its own verdict counts all the same
 * @throws RelayError REGISTRY_*, SCHEMA_INVALID for a registered version that cannot be read
 */
export async function checkSchema(
  history: SubjectHistory,
  { file, subject, schemaText, usedTexts }: CheckedFile,
  references: readonly Reference[] | undefined,
  isRegistered: boolean,
  level?: Level,
): Promise<CheckedSchema> {
  const numbers = await history.versions(subject);
  if (numbers.length === 0) return { file, subject, status: 'new', level: null, findings: [] };
  const own = await history.level(subject);
  let applied = level ?? own;
  if (isRegistered) return { file, subject, status: 'unchanged', level: applied, findings: [] };
  const past = { history, subject, numbers, fresh: readModel(schemaText, usedTexts) };
  let findings = await findingsAt(past, applied);
  const verdict =
    references && (await history.judge(subject, schemaText, concerned(numbers, own), references));
  if (verdict?.isCompatible === false && findings.every(isFromSilence)) {
    // Apicurio answers NONE for a subject without a level of its own, and judges it by the registry's all the same.
    if (level === undefined && own === 'NONE') {
      applied = await history.registryLevel();
      findings = await findingsAt(past, applied);
    }
    if (findings.every(isFromSilence)) findings.push(refusal(verdict, level !== undefined));
  }
  return {
    file,
    subject,
    status: findings.length > 0 ? 'incompatible' : 'compatible',
    level: applied,
    findings,
  };
}

type Past = {
  readonly history: SubjectHistory;
  readonly subject: string;
  readonly numbers: readonly number[];
  readonly fresh: Node;
};

async function findingsAt(
  { history, subject, numbers, fresh }: Past,
  level: Level,
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
function concerned(versions: readonly number[], level: Level): readonly number[] {
  return level.endsWith('_TRANSITIVE') ? versions : versions.slice(-1);
}

/**
 * What stands against `fresh` after `old` at a level. What silently changes values counts at every level, but only from
 * the latest version on: an older change is done, and reporting it for ever would teach people to look away.
 */
export function compareVersions(
  fresh: Node,
  old: Node,
  level: Level,
  version: number,
  isLatest: boolean,
): Finding[] {
  const other = `version ${version}`;
  const forward = compareSchemas(fresh, old, { fresh: 'writer', other });
  const backward = compareSchemas(old, fresh, { fresh: 'reader', other });
  const findings = [
    ...(/^(FORWARD|FULL)/.test(level) ? forward : forward.filter(isSilent)),
    ...(/^(BACKWARD|FULL)/.test(level) ? backward : backward.filter(isSilent)),
  ];
  return withoutEchoes(findings).filter((finding) => isLatest || !isSilent(finding));
}

/** A changed scale is wrong in both directions; once is enough. */
function withoutEchoes(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    (finding, index) =>
      !isSilent(finding) ||
      findings.findIndex(({ path, kind }) => path === finding.path && kind === finding.kind) === index,
  );
}

function isFromSilence(finding: VersionFinding): boolean {
  return finding.kind !== 'registry' && isSilent({ kind: finding.kind });
}

function refusal({ messages }: Verdict, isOtherLevel: boolean): VersionFinding {
  return {
    path: '$',
    kind: 'registry',
    breaks: 'consumers',
    version: null,
    explanation: `the registry refuses it by the level it has for the subject: ${messages.join('; ') || 'it gives no reason'}`,
    remedy: isOtherLevel
      ? 'Compare by the level that the registry has: leave out --level.'
      : 'Look for what differs from the versions before: `outbox-relay schemas diff`, or --level FULL_TRANSITIVE.',
  };
}
