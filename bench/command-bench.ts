/** What the benches of commands share: servers, a relay that publishes rows, and the command with the most memory it had. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import pg from 'pg';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { registerSchema } from '../harness/registry.ts';
import { type Environment, RelayProcess, relayEnv, type Settings } from '../harness/relay-process.ts';
import { waitFor } from '../harness/wait.ts';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { countCovered, fill } from './fill.ts';
import { eventSchema, eventType } from './workload.ts';

const main = path.join(import.meta.dirname, '..', 'relay', 'main.ts');
const partitions = 3;

export class CommandBench implements AsyncDisposable {
  /** Of the slot, and of the topic of the events. */
  readonly name: string;
  readonly pool: pg.Pool;
  readonly #stack: Stack;
  readonly #env: Environment;

  private constructor(stack: Stack, name: string, settings: Settings) {
    this.#stack = stack;
    this.name = name;
    const own = { SLOT: name, TOPICS_TEMPLATE: name, TOPICS_ALLOW: name, HTTP_PORT: 0 };
    this.#env = relayEnv(stack, { ...own, ...settings });
    this.pool = new pg.Pool({ connectionString: stack.databaseUrl });
  }

  static async start(command: string, settings: Settings = {}): Promise<CommandBench> {
    const stack = await startStack({
      purpose: 'bench',
      postgres: { settings: { track_commit_timestamp: 'on', max_wal_size: '4GB' } },
      onProgress: (line) => console.error(line),
    });
    const bench = new CommandBench(stack, `${command}_${randomUUID().slice(0, 8)}`, settings);
    await migrate({ databaseUrl: stack.databaseUrl });
    await bench.createTopic(bench.name);
    await registerSchema(stack.registryUrl, `${bench.name}-${eventType}`, eventSchema);
    return bench;
  }

  createTopic(topic: string): Promise<unknown> {
    return createTopics(kafkaClient(this.#stack.brokers), [{ topic, numPartitions: partitions }]);
  }

  /** Has a relay publish that many rows. @param use runs before it is stopped */
  async publish(rows: number, what: string, use: () => Promise<void> = async () => {}): Promise<void> {
    const relay = new RelayProcess({ env: this.#env });
    await relay.streaming();
    await fill(this.pool, rows, what);
    await waitFor(async () => (await countCovered(this.pool)) >= rows, 'the published rows', 3_600_000);
    await use();
    await relay.stop();
  }

  /** Runs a command of the relay, which shows its progress, and prints the most memory that it had. */
  async run(...args: string[]): Promise<{ readonly code: number | null; readonly seconds: number }> {
    const printMemory = ['--import', path.join(import.meta.dirname, 'print-memory.ts')];
    const beganMs = performance.now();
    const child = spawn(process.execPath, [...nodeFlags, ...printMemory, main, ...args], {
      env: this.#env,
      stdio: 'inherit',
    });
    const [code] = await once(child, 'close');
    return { code, seconds: (performance.now() - beganMs) / 1_000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.end();
    await this.#stack[Symbol.asyncDispose]();
  }
}
