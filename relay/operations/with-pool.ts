/** Connections to Postgres for the length of one operation. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { createPool } from '../connect/postgres/pool.ts';

export async function withPool<Result>(
  config: Config,
  work: (pool: pg.Pool) => Promise<Result>,
): Promise<Result> {
  const pool = createPool(config);
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}
