/**
 * The schema files of a repository and their subjects. `<directory>/<aggregatetype>/<any name>.avsc` holds one record: the
 * folder gives the topic by `topics.template`, and the record's full name is the `type` of its events. A file may use the
 * type of another file. `<directory>/<any name>.avsc` holds a type that only other files use, under its full name.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { Config } from '../../config/config.ts';
import { compileSchema, parseAvroSchema } from '../../encode/formats/avro/writer.ts';
import type { Reference, RegistryClient } from '../../encode/registry/registry-client.ts';
import { Router } from '../../encode/route.ts';
import { asRelayError, RelayError } from '../../errors.ts';
import { folderOf, linkFiles, type NamedFile, namesIn, orderFiles } from './references.ts';
import { compactJson, readSchemaText } from './schema-text.ts';

export type SchemaFile = {
  /** Below the directory, with slashes. */
  readonly file: string;
  /** The full name of its type, as events have it in `type`. */
  readonly name: string;
  readonly subject: string;
  /** As `compactJson` gives it. */
  readonly schemaText: string;
  /** Whether it is the type of events, or only other files use it. */
  readonly isEvent: boolean;
  /** The files whose types it uses. */
  readonly uses: readonly SchemaFile[];
  /** Their texts and those of the files they use, each after those it uses itself. */
  readonly usedTexts: readonly string[];
};

/** Where the schema of a file is in the registry. */
export type Registered = {
  readonly id: number;
  readonly version: number;
  /** Of its subject. Who does not ask for a version gets this one. */
  readonly latestVersion: number;
};

/**
 * The file's schema in the registry, for its subject, whatever its layout; undefined if it is not registered.
 * @param references versions of the types it uses, as the registry needs them; undefined if one is not registered yet
 */
export async function findRegistered(
  client: RegistryClient,
  { subject, schemaText }: SchemaFile,
  references: readonly Reference[] | undefined,
): Promise<Registered | undefined> {
  if (references === undefined) return undefined;
  const latest = await client.latest(subject);
  if (latest === undefined) return undefined;
  const { id, version: latestVersion } = latest;
  if (latestVersion === undefined)
    throw new RelayError(
      'REGISTRY_UNAVAILABLE',
      `reading the latest schema of ${subject}: the answer has no version`,
    );
  if (references.length === 0 && compactJson(latest.schemaText) === schemaText)
    return { id, version: latestVersion, latestVersion };
  const found = await client.find(subject, schemaText, references);
  return found && { ...found, latestVersion };
}

/** Which versions the types of the files have in the registry. Ask in the order of the files. */
export class Versions {
  readonly #client: RegistryClient;
  readonly #versions = new Map<SchemaFile, number | undefined>();

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  /** The types that a file uses, as the registry needs them; undefined if one is not registered as it is in its file. */
  async references({ uses }: SchemaFile): Promise<readonly Reference[] | undefined> {
    const references: Reference[] = [];
    for (const used of uses) {
      const version = await this.#versionOf(used);
      if (version === undefined) return undefined;
      references.push({ name: used.name, subject: used.subject, version });
    }
    return references;
  }

  async #versionOf(file: SchemaFile): Promise<number | undefined> {
    const known = this.#versions.get(file);
    if (known !== undefined) return known;
    const references = await this.references(file);
    const found = references && (await this.#client.find(file.subject, file.schemaText, references));
    this.#versions.set(file, found?.version);
    return found?.version;
  }
}

type ReadFile = NamedFile & { readonly schemaText: string };

/**
 * Reads and checks all `.avsc` files, each after those it uses, else in the order of their paths.
 * @throws RelayError CONFIG_INVALID listing every fault
 */
