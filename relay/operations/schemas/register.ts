/** Registers the schema files: adds versions, and changes nothing else in the registry. */
import type { Config } from '../../config/config.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { type ErrorCode, RelayError } from '../../errors.ts';
import { findRegistered, readSchemaFiles, type SchemaFile, Versions } from './files.ts';
import {
  type Advice,
  type Levels,
  levelAdvice,
  notAskedAdvice,
  readLevels,
  subjectsAtNone,
} from './level-advice.ts';
import { type AppliedLevel, SubjectHistory } from './subject-history.ts';

export type Registration = Pick<SchemaFile, 'file' | 'subject'> & {
  /** `pending`: in a dry run, it would be registered. */
  readonly status: 'registered' | 'unchanged' | 'pending' | 'refused';
  readonly id: number | null;
  /** Why it is refused. */
  readonly code?: ErrorCode;
  readonly message?: string;
  /** What the registry compares the next version by; null if it could not be asked. */
  readonly level: AppliedLevel | null;
  readonly warnings: readonly Advice[];
};

export type SchemasRegistered = {
  readonly registrations: readonly Registration[];
  /** Their warnings, those of a kind as one. */
  readonly warnings: readonly Advice[];
};

/** What came of a file, before the levels are known. */
type Outcome = Omit<Registration, 'level' | 'warnings'>;

/**
 * Each file after those whose types it uses. A file that the registry refuses does not keep the others from being registered.
 * @throws RelayError CONFIG_INVALID with every fault of the files, before the first is registered; REGISTRY_*
 */
export async function registerSchemas(config: Config, isDryRun: boolean): Promise<SchemasRegistered> {
  const files = await readSchemaFiles(config);
  const client = new RegistryClient(config.registry);
  const versions = new Versions(client);
  const outcomes: Outcome[] = [];
  for (const file of files) outcomes.push(await register(client, versions, file, isDryRun));
  return withLevels(config.registry, outcomes);
}

/** A level that cannot be asked is a warning: what was registered stays registered. */
async function withLevels(
  registry: Config['registry'],
  outcomes: readonly Outcome[],
): Promise<SchemasRegistered> {
  const subjects = outcomes.map(({ subject }) => subject);
  let levels: Levels;
  try {
    levels = await readLevels(new SubjectHistory(registry), subjects);
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    const warnings = [notAskedAdvice(error.message)];
    const registrations = outcomes.map((outcome) => ({ ...outcome, level: null, warnings }));
    return { registrations, warnings: subjects.length === 0 ? [] : warnings };
  }
  const atNone = subjectsAtNone(levels);
  const adviceFor = (some: typeof atNone): Advice[] => {
    const advice = some.length === 0 ? undefined : levelAdvice(registry, { ...levels, subjects: some });
    return advice === undefined ? [] : [advice];
  };
  const registrations = outcomes.map((outcome, index) => {
    const own = levels.subjects[index]!;
    return { ...outcome, level: own.level, warnings: adviceFor(atNone.filter((each) => each === own)) };
  });
  return { registrations, warnings: adviceFor(atNone) };
}

/** A subject may have a mode of its own. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'SCHEMA_INCOMPATIBLE',
  'SCHEMA_INVALID',
  'REGISTRY_ANSWER_INVALID',
  'REGISTRY_READ_ONLY',
]);

async function register(
  client: RegistryClient,
  versions: Versions,
  schema: SchemaFile,
  isDryRun: boolean,
): Promise<Outcome> {
  const { file, subject, schemaText, uses } = schema;
  const references = await versions.references(schema);
  const known = await findRegistered(client, schema, references);
  if (known !== undefined) return { file, subject, status: 'unchanged', id: known };
  if (isDryRun) return { file, subject, status: 'pending', id: null };
  if (references === undefined) {
    const message = `registering a schema under ${subject}: it uses ${uses.map((used) => used.file).join(', ')}, which was refused`;
    return { file, subject, status: 'refused', id: null, code: 'SCHEMA_INVALID', message };
  }
  try {
    const id = await client.register(subject, schemaText, references);
    return { file, subject, status: 'registered', id };
  } catch (error) {
    // The next schema may be accepted; an outage concerns all of them.
    if (!(error instanceof RelayError) || !refusals.has(error.code)) throw error;
    return { file, subject, status: 'refused', id: null, code: error.code, message: error.message };
  }
}
