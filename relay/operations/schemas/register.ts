/** Registers the schema files: adds versions, and changes nothing else in the registry. */
import type { Config } from '../../config/config.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { type ErrorCode, RelayError } from '../../errors.ts';
import { findRegistered, readSchemaFiles, type SchemaFile, Versions } from './files.ts';

export type Registration = Pick<SchemaFile, 'file' | 'subject'> & {
  /** `pending`: in a dry run, it would be registered. */
  readonly status: 'registered' | 'unchanged' | 'pending' | 'refused';
  readonly id: number | null;
  /** Why it is refused. */
  readonly code?: ErrorCode;
  readonly message?: string;
};

/**
 * Each file after those whose types it uses. A file that the registry refuses does not keep the others from being registered.
 * @throws RelayError CONFIG_INVALID with every fault of the files, before the first is registered; REGISTRY_*
 */
export async function registerSchemas(config: Config, isDryRun: boolean): Promise<Registration[]> {
  const files = await readSchemaFiles(config);
  const client = new RegistryClient(config.registry);
  const versions = new Versions(client);
  const registrations: Registration[] = [];
  for (const file of files) registrations.push(await register(client, versions, file, isDryRun));
  return registrations;
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
): Promise<Registration> {
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
