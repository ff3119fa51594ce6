/** `outbox-relay schemas register`: the schema files become versions in the registry. */
import { setTimeout as delay } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command } from 'commander';
import { printableText } from '../../observe/printable.ts';
import type { Advice } from '../../operations/schemas/level-advice.ts';
import { missingAdvice } from '../../operations/schemas/missing-versions.ts';
import {
  type Registration,
  registerSchemas,
  type SchemasRegistered,
} from '../../operations/schemas/register.ts';
import { wholeNumber } from '../arguments.ts';
import { type Call, define } from '../command.ts';
import { counted, formatTable } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type RegisterOptions = { dryRun?: boolean; allowMisreading?: boolean; waitSeconds: number; json?: boolean };

/** A registry takes some seconds to start. */
const askEveryMs = 1_000;

const help = `
Reads <schemas.directory>/<aggregatetype>/<any name>.avsc, one record in each file. The folder and topics.template
determine the topic; schemas.subjectStrategy determines the subject:
  topic-record   <topic>-<full name of the record>   (default)
  record         <full name of the record>; the folder does not matter
  topic          <topic>-value; one file in each folder

A file may use a type that another file describes. The command then registers that other file first, and adds a reference
to it. A type that is not an event goes into <schemas.directory>/<any name>.avsc and is registered under its full name.

The command only adds versions. It removes nothing and does not change compatibility levels. A fault in a file is found before
the first is registered, and a second run changes nothing. SCHEMA_REGISTRY_URL overrides registry.url in the file.

A registry accepts another scale of a decimal, another unit of a time and another logical type, although consumers then get
other values than were written, without an error. The command refuses such a schema, as "outbox-relay schemas check" does;
--allow-misreading registers it.

Warnings do not change the exit code. The command warns where the file is not the version that the relay encodes with: a file
that equals an older version stays unchanged, and the latest version counts unless schemas.versions names one. It also warns
where the level of a subject is NONE, so that the registry accepts a schema that breaks every consumer, and where the registry
could not be asked for the level.

A version that schemas.versions names and the registry does not have is a fault, as for "outbox-relay check": the relay would
refuse every event of that subject. The files are registered all the same. With --json the fault is on stderr.

Where the registry fails meanwhile, what was registered before stays registered. The output says of each file what came of
it: "failed" may be registered all the same, "not tried" is not. A second run goes on. A right that one subject lacks does not
keep the others from being registered.

Exit codes: 0 all files are registered · 1 a schema was refused, or the registry lacks a version that schemas.versions names; the
other schemas are registered · 64 a file is invalid (every fault is listed), or invalid arguments · 69 the registry is
unreachable, some files may be registered · 77 access denied, some files may be registered

Examples:
  $ outbox-relay schemas register --dry-run
  $ outbox-relay schemas register
  $ outbox-relay schemas register --json | jq -r '.[] | "\\(.id) \\(.subject)"'
  $ outbox-relay schemas register --json | jq -e 'all(.warnings == [])'`;

export function registerCommand(load: Load): Command {
  const command = new Command('register')
    .description('register the schema files of schemas.directory')
    .option('--dry-run', 'show what would be registered, and what refused; change nothing')
    .option(
      '--allow-misreading',
      'register also a schema with which consumers get other values than were written, without an error',
    )
    .option(
      '--wait-seconds <number>',
      'how long to wait for a registry that is unreachable',
      wholeNumber(0, 9_999_999),
      0,
    )
    .option(
      '--json',
      'print a JSON array of {file, subject, status, id, version, latestVersion, usedVersion, level, warnings}',
    )
    .addHelpText('after', helpText(help));
  return define<RegisterOptions>(command, load, { needs: ['registry'], run });
}

async function run({ config, options, print }: Call<RegisterOptions>) {
  const register = () =>
    registerSchemas(config, {
      isDryRun: options.dryRun === true,
      allowsMisreading: options.allowMisreading === true,
    });
  const { registrations, warnings, missing, failure } = await whenReachable(
    register,
    options.waitSeconds * 1_000,
  );
  const faults = describeMissing(missingAdvice(missing));
  const said = [
    describe(registrations),
    ...warnings.map(describeWarning),
    ...describeRefusals(registrations),
    ...faults,
  ];
  print(options.json ? JSON.stringify(registrations) : said.join('\n'));
  // The array has no place for it: the subject may have no file.
  if (options.json) for (const fault of faults) process.stderr.write(printableText(`${fault}\n`));
  if (failure !== undefined) throw failure;
  return { hasFindings: faults.length > 0 || registrations.some(({ status }) => status === 'refused') };
}

/** Asks again while the registry is away. A schema that an earlier attempt registered counts as registered, not as unchanged. */
async function whenReachable(
  register: () => Promise<SchemasRegistered>,
  waitMs: number,
): Promise<SchemasRegistered> {
  const endMs = performance.now() + waitMs;
  const earlier = new Map<string, Registration>();
  for (;;) {
    const result = await register();
    const registrations = result.registrations.map((now): Registration => {
      const before = earlier.get(now.file);
      if (before === undefined) return now;
      return now.status === 'unchanged' ? { ...now, status: 'registered' } : before;
    });
    for (const each of registrations) if (each.status === 'registered') earlier.set(each.file, each);
    const isAway = result.failure?.entry.isOutage === true;
    if (!isAway || performance.now() >= endMs) return { ...result, registrations };
    await delay(askEveryMs);
  }
}

const words: Readonly<Record<Registration['status'], string>> = {
  registered: 'registered',
  unchanged: 'unchanged',
  pending: 'would register',
  refused: 'refused',
  failed: 'failed',
  untried: 'not tried',
};

function describe(registrations: readonly Registration[]): string {
  if (registrations.length === 0) return 'no .avsc files';
  return formatTable(
    registrations.map(({ status, id, version, latestVersion, subject, file }) => [
      words[status],
      id === null ? '' : `id ${id}`,
      version === null || latestVersion === null
        ? ''
        : version === latestVersion
          ? `version ${version}`
          : `version ${version} (the latest is ${latestVersion})`,
      subject,
      file,
    ]),
  );
}

function describeMissing(advice: Advice | undefined): string[] {
  return advice === undefined
    ? []
    : [`${styleText('red', '✖')} ${advice.explanation}\n    → ${advice.remedy}`];
}

function describeWarning({ explanation, remedy }: Advice): string {
  return `${styleText('yellow', '!')} ${explanation}\n    → ${remedy}`;
}

function describeRefusals(registrations: readonly Registration[]): string[] {
  const of = (status: Registration['status']) => registrations.filter((each) => each.status === status);
  const [refused, failed, untried] = [of('refused'), of('failed'), of('untried')];
  const all = counted(registrations.length, 'schema');
  return [
    ...[...refused, ...failed].map(({ file, code, message, hint }) => {
      const what = hint === undefined ? '' : `\n    → ${hint}`;
      return `${styleText('red', '✖')} ${file}: ${code}: ${message}${what}`;
    }),
    ...(refused.length === 0 ? [] : [`${refused.length} of ${all} refused`]),
    ...(failed.length === 0 ? [] : [`${failed.length} of ${all} failed, ${untried.length} not tried`]),
  ];
}
