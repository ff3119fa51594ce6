/**
 * Several relays as processes, and the orchestrator that restarts them: a relay that ends is replaced, unless it halted
 * with an exit code that says that a restart will not help.
 */
import type { Failpoint } from '../relay/observe/failpoints.ts';
import {
  type Environment,
  type Exit,
  RelayProcess,
  runCommand,
  type Settings,
  settingsEnv,
} from './relay-process.ts';
import { waitFor } from './wait.ts';

/** How one relay of a crew differs from the others. */
export type RelayVariation = {
  readonly settings?: Settings;
  /** Another way to the database than the others have. */
  readonly databaseUrl?: string;
  /** `NAME`, `NAME:3`, `NAME:3:hang`, `NAME:3:pause:4000`, `NAME:3:until:/some/file`, `NAME:3:block:4000` */
  readonly failpoint?: Failpoint | `${Failpoint}:${string}`;
  /** In addition to those that a relay always has. */
  readonly nodeFlags?: readonly string[];
  /** Where its log goes: to us, or to a device that is full. */
  readonly log?: 'read' | '/dev/full';
};

export type Halt = { readonly code: string; readonly exitCode: number };

/** Exit codes after which an orchestrator should not start it again: 64 usage, 70 a bug, 77 rights, 78 stopped. */
const haltCodes: ReadonlySet<number> = new Set([64, 70, 77, 78]);

/** A crash loop is slowed down, as every orchestrator does. */
const restartAfterMs = 50;

export class RelayCrew {
  /** How many the orchestrator keeps running. */
  size = 1;
  halted: Halt | undefined;
  /** Relays that ended unexpectedly: neither by a signal of ours nor by a halt. */
  readonly crashes: string[] = [];
  /** How many were started. */
  started = 0;
  readonly #env: Environment;
  readonly #logFile: string;
  readonly #relays = new Set<RelayProcess>();
  #isStopped = false;

  constructor(env: Environment, logFile: string) {
    this.#env = env;
    this.#logFile = logFile;
  }

  get all(): readonly RelayProcess[] {
    return [...this.#relays];
  }

  /** The one that publishes, according to their logs. */
  get active(): RelayProcess | undefined {
    return this.all.findLast(({ state, hasEnded }) => state === 'streaming' && !hasEnded);
  }

  start(variation: RelayVariation = {}): RelayProcess {
    const { settings = {}, databaseUrl, failpoint, ...options } = variation;
    const env = {
      ...this.#env,
      ...settingsEnv(settings),
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      ...(failpoint === undefined ? {} : { OUTBOX_RELAY_FAILPOINT: failpoint }),
    };
    const relay = new RelayProcess({ ...options, env, logFile: this.#logFile });
    this.started += 1;
    this.#relays.add(relay);
    void relay.exited.then((exit) => this.#onExit(relay, exit));
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
  async replace(variation: RelayVariation): Promise<RelayProcess> {
    const others = this.all;
    const { size } = this;
    this.size = 0;
    await Promise.all(others.map((relay) => relay.kill()));
    const relay = this.start(variation);
    this.size = size;
    return relay;
  }

  /** Starts them again after the cause of a halt is removed. */
  resume(): void {
    this.halted = undefined;
    this.#fill();
  }

  /** Runs another command of the command line to its end. @throws with its output when it fails */
  command(...args: readonly string[]): Promise<string> {
    return this.#run({}, args);
  }

  /** The same, on another connection. */
  commandOn(databaseUrl: string, ...args: readonly string[]): Promise<string> {
    return this.#run({ DATABASE_URL: databaseUrl }, args);
  }

  async #run(env: Environment, args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runCommand({ ...this.#env, ...env }, ...args);
    const printed = `${stdout}${stderr}`;
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${printed.slice(-1_000)}`);
    return printed;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.all.map((relay) => relay.kill()));
  }

  #onExit(relay: RelayProcess, { code, signal }: Exit): void {
    this.#relays.delete(relay);
    if (this.#isStopped) return;
    if (code !== null && haltCodes.has(code)) {
      this.halted = { code: relay.fatal?.code ?? `exit code ${code}`, exitCode: code };
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
