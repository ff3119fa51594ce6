/**
 * A schema as somebody pastes it, as the next version of a subject: whether it may become that, and which recent rows the
 * relay would refuse with it. Registers nothing.
 */
import type { Config } from '../../config/config.ts';
import { compileSchema, parseAvroSchema } from '../../encode/formats/avro/writer.ts';
import { type Reference, RegistryClient } from '../../encode/registry/registry-client.ts';
import { RelayError } from '../../errors.ts';
import { type CheckedSchema, checkSchema } from './check.ts';
import { lintSchema, type Warning } from './lint.ts';
import { type Recent, readRecentRows } from './recent-rows.ts';
import { readSchemaText } from './schema-text.ts';
import { SubjectHistory } from './subject-history.ts';
import { Trial, type TypeTrial } from './trial.ts';

export type Pasted = { readonly subject: string; readonly text: string };

export type PastedChecked = Omit<CheckedSchema, 'file'> & { readonly warnings: readonly Warning[] };

const place = 'the pasted schema';

type ReadPasted = {
  readonly schemaText: string;
  readonly usedTexts: readonly string[];
  readonly references: readonly Reference[];
  readonly warnings: readonly Warning[];
};

/**
 * It may use the types that the latest version uses.
 * @throws RelayError SCHEMA_INVALID, REGISTRY_*
 */
async function readPasted(history: SubjectHistory, { subject, text }: Pasted): Promise<ReadPasted> {
  const { schema, schemaText } = readSchemaText(text);
  const references = await history.latestReferences(subject);
  const latest = references.length === 0 ? undefined : (await history.versions(subject)).at(-1);
  const usedTexts = latest === undefined ? [] : (await history.version(subject, latest)).references;
  const type = parseAvroSchema(schemaText, usedTexts);
  const { faults } = compileSchema(type);
  if (faults.length > 0) throw new RelayError('SCHEMA_INVALID', faults.join(' '));
  if (type.typeName !== 'record') throw new RelayError('SCHEMA_INVALID', 'it does not describe a record');
  return { schemaText, usedTexts, references, warnings: lintSchema(schema) };
}

/** @throws RelayError SCHEMA_INVALID, REGISTRY_* */
export async function checkPasted(config: Config, pasted: Pasted): Promise<PastedChecked> {
  const history = new SubjectHistory(config.registry);
  const { schemaText, usedTexts, references, warnings } = await readPasted(history, pasted);
  const { subject } = pasted;
  const client = new RegistryClient(config.registry);
  const registered = await client.find(subject, schemaText, references);
  const { file: _, ...checked } = await checkSchema(
    history,
    { file: place, subject, schemaText, usedTexts },
    references,
    registered,
  );
  return { ...checked, warnings };
}

export type PastedTried = {
  /** Rows that were read, also of other subjects. */
  readonly read: number;
  /** Rows whose events have this subject. */
  readonly rows: number;
  readonly failed: number;
  readonly types: readonly TypeTrial[];
};

export type TryPasted = Recent & {
  readonly config: Config;
  readonly pasted: Pasted;
  /** Failures kept of each type. */
  readonly failuresMax: number;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
};

/** @throws RelayError SCHEMA_INVALID, OUTBOX_TABLE_INVALID, POSTGRES_*, REGISTRY_*; what the signal says once it is aborted */
export async function tryPasted({
  config,
  pasted,
  failuresMax,
  signal,
  onProgress,
  ...recent
}: TryPasted): Promise<PastedTried> {
  const { subject } = pasted;
  const { schemaText, usedTexts } = await readPasted(new SubjectHistory(config.registry), pasted);
  const trial = new Trial(config, [{ file: place, subject, schemaText, usedTexts }], failuresMax);
  let read = 0;
  await readRecentRows(config, recent, async (rows) => {
    signal.throwIfAborted();
    await trial.add(rows);
    read += rows.length;
    onProgress(read);
  });
  const types = trial.results().filter(({ file }) => file !== null);
  const sum = (of: (type: TypeTrial) => number) => types.reduce((all, type) => all + of(type), 0);
  return { read, rows: sum(({ rows }) => rows), failed: sum(({ failed }) => failed), types };
}
