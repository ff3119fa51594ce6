/** `outbox-relay schemas check`: whether the files may become the next versions of their subjects. */
import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import { parseLosslessJson } from '../../encode/formats/json.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { exitCodes } from '../../errors.ts';
import { type CheckedSchema, checkSchema, type VersionFinding } from '../../operations/schemas/check.ts';
import { findRegistered, readSchemaFiles, Versions } from '../../operations/schemas/files.ts';
import { lintSchema, type Warning } from '../../operations/schemas/lint.ts';
import { type Level, levels, SubjectHistory } from '../../operations/schemas/subject-history.ts';
import type { Load } from '../load.ts';

type Linted = CheckedSchema & { readonly warnings: readonly Warning[] };

type CheckOptions = { level?: Level; json?: boolean };

const help = `
Changes nothing. Each file is compared with the versions its subject has in the registry, by the subject's level:
  BACKWARD   consumers with the new schema read what was written with the old one
  FORWARD    consumers with the old schema read what is written with the new one
  FULL       both;   _TRANSITIVE: with every version, not only the latest;   NONE: neither, so a schema that breaks
             consumers passes. Apicurio begins at NONE, Confluent at BACKWARD
Told are the field, whom it breaks, and how to do it instead. Beside that the registry is asked for its own verdict,
which always goes by its own level.

At every level, since registries let them pass though values arrive as others: a decimal's changed scale or precision,
milliseconds turned into microseconds or back, another logical type on the same bytes; compared with the latest version.

Warned of, without a change of the exit code: logical types that count for nothing (misspelt, beside the type, on a type
they do not belong to, a decimal without a fitting precision), defaults that are the text "null" or not of the first type
of their union. A default that does not fit its type at all makes a file invalid.

Exit codes: 0 every file may be registered · 1 one may not · 64 a file is no valid schema, all faults are listed ·
69 the registry does not answer · 77 it refuses the credentials · 78 a registered version is no valid schema

Examples:
  $ outbox-relay schemas check
  $ outbox-relay schemas check --level FULL_TRANSITIVE
  $ outbox-relay schemas check --json | jq -r '.schemas[].findings[] | "\\(.path): \\(.explanation)"'`;

export function schemasCheckCommand(load: Load): Command {
  return new Command('check')
    .description('check the schema files against the versions in the registry')
    .addOption(
      new Option('--level <level>', 'compare by this level, not by that of the registry').choices(levels),
    )
    .option(
      '--json',
      'print one JSON object {ok, schemas: [{file, subject, status, level, findings, warnings}]}',
    )
    .addHelpText('after', help)
    .action(async (options: CheckOptions, command: Command) => {
      const { config } = load(command, ['registry']);
      const print = (text: string) => command.configureOutput().writeOut?.(`${text}\n`);
      const files = await readSchemaFiles(config);
      const [client, history] = [new RegistryClient(config.registry), new SubjectHistory(config.registry)];
      const versions = new Versions(client);
      const schemas: Linted[] = [];
      for (const file of files) {
        const references = await versions.references(file);
        const isRegistered = (await findRegistered(client, file, references)) !== undefined;
        const checked = {
          ...(await checkSchema(history, file, references, isRegistered, options.level)),
          warnings: lintSchema(parseLosslessJson(file.schemaText)),
        };
        schemas.push(checked);
        if (!options.json) print(describe(checked, options.level));
      }
      const failed = schemas.filter(({ status }) => status === 'incompatible').length;
      if (options.json) print(JSON.stringify({ ok: failed === 0, schemas }, null, 2));
      else print(`${schemas.length - failed} of ${schemas.length} schemas may be registered`);
      if (failed > 0) process.exitCode = exitCodes.findings;
    });
}

const words: Readonly<Record<CheckedSchema['status'], string>> = {
  new: 'new: its subject has no version yet',
  unchanged: 'unchanged: registered as it is',
  compatible: 'compatible',
  incompatible: 'incompatible',
};

/** `asked`: the level of --level. */
function describe(schema: Linted, asked?: Level): string {
  return [describeStatus(schema, asked), ...schema.warnings.map(describeWarning)].join('\n');
}

function describeStatus({ file, subject, status, level, findings }: CheckedSchema, asked?: Level): string {
  if (status === 'compatible' && level === 'NONE' && asked === undefined)
    return `${styleText('yellow', '!')} ${file}  ${subject}: changed, and not compared: the registry has it at NONE\n${atNone}`;
  const mark = status === 'incompatible' ? styleText('red', '✖') : styleText('green', '✔');
  const by = status === 'compatible' || status === 'incompatible' ? ` (${level})` : '';
  return [`${mark} ${file}  ${subject}: ${words[status]}${by}`, ...findings.map(describeFinding)].join('\n');
}

const atNone = `      → Give --level BACKWARD, or set a level in the registry: PUT {"compatibility": "BACKWARD"} to <registry>/config.`;

function describeWarning({ path, explanation, remedy }: Warning): string {
  return `    ${styleText('yellow', '!')} ${path}: ${explanation}\n      → ${remedy}`;
}

function describeFinding({ path, explanation, remedy }: VersionFinding): string {
  return `    ${path}: ${explanation}\n      → ${remedy}`;
}