export async function readSchemaFiles(config: Config): Promise<SchemaFile[]> {
  const { directory } = config.schemas;
  const faults: string[] = [];
  const onFault = (file: string, fault: string) => void faults.push(`${file}: ${fault}`);
  const attempt = <T>(file: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      return void onFault(file, asRelayError(error).message);
    }
  };
  const read: ReadFile[] = [];
  for (const file of await listFiles(directory)) {
    const text = await readFile(join(directory, file), 'utf8');
    const one = attempt(file, () => readNames(file, text));
    if (one !== undefined) read.push(one);
  }
  const links = linkFiles(read, onFault);
  const order = orderFiles(links, onFault);
  const files = new Map<string, SchemaFile>();
  const used = new Set([...links.values()].flat());
  const router = new Router(config);
  for (const file of order ?? []) {
    const names = read.find((each) => each.file === file)!;
    const uses = links.get(file)!.map((target) => files.get(target));
    // The fault of a file that it uses is already listed.
    if (uses.includes(undefined)) continue;
    const one = attempt(file, () => assign(names, uses as SchemaFile[], used.has(file), config, router));
    if (one !== undefined) files.set(file, one);
  }
  faults.push(...sharedSubjects([...files.values()]));
  if (faults.length > 0)
    throw new RelayError(
      'CONFIG_INVALID',
      `the schemas in ${directory} have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n  ${faults.join('\n  ')}`,
    );
  return [...files.values()];
}

/** @throws RelayError SCHEMA_INVALID */
function readNames(file: string, text: string): ReadFile {
  const { schema, schemaText } = readSchemaText(text);
  const { name, used } = namesIn(schema);
  return { file, name: name ?? '', used, schemaText };
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory, { recursive: true });
    return names
      .filter((name) => name.endsWith('.avsc'))
      .map((name) => name.split(sep).join('/'))
      .sort();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? `does not exist. Put each schema into a file ${directory}/<aggregatetype>/<name>.avsc; \`outbox-relay init\` writes a first one`
        : `cannot be read (${code})`;
    throw new RelayError('CONFIG_INVALID', `schemas.directory: ${resolve(directory)} ${why}`, { cause });
  }
}

function assign(
  { file, schemaText, name }: ReadFile,
  uses: readonly SchemaFile[],
  isUsed: boolean,
  config: Config,
  router: Router,
): SchemaFile {
  const usedTexts = [...new Set(uses.flatMap((each) => [...each.usedTexts, each.schemaText]))];
  const type = parseAvroSchema(schemaText, usedTexts);
  const { faults } = compileSchema(type);
  if (faults.length > 0) throw new RelayError('SCHEMA_INVALID', faults.join(' '));
  const { typeName } = type;
  const isRecord = typeName === 'record' && name !== '';
  const isNamed = isRecord || typeName === 'enum' || typeName === 'fixed';
  const byName = config.schemas.subjectStrategy === 'record';
  // Only for other files to use: a type that is not a record, or that lies in no folder and so has no topic.
  const isShared = isUsed && isNamed && (!isRecord || (folderOf(file) === '' && !byName));
  if (!isRecord && !isShared) throw new RelayError('SCHEMA_INVALID', 'it does not describe a record');
  const subject = isShared || byName ? name : router.subject(topicOf(file, name, router), name);
  return { file, name, subject, schemaText, isEvent: !isShared, uses, usedTexts };
}

function topicOf(file: string, name: string, router: Router): string {
  const [aggregatetype, ...rest] = file.split('/');
  if (aggregatetype === undefined || rest.length !== 1)
    throw new RelayError('CONFIG_INVALID', 'it must be in a folder named after its aggregatetype');
  const topic = router.topic(aggregatetype, name);
  if (topic === undefined)
    throw new RelayError('CONFIG_INVALID', `no topic of topics.allow belongs to its folder ${aggregatetype}`);
  return topic;
}

/** Two files with one subject would become versions of each other. */
function sharedSubjects(files: readonly SchemaFile[]): string[] {
  const firstOf = new Map<string, string>();
  const faults: string[] = [];
  for (const { file, subject } of files) {
    const first = firstOf.get(subject);
    if (first !== undefined) faults.push(`${file}: it has the same subject as ${first}: ${subject}`);
    else firstOf.set(subject, file);
  }
  return faults;
}
