/**
 * The relays of a world as processes, and the orchestrator that starts them again: whatever ends is replaced, unless it
 * halted with a code that says that restarting does not help.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, openSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { nodeFlags } from '../relay/config/node-flags.ts';
import type { Failpoint } from '../relay/observe/failpoints.ts';
import { waitFor } from './wait.ts';

const mainFile = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

/** By environment name without `OUTBOX_RELAY_`. */
export type Settings = Readonly<Record<string, string | number>>;

export type RelayOptions = {
  readonly settings?: Settings;
  /** Another way to the database than the others have. */
  readonly databaseUrl?: string;
  /** `NAME`, `NAME:3`, `NAME:3:hang`, `NAME:3:pause:4000`, `NAME:3:block:4000` */
  readonly failpoint?: Failpoint | `${Failpoint}:${string}`;
  /** Beside the ones a relay always has. */
  readonly nodeFlags?: readonly string[];
  /** Where its log goes: to us, or to a device that is full. */
  readonly log?: 'read' | '/dev/full';
};

export type Halt = { readonly code: string; readonly exitCode: number };

/** Exit codes after which an orchestrator should not start it again: 64 usage, 70 a defect, 77 rights, 78 stopped. */
const haltCodes: ReadonlySet<number> = new Set([64, 70, 77, 78]);

/** A crash loop is slowed down as every orchestrator does. */
const restartAfterMs = 50;

export class RelayProcess {
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly pid: number;
  /** As its log says. */
  state = 'starting';
  /** Set when it stopped itself. */
  haltedBy: string | undefined;
  hasEnded = false;
  /** What was said on stderr: failpoints, crashes of the runtime. */
  stderr = '';
  readonly #child: ChildProcess;

  constructor(env: Readonly<Record<string, string>>, options: RelayOptions, logFile: string) {
    const { log = 'read', failpoint, databaseUrl, settings = {} } = options;
    const own = Object.entries(settings).map(([name, value]) => [`OUTBOX_RELAY_${name}`, String(value)]);
    const stdout = log === 'read' ? ('pipe' as const) : openSync(log, 'w');
    const child = spawn(process.execPath, [...nodeFlags, ...(options.nodeFlags ?? []), mainFile, 'run'], {
      env: {
        ...env,
        ...Object.fromEntries(own),
        ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
        ...(failpoint === undefined ? {} : { OUTBOX_RELAY_FAILPOINT: failpoint }),
      },
      stdio: ['ignore', stdout, 'pipe'],
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    // Nothing is left behind when this process ends in the midst of a run.
    const killWithUs = () => child.kill('SIGKILL');
    process.on('exit', killWithUs);
    this.exited = once(child, 'exit').then(([code, signal]) => {
      process.off('exit', killWithUs);
      this.hasEnded = true;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr = `${this.stderr}${chunk.toString()}`.slice(-10_000);
    });
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.#read(line, logFile));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Resolves when a pausing or blocking failpoint was reached, or left. */
  async atFailpoint(what: 'reached' | 'left', timeoutMs = 30_000): Promise<void> {
    await waitFor(() => this.stderr.includes(` ${what}\n`), `a failpoint to be ${what}`, timeoutMs);
  }

  #read(line: string, logFile: string): void {
    appendFileSync(logFile, `${line}\n`);
    try {
      const { state, level, err } = JSON.parse(line) as {
        state?: string;
        level?: string;
        err?: { code?: string };
      };
      if (state !== undefined) this.state = state;
      if (level === 'fatal') this.haltedBy = err?.code ?? 'unknown';
    } catch {
      // Not a line of the log.
    }
  }
}

export class RelayCrew {
  /** How many the orchestrator keeps running. */
  size = 1;
  halted: Halt | undefined;
  /** Ends that were nobody's wish: neither a signal of ours nor a halt. */
  readonly crashes: string[] = [];
  /** So many were started. */
  started = 0;
  readonly #env: Readonly<Record<string, string>>;
  readonly #logFile: string;
  readonly #relays = new Set<RelayProcess>();
  #isStopped = false;

  constructor(env: Readonly<Record<string, string>>, logFile: string) {
    this.#env = env;
    this.#logFile = logFile;
  }

  get all(): readonly RelayProcess[] {
    return [...this.#relays];
  }

  /** The one that publishes, as far as their logs say. */
  get active(): RelayProcess | undefined {
    return this.all.findLast(({ state, hasEnded }) => state === 'streaming' && !hasEnded);
  }

  start(options: RelayOptions = {}): RelayProcess {
    const relay = new RelayProcess(this.#env, options, this.#logFile);
    this.started += 1;
    this.#relays.add(relay);
    void relay.exited.then(({ code, signal }) => this.#onExit(relay, code, signal));
    return relay;
  }

  /** The active one, once there is one. */
  async untilActive(timeoutMs = 30_000): Promise<RelayProcess> {
    await waitFor(() => this.active !== undefined || this.halted !== undefined, 'an active relay', timeoutMs);
    if (this.active === undefined) throw new Error(`the relay halted: ${this.halted?.code}`);
    return this.active;
  }

  /** Keeps `size` running, the new ones as standbys of what is there. */
  scale(size: number): void {
    this.size = size;
    this.#fill();
  }

  /** Ends every relay with SIGKILL and starts one with these options in their place. */
  async replace(options: RelayOptions): Promise<RelayProcess> {
    const others = this.all;
    const { size } = this;
    this.size = 0;
    await Promise.all(others.map((relay) => relay.kill()));
    const relay = this.start(options);
    this.size = size;
    return relay;
  }

  /** Starts them again after a halt whose cause is removed. */
  resume(): void {
    this.halted = undefined;
    this.#fill();
  }

  /** Another command of the relay's command line, to its end. @throws with what it printed where it fails */
  command(...args: readonly string[]): Promise<string> {
    return this.#run({}, args);
  }

  /** The same, on another connection. */
  commandOn(databaseUrl: string, ...args: readonly string[]): Promise<string> {
    return this.#run({ DATABASE_URL: databaseUrl }, args);
  }

  async #run(settings: NodeJS.ProcessEnv, args: readonly string[]): Promise<string> {
    const env = { ...this.#env, ...settings };
    const child = spawn(process.execPath, [...nodeFlags, mainFile, ...args], { env });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${printed.slice(-1_000)}`);
    return printed;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.all.map((relay) => relay.kill()));
  }

  #onExit(relay: RelayProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.#relays.delete(relay);
    if (this.#isStopped) return;
    if (code !== null && haltCodes.has(code)) {
      this.halted = { code: relay.haltedBy ?? `exit code ${code}`, exitCode: code };
      return;
    }
    if (code !== 0 && signal !== 'SIGKILL')
      this.crashes.push(`${code ?? signal}: ${relay.stderr.slice(-300)}`);
    setTimeout(() => this.#fill(), restartAfterMs);
  }

  #fill(): void {
    while (!this.#isStopped && this.halted === undefined && this.#relays.size < this.size) this.start();
  }
}
