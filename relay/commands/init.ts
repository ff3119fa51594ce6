/** `outbox-relay init`: the files of a new project, from answers or options. */
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { type ValueFormatName, valueFormats } from '../config/value-format.ts';
import { RequestInvalid } from '../errors.ts';
import { packagesOf } from '../operations/init/consumer.ts';
import { firstEvent, keepsSecret, localAddresses } from '../operations/init/files.ts';
import { assertFree, init } from '../operations/init/init.ts';
import { eventOf, faultOf, type Project } from '../operations/init/project.ts';
import { type Call, define } from './command.ts';
import { formatTable } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { MaskedTerminal, masked, withoutPassword } from './masked-terminal.ts';

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
Writes relay.yaml, the schema of a first event, a consumer that prints events, compose.yaml with servers to try it with, a
job for GitHub Actions that checks schemas, and values for the Helm chart. Asks for what no option gives, and shows no password while it is typed; --yes takes the defaults instead, which are
the addresses of compose.yaml. A file that exists stays as it is: without --force nothing is written then. Connects to no
server. No password is written, except the one in compose.yaml: relay.yaml then refers to DATABASE_URL.

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
    .addHelpText('after', helpText(help));
  return define<InitOptions>(command, load, { needs: [], validate, run });
}

function validate({ yes }: InitOptions): string | undefined {
  const canAsk = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return yes || canAsk ? undefined : 'there is no terminal to ask at; --yes takes the defaults';
}

async function run({ options }: Call<InitOptions>) {
  if (!options.force) await assertFree(options.dir, await answers({ ...options, yes: true }));
  const project = await answers(options);
  const result = await init({ project, directory: options.dir, replaces: options.force === true });
  const next = nextCommands(project, options.dir);
  return {
    data: { ...result, next, firstEvent: firstEvent(project) },
    text: describe(result.files, project, next),
  };
}

/** An address without its password. */
function shownAddress(address: string): string {
  if (!keepsSecret(address)) return address;
  return withoutPassword(address).replace(/\*+/g, '***');
}

/** In the order of the questions. A later default may follow from an earlier answer. */
async function answers(given: InitOptions): Promise<Project> {
  const terminal = new MaskedTerminal(process.stdout);
  const asking = given.yes
    ? undefined
    : createInterface({ input: process.stdin, output: terminal, terminal: true });
  if (asking !== undefined) terminal.show(asking);
  /** An answer that is wrong is asked for again; an option is not. */
  const ask = async <Key extends keyof Project>(
    key: Key,
    { question, fallback }: { question: string; fallback: string },
    read: (text: string) => Project[Key] = (text) => text as Project[Key],
  ): Promise<Project[Key]> => {
    const option = given[key];
    if (option !== undefined || asking === undefined) return read(option ?? fallback);
    for (;;) {
      const prompt = `${question} (${fallback}): `;
      const typed = await asking.question(prompt);
      const answer = read(typed.trim() || fallback);
      const fault = faultOf(key, answer);
      if (fault === undefined) {
        // Whatever followed the user was hidden while it was typed. Now it is known what of it is a password.
        if (typed.trim() !== '' && masked(typed) !== typed)
          terminal.replaceLine(prompt.length + typed.length, `${prompt}${shownAddress(String(answer))}`);
        return answer;
      }
      process.stdout.write(`  ${fault}\n`);
    }
  };
  // Ctrl-D, and Ctrl-C where the terminal passes it on.
  const ended = new Promise<never>((_, reject) => {
    asking?.once('close', () =>
      reject(new RequestInvalid('ended before the last answer; nothing was written')),
    );
  });
  ended.catch(() => {});
  const all = async (): Promise<Project> => {
    const { databaseUrl, brokers, registryUrl } = localAddresses;
    const { format } = given;
    const slot = await ask('slot', { question: 'Name of the replication slot', fallback: 'outbox_relay' });
    const servers = {
      databaseUrl: await ask('databaseUrl', { question: 'URL of Postgres', fallback: databaseUrl }),
      brokers: await ask('brokers', { question: 'Brokers of Kafka', fallback: brokers.join() }, listed),
      registryUrl:
        format === 'json'
          ? registryUrl
          : await ask('registryUrl', { question: 'URL of the schema registry', fallback: registryUrl }),
    };
    const aggregate = await ask('aggregate', {
      question: 'Aggregate type of a first event',
      fallback: 'order',
    });
    const event = await ask('event', { question: 'Name of the event', fallback: eventOf(aggregate) });
    const fallback = `app.${aggregate.replaceAll('-', '_')}`;
    const namespace = await ask('namespace', { question: 'Its namespace', fallback });
    return { slot, ...servers, format, aggregate, event, namespace };
  };
  if (asking !== undefined) process.stdout.write('Enter takes the answer in parentheses.\n');
  try {
    return await Promise.race([all(), ended]);
  } finally {
    asking?.close();
  }
}

const listed = (brokers: string): string[] => brokers.split(',').map((broker) => broker.trim());

function nextCommands(project: Project, dir: string): string[] {
  const inFolder = path.resolve(dir) === process.cwd() ? '' : `cd ${quoted(dir)} && `;
  const register = ' && npx outbox-relay schemas register --wait-seconds 60';
  const prepare = `npx outbox-relay migrate${project.format === 'json' ? '' : register}`;
  const begin = [...(isLocal(project) ? ['docker compose up --detach --wait'] : []), ...exportsOf(project)];
  const [first, ...more] = begin.length === 0 ? ['npx outbox-relay config'] : begin;
  return [`${inFolder}${first}`, ...more, prepare, 'npx outbox-relay check && npx outbox-relay run'];
}

/** What relay.yaml and the consumer refer to. */
function exportsOf({ databaseUrl, format, registryUrl }: Project): string[] {
  const variables = {
    DATABASE_URL: databaseUrl,
    ...(format === 'json' ? {} : { SCHEMA_REGISTRY_URL: registryUrl }),
  };
  return Object.entries(variables)
    .filter(([, address]) => keepsSecret(address))
    .map(([name, address]) => {
      const shown = shownAddress(address);
      const note = shown.includes('***') ? '  # with the password for ***' : '';
      return `export ${name}=${quoted(shown)}${note}`;
    });
}

/** Whether the database is that of `compose.yaml`. */
const isLocal = ({ databaseUrl }: Project): boolean => databaseUrl === localAddresses.databaseUrl;

/** For another terminal, once the relay streams. */
function lookCommands(project: Project): string[] {
  const psql = isLocal(project)
    ? 'docker compose exec postgres psql --username postgres app'
    : `psql ${keepsSecret(project.databaseUrl) ? '"$DATABASE_URL"' : quoted(project.databaseUrl)}`;
  const wait = 'npx outbox-relay status --wait-seconds 300';
  return [
    ...exportsOf(project),
    wait,
    `${psql} --command "${firstEvent(project)}"`,
    `npm install ${packagesOf(project)} && node consumer.mjs`,
  ];
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
    'Then, in another terminal in this folder, write an event once the relay streams, and read it:',
    ...lookCommands(project).map((command) => `  $ ${command}`),
  ].join('\n');
}
