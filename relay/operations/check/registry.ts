/** What the relay needs of the schema registry. */
import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import type { RegistryClient } from '../../encode/registry/registry-client.ts';
import { counted } from '../../model/counted.ts';
import { findRegistered, readSchemaFiles, Versions } from '../schemas/files.ts';
import type { Advice } from '../schemas/level-advice.ts';
import { missingAdvice, missingVersions } from '../schemas/missing-versions.ts';
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
    }
    if (missing.length > 0)
      return fail(`not registered: ${missing.join(', ')}`, 'Run `outbox-relay schemas register`.');
    if (differing.length > 0)
      return warn(
        `the schema file matches no registered version of ${differing.join(', ')}`,
        'Run `outbox-relay schemas register`.',
      );
    const [first] = older;
    if (first !== undefined) {
      const rest = older.length > 1 ? ` (and so for ${counted(older.length - 1, 'other file')})` : '';
      return warn(`${first.explanation}${rest}`, first.remedy);
    }
    return ok(`${counted(files.length, 'schema')} of ${directory}, and each is registered`);
  },
};

const adviceOf = (advice: Advice | undefined): Advice[] => (advice === undefined ? [] : [advice]);

export const registryChecks: readonly RegistryCheck[] = [
  registry,
  subjects,
  compatibilityLevel,
  registryEncryption,
];
