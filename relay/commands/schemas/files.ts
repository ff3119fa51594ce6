/**
 * The schema files of a repository and the subjects they belong to. `<directory>/<aggregatetype>/<any name>.avsc` holds
 * one record; the folder gives the topic by `topics.template`, the record's full name gives the `type`.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Config } from '../../config.ts';
import { parseAvroSchema } from '../../encode/avro/writer.ts';
import type { RegistryClient } from '../../encode/registry-client.ts';
import { Router } from '../../encode/route.ts';
import { asRelayError, RelayError } from '../../errors.ts';

export type SchemaFile = {
  /** Below the directory, with slashes. */
  readonly file: string;
  /** The record's full name, as events name it in `type`. */
  readonly name: string;
  readonly subject: string;
  /** As `compactJson` gives it. */
  readonly schemaText: string;
};

/**
 * JSON without the spaces between its tokens, digits untouched. Spaces mean nothing in a schema, but Apicurio takes
 * another text for another version.
 */
export function compactJson(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');
}

/** The id under which the registry has the file's schema for its subject, whatever its layout; undefined if it has not. */
export async function findRegistered(
  client: RegistryClient,
  { subject, schemaText }: SchemaFile,
): Promise<number | undefined> {
  const latest = await client.latest(subject);
  if (latest === undefined) return undefined;
  if (compactJson(latest.schemaText) === schemaText) return latest.id;
  return client.find(subject, schemaText);
}

/**
 * Reads and checks all `.avsc` files, in the order of their paths.
 * @throws RelayError CONFIG_INVALID listing everything that is wrong with them
 */
export async function readSchemaFiles(config: Config): Promise<SchemaFile[]> {
  const { directory } = config.schemas;
  const router = new Router(config);
  const faults: string[] = [];
  const files: SchemaFile[] = [];
  for (const file of await listFiles(directory)) {
    const text = await readFile(join(directory, file), 'utf8');
    try {
      files.push(assign(file, text, config, router));
    } catch (error) {
      faults.push(`${file}: ${asRelayError(error).message}`);
    }
  }
  faults.push(...sharedSubjects(files));
  if (faults.length > 0)
    throw new RelayError(
      'CONFIG_INVALID',
      `the schemas in ${directory} have ${faults.length} fault(s):\n  ${faults.join('\n  ')}`,
    );
  return files;
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory, { recursive: true });
    return names
      .filter((name) => name.endsWith('.avsc'))
      .map((name) => name.split(sep).join('/'))
      .sort();
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `schemas.directory cannot be read: ${directory}`, { cause });
  }
}

function assign(file: string, schemaText: string, config: Config, router: Router): SchemaFile {
  const name = recordName(schemaText);
  const subject =
    config.schemas.subjectStrategy === 'record' ? name : router.subject(topicOf(file, name, router), name);
  return { file, name, subject, schemaText: compactJson(schemaText) };
}

/** @throws RelayError SCHEMA_INVALID for anything but a record that events can be written with */
function recordName(schemaText: string): string {
  const type = parseAvroSchema(schemaText);
  if (type.typeName !== 'record' || type.name === undefined)
    throw new RelayError('SCHEMA_INVALID', 'it describes no record');
  return type.name;
}

function topicOf(file: string, name: string, router: Router): string {
  const [aggregatetype, ...rest] = file.split('/');
  if (aggregatetype === undefined || rest.length !== 1)
    throw new RelayError('CONFIG_INVALID', 'it must lie in a folder named for its aggregatetype');
  const topic = router.topic(aggregatetype, name);
  if (topic === undefined)
    throw new RelayError(
      'CONFIG_INVALID',
      `its folder ${aggregatetype} gives no topic that topics.allow lists`,
    );
  return topic;
}

/** Two files under one subject would be versions of each other, registered in the order of their names. */
function sharedSubjects(files: readonly SchemaFile[]): string[] {
  const firstOf = new Map<string, string>();
  const faults: string[] = [];
  for (const { file, subject } of files) {
    const first = firstOf.get(subject);
    if (first !== undefined) faults.push(`${file}: its subject ${subject} is that of ${first}`);
    else firstOf.set(subject, file);
  }
  return faults;
}
