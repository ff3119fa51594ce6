/** Compares every schema file with the latest version of its subject. Changes nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/config.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { type Difference, diffSchemas } from './diff.ts';
import { readSchemaFiles, type SchemaFile } from './files.ts';
import { readModel } from './model.ts';
import { compactJson } from './schema-text.ts';

export type FileDiff = {
  readonly file: string;
  readonly subject: string;
  /**
   * `unregistered`: the subject has no version. `rewritten`: the same schema in another text, which a registry may take for
   * another version.
   */
  readonly status: 'same' | 'changed' | 'rewritten' | 'unregistered';
  readonly differences: readonly Difference[];
};

/** `ok` if every file is the latest version of its subject. */
export type SchemasDiffed = { readonly ok: boolean; readonly schemas: readonly FileDiff[] };

/** @throws RelayError CONFIG_INVALID, SCHEMA_INVALID, REGISTRY_* */
export async function diffSchemaFiles(config: Config): Promise<SchemasDiffed> {
  const client = new RegistryClient(config.registry);
  const schemas: FileDiff[] = [];
  for (const file of await readSchemaFiles(config)) schemas.push(await diffFile(client, file));
  return { ok: schemas.every(({ status }) => status === 'same'), schemas };
}

async function diffFile(
  client: RegistryClient,
  { file, subject, schemaText, usedTexts }: SchemaFile,
): Promise<FileDiff> {
  const latest = await client.latest(subject);
  if (latest === undefined) return { file, subject, status: 'unregistered', differences: [] };
  const registered = [...latest.references, latest.schemaText].map(compactJson);
  if (isDeepStrictEqual(registered.toSorted(), [...usedTexts, schemaText].toSorted()))
    return { file, subject, status: 'same', differences: [] };
  const differences = diffSchemas(
    readModel(latest.schemaText, latest.references),
    readModel(schemaText, usedTexts),
  );
  return { file, subject, status: differences.length > 0 ? 'changed' : 'rewritten', differences };
}
