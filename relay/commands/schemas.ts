/** `outbox-relay schemas`: the repository's schema files and the registry. */
import { Command } from 'commander';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import { findRegistered, readSchemaFiles, type SchemaFile, Versions } from '../operations/schemas/files.ts';
import type { Load } from './load.ts';
import { schemasCheckCommand } from './schemas/check.ts';
import { schemasDiffCommand } from './schemas/diff.ts';
import { schemasTestCommand } from './schemas/test.ts';
import { schemasTypesCommand } from './schemas/types.ts';
import { formatTable } from './table.ts';

type RegisterOptions = { dryRun?: boolean; json?: boolean };

/** `pending` in a dry run: it would be registered. */
type Outcome = Pick<SchemaFile, 'file' | 'subject'> & {
  readonly status: 'registered' | 'unchanged' | 'pending' | 'refused';
  readonly id: number | null;
  /** Why it is refused. */
  readonly code?: ErrorCode;
  readonly message?: string;
};

const help = `
Reads <schemas.directory>/<aggregatetype>/<any name>.avsc, one record a file. The folder gives the topic by
topics.template; the subject follows from schemas.subjectStrategy:
  topic-record   <topic>-<full name of the record>   (default)
  record         <full name of the record>; the folder does not matter
  topic          <topic>-value; one file a folder

A file may name the type that another file describes: it is registered after that one, with a reference. A type that is no
event of its own, or no record, goes to <schemas.directory>/<any name>.avsc and is registered under its full name.

Only adds versions: the compatibility level of a subject stays as it is, nothing is removed. All files are checked
before the first is registered; run twice, the second run changes nothing. SCHEMA_REGISTRY_URL wins over registry.url.

Exit codes: 0 all are registered · 64 a file is wrong, all faults are listed · 69 the registry does not answer ·
77 it refuses the credentials · 78 it refuses a schema as incompatible or invalid, or takes no new versions
(the others are registered)

Examples:
  $ outbox-relay schemas register --dry-run
  $ outbox-relay schemas register
  $ outbox-relay schemas register --json | jq -r '.[] | "\\(.id) \\(.subject)"'`;

export function schemasCommand(load: Load): Command {
  const register = new Command('register')
    .description('register the schema files of schemas.directory')
    .option('--dry-run', 'show what would be registered and change nothing')
    .option('--json', 'print a JSON array of {file, subject, status, id}')
    .addHelpText('after', help)
    .action(async (options: RegisterOptions, command: Command) => {
      const { config } = load(command, ['registry']);
      const files = await readSchemaFiles(config);
      const client = new RegistryClient(config.registry);
      const outcomes: Outcome[] = [];
      const versions = new Versions(client);
      for (const file of files)
        outcomes.push(await registerFile(client, versions, file, options.dryRun === true));
      command
        .configureOutput()
        .writeOut?.(`${options.json ? JSON.stringify(outcomes) : describe(outcomes)}\n`);
      refuseIfRefused(outcomes);
    });
  return new Command('schemas')
    .description('work with the schemas of the events')
    .addCommand(schemasCheckCommand(load))
    .addCommand(register)
    .addCommand(schemasDiffCommand(load))
    .addCommand(schemasTypesCommand(load))
    .addCommand(schemasTestCommand(load));
}

/** A subject may have a mode of its own. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'SCHEMA_INCOMPATIBLE',
  'SCHEMA_INVALID',
  'REGISTRY_ANSWER_INVALID',
  'REGISTRY_READ_ONLY',
]);

async function registerFile(
  client: RegistryClient,
  versions: Versions,
  schema: SchemaFile,
  isDryRun: boolean,
): Promise<Outcome> {
  const { file, subject, schemaText, uses } = schema;
  const references = await versions.references(schema);
  const known = await findRegistered(client, schema, references);
  if (known !== undefined) return { file, subject, status: 'unchanged', id: known };
  if (isDryRun) return { file, subject, status: 'pending', id: null };
  if (references === undefined) {
    const message = `registering a schema under ${subject}: it uses ${uses.map((used) => used.file).join(', ')}, refused before`;
    return { file, subject, status: 'refused', id: null, code: 'SCHEMA_INVALID', message };
  }
  try {
    return {
      file,
      subject,
      status: 'registered',
      id: await client.register(subject, schemaText, references),
    };
  } catch (error) {
    // One schema is refused, the next may be fine; an outage concerns them all.
    if (!(error instanceof RelayError) || !refusals.has(error.code)) throw error;
    return { file, subject, status: 'refused', id: null, code: error.code, message: error.message };
  }
}

function describe(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return 'no .avsc files';
  const words = {
    registered: 'registered',
    unchanged: 'unchanged',
    pending: 'would register',
    refused: 'refused',
  };
  return formatTable(
    outcomes.map(({ status, id, subject, file }) => [
      words[status],
      id === null ? '' : `id ${id}`,
      subject,
      file,
    ]),
  );
}

function refuseIfRefused(outcomes: readonly Outcome[]): void {
  const refused = outcomes.filter(({ status }) => status === 'refused');
  const [first] = refused;
  if (first === undefined) return;
  const lines = refused.map(({ code, message }) => `${code}: ${message}`);
  throw new RelayError(
    first.code ?? 'SCHEMA_INCOMPATIBLE',
    `${refused.length} of ${outcomes.length} schemas refused:\n  ${lines.join('\n  ')}`,
  );
}
