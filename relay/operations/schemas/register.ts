/** Registers the schema files: adds versions, and changes nothing else in the registry. */
import type { Config } from '../../config/config.ts';
import { type Reference, RegistryClient } from '../../encode/registry/registry-client.ts';
import { type ErrorCode, RelayError } from '../../errors.ts';
import { checkSchema, isMisread, type VersionFinding } from './check.ts';
import { isOfSubject } from './check-files.ts';
import { findRegistered, type Registered, readSchemaFiles, type SchemaFile, Versions } from './files.ts';
import { hintOfFile } from './hint-of-file.ts';
import {
  type Advice,
  type Levels,
  levelAdvice,
  notAskedAdvice,
  readLevels,
  subjectsAtNone,
} from './level-advice.ts';
import { type HeldVersion, missingVersions } from './missing-versions.ts';
import { type AppliedLevel, SubjectHistory } from './subject-history.ts';
import { usedVersion, versionAdvice } from './used-version.ts';

export type Registration = Pick<SchemaFile, 'file' | 'subject'> & {
  /**
   * `pending`: in a dry run, it would be registered. `failed`: the registry did not say, so that it may be registered all the
   * same. `untried`: the command ended before.
   */
  readonly status: 'registered' | 'unchanged' | 'pending' | 'refused' | 'failed' | 'untried';
  readonly id: number | null;
  /** Of the file; null where it is not registered. So are the next two. */
  readonly version: number | null;
  readonly latestVersion: number | null;
  /** With which the relay encodes: that of `schemas.versions`, else the latest; null as well where the registry lacks it. */
  readonly usedVersion: number | null;
  /** Why it is refused, or failed. */
  readonly code?: ErrorCode;
  readonly message?: string;
  /** What to do about that. */
  readonly hint?: string;
  /** What the registry compares the next version by; null if it could not be asked, or the command ended before. */
  readonly level: AppliedLevel | null;
  readonly warnings: readonly Advice[];
};

export type SchemasRegistered = {
  readonly registrations: readonly Registration[];
  /** Their warnings, those of a kind as one. */
  readonly warnings: readonly Advice[];
  /** Versions that the settings name and the registry lacks, also of subjects without a file. */
  readonly missing: readonly HeldVersion[];
  /** With which the registry ended the work. What it took before that is registered, and is in `registrations`. */
  readonly failure?: RelayError;
};

export type RegisterOptions = {
  /** Nothing is registered. */
  readonly isDryRun: boolean;
  /** Whether a schema may go in with which consumers get other values than were written, without an error. */
  readonly allowsMisreading: boolean;
};

/** What came of a file, before the levels are known. */
type Outcome = Omit<Registration, 'level' | 'warnings'>;

/**
 * Each file after those whose types it uses. A file that the registry refuses does not keep the others from being registered.
 * @throws RelayError CONFIG_INVALID with every fault of the files, before the first is registered
 */
export async function registerSchemas(config: Config, options: RegisterOptions): Promise<SchemasRegistered> {
  const files = await readSchemaFiles(config);
  const history = new SubjectHistory(config.registry);
  const client = new RegistryClient(config.registry);
  const versions = new Versions(client);
  const outcomes: Outcome[] = [];
  let failure: RelayError | undefined;
  try {
    for (const file of files) {
      const outcome = await register({ client, versions, history }, file, options, config).catch(
        (error: unknown) => {
          if (!(error instanceof RelayError)) throw error;
          failure ??= error;
          return { ...nowhere(file), status: 'failed', ...whyOf(error) } as const;
        },
      );
      outcomes.push(outcome);
      // A right may lack for one subject; an outage concerns all of them.
      if (outcome.status === 'failed' && outcome.code !== 'REGISTRY_UNAUTHORIZED') break;
    }
    if (failure !== undefined) throw failure;
    const missing = await missingVersions(client, config.schemas.versions, new Set(laterOf(outcomes)));
    return { ...(await withLevels(config, history, withoutMissing(outcomes, missing), missing)), missing };
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    const untried = files
      .slice(outcomes.length)
      .map((file): Outcome => ({ ...nowhere(file), status: 'untried' }));
    const registrations = [...outcomes, ...untried].map((each) => ({ ...each, level: null, warnings: [] }));
    return { registrations, warnings: [], missing: [], failure: error };
  }
}

const whyOf = (error: RelayError) => ({
  code: error.code,
  message: error.message,
  hint: hintOfFile(error),
});

const nowhere = ({ file, subject }: SchemaFile) =>
  ({ file, subject, id: null, version: null, latestVersion: null, usedVersion: null }) as const;

/** Subjects whose versions the registry does not have yet, or does not show yet. */
const laterOf = (outcomes: readonly Outcome[]): string[] =>
  outcomes
    .filter(({ status, version }) => status === 'pending' || (status === 'registered' && version === null))
    .map(({ subject }) => subject);

