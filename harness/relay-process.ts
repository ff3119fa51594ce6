/**
 * The relay as a process of its own, as production starts it: its environment, what it logs, how it ends, and what it
 * answers over HTTP. Waiting does not poll: a log line or the end of the process wakes it.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, openSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { withResolvers } from '../relay/model/builtins.ts';
import type { Readiness } from '../relay/observe/health.ts';
import type { Run } from '../stack/run.ts';
import { endsWithUs } from './ends-with-us.ts';

const ownCheckout = path.join(import.meta.dirname, '..');
/** The tests bundle it once, and name the bundle there: test/support/bundled-relay.ts. */
export const mainFile =
  process.env.RELAY_MAIN ?? path.join(ownCheckout, 'relay', `main${path.extname(import.meta.filename)}`);
/** Of sources, or of what is built of them. */
function mainOf(checkout: string): string {
  const [source, built] = ['ts', 'js'].map((kind) => path.join(checkout, 'relay', `main.${kind}`));
  return existsSync(source!) ? source! : built!;
}

export type Environment = Readonly<Record<string, string>>;

/** By environment name without `OUTBOX_RELAY_`. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

export type Addresses = {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly registryUrl: string;
};

/** Settings as environment variables. */
export function settingsEnv(settings: Settings): Environment {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`OUTBOX_RELAY_${name}`, String(value)]),
  );
}

/**
 * What a process that we start gets of our own environment: where programs lie, and where Node keeps compiled code,
 * which halves the start of a process (0.7 to 0.35 s of CPU). The tests set the latter.
 */
export function inheritedEnv(): Environment {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? { PATH } : { PATH, NODE_COMPILE_CACHE };
}

/** Enough for a relay that is to run with these settings, wherever it is started. */
export function relayEnv({ databaseUrl, brokers, registryUrl }: Addresses, settings: Settings): Environment {
  return {
    ...inheritedEnv(),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: brokers.join(','),
    SCHEMA_REGISTRY_URL: registryUrl,
    ...settingsEnv(settings),
  };
}

export type RelayOptions = {
  /** All of it: nothing is inherited. */
  readonly env: Environment;
  /** Another command that ends at a signal; `run` by default. */
  readonly command?: 'run' | 'audit' | 'recover';
  /** In addition to those that a relay always has. */
  readonly nodeFlags?: readonly string[];
  /** A file that its output is appended to. */
  readonly logFile?: string;
  /** Where its log goes: to us, or to a device that is full. */
  readonly log?: 'read' | '/dev/full';
  /** The relay of another checkout, or what was built of one, by its folder. */
  readonly checkout?: string;
  /** Ends the relay with the run, however this process ends; Ctrl-C in a terminal then does not reach the relay. */
  readonly run?: Run;
};

export type LogLine = {
  readonly msg: string;
  readonly state?: string;
  readonly level?: string;
  readonly err?: { readonly code: string; readonly message: string };
} & Record<string, unknown>;

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export const describeExit = ({ code, signal }: Exit): string =>
  signal === null ? `exit code ${code}` : `signal ${signal}`;

/** The relay promises to end within 10 s of SIGTERM. */
const stopWithinMs = 12_000;
const stderrCharactersMax = 10_000;

export class RelayProcess {
  readonly lines: LogLine[] = [];
  /** What was printed to stdout and is no line of a log. */
  readonly strays: string[] = [];
  /** The end of what was printed to stderr: failpoints, crashes of the runtime. */
  stderr = '';
  /** As its log says. */
  state = 'starting';
  /** The error that it stopped itself with. */
  fatal: LogLine['err'];
  hasEnded = false;
  /** Resolves when it has ended and all of its output is read. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #logFile: string | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(options: RelayOptions) {
    const { env, run, logFile, log = 'read', checkout, command = 'run' } = options;
    const flags = [...nodeFlags, ...(options.nodeFlags ?? [])];
    const child = spawn(
      process.execPath,
      [...flags, checkout === undefined ? mainFile : mainOf(checkout), command],
      {
        env,
        stdio: ['ignore', log === 'read' ? 'pipe' : openSync(log, 'w'), 'pipe'],
        detached: run !== undefined,
      },
    );
    this.#child = child;
    this.#logFile = logFile;
    run?.adopt(child);
    endsWithUs(child);
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.#wake();
      return { code, signal };
    });
    child.once('exit', () => {
      this.hasEnded = true;
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      if (logFile !== undefined) appendFileSync(logFile, chunk);
      this.stderr = `${this.stderr}${chunk.toString()}`.slice(-stderrCharactersMax);
      this.#wake();
    });
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.#read(line));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Of its HTTP server, once it has logged the address. */
  get url(): string {
    return `http://${String(this.lines.find(({ http }) => http !== undefined)?.http)}`;
  }

