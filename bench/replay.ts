/**
 * What a replay of many events takes: `npx node bench/replay.ts [rows]`
 *
 * A relay publishes that many rows, by default 1,000,000; then all of them are replayed to another topic of 3 partitions. It
 * prints how long it took, the most memory that the process had, and the temporary files of Postgres.
 */
import { waitFor } from '../harness/wait.ts';
import { CommandBench } from './command-bench.ts';

const [rows = 1_000_000] = process.argv.slice(2).map(Number);

await using bench = await CommandBench.start('replay', { CAPTURE_HEARTBEAT_MS: 500 });
const { pool } = bench;
const target = `${bench.name}.again`;
await bench.createTopic(target);
await bench.publish(rows, 'to be published', async () => {
  const { rows: now } = await pool.query('select pg_current_xact_id()::text as xid');
  const isKnown = `select pg_snapshot_xmin(covered_snapshot) > $1::xid8 as known from outbox.progress`;
  const isCovered = async () => (await pool.query(isKnown, [now[0].xid])).rows[0].known === true;
  await waitFor(isCovered, 'the heartbeat after them', 60_000);
});
await pool.query('vacuum analyze outbox.event');

const { code, seconds } = await bench.run(
  ...['replay', '--all', '--to-topic', target, '--by-writing-order', '--yes'],
);
const { rows: files } = await pool.query(
  'select temp_bytes::float8 as bytes from pg_stat_database where datname = current_database()',
);
console.log(
  `replay ended with ${code} after ${seconds.toFixed(1)} s: ${Math.round(rows / seconds)} events/s, ${Math.round(files[0].bytes / rows)} bytes of temporary files for each event`,
);
