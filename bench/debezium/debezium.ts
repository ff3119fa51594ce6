/**
 * Debezium's Postgres connector with its outbox event router, exactly-once, in one of the variants of `settings.ts`.
 *
 * Each measurement is a connector and a slot of its own in the variant's one worker, whose JVM stays warm between them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchWorld } from '../world.ts';
import { Connect, type ConnectorConfig } from './connect.ts';
import { connectorSettings, type DebeziumVariant, type Demand, workerSettings } from './settings.ts';

const pollMs = 5;
/** Workers in this process so far: one that starts again must not find the connectors of the one before. */
let workers = 0;

export class Debezium {
  readonly #world: BenchWorld;
  readonly #connect: Connect;
  readonly #variant: DebeziumVariant;
  #connectors = 0;

  static async start(
    world: BenchWorld,
    onProgress: (line: string) => void,
    variant: DebeziumVariant = 'debezium',
  ): Promise<Debezium> {
    workers += 1;
    const connect = await Connect.start(world, onProgress, {
      group: `bench-${variant}-${workers}`,
      isExactlyOnce: true,
      jvm: workerSettings(variant).jvm,
      flushMs: 60_000, // its default
      writesAvro: variant === 'debezium-avro',
    });
    return new Debezium(world, connect, variant);
  }

  private constructor(world: BenchWorld, connect: Connect, variant: DebeziumVariant) {
    this.#world = world;
    this.#connect = connect;
    this.#variant = variant;
  }

  get pid(): number {
    return this.#connect.pid;
  }

  get isRunning(): boolean {
    return this.#connect.isRunning;
  }

  /** Makes the slot that the next connector begins at: to be called before the rows are written. */
  async createSlot(): Promise<string> {
    this.#connectors += 1;
    const slot = `${this.#variant.replaceAll('-', '_')}_${workers}_${this.#connectors}`;
    await this.#world.database.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    return slot;
  }

  /** Resolves when it reads the slot. @param onAttach called again and again until then, before each look */
  async stream(
    slot: string,
    demand: Demand = {},
    onAttach: () => Promise<void> = async () => {},
  ): Promise<void> {
    await this.#connect.create(slot, connectorConfig(this.#world, this.#variant, slot, demand));
    for (;;) {
      await onAttach();
      if (await this.#world.isSlotActive(slot)) return;
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

  /** As a crash would. */
  async kill(): Promise<void> {
    await this.#connect.kill();
  }
}

function connectorConfig(
  { stack }: BenchWorld,
  variant: DebeziumVariant,
  slot: string,
  demand: Demand,
): ConnectorConfig {
  const { hostname, port, username, password, pathname } = new URL(stack.databaseUrl);
  const settings = connectorSettings(variant, stack.registryUrl, demand);
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': 1,
    'database.hostname': hostname,
    'database.port': port,
    'database.user': username,
    'database.password': decodeURIComponent(password),
    'database.dbname': pathname.slice(1),
    'topic.prefix': slot,
    'slot.name': slot,
    'publication.name': 'outbox_relay',
    ...Object.fromEntries(settings.map(({ name, value }) => [name, value])),
  };
}
