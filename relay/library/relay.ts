/**
 * A relay within another program. It runs in a thread of its own, so that neither holds up the other: a program that
 * computes for a minute does not lose the slot, and a thread can be ended at any instant, as a process can. That is what
 * `stop` promises; no event is lost or repeated by it.
 *
 * Promise: it listens to no signal, ends no process and prints nothing. A failure that stops it reaches the program:
 * `finished` rejects, and unless the program listens for it, Node reports an unhandled rejection.
 */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Config, configOf, loadConfig } from '../config/config.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import type { RelayState } from '../observe/state.ts';
import { drain, type PlainFailure, type ThreadMessage, type ThreadWork } from './messages.ts';
import type { RelaySettings } from './settings.ts';

export type { RelayState } from '../observe/state.ts';

export type RelayEvents = {
  /** It begins to do something else, for example `standby` or `streaming`. */
  readonly state: { readonly state: RelayState; readonly before: RelayState | undefined };
  /** Something failed that can pass, such as a server that is away. It tries again by itself. */
  readonly retry: { readonly error: RelayError; readonly retryInMs: number };
  /** It stopped itself and stays stopped. `error.hint` says what to do. */
  readonly failed: { readonly error: RelayError };
  /** A line of its log, at `log.level` of the settings or above. */
  readonly log: LogLine;
};

export type LogLine = {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  /** ISO 8601. */
  readonly time: string;
  readonly message: string;
  /** What else the line says. */
  readonly fields: Readonly<Record<string, unknown>>;
};

export type StopResult = {
  /** Whether it finished its work in time. If not, the next start publishes the rest. */
  readonly drained: boolean;
};

export type Relay = {
  /** What it does now; `idle` before `start`, `stopped` at the end. */
  readonly state: RelayState | 'idle' | 'stopped';
  /**
   * Starts it. Resolves once it runs: it then waits for the slot or streams, and retries while a server is away.
   * @throws RelayError (as a rejection) if it cannot run, for example with a file of certificates that is missing
   */
  start(): Promise<void>;
  /**
   * Finishes the open transaction and ends. A relay that is not done within `withinMs` (by default the setting
   * `shutdownMs`) is ended as it is. Never rejects.
   */
  stop(options?: { readonly withinMs?: number }): Promise<StopResult>;
  /** Resolves after `stop`. Rejects with the `RelayError` with which the relay stopped itself. */
  readonly finished: Promise<void>;
  /** Calls `listener` at each event. What it throws is thrown in the program. @returns a function that ends it */
  on<Name extends keyof RelayEvents>(event: Name, listener: (event: RelayEvents[Name]) => void): () => void;
};

/**
 * Makes a relay from settings. It reads neither a file nor the environment, and serves HTTP only if the settings name
 * `http.port`.
 * @throws RelayError CONFIG_INVALID, with every fault of the settings
 */
export function createRelay(settings: RelaySettings): Relay {
  return new EmbeddedRelay(configOf(settings), settings.http?.port !== undefined);
}

/**
 * Settings as the command line reads them: the file, then the environment.
 * @param options.file by default the one of OUTBOX_RELAY_CONFIG, or relay.yaml if there is one
 * @throws RelayError CONFIG_INVALID
 */
export function readSettings(
  options: { readonly file?: string; readonly env?: Readonly<Record<string, string | undefined>> } = {},
): RelaySettings {
  const { config, provenance } = loadConfig(options);
  const { port, ...http } = config.http;
  return { ...config, http: provenance.get('http.port') === 'default' ? http : { ...http, port } };
}

/** As `--max-semi-space-size=8` gives the process (see `config/node-flags.ts`): three times as much. */
const youngGenerationMaxMb = 24;

type Listeners = { [Name in keyof RelayEvents]: Set<(event: RelayEvents[Name]) => void> };

