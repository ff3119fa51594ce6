/** The relay of the demo: started, killed at random, restarted; and the state that it reports. */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../harness/random.ts';
import {
  type Addresses,
  describeExit,
  type Environment,
  RelayProcess,
  relayEnv,
} from '../harness/relay-process.ts';
import { withResolvers } from '../relay/model/builtins.ts';
import { freePort } from '../stack/port.ts';
import { logTail, openRun, type Run } from '../stack/run.ts';

export class DemoRelay {
  readonly #run: Run;
  readonly #env: Environment;
  readonly #port: number;
  readonly #failure = withResolvers<never>();
  #process: RelayProcess | undefined;
  #isStopping = false;
  #kills = 0;
  #state = 'starting';

  /** Not started yet. Its run removes what it leaves, however this process ends. */
  static async prepare(addresses: Addresses): Promise<DemoRelay> {
    const port = await freePort();
    return new DemoRelay(await openRun(), relayEnv(addresses, { HTTP_PORT: port }), port);
  }

  private constructor(run: Run, env: Environment, port: number) {
    this.#run = run;
    this.#env = env;
    this.#port = port;
    this.#failure.promise.catch(() => {}); // handled where `failed` is awaited
  }

  /** Rejects, with the end of its log, when it ended by itself. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  get kills(): number {
    return this.#kills;
  }

  get pid(): number | undefined {
    return this.#process?.hasEnded === false ? this.#process.pid : undefined;
  }

  /** As `/readyz` last reported it. */
  get state(): string {
    return this.#state;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get logFile(): string {
    return path.join(this.#run.dir, 'relay.log');
  }

  start(): void {
    const relay = new RelayProcess({ env: this.#env, run: this.#run, logFile: this.logFile });
    this.#process = relay;
    this.#state = 'starting';
    void relay.exited.then((exit) => {
      if (this.#process !== relay || this.#isStopping) return;
      const how = describeExit(exit);
      const log = logTail(this.logFile);
      this.#failure.reject(new Error(`the relay ended by itself (${how}); the end of its log:\n${log}`));
    });
  }

  async kill(): Promise<void> {
    const relay = this.#process;
    if (relay === undefined || relay.hasEnded) return;
    this.#process = undefined; // what ends now is ended by us
    this.#kills += 1;
    await relay.kill();
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

  /** Asks for its state regularly until aborted, for the view. */
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
    return this.#process === undefined ? 'was not started' : describeExit(await this.#process.stop());
  }

  /** Ends it if it still runs, and removes its folder. */
  async end(): Promise<void> {
    this.#isStopping = true;
    await this.#run.end();
  }
}

/** Long enough to be streaming, short enough to be killed in every state of its start. */
const [shortestLifeMs, longestLifeMs] = [1_000, 4_000];
const stateIntervalMs = 250;
