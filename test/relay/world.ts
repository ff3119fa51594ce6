/**
 * Owns what a whole-path test needs: a migrated database, topics and subjects of its own, and relays as real processes
 * that can be killed. Everything is waited for by a signal: a log line, a record, a row.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import avsc from 'avsc';
import pg from 'pg';
import { nodeFlags } from '../../relay/config/node-flags.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createTopic, type ReadRecord, readCommitted, readTopics } from '../support/kafka.ts';
import { registerSchema } from '../support/registry.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

const mainFile = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));

export const itemSchema = {
  type: 'record',
  name: 'ItemMoved',
  namespace: 'test',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'seq', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
} as const;

const itemType = avsc.Type.forSchema(itemSchema as unknown as avsc.Schema);

export type Item = { readonly key: string; readonly seq: number; readonly note?: string };

/** Settings by environment name without `OUTBOX_RELAY_`. */
export type Settings = Readonly<Record<string, string | number>>;

export type CommandResult = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type OwnServers = { readonly databaseUrl?: string; readonly brokers?: readonly string[] };

type OwnDatabase = Pick<TestDatabase, 'url' | 'pool' | 'drop'>;

function ownDatabase(url: string): OwnDatabase {
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => {}); // a server that the test ends; the next query says so
  return { url, pool, drop: () => pool.end() };
}

export class World implements AsyncDisposable {
  readonly database: OwnDatabase;
  readonly slot = unique('slot').replaceAll('-', '_');
  readonly topic: string;
  readonly progressTopic = unique('progress');
  /** Where they are not the shared ones. */
  readonly #brokers: readonly string[] | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #relays: RelayProcess[] = [];

  private constructor(
    database: OwnDatabase,
    topic: string,
    brokers: readonly string[] | undefined,
    env: Readonly<Record<string, string>>,
  ) {
    this.database = database;
    this.topic = topic;
    this.#brokers = brokers;
    this.#env = env;
  }

  /**
   * @param partitions of the one event topic
   * @param own servers that the test may break, in place of the shared ones
   */
  static async create(partitions = 3, own: OwnServers = {}): Promise<World> {
    const shared = await servers();
    const brokers = own.brokers ?? shared.brokers;
    const { registryUrl } = shared;
    const database = own.databaseUrl === undefined ? await createDatabase() : ownDatabase(own.databaseUrl);
    await migrate({ databaseUrl: database.url });
    const topic = await createTopic('world', partitions, own.brokers);
    await registerSchema(`${topic}-test.ItemMoved`, itemSchema);
    return new World(database, topic, own.brokers, {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.url,
      KAFKA_BROKERS: brokers.join(','),
      SCHEMA_REGISTRY_URL: registryUrl,
      OUTBOX_RELAY_TOPICS_TEMPLATE: topic,
      OUTBOX_RELAY_TOPICS_ALLOW: topic,
      OUTBOX_RELAY_TOPICS_CREATE: 'false',
      OUTBOX_RELAY_HTTP_PORT: '0',
      // Often enough that no test waits for it, and a progress without events is seen within a test.
      OUTBOX_RELAY_CAPTURE_HEARTBEAT_MS: '500',
      OUTBOX_RELAY_CAPTURE_STANDBY_POLL_MS: '100',
      OUTBOX_RELAY_CAPTURE_WAL_SENDER_TIMEOUT_MS: '3000',
      OUTBOX_RELAY_RETRY_MAX_DELAY_MS: '500',
    });
  }

  get pool(): pg.Pool {
    return this.database.pool;
  }

  get env(): Readonly<Record<string, string>> {
    return {
      ...this.#env,
      OUTBOX_RELAY_SLOT: this.slot,
      OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: this.progressTopic,
    };
  }

