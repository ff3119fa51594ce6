/**
 * How the relay reaches its servers, and nothing about what it does there. The simulation (`simulate/`) puts models of
 * Postgres and Kafka in this place, and runs every decision of the relay unchanged.
 */
import type { Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Logger } from 'pino';
import { type ConnectReplication, connectReplication } from '../capture/replication-service.ts';
import { createSlot } from '../capture/slot.ts';
import type { CreationWatch } from '../capture/watch-slot-creation.ts';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';
import { createPool } from '../connect/postgres/pool.ts';
import type { Lsn } from '../model/position.ts';

export type Connections = {
  readonly kafka: (config: Config, log: Logger) => Kafka;
  readonly pool: (config: Config) => pg.Pool;
  readonly replication: ConnectReplication;
  /** Uses a connection of its own, since it may take long. */
  readonly createSlot: (config: Config, watch: CreationWatch) => Promise<Lsn | undefined>;
};

export const connections: Connections = {
  kafka: createKafka,
  pool: createPool,
  replication: connectReplication,
  createSlot,
};
