/** The relay as a process of its own, on its default slot, as production starts it. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { logTail, type Server } from '../stack/run.ts';
import type { BenchWorld } from './world.ts';

const entry = path.join(import.meta.dirname, '..', 'relay', 'main.ts');
/** How finely the start of its streaming is seen. */
const pollMs = 5;

export class BenchRelay {
  readonly #server: Server;
  /** Length of the log before it: relays of one run share a file. */
  readonly #logBefore: number;

  static async start(world: BenchWorld): Promise<BenchRelay> {
    const logFile = path.join(world.run.dir, 'relay.log');
    const logBefore = (await readFile(logFile, 'utf8').catch(() => '')).length;
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('OUTBOX_RELAY_'));
    const server = world.run.start({
      name: 'relay',
      command: process.execPath,
      args: [...nodeFlags, entry, 'run'],
      env: {
        ...Object.fromEntries(own),
        DATABASE_URL: world.stack.databaseUrl,
        KAFKA_BROKERS: world.stack.brokers.join(','),
        SCHEMA_REGISTRY_URL: world.stack.registryUrl,
        OUTBOX_RELAY_HTTP_PORT: '0',
      },
    });
    return new BenchRelay(server, logBefore);
  }

  private constructor(server: Server, logBefore: number) {
    this.#server = server;
    this.#logBefore = logBefore;
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** Resolves when it publishes. @throws with the end of its log when it ends instead */
  async streaming(): Promise<void> {
    for (;;) {
      const log = await readFile(this.#server.logFile, 'utf8').catch(() => '');
      if (log.slice(this.#logBefore).includes('"state":"streaming"')) return;
      this.assertRunning();
      await sleep(pollMs);
    }
  }

  assertRunning(): void {
    if (!this.#server.running) throw new Error(`the relay ended:\n${logTail(this.#server.logFile)}`);
  }

  freeze(): void {
    this.#server.kill('SIGSTOP');
  }

  thaw(): void {
    this.#server.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.#server.end('SIGTERM', 12_000);
  }
}
