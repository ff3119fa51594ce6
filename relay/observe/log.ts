/** The log: JSON lines for machines, coloured lines for a person at a terminal; never a payload. */
import { createRequire } from 'node:module';
import pino, { type DestinationStream, type Level, type Logger } from 'pino';
import { version } from '../config/version.ts';
import { RelayError } from '../errors.ts';
import { printableJson, withoutActing } from './printable.ts';

export type LoggerOptions = {
  /** Whether a person reads it; by default whether stdout is a terminal. */
  readonly tty?: boolean;
  /** By default stdout, as containers expect it. */
  readonly destination?: DestinationStream;
};

/**
 * Writes synchronously: the relay logs a line a state change and a line a minute, and the last line before an exit is
 * the one that matters.
 */
export function createLogger(level: Level, options: LoggerOptions = {}): Logger {
  const isTerminal = options.tty ?? process.stdout.isTTY === true;
  const destination = options.destination ?? standardOutput();
  return pino(
    {
      level,
      base: isTerminal ? null : { pid: process.pid, version },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
    },
    isTerminal ? prettyLines(destination, options.destination === undefined) : safeLines(destination),
  );
}

/** What is kept of the log while it cannot be written. */
const maxUnwrittenBytes = 1024 * 1024;

/** A full disk, or a reader that went away, must not end the relay: the lines wait, and the last of them are lost. */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: true, maxLength: maxUnwrittenBytes });
  output.on('error', () => {});
  return output;
}

/** People follow the log of a container at a terminal. */
function safeLines(destination: DestinationStream): DestinationStream {
  return { write: (line) => destination.write(printableJson(line)) };
}

/** The package has it bundled: see `build/bundle.ts`. */
const prettyModule = import.meta.filename.endsWith('.ts') ? 'pino-pretty' : '../../libraries/pino-pretty.cjs';

/** A line at a time rather than pino-pretty's stream, which writes later and so loses the last lines. */
function prettyLines(destination: DestinationStream, colorize: boolean): DestinationStream {
  // Loaded here: a relay seldom has a terminal, and each start would load its 29 files.
  const { prettyFactory } = createRequire(import.meta.url)(prettyModule) as typeof import('pino-pretty');
  const format = prettyFactory({ colorize });
  return { write: (line) => destination.write(format(withoutActing(line))) };
}

export type SerializedError = {
  readonly name: string;
  readonly code?: string;
  readonly class?: string;
  readonly hint?: string;
  readonly message?: string;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
  readonly cause?: SerializedError;
};

/** Wrappers of wrappers end somewhere; a cycle does not. kafkajs, the deepest we know, wraps four times. */
const causeDepthMax = 6;

/**
 * An error as it may be logged: name, code and message of it and of each cause, and none of a driver's other
 * properties, since those hold rows and parameters. Where an event itself is at fault, the message of a cause is left
 * out as well: Avro and JSON errors quote the value they dislike. A stack is shown for a defect only.
 */
export function serializeError(error: unknown): unknown {
  return error instanceof Error ? serialize(error, 0, true) : error;
}

function serialize(error: Error, depth: number, withMessage: boolean): SerializedError {
  const isRelayError = error instanceof RelayError;
  const isDefect = isRelayError ? error.code === 'INTERNAL' : depth === 0;
  const code = 'code' in error && error.code !== undefined ? { code: String(error.code) } : {};
  return {
    name: error.name,
    ...code,
    ...(isRelayError ? { class: error.class, hint: error.hint } : {}),
    ...(withMessage ? { message: error.message } : {}),
    ...(isRelayError && Object.keys(error.context).length > 0 ? { context: error.context } : {}),
    ...(isDefect && error.stack !== undefined ? { stack: error.stack } : {}),
    ...serializeCause(error, depth, withMessage && !(isRelayError && error.class === 'quarantine')),
  };
}

function serializeCause(error: Error, depth: number, withMessage: boolean): { cause?: SerializedError } {
  // A connection refused on every address of a host is one error with a list inside.
  const cause = error instanceof AggregateError ? (error.cause ?? error.errors[0]) : error.cause;
  if (!(cause instanceof Error) || depth >= causeDepthMax) return {};
  return { cause: serialize(cause, depth + 1, withMessage) };
}
