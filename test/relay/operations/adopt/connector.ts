/** A connector as the take-over finds it: a slot, a publication, and records as the event router writes them. */
import type { Kafka } from 'kafkajs';
import { kafkaClient } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';
import type { Item, World } from '../../world.ts';

export class LeftConnector implements AsyncDisposable {
  readonly slot = unique('connector').replaceAll('-', '_');
  readonly publication = unique('publication').replaceAll('-', '_');
  readonly #world: World;
  readonly #kafka: Kafka;

  private constructor(world: World, kafka: Kafka) {
    this.#world = world;
    this.#kafka = kafka;
  }

  static async create(world: World): Promise<LeftConnector> {
    const connector = new LeftConnector(world, await kafkaClient());
    const { slot, publication } = connector;
    await world.pool.query(
      `create publication ${publication} for table outbox.event with (publish = 'insert', publish_via_partition_root = true)`,
    );
    await world.pool.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    return connector;
  }

  get options(): string[] {
    return ['--connector-slot', this.slot, '--connector-publication', this.publication];
  }

  /** Writes records of events, at the present time unless another is given. */
  async publish(
    events: readonly (Item & {
      id: string;
      timestampMs?: number;
      headers?: Readonly<Record<string, string>>;
      partition?: number;
    })[],
  ): Promise<void> {
    const producer = this.#kafka.producer();
    await producer.connect();
    const messages = events.map(({ id, key, seq, timestampMs = Date.now(), headers, partition }) => ({
      key,
      value: JSON.stringify({ key, seq }),
      headers: { id, ...headers },
      ...(partition !== undefined && { partition }),
      timestamp: String(timestampMs),
    }));
    await producer.send({ topic: this.#world.topic, acks: -1, messages });
    await producer.disconnect();
  }

  /** Confirms everything that is committed by now. */
  async confirm(): Promise<void> {
    await this.#world.pool.query('select pg_replication_slot_advance($1, pg_current_wal_flush_lsn())', [
      this.slot,
    ]);
  }

  async confirmedLsn(): Promise<string> {
    const { rows } = await this.#world.pool.query<{ lsn: string }>(
      'select confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = $1',
      [this.slot],
    );
    return rows[0]?.lsn ?? 'none';
  }

  /** As the guide says for going back. */
  async advanceTo(slot: string): Promise<void> {
    await this.#world.pool.query(
      `select pg_replication_slot_advance($1, confirmed_flush_lsn) from pg_replication_slots where slot_name = $2`,
      [this.slot, slot],
    );
  }

  /** Rows that a connector would get from the slot. */
  async waitingRows(): Promise<number> {
    const { rows } = await this.#world.pool.query<{ count: number }>(
      `select count(*)::int from pg_logical_slot_peek_binary_changes($1, null, null,
         'proto_version', '1', 'publication_names', $2) where get_byte(data, 0) = ascii('I')`,
      [this.slot, this.publication],
    );
    return rows[0]!.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world.pool.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
      [this.slot],
    );
  }
}
