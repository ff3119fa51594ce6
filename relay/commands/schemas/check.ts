/** `outbox-relay schemas check`: may the files become the next versions of their subjects? */
import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import type { Config } from '../../config/config.ts';
import { type CheckedSchema, isUncompared, type VersionFinding } from '../../operations/schemas/check.ts';
import {
  type CheckedFile,
  checkSchemaFiles,
  type SchemasChecked,
} from '../../operations/schemas/check-files.ts';
import { putLevel } from '../../operations/schemas/level-advice.ts';
import type { Warning } from '../../operations/schemas/lint.ts';
import { type Level, levels } from '../../operations/schemas/subject-history.ts';
import { type Call, define } from '../command.ts';
import { counted } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type CheckOptions = { level?: Level; json?: boolean };

const help = `
Changes nothing. Compares each file with the versions of its subject in the registry, at the compatibility level of the
subject. For each breaking change it names the field, the consumers that would break, and a compatible alternative.
  BACKWARD      consumers with the new schema can read events written with the old one
  FORWARD       consumers with the old schema can read events written with the new one
  FULL          both
  _TRANSITIVE   as a suffix of one of these: compares with every version, not only the latest
  NONE          compares nothing, so a change that breaks consumers passes
The default level of Apicurio is NONE, that of Confluent is BACKWARD. The command also asks the registry for its own
verdict, which always uses the registry's level. A registry that says NONE and refuses incompatible schemas all the same
has a level that it does not show (UNKNOWN in JSON); its verdict decides then.

Some changes are errors at every level, because registries accept them although consumers would read wrong values: another
scale or precision of a decimal, milliseconds instead of microseconds or the reverse, another logical type on the same
bytes. The command looks for these in the latest version only.

Warnings do not change the exit code. The command warns about a logical type without effect (misspelled, next to the type
instead of inside it, on a type that it does not fit, or a decimal without a valid precision), and about a default that is
the text "null" or does not fit the first type of its union. A default that does not fit its type makes the file invalid.

Exit codes: 0 every file may be registered · 1 a file may not be registered, or cannot be compared with what is registered ·
64 a file is invalid (every fault is listed), or invalid arguments · 69 the registry is unreachable · 77 access denied

Examples:
  $ outbox-relay schemas check
  $ outbox-relay schemas check --level FULL_TRANSITIVE
  $ outbox-relay schemas check --json | jq -r '.schemas[].findings[] | "\\(.path): \\(.explanation)"'`;

export function checkCommand(load: Load): Command {
  const command = new Command('check')
    .description('check the schema files against the versions in the registry')
    .addOption(
      new Option('--level <level>', 'compare at this level instead of the registry’s').choices(levels),
    )
    .option(
      '--json',
      'print one JSON object {ok, schemas: [{file, subject, status, level, version, latestVersion, findings, warnings}]}',
    )
    .addHelpText('after', helpText(help));
  return define<CheckOptions>(command, load, { needs: ['registry'], run });
}

async function run({ config, options: { level, json }, print }: Call<CheckOptions>) {
  const schemas: CheckedFile[] = [];
  for await (const checked of checkSchemaFiles(config, level)) {
    schemas.push(checked);
    if (!json) print(describe(checked, config.registry, level));
  }
  const failed = schemas.filter(({ status }) => status === 'incompatible').length;
  const report: SchemasChecked = { ok: failed === 0, schemas };
  const uncompared = schemas.filter(isUncompared).length;
  const may = schemas.length - failed - uncompared;
  const rest = uncompared === 0 ? '' : `; ${uncompared} changed but not compared (level NONE)`;
  return {
    data: report,
    text: `${may} of ${counted(schemas.length, 'schema')} may be registered${rest}`,
    hasFindings: !report.ok,
  };
}

const words: Readonly<Record<CheckedSchema['status'], string>> = {
  new: 'new: its subject has no version yet',
  unchanged: 'unchanged: it is already registered',
  compatible: 'compatible',
  incompatible: 'incompatible',
};

/** `asked`: the level of --level. */
function describe(schema: CheckedFile, registry: Config['registry'], asked?: Level): string {
  return [describeStatus(schema, registry, asked), ...schema.warnings.map(describeWarning)].join('\n');
}

function describeStatus(
  { file, subject, status, level, version, latestVersion, findings }: CheckedSchema,
  registry: Config['registry'],
  asked?: Level,
): string {
  if (isUncompared({ status, level })) {
    const command = putLevel(registry, `/config/${encodeURIComponent(subject)}`);
    const [whose, orSet] =
      asked === undefined
        ? ['the level of its subject', `, or set a level for it: ${command}`]
        : ['--level', '.'];
    return `${styleText('yellow', '!')} ${file}  ${subject}: changed but not compared, because ${whose} is NONE\n      → Give --level BACKWARD${orSet}`;
  }
  const older =
    status === 'unchanged' && version !== latestVersion
      ? ` as version ${version}; the latest is version ${latestVersion}`
      : '';
  const mark =
    status === 'incompatible'
      ? styleText('red', '✖')
      : older === ''
        ? styleText('green', '✔')
        : styleText('yellow', '!');
  const shown = level === 'UNKNOWN' ? 'a level that the registry does not show' : level;
  const by = (status === 'compatible' || status === 'incompatible') && shown !== null ? ` (${shown})` : '';
  return [
    `${mark} ${file}  ${subject}: ${words[status]}${older}${by}`,
    ...findings.map(describeFinding),
  ].join('\n');
}

function describeWarning({ path, explanation, remedy }: Warning): string {
  return `    ${styleText('yellow', '!')} ${path}: ${explanation}\n      → ${remedy}`;
}

function describeFinding({ path, explanation, remedy }: VersionFinding): string {
  return `    ${path}: ${explanation}\n      → ${remedy}`;
}
