/** Checks every schema file against the versions in the registry. Changes nothing. */
import type { Config } from '../../config/config.ts';
import { parseLosslessJson } from '../../encode/formats/json.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { type CheckedSchema, checkSchema } from './check.ts';
import { findRegistered, readSchemaFiles, Versions } from './files.ts';
import { lintSchema, type Warning } from './lint.ts';
import { type Level, SubjectHistory } from './subject-history.ts';

export type CheckedFile = CheckedSchema & { readonly warnings: readonly Warning[] };

/** All of them, as `schemas check --json` prints it; `ok` if each may be registered. */
export type SchemasChecked = { readonly ok: boolean; readonly schemas: readonly CheckedFile[] };

/**
 * One file after another, as each is checked.
 * @param level instead of the registry's for each subject
 * @throws RelayError CONFIG_INVALID, SCHEMA_INVALID, REGISTRY_*
 */
export async function* checkSchemaFiles(config: Config, level?: Level): AsyncGenerator<CheckedFile> {
  const files = await readSchemaFiles(config);
  const [client, history] = [new RegistryClient(config.registry), new SubjectHistory(config.registry)];
  const versions = new Versions(client);
  for (const file of files) {
    const references = await versions.references(file);
    const isRegistered = (await findRegistered(client, file, references)) !== undefined;
    yield {
      ...(await checkSchema(history, file, references, isRegistered, level)),
      warnings: lintSchema(parseLosslessJson(file.schemaText)),
    };
  }
}
