/**
 * What a replay of many events takes: `node bench/replay.ts [rows]`
 *
 * A relay publishes that many rows, by default 1,000,000; then all of them are replayed to another topic of 3 partitions. It
 * prints how long it took, the most memory that the process had, and the temporary files of Postgres.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import pg from 'pg';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { registerSchema } from '../harness/registry.ts';
import { RelayProcess, relayEnv } from '../harness/relay-process.ts';
import { waitFor } from '../harness/wait.ts';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { startStack } from '../stack/stack.ts';
import { countCovered, fill } from './fill.ts';
import { eventSchema, eventType } from './workload.ts';

const [rows = 1_000_000] = process.argv.slice(2).map(Number);
const main = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

await using stack = await startStack({
  purpose: 'bench',
  postgres: { settings: { track_commit_timestamp: 'on', max_wal_size: '4GB' } },
  onProgress: (line) => console.error(line),
});
await run();

async function run(): Promise<void> {
  await migrate({ databaseUrl: stack.databaseUrl });
  const name = `replay_${randomUUID().slice(0, 8)}`;
  const target = `${name}.again`;
  await createTopics(kafkaClient(stack.brokers), [
    { topic: name, numPartitions: 3 },
    { topic: target, numPartitions: 3 },
  ]);
  await registerSchema(stack.registryUrl, `${name}-${eventType}`, eventSchema);
  const settings = { SLOT: name, TOPICS_TEMPLATE: name, TOPICS_ALLOW: name, HTTP_PORT: 0 };
  const env = relayEnv(stack, { ...settings, CAPTURE_HEARTBEAT_MS: 500 });
  const pool = new pg.Pool({ connectionString: stack.databaseUrl });
  const relay = new RelayProcess({ env });
  await relay.streaming();
  await fill(pool, rows, 'to be published');
  const { rows: last } = await pool.query('select pg_current_xact_id()::text as xid');
  await waitFor(async () => (await countCovered(pool)) >= rows, 'the published rows', 3_600_000);
  const isKnown = `select pg_snapshot_xmin(covered_snapshot) > $1::xid8 as known from outbox.progress`;
  await waitFor(
    async () => (await pool.query(isKnown, [last[0].xid])).rows[0].known === true,
    'the heartbeat after them',
    60_000,
  );
  await relay.stop();
  await pool.query('vacuum analyze outbox.event');

  const beganMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags,
      ...['--import', path.join(import.meta.dirname, 'print-memory.ts')],
      ...[main, 'replay', '--all', '--to-topic', target, '--by-writing-order', '--yes'],
    ],
    { env, stdio: 'inherit' },
  );
  const [code] = await once(child, 'close');
  const seconds = (performance.now() - beganMs) / 1_000;
  const { rows: files } = await pool.query(
    'select temp_bytes::float8 as bytes from pg_stat_database where datname = current_database()',
  );
  await pool.end();
  console.log(
    `replay ended with ${code} after ${seconds.toFixed(1)} s: ${Math.round(rows / seconds)} events/s, ${Math.round(files[0].bytes / rows)} bytes of temporary files for each event`,
  );
}
