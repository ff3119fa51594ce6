/** Kafka Connect with Debezium's plugin: one distributed worker, since only those publish exactly once from a source. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fetch, fetched, versionOf } from '../../stack/fetch.ts';
import { javaCommand, missingJava } from '../../stack/java.ts';
import { freePort } from '../../stack/port.ts';
import type { Progress } from '../../stack/progress.ts';
import { logTail, type Server, untilReady } from '../../stack/run.ts';
import type { BenchWorld } from '../world.ts';

const jars: Fetch = {
  pomFile: path.join(import.meta.dirname, 'pom.xml'),
  name: 'debezium',
  what: 'Debezium and Kafka Connect',
  expectedMegabytes: 61 + 39,
  versions: { KAFKA_VERSION: 'kafka.version', DEBEZIUM_VERSION: 'debezium.version' },
};

/** Apart, since only one of the variants needs it. */
const avroConverter: Fetch = {
  pomFile: path.join(import.meta.dirname, 'avro-pom.xml'),
  name: 'debezium-avro',
  what: "Apicurio's Avro converter",
  expectedMegabytes: 40 + 9,
  versions: {},
};

export function debeziumVersion(): Promise<string> {
  return versionOf(jars, 'debezium.version');
}

const readyWithinMs = 120_000;
const pollMs = 20;

export type ConnectorConfig = Readonly<Record<string, string | number | boolean>>;

export type WorkerOptions = {
  /** Of the group of workers, whose connectors start again with the next worker. */
  readonly group: string;
  readonly isExactlyOnce: boolean;
  /** Of the JVM: its heap. */
  readonly jvm: readonly string[];
  /** How often a connector stores how far it is, and confirms that to Postgres. */
  readonly flushMs: number;
  /** Whether it also loads the converter to Avro. */
  readonly writesAvro?: boolean;
};

export class Connect {
  readonly #server: Server;
  readonly #url: string;

  /** @throws where Java or Maven are missing, or the worker does not come up */
  static async start(world: BenchWorld, onProgress: Progress, options: WorkerOptions): Promise<Connect> {
    const missing = await missingJava();
    if (missing !== undefined) throw new Error(`Debezium cannot run: ${missing}`);
    const folder = await fetched(jars, onProgress);
    const plugins = [folder, ...(options.writesAvro ? [await fetched(avroConverter, onProgress)] : [])];
    const url = `http://127.0.0.1:${await freePort()}`;
    const config = path.join(world.run.dir, `${options.group}.properties`);
    await writeFile(config, properties(workerConfig(world, plugins, url, options)));
    onProgress('starting Kafka Connect with Debezium');
    const server = world.run.start({
      name: options.group,
      command: javaCommand(),
      args: [
        ...options.jvm,
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...['-cp', path.join(folder, 'connect', '*')],
        ...['org.apache.kafka.connect.cli.ConnectDistributed', config],
      ],
    });
    const connect = new Connect(server, url);
    await untilReady(server, () => connect.#answers(), readyWithinMs);
    return connect;
  }

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.#url = url;
  }

  get pid(): number {
    return this.#server.pid;
  }

  get isRunning(): boolean {
    return this.#server.running;
  }

  /** As a crash of its machine would. */
  async kill(): Promise<void> {
    await this.#server.end('SIGKILL');
  }

  /** Ends the tasks of a connector, and leaves its configuration. */
  async stop(name: string): Promise<void> {
    await this.#ask('PUT', `/connectors/${name}/stop`);
    while ((await this.#tasks(name)).length > 0) await sleep(pollMs);
  }

  /** Resolves when the connector is accepted, not when it streams. */
  async create(name: string, config: ConnectorConfig): Promise<void> {
    const own = Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)]));
    await this.#ask('PUT', `/connectors/${name}/config`, own);
  }

  /** Resolves when its task has ended. */
  async remove(name: string): Promise<void> {
    await this.stop(name);
    await this.#ask('DELETE', `/connectors/${name}`);
  }

  /** @throws when the worker, the connector or its task has failed, with why */
  async assertRunning(name: string): Promise<void> {
    if (!this.#server.running) throw new Error(`Kafka Connect ended:\n${logTail(this.#server.logFile)}`);
    const failed = (await this.#tasks(name)).find(({ state }) => state === 'FAILED');
    if (failed) throw new Error(`Debezium failed: ${failed.trace ?? ''}`);
  }

  async #tasks(name: string): Promise<{ readonly state: string; readonly trace?: string }[]> {
    const response = await fetch(`${this.#url}/connectors/${name}/status`);
    if (response.status === 404) return []; // accepted, and not yet begun
    const { tasks } = (await response.json()) as { tasks: { state: string; trace?: string }[] };
    return tasks;
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.#url}/connectors`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async #ask(method: string, resource: string, body?: unknown): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const response = await fetch(this.#url + resource, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (response.ok) return;
      // 409: the worker is in a rebalance, which passes.
      const text = await response.text();
      if (response.status !== 409 || attempt > 100)
        throw new Error(`Kafka Connect answered ${response.status} to ${method} ${resource}: ${text}`);
      await sleep(100);
    }
  }
}

function workerConfig(
  { stack }: BenchWorld,
  folders: readonly string[],
  url: string,
  { group, isExactlyOnce, flushMs }: WorkerOptions,
): ConnectorConfig {
  const topics = ['config', 'offset', 'status'].flatMap((kind) => [
    [`${kind}.storage.topic`, `${group}-${kind}`],
    [`${kind}.storage.replication.factor`, 1],
  ]);
  return {
    'bootstrap.servers': stack.brokers.join(','),
    'group.id': group,
    ...Object.fromEntries(topics),
    'offset.storage.partitions': 1,
    'status.storage.partitions': 1,
    'exactly.once.source.support': isExactlyOnce ? 'enabled' : 'disabled',
    'offset.flush.interval.ms': flushMs,
    // Strings pass through as they are: the cheapest conversion there is.
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'header.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'plugin.path': folders.map((folder) => path.join(folder, 'plugins')).join(','),
    'plugin.discovery': 'hybrid_warn',
    listeners: url,
    'scheduled.rebalance.max.delay.ms': 0,
  };
}

function properties(config: ConnectorConfig): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
