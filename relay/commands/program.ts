/** The command line: which commands there are, and how an error leaves the process. */
import { Command, CommanderError } from 'commander';
import { version } from '../config/version.ts';
import { asRelayError, exitCodes, type RelayError, RequestInvalid } from '../errors.ts';
import { printable, printableText } from '../observe/printable.ts';
import { adoptCommand } from './adopt.ts';
import { auditCommand } from './audit.ts';
import { checkCommand } from './check.ts';
import { cleanupCommand } from './cleanup.ts';
import { writeSafely } from './command.ts';
import { configCommand } from './config.ts';
import { consoleCommand } from './console.ts';
import { deadLettersCommand } from './dead-letters.ts';
import { findCommand } from './find.ts';
import { load } from './load.ts';
import { migrateCommand } from './migrate.ts';
import { pauseCommand } from './pause.ts';
import { rateLimitCommand } from './rate-limit.ts';
import { recoverCommand } from './recover.ts';
import { replayCommand } from './replay.ts';
import { resumeCommand } from './resume.ts';
import { runCommand } from './run.ts';
import { schemasCommand } from './schemas.ts';
import { statusCommand } from './status.ts';
import { verifyCommand } from './verify.ts';

/** In the order of --help. */
const commands = [
  migrateCommand,
  checkCommand,
  schemasCommand,
  runCommand,
  statusCommand,
  findCommand,
  consoleCommand,
  pauseCommand,
  resumeCommand,
  rateLimitCommand,
  verifyCommand,
  auditCommand,
  deadLettersCommand,
  recoverCommand,
  cleanupCommand,
  replayCommand,
  adoptCommand,
  configCommand,
];

const help = `
Settings: environment variables override the file, and the file overrides the defaults. The file is the one given with -c,
or else by OUTBOX_RELAY_CONFIG, or else relay.yaml in the working directory. DATABASE_URL, KAFKA_BROKERS and
SCHEMA_REGISTRY_URL are enough to start; \`outbox-relay config\` shows every setting.

Exit codes: 0 done · 1 the command ran and found a problem · 64 invalid arguments or configuration · 69 a server is
unreachable · 70 a bug in the relay · 77 access denied · 78 the relay stopped itself; the message says what to do

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
  for (const create of commands) program.addCommand(create(load));
  everyCommand(program, (command) => {
    writeSafely(command.exitOverride().showHelpAfterError('(--help shows the options)'));
  });
  return program;
}

/** The names of the commands, for tests that a text names only real ones. */
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
    await program.parseAsync([...withoutMisplacedHelp(program, argv)], { from: 'user' });
    // A command with findings has set it.
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    // Commander has printed its message, the help or the version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof RequestInvalid) {
      // It may quote what was given, in which nothing may begin a line.
      process.stderr.write(`error: ${printable(error.message)}\n`);
      return exitCodes.usage;
    }
    const failure = asRelayError(error);
    process.stderr.write(printableText(describeFailure(failure)));
    return exitCodes[failure.entry.exit];
  }
}

/** For `nonsense --help` commander shows the general help; without the option it names the unknown command. */
function withoutMisplacedHelp(command: Command, argv: readonly string[]): readonly string[] {
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

/** One message, one next step; a stack only at log level debug. */
function describeFailure(failure: RelayError): string {
  // A quoted text may have line breaks: none of its lines may look like one of ours.
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
