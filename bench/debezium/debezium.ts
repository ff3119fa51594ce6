/**
 * Debezium's Postgres connector with its outbox event router, exactly-once, as quick as it could be made here. The JSON
 * is passed through as a string: less work than the relay does, which encodes Avro.
 *
 * Each measurement is a connector and a slot of its own in the one worker, whose JVM stays warm between them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from '../machine.ts';
import { type BenchWorld, debeziumTopicOf } from '../world.ts';
import { Connect, type ConnectorConfig } from './connect.ts';

const pollMs = 5;

export class Debezium {
  readonly #world: BenchWorld;
  readonly #connect: Connect;
  #connectors = 0;

  static async start(world: BenchWorld, onProgress: (line: string) => void): Promise<Debezium> {
    return new Debezium(world, await Connect.start(world, onProgress));
  }

  private constructor(world: BenchWorld, connect: Connect) {
    this.#world = world;
    this.#connect = connect;
  }

  get pid(): number {
    return this.#connect.pid;
  }

  /** Makes the slot that the next connector begins at: to be called before the rows are written. */
  async createSlot(): Promise<string> {
    this.#connectors += 1;
    const slot = `debezium_${this.#connectors}`;
    await this.#world.database.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    return slot;
  }

  /** Resolves when it reads the slot. */
  async stream(slot: string): Promise<void> {
    await this.#connect.create(slot, connectorConfig(this.#world.stack.databaseUrl, slot));
    while (!(await this.#world.isSlotActive(slot))) {
      await this.assertStreaming(slot);
      await sleep(pollMs);
    }
  }

  async assertStreaming(slot: string): Promise<void> {
    await this.#connect.assertRunning(slot);
  }

  /** Ends the connector, and drops the slot so that it holds no WAL. */
  async end(slot: string): Promise<void> {
    await this.#connect.remove(slot);
    while (await this.#world.isSlotActive(slot)) await sleep(pollMs);
    await this.#world.database.query(`select pg_drop_replication_slot('${slot}')`);
  }

  cpuMs(): Promise<number> {
    return cpuMs(this.pid);
  }
}

function connectorConfig(databaseUrl: string, slot: string): ConnectorConfig {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': 1,
    'exactly.once.support': 'required',
    'transaction.boundary': 'poll',
    'database.hostname': hostname,
    'database.port': port,
    'database.user': username,
    'database.password': decodeURIComponent(password),
    'database.dbname': pathname.slice(1),
    'topic.prefix': slot,
    'plugin.name': 'pgoutput',
    'slot.name': slot,
    'publication.name': 'outbox_relay',
    'publication.autocreate.mode': 'disabled',
    'snapshot.mode': 'no_data',
    'table.include.list': 'outbox.event',
    // Nothing is decoded that the router does not use.
    'column.include.list': 'outbox.event.(id|aggregatetype|aggregateid|type|payload)',
    'tombstones.on.delete': false,
    // A poll is a transaction: it waits so long for so many. Larger ones, and transactions by time, were not faster here;
    // a wait of 10 ms halved the CPU time of a small load and doubled its latency.
    'max.batch.size': 8_192,
    'max.queue.size': 32_768,
    'poll.interval.ms': 2,
    transforms: 'outbox',
    'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Debezium's own placeholder
    'transforms.outbox.route.topic.replacement': debeziumTopicOf('${routedByValue}'),
    'transforms.outbox.table.fields.additional.placement': 'type:header',
    'transforms.outbox.table.expand.json.payload': false,
    'producer.override.linger.ms': 0,
    'producer.override.batch.size': 131_072,
    'producer.override.compression.type': 'none',
  };
}
