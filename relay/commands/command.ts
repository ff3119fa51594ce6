/**
 * What a command is: its options, the rules between them, the servers whose settings it needs, and a run that calls an
 * operation. How results leave is decided here alone: `--json` prints the operation's data, else its text for people;
 * findings end with 1, and what could not be read with the exit code of why. All output passes one writer, through which no character of a row acts on a terminal.
 */
import type { Command, OptionValues } from 'commander';
import type { Config, Need, Provenance } from '../config/config.ts';
import { asRelayError, type ErrorCode, exitCodes, type RelayError } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import { printableJson, printableText } from '../observe/printable.ts';
import { explainDenied } from '../operations/operator-rights.ts';
import { isForOperators } from '../operations/operator-work.ts';
import type { Load } from './load.ts';
import { exitCodeOf } from './unread.ts';

/** What a run is given. The configuration is loaded when it is first looked at. */
export type Call<Options> = {
  readonly config: Config;
  readonly provenance: Provenance;
  /** The file that the configuration comes from, if any. */
  readonly file: string | undefined;
  /** What is wrong with the configuration, for a command that runs `despiteFaults`. */
  readonly fault: RelayError | undefined;
  /** The configuration once more, from the file as it is now. @throws RelayError CONFIG_INVALID */
  readonly reload: () => ReturnType<Load>;
  readonly options: Options;
  /** Positional arguments, those of a list one by one. */
  readonly args: readonly string[];
  /** Prints a line, or lines, before the run is done. */
  readonly print: (text: string) => void;
};

/** What came of a run. What is left out was printed by the run itself. */
export type CommandResult = {
  /** For programs: printed with `--json`. */
  readonly data?: unknown;
  /** For people: printed without `--json`. */
  readonly text?: string;
  /** Ends with exit code 1. */
  readonly hasFindings?: boolean;
  /**
   * Why a part could not be read, while the rest was: the exit code is that of the gravest, whatever was found. Otherwise a
   * refused password would look to a script like an answer.
   */
  readonly unread?: readonly ErrorCode[];
};

export type Definition<Options> = {
  /** Servers whose settings must be there; without it, all. */
  readonly needs?: readonly Need[];
  /** Whether it shows what it can where other settings than those of the outbox have faults. */
  readonly despiteFaults?: boolean;
  /** Rules that concern more than one option. @returns what is wrong */
  readonly validate?: (options: Options, args: readonly string[]) => string | undefined;
  readonly run: (call: Call<Options>) => Promise<CommandResult>;
};

/** Gives a command its rules and its run. */
export function define<Options>(
  command: Command,
  load: Load,
  { needs, despiteFaults, validate, run }: Definition<Options>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    // Where the command above has an option of the same name, commander gives it to that one, wherever it stands.
    const options = self.optsWithGlobals<Options & OptionValues>() as Options;
    const isJson = asksForJson(self);
    const args = given.slice(0, -2).flat() as string[];
    const fault = validate?.(options, args);
    if (fault !== undefined) self.error(`error: ${fault}`);
    const print = (text: string) => self.configureOutput().writeOut?.(`${text}\n`);
    let loaded: ReturnType<Load> | undefined;
    const once = () => (loaded ??= load(self, needs, despiteFaults));
    const {
      data,
      text,
      hasFindings,
      unread = [],
    } = await run({
      get config() {
        return once().config;
      },
      get provenance() {
        return once().provenance;
      },
      get file() {
        return once().file;
      },
      get fault() {
        return once().fault;
      },
      reload: () => load(self, needs),
      options,
      args,
      print,
    }).catch(async (error: unknown) => {
      throw loaded === undefined ? error : await explained(self, loaded.config, error);
    });
    if (isJson && data !== undefined) print(toJson(data));
    if (!isJson && text !== undefined) print(text);
    const unreadCode = exitCodeOf(unread);
    if (unreadCode !== undefined) process.exitCode = unreadCode;
    else if (hasFindings === true) process.exitCode = exitCodes.findings;
  });
}

async function explained(command: Command, config: Config, error: unknown): Promise<unknown> {
  const name = pathOf(command);
  const flags = command.options.filter((option) => command.getOptionValue(option.attributeName()) === true);
  const isTheirs = isForOperators(name, new Set(flags.flatMap(({ long }) => long ?? [])));
  if (!isTheirs) return error;
  const failure = asRelayError(error);
  const told = await explainDenied(config, name, failure);
  // Another error stays what it is: a wrong argument is none of the relay's.
  return told === failure ? error : told;
}

/** Without the name of the program: `dead-letters list`. */
export function pathOf(command: Command): string {
  const { parent } = command;
  if (parent === null) return '';
  return `${pathOf(parent)} ${command.name()}`.trim();
}

/** Indented for a person who looks at it; elsewhere one line. */
export function toJson(data: unknown): string {
  const lsnAsText = (_: string, value: unknown) => (typeof value === 'bigint' ? formatLsn(value) : value);
  return JSON.stringify(data, lsnAsText, process.stdout.isTTY === true ? 2 : undefined);
}

/** Makes the command, and what commander prints for it, write through here. */
export function writeSafely(command: Command): void {
  command.configureOutput({
    writeOut: (text) => void process.stdout.write(safe(command, text)),
    writeErr: (text) => void process.stderr.write(printableText(text)),
  });
}

function safe(command: Command, text: string): string {
  return asksForJson(command) ? printableJson(text) : printableText(text);
}

/** Where the command above has an option --json too, commander gives it to that one, wherever it stands. */
function asksForJson(command: Command): boolean {
  return command.optsWithGlobals<{ json?: boolean }>().json === true;
}
