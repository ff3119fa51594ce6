/** Connections to Postgres for the length of one operation, or for a process that runs many. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { needPrimary } from '../connect/postgres/client.ts';
import { createPool } from '../connect/postgres/pool.ts';

/** Pools that outlive an operation, by the configuration they belong to. */
const kept = new WeakMap<Config, pg.Pool>();

export async function withPool<Result>(
  config: Config,
  work: (pool: pg.Pool) => Promise<Result>,
): Promise<Result> {
  const shared = kept.get(config);
  if (shared !== undefined) return work(shared);
  const pool = createPool(config);
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/**
 * Every operation with this very configuration uses the same connections from now on, and none of them leads to a standby.
 * @returns what ends that
 */
export function keepPool(config: Config): () => Promise<void> {
  needPrimary(config);
  const pool = createPool(config);
  kept.set(config, pool);
  return async () => {
    kept.delete(config);
    await pool.end();
  };
}
