/** Compares every schema file with the latest version of its subject. Changes nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/config.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { RelayError } from '../../errors.ts';
import { isOfSubject } from './check-files.ts';
import { type Difference, diffSchemas } from './diff.ts';
import { readSchemaFiles, type SchemaFile } from './files.ts';
import { readModel } from './model.ts';
import { compactJson } from './schema-text.ts';

export type FileDiff = {
  readonly file: string;
  readonly subject: string;
  /**
   * `unregistered`: the subject has no version. `rewritten`: the same schema in another text, which a registry may take for
   * another version. `uncomparable`: what is registered is no Avro schema that can be read.
   */
  readonly status: 'same' | 'changed' | 'rewritten' | 'unregistered' | 'uncomparable';
  readonly differences: readonly Difference[];
  /** Why it is uncomparable. */
  readonly message?: string;
};

/** `ok` if every file is the latest version of its subject. */
export type SchemasDiffed = { readonly ok: boolean; readonly schemas: readonly FileDiff[] };

/** @throws RelayError CONFIG_INVALID, SCHEMA_INVALID, REGISTRY_* */
export async function diffSchemaFiles(config: Config): Promise<SchemasDiffed> {
  const client = new RegistryClient(config.registry);
  const schemas: FileDiff[] = [];
  for (const file of await readSchemaFiles(config)) schemas.push(await diffReadable(client, file));
  return { ok: schemas.every(({ status }) => status === 'same'), schemas };
}

/** A subject that cannot be read does not hide how the others differ. */
async function diffReadable(client: RegistryClient, file: SchemaFile): Promise<FileDiff> {
  try {
    return await diffFile(client, file);
  } catch (error) {
    if (!(error instanceof RelayError) || !isOfSubject(error)) throw error;
    const message = `${error.code}: ${error.message}`;
    return { file: file.file, subject: file.subject, status: 'uncomparable', differences: [], message };
  }
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