  /** The last it said, for messages about its end. */
  get tail(): string {
    return [...this.lines.slice(-10).map((line) => JSON.stringify(line)), this.stderr.slice(-1_000)].join(
      '\n',
    );
  }

  /** Resolves with the first log line, past or future, that fits. @throws when the relay ends without one */
  async line(
    fits: (line: LogLine, all: readonly LogLine[]) => boolean,
    timeoutMs = 90_000,
  ): Promise<LogLine> {
    return this.#until(() => this.lines.find((line) => fits(line, this.lines)), 'such a log line', timeoutMs);
  }

  streaming(timeoutMs?: number): Promise<LogLine> {
    return this.line(({ state }) => state === 'streaming', timeoutMs);
  }

  /** Resolves when a failpoint that hangs, pauses or blocks is reached, or left. */
  async atFailpoint(what: 'reached' | 'left', timeoutMs = 30_000): Promise<void> {
    const isThere = () => (this.stderr.includes(` ${what}\n`) ? true : undefined);
    await this.#until(isThere, `a failpoint ${what}`, timeoutMs);
  }

  /** @throws with the end of its log when it has ended */
  assertRunning(): void {
    if (this.hasEnded) throw new Error(`the relay ended:\n${this.tail}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As a crash of its machine would: no signal that it could handle, nothing finished. */
  async kill(): Promise<Exit> {
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    return this.exited;
  }

  /** As a deployment would; with SIGKILL if it does not end in the time that it promises. */
  async stop(): Promise<Exit> {
    if (this.hasEnded) return this.exited;
    this.#child.kill('SIGCONT'); // one that is stopped would not see the signal
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopWithinMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** 0 for a counter that has not counted yet. @param label as `kind="events"` @throws where there is none */
  async metric(name: string, label = ''): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    const isOurs = (line: string) => line.startsWith(`${name}{`) && line.includes(label);
    const line = page.split('\n').find(isOurs);
    if (line !== undefined) return Number(line.split(' ').at(-1));
    if (page.includes(`# TYPE ${name} counter\n`)) return 0;
    throw new Error(`the relay has no metric ${name}{${label}}`);
  }

  async ready(): Promise<{ status: number } & Readiness> {
    const answer = await fetch(`${this.url}/readyz`);
    return { status: answer.status, ...((await answer.json()) as Readiness) };
  }

  async #until<T>(find: () => T | undefined, what: string, timeoutMs: number): Promise<T> {
    const { promise, resolve, reject } = withResolvers<T>();
    const look = () => {
      const found = find();
      if (found !== undefined) resolve(found);
    };
    const fail = (why: string) => reject(new Error(`${why} without ${what}:\n${this.tail}`));
    const timer = setTimeout(() => fail(`the relay ran ${timeoutMs} ms`), timeoutMs);
    this.#watchers.add(look);
    look();
    void this.exited.then((exit) => fail(`the relay ended with ${describeExit(exit)}`));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  #read(line: string): void {
    if (this.#logFile !== undefined) appendFileSync(this.#logFile, `${line}\n`);
    try {
      const parsed = JSON.parse(line) as LogLine;
      this.lines.push(parsed);
      if (parsed.state !== undefined) this.state = parsed.state;
      if (parsed.level === 'fatal') this.fatal = parsed.err ?? { code: 'unknown', message: parsed.msg };
    } catch {
      this.strays.push(line);
    }
    this.#wake();
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

export type CommandResult = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Another command of the relay's command line, to its end. */
export async function runCommand(env: Environment, ...args: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [...nodeFlags, mainFile, ...args], { env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}
