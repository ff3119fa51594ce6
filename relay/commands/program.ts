/** The command line: which commands there are, and how an error leaves the process. */
import { Command, CommanderError } from 'commander';
import { version } from '../config/version.ts';
import { asRelayError, exitCodes, type RelayError } from '../errors.ts';
import { printableText } from '../observe/printable.ts';
import { adoptCommand } from './adopt.ts';
import { checkCommand } from './check.ts';
import { configCommand } from './config.ts';
import { deadLettersCommand } from './dead-letters.ts';
import { load } from './load.ts';
import { migrateCommand } from './migrate.ts';
import { writeSafely } from './output.ts';
import { recoverCommand } from './recover.ts';
import { runCommand } from './run.ts';
import { schemasCommand } from './schemas.ts';
import { statusCommand } from './status.ts';
import { verifyCommand } from './verify.ts';

const createCommands = (): Command[] => {
  const migrate = migrateCommand(async () => load(migrate, ['database']).config.database.url);
  return [
    migrate,
    checkCommand(load),
    schemasCommand(load),
    runCommand(load),
    statusCommand(load),
    verifyCommand(load),
    deadLettersCommand(load),
    recoverCommand(load),
    adoptCommand(load),
    configCommand(load),
  ];
};

const help = `
Settings: defaults, then the file (relay.yaml, or -c, or OUTBOX_RELAY_CONFIG), then the environment, which wins.
DATABASE_URL, KAFKA_BROKERS and SCHEMA_REGISTRY_URL are enough to start; \`outbox-relay config\` shows all.

Exit codes: 0 done · 1 it ran and found something · 64 wrong arguments or configuration · 69 a server did not answer ·
70 a defect of the relay · 77 credentials or rights · 78 the relay refuses to go on; the message says what to do

First steps:
  $ outbox-relay migrate
  $ outbox-relay schemas register
  $ outbox-relay check
  $ outbox-relay run`;

export function createProgram(): Command {
  const program = new Command('outbox-relay')
    .description('Streams a Postgres outbox table to Kafka, Avro-encoded, exactly once.')
    .version(version)
    .option('-c, --config <file>', 'configuration file (default: relay.yaml if present)')
    .addHelpText('after', help);
  for (const command of createCommands()) program.addCommand(command);
  everyCommand(program, (command) => {
    writeSafely(command.exitOverride().showHelpAfterError('(--help shows the options)'));
  });
  return program;
}

/** The names of the commands, for whoever checks that a text names only real ones. */
export function documentedCommands(): readonly string[] {
  return createProgram().commands.map((command) => command.name());
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit code, one of `exitCodes`; errors are on stderr by then
 */
export async function runProgram(argv: readonly string[]): Promise<number> {
  process.exitCode = undefined;
  try {
    const program = createProgram();
    await program.parseAsync([...withoutVainHelp(program, argv)], { from: 'user' });
    // A command that found something has said so there.
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    // Commander has printed its message, or the help or version that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const failure = asRelayError(error);
    process.stderr.write(printableText(describeFailure(failure)));
    return exitCodes[failure.entry.exit];
  }
}

/** Commander shows the general help for `nonsense --help`, as if all were well; without the option it says what is wrong. */
function withoutVainHelp(command: Command, argv: readonly string[]): readonly string[] {
  return namesUnknown(command, argv) ? argv.filter((word) => word !== '--help' && word !== '-h') : argv;
}

function namesUnknown(command: Command, argv: readonly string[]): boolean {
  if (command.commands.length === 0) return false;
  const { operands, unknown } = command.parseOptions([...argv]);
  const [name, ...rest] = operands;
  if (name === undefined || name === 'help') return false;
  const next = command.commands.find((each) => each.name() === name);
  return next === undefined || namesUnknown(next, [...rest, ...unknown]);
}

/** One message, one next step; a stack only where a developer asks for it. */
function describeFailure(failure: RelayError): string {
  // What is quoted may have ends of lines: none of it begins a line as ours do.
  const message = failure.message.replace(/\n(?! {2})/g, '\n  ');
  const lines = [`error ${failure.code}: ${message}`, `  ${failure.hint}`];
  const isVerbose = /^(debug|trace)$/.test(process.env.OUTBOX_RELAY_LOG_LEVEL ?? '');
  if (failure.code === 'INTERNAL' && isVerbose && failure.cause instanceof Error)
    lines.push(failure.cause.stack ?? '');
  return `${lines.join('\n')}\n`;
}

function everyCommand(command: Command, apply: (command: Command) => void): void {
  apply(command);
  for (const child of command.commands) everyCommand(child, apply);
}
