/** Checks every schema file against the versions in the registry. Changes nothing. */
import type { Config } from '../../config/config.ts';
import { parseLosslessJson } from '../../encode/formats/json.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { type ErrorCode, RelayError } from '../../errors.ts';
import { type CheckedSchema, checkSchema } from './check.ts';
import { findRegistered, readSchemaFiles, type SchemaFile, Versions } from './files.ts';
import { hintOfFile } from './hint-of-file.ts';
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
    const warnings = lintSchema(parseLosslessJson(file.schemaText));
    yield { ...(await checkFile(file)), warnings: [...warnings] };
  }

  async function checkFile(file: SchemaFile): Promise<CheckedSchema> {
    try {
      const references = await versions.references(file);
      const registered = await findRegistered(client, file, references);
      return await checkSchema(history, file, references, registered, level);
    } catch (error) {
      // What the subject holds is the problem, not the registry: the other files are checked all the same.
      if (!(error instanceof RelayError) || !isOfSubject(error)) throw error;
      return uncomparable(file, error);
    }
  }
}

/** What is wrong with one subject, or one version of it. */
const ofSubject: ReadonlySet<ErrorCode> = new Set(['SCHEMA_INVALID', 'REGISTRY_ANSWER_INVALID']);

export const isOfSubject = ({ code }: RelayError): boolean => ofSubject.has(code);

function uncomparable({ file, subject }: SchemaFile, failure: RelayError): CheckedSchema {
  const { code, message } = failure;
  const finding = {
    path: '$',
    kind: 'registry',
    breaks: 'consumers',
    version: null,
    explanation: `the file cannot be compared with what is registered: ${code}: ${message}`,
    remedy: hintOfFile(failure),
  } as const;
  return {
    file,
    subject,
    status: 'incompatible',
    level: null,
    version: null,
    latestVersion: null,
    findings: [finding],
  };
}
