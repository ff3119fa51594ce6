/**
 * Owns what a whole-path test needs: a migrated database, topics and subjects of its own, and relays as real processes
 * that can be killed. Everything is waited for by a signal: a log line, a record, a row.
 */
import avsc from 'avsc';
import pg from 'pg';
import { urlOf, withClient } from '../../harness/database.ts';
import { itemSchema } from '../../harness/item-schema.ts';
import {
  type CommandResult,
  type Environment,
  RelayProcess,
  relayEnv,
  runCommand,
  type Settings,
  settingsEnv,
} from '../../harness/relay-process.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { createTopic, type ReadRecord, readCommitted, readTopics } from '../support/kafka.ts';
import { registerSchema } from '../support/registry.ts';
import { servers } from '../support/servers.ts';
import { templateOn } from '../support/template.ts';
import { unique } from '../support/unique.ts';

const itemType = avsc.Type.forSchema(itemSchema as unknown as avsc.Schema);

export type Item = { readonly key: string; readonly seq: number; readonly note?: string };

export type OwnServers = {
  readonly databaseUrl?: string;
  readonly brokers?: readonly string[];
  /** Number of the last migration that a database of its own has; all by default. */
  readonly migratedTo?: number;
};

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
  readonly #env: Environment;
  readonly #relays: RelayProcess[] = [];

  private constructor(
    database: OwnDatabase,
    topic: string,
    brokers: readonly string[] | undefined,
    env: Environment,
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
    const database =
      own.databaseUrl === undefined ? await createMigratedDatabase() : ownDatabase(own.databaseUrl);
    const { databaseUrl, migratedTo } = own;
    if (databaseUrl !== undefined)
      await migrate({ databaseUrl, ...(migratedTo === undefined ? {} : { to: migratedTo }) });
    const topic = await createTopic('world', partitions, own.brokers);
    await registerSchema(`${topic}-test.ItemMoved`, itemSchema);
    const env = relayEnv(
      { databaseUrl: database.url, brokers, registryUrl },
      {
        TOPICS_TEMPLATE: topic,
        TOPICS_ALLOW: topic,
        TOPICS_CREATE: 'false',
        HTTP_PORT: 0,
        // Often enough that no test waits for it, and a progress without events is seen within a test.
        CAPTURE_HEARTBEAT_MS: 500,
        CAPTURE_STANDBY_POLL_MS: 100,
        CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000,
        RETRY_MAX_DELAY_MS: 500,
      },
    );
    return new World(database, topic, own.brokers, env);
  }

  /** On a database of its own of a server that the test may break. */
  static async on(serverUrl: string, partitions = 1): Promise<World> {
    const name = unique('test');
    const template = await templateOn(serverUrl);
    await withClient(serverUrl, (client) => client.query(`create database ${name} template ${template}`));
    return World.create(partitions, { databaseUrl: urlOf(serverUrl, name) });
  }

  get pool(): pg.Pool {
    return this.database.pool;
  }

  get env(): Environment {
    return {
      ...this.#env,
      ...settingsEnv({ SLOT: this.slot, KAFKA_PROGRESS_TOPIC: this.progressTopic }),
    };
  }

  /** Starts a relay; it is ended with the world. `FAILPOINT` has it die there. */
  startRelay(
    settings: Settings = {},
    addresses: Environment = {},
    command: 'run' | 'audit' = 'run',
  ): RelayProcess {
    const relay = new RelayProcess({
      env: { ...this.env, ...settingsEnv(settings), ...addresses },
      command,
    });
    this.#relays.push(relay);
    return relay;
  }

  /** Runs another command of the command line to its end. */
  command(...args: string[]): Promise<CommandResult> {
    return this.commandWith({}, ...args);
  }

  commandWith(env: Environment, ...args: string[]): Promise<CommandResult> {
    return runCommand({ ...this.env, ...env }, ...args);
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
    const strays = this.#relays.flatMap((relay) => relay.strays);
    if (strays.length > 0) throw new Error(`relays printed what is no log line: ${strays.join(', ')}`);
  }
}

export const idOf = (record: ReadRecord): string => record.headers.id ?? '';

/** The payload, decoded by avsc itself rather than by the relay. */
export const itemOf = (record: ReadRecord): Item => itemType.fromBuffer(record.value!.subarray(5)) as Item;
