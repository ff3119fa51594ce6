/**
 * The subjects that the relay's naming can lead to, and what changed between two versions of one, with whom it affects.
 * Changes nothing.
 */
import type { Config } from '../../config/config.ts';
import { allowList } from '../../config/topic-patterns.ts';
import { usesRegistry } from '../../config/value-format.ts';
import { isPossibleSubject } from '../../encode/route.ts';
import { RequestInvalid } from '../../errors.ts';
import { isLike, pageOfNames } from '../name-page.ts';
import { compareVersions } from './check.ts';
import { isSilent, type SchemaFinding } from './compare.ts';
import { type Difference, diffSchemas } from './diff.ts';
import { readModel } from './model.ts';
import { type AppliedLevel, SubjectHistory } from './subject-history.ts';

export { isPossibleSubject } from '../../encode/route.ts';

export type Subject = {
  readonly subject: string;
  /** Ascending. */
  readonly versions: readonly number[];
};

export type SubjectPage = {
  /** Subjects of the selection, on whatever page. */
  readonly total: number;
  /** Subjects of the registry that the naming never leads to, so that no event uses them. */
  readonly others: number;
  readonly subjects: readonly Subject[];
  /** The name after which the next page begins; null on the last one. */
  readonly next: string | null;
  /** False: the values of every topic are JSON, so no event has a schema, and the registry was not asked. */
  readonly isUsed: boolean;
};

export type VersionPair = {
  readonly subject: string;
  readonly versions: readonly number[];
  /** The level that decides over its next version. */
  readonly level: AppliedLevel;
  readonly before: { readonly version: number; readonly schemaText: string };
  readonly after: { readonly version: number; readonly schemaText: string };
  readonly differences: readonly Difference[];
  /** Whatever the level: who cannot read whose events, or reads other values. */
  readonly findings: readonly (SchemaFinding & { readonly isSilent: boolean })[];
};

/** Whether some topic and type lead to it. Pure. */
export function isOfNaming(
  { topics, schemas, kafka }: Pick<Config, 'topics' | 'schemas' | 'kafka'>,
  subject: string,
): boolean {
  if (!isPossibleSubject(subject)) return false;
  const allowed = allowList(topics.allow, kafka.progressTopic);
  switch (schemas.subjectStrategy) {
    case 'record':
      return true;
    case 'topic':
      return subject.endsWith('-value') && allowed.test(subject.slice(0, -'-value'.length));
    case 'topic-record':
      // Names of topics may hold hyphens, those of records may not.
      return allowed.test(subject.slice(0, Math.max(0, subject.lastIndexOf('-'))));
  }
}

/** Versions are read of so many subjects at once. */
const atOnce = 8;

/** @throws RelayError REGISTRY_* */
export async function pageOfSubjects(
  config: Config,
  { like, after }: { readonly like?: string; readonly after?: string },
  limit: number,
): Promise<SubjectPage> {
  if (!usesRegistry(config.records)) return { total: 0, others: 0, subjects: [], next: null, isUsed: false };
  const history = new SubjectHistory(config.registry);
  const all = await history.subjects();
  const used = all.filter((subject) => isOfNaming(config, subject));
  const wanted = used.filter((subject) => isLike(subject, like));
  const { names: page, next } = pageOfNames(wanted, after, limit);
  const subjects: Subject[] = [];
  for (let index = 0; index < page.length; index += atOnce)
    subjects.push(
      ...(await Promise.all(
        page.slice(index, index + atOnce).map(async (subject) => ({
          subject,
          versions: await history.versions(subject),
        })),
      )),
    );
  return {
    total: wanted.length,
    others: all.length - used.length,
    subjects,
    next,
    isUsed: true,
  };
}

/**
 * @param pair versions; the latest, and the one before it, where they are left out
 * @throws RequestInvalid for a subject or version that is not there; RelayError REGISTRY_*, SCHEMA_INVALID
 */
export async function comparePair(
  config: Config,
  subject: string,
  pair: { readonly before?: number; readonly after?: number },
): Promise<VersionPair> {
  const history = new SubjectHistory(config.registry);
  const versions = await history.versions(subject);
  const after = pair.after ?? versions.at(-1);
  if (after === undefined) throw new RequestInvalid(`the registry has no subject ${subject}`);
  const before = pair.before ?? versions.findLast((version) => version < after) ?? after;
  for (const version of [before, after])
    if (!versions.includes(version)) throw new RequestInvalid(`${subject} has no version ${version}`);
  const [{ level }, old, fresh] = await Promise.all([
    history.level(subject),
    history.version(subject, before),
    history.version(subject, after),
  ]);
  const [oldModel, freshModel] = [old, fresh].map((each) => readModel(each.schemaText, each.references));
  const isSame = before === after;
  const findings = isSame ? [] : compareVersions(freshModel!, oldModel!, 'FULL', before, true);
  return {
    subject,
    versions,
    level,
    before: { version: before, schemaText: old.schemaText },
    after: { version: after, schemaText: fresh.schemaText },
    differences: isSame ? [] : diffSchemas(oldModel!, freshModel!),
    findings: findings.map((finding) => ({ ...finding, isSilent: isSilent(finding) })),
  };
}
