/** Fills the outbox table with many small rows of 1,000 keys, each row in a transaction with its neighbours of 100. */
import type pg from 'pg';
import { defaultRowBytes, eventType, payloadOf } from './workload.ts';

const rowsOfTransaction = 100;

/** @param what for the line that says how long it took */
export async function fill(pool: pg.Pool, rows: number, what: string): Promise<void> {
  const beganMs = performance.now();
  await pool.query(`create or replace procedure fill(rows int, kind text, payload text) language plpgsql as $$
    begin
      for part in 0 .. rows / ${rowsOfTransaction} - 1 loop
        insert into outbox.event (aggregatetype, aggregateid, type, payload)
          select 'order', 'k' || (n % 1000), kind, payload::json
            from generate_series(part * ${rowsOfTransaction}, (part + 1) * ${rowsOfTransaction} - 1) n;
        commit;
      end loop;
    end $$`);
  await pool.query(`call fill(${Math.floor(rows)}, '${eventType}', '${payloadOf(defaultRowBytes)}')`);
  console.log(`${rows} rows written ${what}, in ${Math.round(performance.now() - beganMs)} ms`);
}

/** Events that the copy of the progress covers. */
export async function countCovered(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    'select coalesce(max(event_count), 0)::float8 as events from outbox.progress',
  );
  return rows[0].events;
}
