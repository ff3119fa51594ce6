/** The relay as a process of its own: start it, kill it, see what it says of itself. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../harness/random.ts';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { freePort } from '../stack/port.ts';
import { logTail, openRun, type Run, type Server } from '../stack/run.ts';

export type RelayProcessOptions = {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly registryUrl: string;
};

const entry = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

export class RelayProcess {
  readonly #run: Run;
  readonly #env: NodeJS.ProcessEnv;
  readonly port: number;
  readonly #failure = Promise.withResolvers<never>();
  #server: Server | undefined;
  #isStopping = false;
  #kills = 0;
  #state = 'starting';

  /** A process that is not started yet; its run removes what it leaves, whatever becomes of this process. */
  static async prepare(options: RelayProcessOptions): Promise<RelayProcess> {
    return new RelayProcess(await openRun(), options, await freePort());
  }

  private constructor(run: Run, options: RelayProcessOptions, port: number) {
    this.#run = run;
    this.port = port;
    this.#env = relayEnvironment(options, port);
    this.#failure.promise.catch(() => {}); // met by whoever asks for `failed`
  }

  /** Rejects, with the end of its log, when it ended by itself. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  get kills(): number {
    return this.#kills;
  }

  get pid(): number | undefined {
    return this.#server?.running ? this.#server.pid : undefined;
  }

  /** As `/readyz` told it last. */
  get state(): string {
    return this.#state;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get logFile(): string {
    return path.join(this.#run.dir, 'relay.log');
  }

  start(): void {
    const server = this.#run.start({
      name: 'relay',
      command: process.execPath,
      args: [...nodeFlags, entry, 'run'],
      env: this.#env,
    });
    this.#server = server;
    this.#state = 'starting';
    void server.exited.then((how) => {
      if (this.#server !== server || this.#isStopping) return;
      this.#failure.reject(
        new Error(`the relay ended by itself (${how}); the end of its log:\n${logTail(this.logFile)}`),
      );
    });
  }

  /** As a crash of its machine would: no signal it could handle, nothing finished. Resolves when it has ended. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server?.running !== true) return;
    this.#server = undefined; // what ends now ends by our hand
    this.#kills += 1;
    await server.end('SIGKILL');
  }

  /** Kills it at random instants and starts it again at once, until aborted; it runs when this resolves. */
  async killAtRandom(random: Random, signal: AbortSignal, onKill: (pid: number) => void): Promise<void> {
    while (!signal.aborted) {
      await sleep(random.integer(shortestLifeMs, longestLifeMs), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const { pid } = this;
      await this.kill();
      if (pid !== undefined) onKill(pid);
      this.start();
    }
  }

  /** Asks for its state now and then until aborted, for the view. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#state = await this.#ask(signal);
      await sleep(stateIntervalMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Resolves when it publishes. @throws when it ends instead */
  async untilStreaming(signal: AbortSignal): Promise<void> {
    const polling = async () => {
      while (!signal.aborted && (await this.#ask(signal)) !== 'streaming')
        await sleep(stateIntervalMs, undefined, { signal }).catch(() => {});
    };
    await Promise.race([polling(), this.failed]);
  }

  async #ask(signal: AbortSignal): Promise<string> {
    try {
      const response = await fetch(`${this.url}/readyz`, { signal });
      const { state } = (await response.json()) as { state: unknown };
      return String(state);
    } catch {
      return this.pid === undefined ? 'down' : 'starting';
    }
  }

  /** Ends it as a deployment would, and resolves with how it ended, as `exit code 0`. */
  async stop(): Promise<string> {
    this.#isStopping = true;
    const server = this.#server;
    if (server === undefined) return 'was not started';
    await server.end('SIGTERM', stopWithinMs);
    return server.exited;
  }

  /** Ends it if need be, and removes its folder. */
  async end(): Promise<void> {
    this.#isStopping = true;
    await this.#run.end();
  }
}

/** Long enough to be streaming, short enough to be killed in every state of its start. */
const [shortestLifeMs, longestLifeMs] = [1_000, 4_000];
const stateIntervalMs = 250;
/** The relay promises 10 s. */
const stopWithinMs = 12_000;

/** Nothing of the caller's own settings for a relay gets through. */
function relayEnvironment({ databaseUrl, brokers, registryUrl }: RelayProcessOptions, port: number) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('OUTBOX_RELAY_'));
  return {
    ...Object.fromEntries(own),
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: brokers.join(','),
    SCHEMA_REGISTRY_URL: registryUrl,
    OUTBOX_RELAY_HTTP_PORT: String(port),
  };
}
