/**
 * Writes what docs/ takes from the code: the tables of docs/reference, docs/evidence/avro.md, the drawing of the rooms and
 * Grafana's dashboard, and what the Helm chart has from all of these.
 * `npm run docs` brings them up to date; a test fails when they are not. A table is between `<!-- generated:name -->` and
 * `<!-- /generated:name -->`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { dashboardFile, dashboardJson } from '../deploy/grafana/dashboard.ts';
import { chartFiles } from '../deploy/helm/chart.ts';
import { pathOf } from '../relay/commands/command.ts';
import { createProgram } from '../relay/commands/program.ts';
import { asText, type Setting, settings } from '../relay/config/config.ts';
import { packageRoot } from '../relay/config/package-root.ts';
import { type ErrorCode, errorTable, exitCodes, hints } from '../relay/errors.ts';
import { documentedMetrics } from '../relay/observe/metrics.ts';
import { consumer } from '../relay/operations/init/consumer.ts';
import { localAddresses } from '../relay/operations/init/files.ts';
import { readMigrations } from '../relay/operations/migrate/plan.ts';
import { notForOperators, operatorWork, outboxTable, type Right } from '../relay/operations/operator-work.ts';
import { avroDocument, avroFile } from './avro.ts';
import { code, table } from './markdown.ts';
import { recordExample } from './record-example.ts';
import { drawRooms, importsBetweenRooms, roomsFile } from './rooms.ts';
import { settingsType, settingsTypeFile } from './settings-type.ts';

const example = await recordExample();
const migrationsCount = (await readMigrations(path.join(packageRoot, 'migrations'))).length;
const program = await createProgram();

/** The table of each region. */
export const tables: Readonly<Record<string, () => string>> = {
  settings: () =>
    [...Map.groupBy(settings, ({ path }) => (path.length > 1 ? path[0]! : ''))]
      .map(
        ([section, ofSection]) =>
          `## ${section === '' ? 'The relay' : code(section)}\n\n${settingsTable(ofSection)}`,
      )
      .join('\n\n'),
  metrics: () =>
    table(
      ['metric', 'type', 'labels', 'meaning'],
      documentedMetrics().map(({ name, type, labels, help }) => [
        code(name),
        type,
        labels.map(code).join(', '),
        help,
      ]),
    ),
  errors: () =>
    table(
      ['code', 'class', 'exit code', 'what to do'],
      (Object.keys(errorTable) as ErrorCode[]).map((name) => [
        `[${code(name)}](../guides/operations.md#${name.toLowerCase()})`,
        errorTable[name].class,
        exitOf(name),
        hints[name],
      ]),
    ),
  'exit-codes': () =>
    table(
      ['exit code', 'meaning'],
      Object.values(exitCodes).map((exitCode) => [String(exitCode), exitCodeMeanings[exitCode]]),
    ),
  commands: () =>
    table(
      ['command', 'what it does'],
      program.commands
        .flatMap(callable)
        .map((command) => [
          `[${code(nameOf(command))}](#${anchorOf(nameOf(command))})`,
          command.summary() || command.description(),
        ]),
    ),
  help: () =>
    program.commands
      .flatMap(callable)
      .map((command) => `## ${code(nameOf(command))}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``)
      .join('\n\n'),
  'operator-work': () =>
    table(
      ['to', 'command', 'screen of the console', 'rights'],
      operatorWork.map(({ does, commands, screens, needs }) => [
        does,
        commands.map(code).join(', '),
        screens.join(', '),
        rightsCell(needs),
      ]),
    ),
  'not-for-operators': () =>
    table(
      ['command', 'why'],
      notForOperators.map(({ commands, why }) => [commands.map(code).join(', '), why]),
    ),
  'record-example': () => example,
  'first-consumer': () =>
    `\`\`\`js\n${consumer({ ...localAddresses, format: 'avro', aggregate: 'order' })}\`\`\``,
};

const exitCodeMeanings: Readonly<Record<(typeof exitCodes)[keyof typeof exitCodes], string>> = {
  0: 'done',
  1: 'the command ran, read everything that it needs, and found a problem: a failed check, a missing event. `check` ends with it for every check that fails, also if a server refuses the sign-in',
  64: 'wrong arguments or configuration',
  69: 'a server did not answer, also if the command shows what it could read of the others. `run` never exits with this code, it retries',
  70: 'a bug in the relay',
  77: 'credentials or a right are missing or wrong, also if the command shows what it could read without them',
  78: 'the relay stopped itself. The error code and the hint say what to do; restarting does not help. A command ends with it, too, if a server is not as the relay needs it, for example without the database',
};

/** By the kind of right, without the schema and the types of parameters. */
function rightsCell(needs: readonly Right[]): string {
  const short = (on: string) =>
    on === outboxTable ? 'the outbox table' : code(on.replace(/^outbox\.|\(.*$/g, ''));
  return [...Map.groupBy(needs, ({ right }) => right)]
    .map(([right, of]) => `${right.toUpperCase()}: ${of.map(({ on }) => short(on)).join(', ')}`)
    .join('<br>');
}

/** The text of a document with its regions brought up to date. @throws for a region that no table belongs to */
export function generate(document: string): string {
  return withMigrations(document).replace(
    /(<!-- generated:([a-z-]+) -->\n).*?(<!-- \/generated:\2 -->)/gs,
    (_, begin: string, name: string, end: string) => {
      const render = tables[name];
      if (render === undefined) throw new Error(`no table is called ${name}`);
      return `${begin}\n${render()}\n\n${end}`;
    },
  );
}

/** The line that a sample of `check` has of them. */
function withMigrations(document: string): string {
  return document.replace(/(\bmigrations: all )\d+(?= applied$)/gm, `$1${migrationsCount}`);
}

/** The environment variable stands below the key: beside it, long names would leave no room for the meaning. */
function settingsTable(ofSection: readonly Setting[]): string {
  return table(
    ['setting', 'default', 'meaning'],
    ofSection.map((setting) => [
      `${code(setting.path.join('.'))}<br>${code(setting.env)}`,
      defaultOf(setting),
      setting.reload ? `${setting.description} Applies without a restart.` : setting.description,
    ]),
  );
}

function defaultOf({ default: value }: Setting): string {
  if (value === undefined) return '';
  const text = asText(value);
  return text === '' ? 'empty' : code(text);
}

/** An event that goes to the dead letters ends no process, and `run` ends for nothing that can pass. */
function exitOf(name: ErrorCode): string {
  return errorTable[name].class === 'stop' ? String(exitCodes[errorTable[name].exit]) : '';
}

const helpWidth = 100;

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => helpWidth,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** What can be called: `replay` does something itself, and has commands below it. `dead-letters` has no option of its own. */
function callable(command: Command): Command[] {
  const isCallable = command.commands.length === 0 || command.options.length > 0;
  return [...(isCallable ? [command] : []), ...command.commands.flatMap(callable)];
}

function nameOf(command: Command): string {
  const values = command.registeredArguments.map((argument) => `<${argument.name()}>`);
  return ['outbox-relay', pathOf(command), ...values].join(' ');
}

/** The pages of which all tables come from the code, and say so. */
export const pages = ['commands', 'settings', 'metrics', 'errors', 'record-layout', 'rights'].map((name) =>
  fileURLToPath(new URL(`reference/${name}.md`, import.meta.url)),
);

/** Pages that people write, with samples from the code. */
export const guides = [fileURLToPath(new URL('guides/install.md', import.meta.url))];

if (import.meta.main) {
  for (const page of [...pages, ...guides]) await writeFile(page, generate(await readFile(page, 'utf8')));
  await writeFile(avroFile, await avroDocument());
  await writeFile(settingsTypeFile, settingsType());
  await writeFile(roomsFile, drawRooms(importsBetweenRooms()));
  await writeFile(dashboardFile, dashboardJson());
  for (const { file, text } of await chartFiles()) await writeFile(file, text);
}
