/** What the relay needs of the schema registry. */
import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import type { RegistryClient } from '../../encode/registry/registry-client.ts';
import { counted } from '../../model/counted.ts';
import { findRegistered, readSchemaFiles, Versions } from '../schemas/files.ts';
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
    const { directory } = config.schemas;
    if (!existsSync(directory))
      return ok(`schemas.directory (${directory}) does not exist: there are no files to compare`);
    const files = await readSchemaFiles(config);
    const missing: string[] = [];
    const differing: string[] = [];
    const versions = new Versions(client);
    for (const file of files) {
      const references = await versions.references(file);
      if ((await findRegistered(client, file, references)) !== undefined) continue;
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
    return ok(`${counted(files.length, 'schema')} of ${directory}, and each is registered`);
  },
};

export const registryChecks: readonly RegistryCheck[] = [
  registry,
  subjects,
  compatibilityLevel,
  registryEncryption,
];
