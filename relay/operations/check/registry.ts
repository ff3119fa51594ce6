/** What the relay needs of the schema registry. */
import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import type { Reference, RegistryClient } from '../../encode/registry/registry-client.ts';
import { RelayError } from '../../errors.ts';
import { counted } from '../../model/counted.ts';
import { checkSchema } from '../schemas/check.ts';
import { findRegistered, readSchemaFiles, type SchemaFile, Versions } from '../schemas/files.ts';
import type { Advice } from '../schemas/level-advice.ts';
import { missingAdvice, missingVersions } from '../schemas/missing-versions.ts';
import { SubjectHistory } from '../schemas/subject-history.ts';
import { versionAdvice } from '../schemas/used-version.ts';
import { registryEncryption } from './encryption.ts';
import { type Check, fail, ok, warn } from './finding.ts';
import { compatibilityLevel } from './registry-level.ts';

export type RegistryContext = { readonly client: RegistryClient; readonly config: Config };

export type RegistryCheck = Check<RegistryContext>;

const registry: RegistryCheck = {
  name: 'registry',
  async run({ client }) {
    await client.ping();
    return ok('reachable');
  },
};

const subjects: RegistryCheck = {
  name: 'subjects',
  async run({ client, config }) {
    const gone = missingAdvice(await missingVersions(client, config.schemas.versions));
    if (gone !== undefined) return fail(gone.explanation, gone.remedy);
    const { directory } = config.schemas;
    if (!existsSync(directory))
      return ok(`schemas.directory (${directory}) does not exist: there are no files to compare`);
    const files = await readSchemaFiles(config);
    const missing: string[] = [];
    const differing: string[] = [];
    const older: Advice[] = [];
    const refused: Advice[] = [];
    const history = new SubjectHistory(config.registry);
    const versions = new Versions(client);
    for (const file of files) {
      const references = await versions.references(file);
      const registered = await findRegistered(client, file, references);
      if (registered !== undefined) {
        older.push(...adviceOf(versionAdvice(config.schemas.versions, file.subject, registered)));
        continue;
      }
      const isKnown = (await client.latest(file.subject)) !== undefined;
      (isKnown ? differing : missing).push(file.subject);
      if (isKnown) refused.push(...(await refusalOf(history, file, references)));
    }
    if (missing.length > 0)
      return fail(`not registered: ${missing.join(', ')}`, 'Run `outbox-relay schemas register`.');
    const [first] = refused.length > 0 ? refused : older;
    if (refused.length > 0) return warn(`${first!.explanation}${others(refused)}`, first!.remedy);
    if (differing.length > 0)
      return warn(
        `the schema file matches no registered version of ${differing.join(', ')}`,
        'Run `outbox-relay schemas check`, which says what the change breaks, then `outbox-relay schemas register`.',
      );
    if (first !== undefined) return warn(`${first.explanation}${others(older)}`, first.remedy);
    return ok(`${counted(files.length, 'schema')} of ${directory}, and each is registered`);
  },
};

const others = (all: readonly Advice[]): string =>
  all.length > 1 ? ` (and so for ${counted(all.length - 1, 'other file')})` : '';

/** Of a file that differs: `schemas register` would not get it into the registry. */
async function refusalOf(
  history: SubjectHistory,
  file: SchemaFile,
  references: readonly Reference[] | undefined,
): Promise<Advice[]> {
  // Whether it may be asked is no question of `run`, which does not ask it.
  const checked = await checkSchema(history, file, references, undefined).catch((error: unknown) => {
    if (error instanceof RelayError) return { findings: [] };
    throw error;
  });
  return checked.findings.slice(0, 1).map(({ path, explanation, remedy }) => ({
    explanation: `the schema file of ${file.subject} may not become its next version: ${path}: ${explanation}`,
    remedy: `${remedy} \`outbox-relay schemas check\` shows all of it.`,
  }));
}

const adviceOf = (advice: Advice | undefined): Advice[] => (advice === undefined ? [] : [advice]);

export const registryChecks: readonly RegistryCheck[] = [
  registry,
  subjects,
  compatibilityLevel,
  registryEncryption,
];
