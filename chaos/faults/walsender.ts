import type pg from 'pg';

/** Ends the server's side of the replication connection of a slot. */
export async function endWalsender(pool: pg.Pool, slot: string): Promise<void> {
  await pool.query(
    'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active',
    [slot],
  );
}
