/** `outbox-relay init`: the files of a new project, from answers or options. */
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { type ValueFormatName, valueFormats } from '../config/value-format.ts';
import { RequestInvalid } from '../errors.ts';
import { firstEvent, keepsSecret, localAddresses } from '../operations/init/files.ts';
import { init } from '../operations/init/init.ts';
import { eventOf, type Project } from '../operations/init/project.ts';
import { type Call, define } from './command.ts';
import { formatTable } from './format.ts';
import type { Load } from './load.ts';

type InitOptions = {
  yes?: boolean;
  dir: string;
  force?: boolean;
  json?: boolean;
  slot?: string;
  databaseUrl?: string;
  brokers?: string;
  format: ValueFormatName;
  registryUrl?: string;
  aggregate?: string;
  event?: string;
  namespace?: string;
};

const help = `
Writes relay.yaml, the schema of a first event, compose.yaml with servers to try it with, a job for GitHub Actions that
checks schemas, and values for the Helm chart. Asks for what no option gives; --yes takes the defaults instead, which are
the addresses of compose.yaml. A file that exists stays as it is: without --force nothing is written then. Connects to no
server. A password of a server on another machine is not written: relay.yaml then refers to DATABASE_URL.

Exit codes: 0 written · 64 a wrong answer, a file that exists, or one that cannot be written; nothing new is left

Examples:
  $ outbox-relay init
  $ outbox-relay init --yes --dir orders --aggregate order --event OrderPlaced --namespace shop.order`;

export function initCommand(load: Load): Command {
  const command = new Command('init')
    .description(
      'write the files of a new project: settings, a first schema, servers to try it with, CI, Kubernetes',
    )
    .option('--yes', 'ask nothing: take the defaults')
    .option('--dir <folder>', 'write there', '.')
    .option('--force', 'replace files that exist')
    .option('--slot <name>', 'name of the replication slot')
    .option('--database-url <url>', 'the Postgres that has the outbox')
    .option('--brokers <list>', 'brokers of Kafka, with commas between')
    .addOption(
      new Option('--format <format>', 'form of the values; json needs neither schemas nor a registry')
        .choices(valueFormats)
        .default('avro'),
    )
    .option('--registry-url <url>', 'the schema registry')
    .option('--aggregate <name>', 'aggregate type of a first event')
    .option('--event <name>', 'name of its record')
    .option('--namespace <name>', 'namespace of its record')
    .option('--json', 'print one JSON object {directory, files, next, firstEvent}')
    .addHelpText('after', help);
  return define<InitOptions>(command, load, { needs: [], validate, run });
}

function validate({ yes }: InitOptions): string | undefined {
  const canAsk = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return yes || canAsk ? undefined : 'there is no terminal to ask at; --yes takes the defaults';
}

async function run({ options }: Call<InitOptions>) {
  const project = await answers(options);
  const result = await init({ project, directory: options.dir, replaces: options.force === true });
  const next = nextCommands(project, options.dir);
  return {
    data: { ...result, next, firstEvent: firstEvent(project) },
    text: describe(result.files, project, next),
  };
}

/** In the order of the questions. A later default may follow from an earlier answer. */
async function answers(given: InitOptions): Promise<Project> {
  const asking = given.yes ? undefined : createInterface({ input: process.stdin, output: process.stdout });
  const ask = async (option: string | undefined, question: string, fallback: string): Promise<string> => {
    if (option !== undefined) return option;
    if (asking === undefined) return fallback;
    return (await asking.question(`${question} (${fallback}): `)).trim() || fallback;
  };
  // Ctrl-D, and Ctrl-C where the terminal passes it on.
  const ended = new Promise<never>((_, reject) => {
    asking?.once('close', () =>
      reject(new RequestInvalid('ended before the last answer; nothing was written')),
    );
  });
  ended.catch(() => {});
  const all = async (): Promise<Project> => {
    const slot = await ask(given.slot, 'Name of the replication slot', 'outbox_relay');
    const databaseUrl = await ask(given.databaseUrl, 'Postgres', localAddresses.databaseUrl);
    const brokers = await ask(given.brokers, 'Brokers of Kafka', localAddresses.brokers.join(','));
    const { format } = given;
    const registryUrl =
      format === 'json'
        ? localAddresses.registryUrl
        : await ask(given.registryUrl, 'Schema registry', localAddresses.registryUrl);
    const aggregate = await ask(given.aggregate, 'What a first event is about', 'order');
    const event = await ask(given.event, 'Name of the event', eventOf(aggregate));
    const namespace = await ask(given.namespace, 'Its namespace', `app.${aggregate.replaceAll('-', '_')}`);
    const list = brokers.split(',').map((broker) => broker.trim());
    return { slot, databaseUrl, brokers: list, format, registryUrl, aggregate, event, namespace };
  };
  try {
    return await Promise.race([all(), ended]);
  } finally {
    asking?.close();
  }
}

function nextCommands(project: Project, dir: string): string[] {
  const isLocal = project.databaseUrl === localAddresses.databaseUrl;
  const inFolder = path.resolve(dir) === process.cwd() ? '' : `cd ${quoted(dir)} && `;
  const register = ' && npx outbox-relay schemas register --wait-seconds 60';
  const prepare = `npx outbox-relay migrate${project.format === 'json' ? '' : register}`;
  const first = isLocal
    ? 'docker compose up --detach --wait'
    : keepsSecret(project.databaseUrl)
      ? `export DATABASE_URL='…'`
      : 'npx outbox-relay config';
  return [`${inFolder}${first}`, prepare, 'npx outbox-relay run'];
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function describe(
  files: readonly { readonly path: string; readonly what: string; readonly status: string }[],
  project: Project,
  next: readonly string[],
): string {
  return [
    formatTable(files.map(({ path: name, what, status }) => [status, name, what])),
    '',
    'Next:',
    ...next.map((command) => `  $ ${command}`),
    '',
    'Then write an event, in the transaction that changes your data:',
    `  ${firstEvent(project)};`,
  ].join('\n');
}