class EmbeddedRelay implements Relay {
  readonly #config: Config;
  readonly #servesHttp: boolean;
  readonly #listeners: Listeners = { state: new Set(), retry: new Set(), failed: new Set(), log: new Set() };
  readonly #started = withResolvers<void>();
  readonly #finished = withResolvers<void>();
  /** Settles when the thread is gone. */
  readonly #over = withResolvers<StopResult>();
  #worker: Worker | undefined;
  #state: Relay['state'] = 'idle';
  #isStopping = false;
  #isStarted = false;
  #failure: RelayError | undefined;
  #isDrained = false;

  constructor(config: Config, servesHttp: boolean) {
    this.#config = config;
    this.#servesHttp = servesHttp;
  }

  get state(): Relay['state'] {
    return this.#state;
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  start(): Promise<void> {
    if (this.#isStopping) return Promise.reject(new Error('this relay was stopped: create another one'));
    this.#worker ??= this.#open();
    return this.#started.promise;
  }

  async stop({ withinMs = this.#config.shutdownMs }: { withinMs?: number } = {}): Promise<StopResult> {
    this.#isStopping = true;
    const worker = this.#worker;
    if (worker === undefined) {
      this.#end({ drained: true });
      return this.#over.promise;
    }
    worker.postMessage(drain);
    const timer = setTimeout(() => void worker.terminate(), withinMs);
    try {
      return await this.#over.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  on<Name extends keyof RelayEvents>(event: Name, listener: (event: RelayEvents[Name]) => void): () => void {
    // Then the failure is heard, also where nobody waits for `finished`.
    if (event === 'failed') this.#finished.promise.catch(() => {});
    const listeners = this.#listeners[event];
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  #open(): Worker {
    const file = new URL(`./thread${path.extname(import.meta.filename)}`, import.meta.url);
    const worker = new Worker(file, {
      workerData: { config: this.#config, servesHttp: this.#servesHttp } satisfies ThreadWork,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMaxMb },
      // Flags of the program, such as a debugger's port, are not for two.
      execArgv: [],
      stdin: false,
      stdout: true,
      stderr: true,
      name: `outbox-relay ${this.#config.slot.name}`,
    });
    worker.stdout.resume();
    worker.stderr.resume();
    worker.on('message', (message: ThreadMessage) => this.#hear(message));
    worker.on('error', (error) => {
      this.#failure ??= asRelayError(error);
    });
    worker.on('exit', () => this.#end({ drained: this.#isDrained }));
    return worker;
  }

  #hear(message: ThreadMessage): void {
    if (message.kind === 'entered') {
      const { state, before } = message;
      this.#state = state;
      this.#isStarted = true;
      this.#started.resolve();
      this.#say('state', { state, before });
    } else if (message.kind === 'retried') {
      this.#say('retry', { error: revive(message.failure), retryInMs: message.retryInMs });
    } else if (message.kind === 'logged') {
      this.#say('log', logLine(message.line));
    } else if (message.kind === 'ended') {
      this.#isDrained = message.isDrained;
    } else {
      this.#failure = revive(message.failure);
    }
  }

  /** The thread is gone. */
  #end(result: StopResult): void {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#over.resolve(result);
    const error = this.#isStopping
      ? this.#failure
      : (this.#failure ?? new RelayError('INTERNAL', 'its thread ended'));
    if (error === undefined) {
      this.#started.resolve();
      this.#finished.resolve();
      return;
    }
    // What `start` rejects with is known already.
    if (!this.#isStarted) this.#finished.promise.catch(() => {});
    this.#started.reject(error);
    this.#finished.reject(error);
    this.#say('failed', { error });
  }

  #say<Name extends keyof RelayEvents>(name: Name, event: RelayEvents[Name]): void {
    for (const listener of this.#listeners[name]) listener(event);
  }
}

function revive({ code, message, hint, context, cause }: PlainFailure): RelayError {
  return new RelayError(code, message, { context, hint, ...(cause === undefined ? {} : { cause }) });
}

function logLine(line: string): LogLine {
  const { level, time, msg, ...fields } = JSON.parse(line) as {
    level: LogLine['level'];
    time: string;
    msg?: string;
  };
  return { level, time, message: msg ?? '', fields };
}
