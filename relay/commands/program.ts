/** The command line: which commands there are, and how an error leaves the process. */
import { Command, CommanderError } from 'commander';
import { version } from '../config/version.ts';
import { asRelayError, exitCodes, type RelayError, RequestInvalid } from '../errors.ts';
import { isLogged } from '../observe/fatal.ts';
import { printable, printableText } from '../observe/printable.ts';
import { writeSafely } from './command.ts';
import { fitHelp, helpText } from './help-text.ts';
import { type Load, load } from './load.ts';

/**
 * In the order of --help. Each with what it stands on is loaded when it is called: all of them together take as much CPU
 * time as most commands take for their work.
 */
const commands: Readonly<Record<string, () => Promise<(load: Load) => Command>>> = {
  init: async () => (await import('./init.ts')).initCommand,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  check: async () => (await import('./check.ts')).checkCommand,
  schemas: async () => (await import('./schemas.ts')).schemasCommand,
  run: async () => (await import('./run.ts')).runCommand,
  status: async () => (await import('./status.ts')).statusCommand,
  find: async () => (await import('./find.ts')).findCommand,
  console: async () => (await import('./console.ts')).consoleCommand,
  pause: async () => (await import('./pause.ts')).pauseCommand,
  resume: async () => (await import('./resume.ts')).resumeCommand,
  'rate-limit': async () => (await import('./rate-limit.ts')).rateLimitCommand,
  verify: async () => (await import('./verify.ts')).verifyCommand,
  audit: async () => (await import('./audit.ts')).auditCommand,
  'dead-letters': async () => (await import('./dead-letters.ts')).deadLettersCommand,
  recover: async () => (await import('./recover.ts')).recoverCommand,
  cleanup: async () => (await import('./cleanup.ts')).cleanupCommand,
  replay: async () => (await import('./replay.ts')).replayCommand,
  adopt: async () => (await import('./adopt.ts')).adoptCommand,
  config: async () => (await import('./config.ts')).configCommand,
  demo: async () => (await import('./demo.ts')).demoCommand,
};

/** The names of the commands, for tests that a text names only real ones. */
export const documentedCommands: readonly string[] = Object.keys(commands);

const help = `
Settings: environment variables override the file, and the file overrides the defaults. The file is the one given with -c,
or else by OUTBOX_RELAY_CONFIG, or else relay.yaml in the working directory. DATABASE_URL, KAFKA_BROKERS and
SCHEMA_REGISTRY_URL are enough to start; \`outbox-relay config\` shows every setting.

Exit codes: 0 done · 1 the command ran and found a problem · 64 invalid arguments or configuration · 69 a server is
unreachable · 70 a bug in the relay · 77 access denied · 78 the relay stopped itself; the message says what to do
69, 77 and 78 count also where a command shows what it could read of the rest; 1 is never for what nobody could see

First steps:
  $ outbox-relay init
  $ outbox-relay migrate
  $ outbox-relay schemas register
  $ outbox-relay check
  $ outbox-relay run`;

/** The whole program, as its help and the documentation show it. */
export async function createProgram(): Promise<Command> {
  const program = emptyProgram();
  await addCommands(program, documentedCommands);
  return program;
}

function emptyProgram(): Command {
  const program = new Command('outbox-relay')
    .description('Streams a Postgres outbox table to Kafka, Avro-encoded, exactly once.')
    .version(version)
    .option('-c, --config <file>', 'configuration file (default: relay.yaml if present)')
    .addHelpText('after', helpText(help));
  prepare(program);
  return program;
}

async function addCommands(program: Command, names: readonly string[]): Promise<void> {
  for (const create of await Promise.all(names.map((name) => commands[name]!()))) {
    const command = create(load);
    everyCommand(command, prepare);
    program.addCommand(command);
  }
}

function prepare(command: Command): void {
  fitHelp(command);
  writeSafely(command.exitOverride().showHelpAfterError('(--help shows the options)'));
}

/** The command that a command line calls; all of them where it calls none of them, as for help or a misspelt name. */
function calledBy(program: Command, argv: readonly string[]): readonly string[] {
  const [name = ''] = program.parseOptions([...argv]).operands;
  return Object.hasOwn(commands, name) ? [name] : documentedCommands;
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit code, one of `exitCodes`; errors are on stderr by then
 */
export async function runProgram(argv: readonly string[]): Promise<number> {
  process.exitCode = undefined;
  try {
    const program = emptyProgram();
    await addCommands(program, calledBy(program, argv));
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
    // What collects the log of a service takes lines of JSON only; a person at a terminal looks at the end.
    if (!isLogged(failure) || process.stderr.isTTY)
      process.stderr.write(printableText(describeFailure(failure)));
    return exitCodes[failure.entry.exit];
  }
}

/**
 * For `nonsense --help` commander shows the general help; without the option it names the unknown command. To look, it
 * parses the options, which would add the values of a repeated one twice: only where no command runs.
 */
function withoutMisplacedHelp(command: Command, argv: readonly string[]): readonly string[] {
  if (!argv.some((word) => word === '--help' || word === '-h')) return argv;
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
