/** Owns the servers of a benchmark, its rows and its topics. Each measurement has a topic of its own. */
import path from 'node:path';
import type { Kafka } from 'kafkajs';
import pg from 'pg';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { registerSchema } from '../harness/registry.ts';
import { type Environment, RelayProcess, relayEnv } from '../harness/relay-process.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { openRun, type Run } from '../stack/run.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { compileRelay } from './package.ts';
import { debeziumTopicOf, topicOf } from './topics.ts';
import { eventSchema, eventType, idPrefix, payloadSql } from './workload.ts';

export type Rows = {
  readonly events: number;
  /** Events in one Postgres transaction. */
  readonly perTransaction: number;
  readonly rowBytes: number;
};

/** Another relay than the one of this checkout with its default settings. @param checkout compiled, see `package.ts` */
export type RelayVariant = {
  readonly env?: Environment;
  readonly checkout?: string;
  /** Behind those of the product, so that they override them. */
  readonly nodeFlags?: readonly string[];
};

export class BenchWorld implements AsyncDisposable {
  readonly stack: Stack;
  readonly run: Run;
  readonly database: pg.Client;
  readonly kafka: Kafka;
  /** Folder of the relay of this checkout. */
  readonly #relay: string;
  /** Each new topic is made under each of them: one for each contender that publishes in this world. */
  readonly topicPrefixes = new Set([topicOf(''), debeziumTopicOf('')]);
  #topics = 0;

  static async start(onProgress: (line: string) => void): Promise<BenchWorld> {
    ignoreNegativeTimeouts();
    // Room for the backlog: otherwise a checkpoint in the middle of a round would decide its figure.
    const settings = { max_wal_size: '8GB', checkpoint_timeout: '1h' };
    const run = await openRun();
    const [stack, relay] = await Promise.all([
      startStack({ purpose: 'bench', postgres: { settings }, onProgress }),
      compileRelay(run),
    ]);
    const database = new pg.Client({ connectionString: stack.databaseUrl });
    await database.connect();
    await migrate({ databaseUrl: stack.databaseUrl });
    return new BenchWorld(stack, run, database, relay);
  }

  private constructor(stack: Stack, run: Run, database: pg.Client, relay: string) {
    this.#relay = relay;
    this.stack = stack;
    this.run = run;
    this.database = database;
    this.kafka = kafkaClient(stack.brokers, 'bench');
  }

  /**
   * Creates a topic with its schema, and one for each other contender. The broker stamps each batch when it appends it, so the
   * time from the first event to the last needs no reader during the measurement.
   * @returns the `aggregatetype` whose events go there
   */
  async newTopic(partitions: number): Promise<string> {
    this.#topics += 1;
    const aggregateType = `bench${this.#topics}`;
    const topic = topicOf(aggregateType);
    const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }];
    await createTopics(
      this.kafka,
      [...this.topicPrefixes].map((prefix) => ({
        topic: prefix + aggregateType,
        numPartitions: partitions,
        configEntries,
      })),
    );
    await registerSchema(this.stack.registryUrl, `${topic}-${eventType}`, eventSchema);
    return aggregateType;
  }

  /**
   * Commits the rows, over a thousand keys in turn; their ids hold their number, from `first` on.
   * @param headers SQL for the headers of row n
   * @returns the position of the WAL behind them
   */
  async write(
    aggregateType: string,
    { events, perTransaction, rowBytes }: Rows,
    { first = 0, headers = `'{}'` }: { readonly first?: number; readonly headers?: string } = {},
  ): Promise<string> {
    // Commits are not flushed one by one, to be quick: nothing is measured yet.
    await this.database.query('set synchronous_commit = off');
    const payload = payloadSql(rowBytes);
    await this.database.query(`do $$
      declare words text := '${payload.words}';
      begin
        for batch_start in ${first}..${first + events - 1} by ${perTransaction} loop
          insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
          select ('${idPrefix}' || lpad(to_hex(n), 12, '0'))::uuid, '${aggregateType}', 'key-' || n % 1000,
                 '${eventType}', (${payload.expression})::json, (${headers})::jsonb
            from generate_series(batch_start, least(batch_start + ${perTransaction}, ${first + events}) - 1) n;
          commit;
        end loop;
      end $$`);
    await this.database.query('set synchronous_commit = on');
    await this.database.query('checkpoint');
    return this.walPosition();
  }

  /** On its default slot, as production starts it, but uncompressed like what it is compared with. */
  startRelay({ env, checkout = this.#relay, nodeFlags = [] }: RelayVariant = {}): RelayProcess {
    const { run } = this;
    return new RelayProcess({
      env: {
        ...relayEnv(this.stack, { HTTP_PORT: 0, PUBLISH_COMPRESSION: 'none' }),
        MALLOC_ARENA_MAX: '2', // as the image and the command of the package do
        ...env,
      },
      run,
      logFile: path.join(run.dir, 'relay.log'),
      checkout,
      nodeFlags,
    });
  }

  async walPosition(): Promise<string> {
    const { rows } = await this.database.query<{ at: string }>('select pg_current_wal_flush_lsn()::text at');
    return rows[0]!.at;
  }

  async isSlotActive(slot: string): Promise<boolean> {
    return (await this.walsenderOf(slot)) !== null;
  }

  /** The process of Postgres that serves the slot now. */
  async walsenderOf(slot: string): Promise<number | null> {
    const { rows } = await this.database.query<{ pid: number | null }>(
      'select active_pid as pid from pg_replication_slots where slot_name = $1',
      [slot],
    );
    return rows[0]?.pid ?? null;
  }

  /** Ends the connection that reads the slot, if there is one. */
  async endWalsender(slot: string): Promise<void> {
    const sql =
      'select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = $1';
    await this.database.query(sql, [slot]);
  }

  /** If it exists. */
  async dropSlot(slot: string): Promise<void> {
    await this.endWalsender(slot);
    const sql = 'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1';
    await this.database.query(sql, [slot]);
  }

  /** Whether the reader of a slot has confirmed everything before the position. */
  async isConfirmed(slot: string, position: string): Promise<boolean> {
    const { rows } = await this.database.query<{ done: boolean }>(
      'select confirmed_flush_lsn >= $2::pg_lsn as done from pg_replication_slots where slot_name = $1',
      [slot, position],
    );
    return rows[0]?.done === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.end().catch(() => {});
    await this.run.end();
    await this.stack.stop();
  }
}