const withoutMissing = (outcomes: readonly Outcome[], missing: readonly HeldVersion[]): Outcome[] =>
  outcomes.map((outcome) =>
    missing.some(({ subject }) => subject === outcome.subject) ? { ...outcome, usedVersion: null } : outcome,
  );

/** A level that cannot be asked is a warning: what was registered stays registered. */
async function withLevels(
  { registry, schemas }: Config,
  history: SubjectHistory,
  outcomes: readonly Outcome[],
  missing: readonly HeldVersion[],
): Promise<Omit<SchemasRegistered, 'missing'>> {
  const ofVersions = outcomes.map(({ subject, version, latestVersion }): readonly Advice[] => {
    const isMissing = missing.some((each) => each.subject === subject);
    if (isMissing || version === null || latestVersion === null) return [];
    const advice = versionAdvice(schemas.versions, subject, { version, latestVersion });
    return advice === undefined ? [] : [advice];
  });
  const subjects = outcomes.map(({ subject }) => subject);
  let levels: Levels;
  try {
    levels = await readLevels(history, subjects);
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    const advice = notAskedAdvice(error);
    const registrations = outcomes.map((outcome, index) => ({
      ...outcome,
      level: null,
      warnings: [...ofVersions[index]!, advice],
    }));
    return { registrations, warnings: subjects.length === 0 ? [] : [...ofVersions.flat(), advice] };
  }
  const atNone = subjectsAtNone(levels);
  const adviceFor = (some: typeof atNone): Advice[] => {
    const advice = some.length === 0 ? undefined : levelAdvice(registry, { ...levels, subjects: some });
    return advice === undefined ? [] : [advice];
  };
  const registrations = outcomes.map((outcome, index) => {
    const own = levels.subjects[index]!;
    const ofLevel = adviceFor(atNone.filter((each) => each === own));
    return { ...outcome, level: own.level, warnings: [...ofVersions[index]!, ...ofLevel] };
  });
  return { registrations, warnings: [...ofVersions.flat(), ...adviceFor(atNone)] };
}

/** A subject may have a mode of its own. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'SCHEMA_INCOMPATIBLE',
  'SCHEMA_INVALID',
  'REGISTRY_ANSWER_INVALID',
  'REGISTRY_READ_ONLY',
]);

/** From the versions that the subject has. None if it has one that cannot be read: then the registry is the judge alone. */
async function differences(
  history: SubjectHistory,
  schema: SchemaFile,
  references: readonly Reference[] | undefined,
): Promise<readonly VersionFinding[]> {
  try {
    return (await checkSchema(history, schema, references, undefined)).findings;
  } catch (error) {
    if (error instanceof RelayError && isOfSubject(error)) return [];
    throw error;
  }
}

const allowMisreading = 'If no consumer has the other version, register it with --allow-misreading.';

type Means = {
  readonly client: RegistryClient;
  readonly versions: Versions;
  readonly history: SubjectHistory;
};

async function register(
  { client, versions, history }: Means,
  schema: SchemaFile,
  { isDryRun, allowsMisreading }: RegisterOptions,
  { schemas }: Config,
): Promise<Outcome> {
  const { file, subject, schemaText, uses } = schema;
  const refused = (code: ErrorCode, message: string): Outcome => ({
    ...nowhere(schema),
    status: 'refused',
    ...whyOf(new RelayError(code, message)),
  });
  const registered = (status: Outcome['status'], found: Registered): Outcome => ({
    file,
    subject,
    status,
    ...found,
    usedVersion: usedVersion(schemas.versions, subject, found.latestVersion),
  });
  try {
    const references = await versions.references(schema);
    const known = await findRegistered(client, schema, references);
    if (known !== undefined) return registered('unchanged', known);
    const findings = await differences(history, schema, references);
    // Of anything else the registry is the judge, once it is asked to register. It accepts what consumers misread.
    const fault = findings.find((each) => (isMisread(each) ? !allowsMisreading : isDryRun));
    if (fault !== undefined) {
      const reason = `registering a schema under ${subject}: ${fault.explanation}. ${fault.remedy}`;
      return refused('SCHEMA_INCOMPATIBLE', isMisread(fault) ? `${reason} ${allowMisreading}` : reason);
    }
    if (isDryRun) return { ...nowhere(schema), status: 'pending' };
    if (references === undefined) {
      const used = uses.map((each) => each.file).join(', ');
      return refused(
        'SCHEMA_INVALID',
        `registering a schema under ${subject}: it uses ${used}, which was refused`,
      );
    }
    const id = await client.register(subject, schemaText, references);
    const found = await findRegistered(client, schema, references);
    // A registry may need a moment until it finds what it has just taken.
    return found === undefined
      ? { ...nowhere(schema), status: 'registered', id }
      : registered('registered', found);
  } catch (error) {
    // The next schema may be accepted.
    if (!(error instanceof RelayError) || !refusals.has(error.code)) throw error;
    return { ...nowhere(schema), status: 'refused', ...whyOf(error) };
  }
}