  /** Starts a relay; it is ended with the world. `FAILPOINT` has it die there. */
  startRelay(settings: Settings = {}, addresses: Readonly<Record<string, string>> = {}): RelayProcess {
    const own = Object.entries(settings).map(([name, value]) => [`OUTBOX_RELAY_${name}`, String(value)]);
    const relay = new RelayProcess({ ...this.env, ...Object.fromEntries(own), ...addresses });
    this.#relays.push(relay);
    return relay;
  }

  /** Runs another command of the command line to its end. */
  command(...args: string[]): Promise<CommandResult> {
    return this.commandWith({}, ...args);
  }

  async commandWith(env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [mainFile, ...args], { env: { ...this.env, ...env } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr };
  }

  /** Writes events in one transaction and returns their ids, in their order. */
  async write(items: readonly Item[], client: pg.Pool | pg.ClientBase = this.pool): Promise<string[]> {
    const { rows } = await client.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       select 'item', item ->> 'key', 'test.ItemMoved', item
         from jsonb_array_elements($1::jsonb) with ordinality as given (item, n) order by n
       returning id`,
      [JSON.stringify(items)],
    );
    return rows.map(({ id }) => id);
  }

  /** Reads until every one of `ids` was seen, then up to the present end, so that doubles and leaks are in it. */
  async read(ids: readonly string[], timeoutMs = 120_000): Promise<ReadRecord[]> {
    const missing = new Set(ids);
    let seen = 0;
    const brokers = this.#brokers === undefined ? {} : { brokers: this.#brokers };
    await readTopics({
      ...brokers,
      topics: [this.topic],
      timeoutMs,
      until: (records) => {
        for (; seen < records.length; seen++) missing.delete(idOf(records[seen]!));
        return missing.size === 0;
      },
    }).catch((error: Error) => {
      const last = this.#relays.map(({ lines }) => JSON.stringify(lines.at(-1)));
      throw new Error(
        `${error.message}; ${missing.size} missing; the relays' last lines: ${last.join('; ')}`,
      );
    });
    return readCommitted({ ...brokers, topics: [this.topic] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.kill()));
    await this.database.drop();
  }
}

export const idOf = (record: ReadRecord): string => record.headers.id ?? '';

/** The payload, decoded by avsc itself rather than by the relay. */
export const itemOf = (record: ReadRecord): Item => itemType.fromBuffer(record.value!.subarray(5)) as Item;

type LogLine = {
  readonly msg: string;
  readonly state?: string;
  readonly err?: { readonly code: string; readonly message: string };
} & Record<string, unknown>;

export class RelayProcess {
  readonly lines: LogLine[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();

  constructor(env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [...nodeFlags, mainFile, 'run'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.exited = once(this.#child, 'exit').then(([code, signal]) => ({ code, signal }));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as LogLine);
      for (const watcher of this.#watchers) watcher();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get url(): string {
    return `http://${String(this.lines.find(({ msg }) => msg === 'started')?.http)}`;
  }

  /** Resolves with the first log line, past or to come, that fits. */
  async line(
    fits: (line: LogLine, all: readonly LogLine[]) => boolean,
    timeoutMs = 90_000,
  ): Promise<LogLine> {
    const found = Promise.withResolvers<LogLine>();
    const look = () => {
      const line = this.lines.find((candidate) => fits(candidate, this.lines));
      if (line !== undefined) found.resolve(line);
    };
    const timer = setTimeout(
      () =>
        found.reject(
          new Error(`no such line after ${timeoutMs} ms; the last is ${JSON.stringify(this.lines.at(-1))}`),
        ),
      timeoutMs,
    );
    this.#watchers.add(look);
    look();
    try {
      return await found.promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  streaming(): Promise<LogLine> {
    return this.line(({ state }) => state === 'streaming');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.exited;
  }

  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}${labels}`));
    return Number(line?.split(' ').at(-1));
  }

  async ready(): Promise<{ status: number; state: string; reason: string }> {
    const answer = await fetch(`${this.url}/readyz`);
    return { status: answer.status, ...((await answer.json()) as { state: string; reason: string }) };
  }
}
