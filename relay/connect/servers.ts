/** Connections to Postgres and Kafka for the length of one piece of work. */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { connectAdmin, createKafka } from './kafka.ts';
import { createPool } from './postgres/pool.ts';

export type Servers = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly kafka: Kafka;
  /** Connected. */
  readonly admin: Admin;
};

/** @throws RelayError KAFKA_*; and what the work throws */
export async function withServers<Result>(
  { config, log }: { readonly config: Config; readonly log: Logger },
  work: (servers: Servers) => Promise<Result>,
): Promise<Result> {
  const pool = createPool(config);
  const kafka = createKafka(config, log);
  const admin = kafka.admin();
  try {
    await connectAdmin(admin);
    return await work({ config, pool, kafka, admin });
  } finally {
    await Promise.allSettled([admin.disconnect(), pool.end()]);
  }
}
