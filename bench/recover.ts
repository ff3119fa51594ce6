/**
 * What a recovery from a lost slot takes: `node bench/recover.ts [missing rows] [published rows] [options of recover]`
 *
 * The outbox table has that many rows which were published, and then that many which were not, since the slot was dropped:
 * by default 2,000,000 and 0, of 1,000 keys, each row in a transaction with its neighbours of 100. It prints the stages as
 * `outbox-relay recover` shows them, how long it took, and the most memory that the process had.
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

const [missing = 2_000_000, published = 0] = process.argv.slice(2).map(Number);
const main = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

await using stack = await startStack({
  purpose: 'bench',
  postgres: { settings: { track_commit_timestamp: 'on', max_wal_size: '4GB' } },
  onProgress: (line) => console.error(line),
});
await run();

async function run(): Promise<void> {
  await migrate({ databaseUrl: stack.databaseUrl });
  const name = `recover_${randomUUID().slice(0, 8)}`;
  await createTopics(kafkaClient(stack.brokers), [{ topic: name, numPartitions: 3 }]);
  await registerSchema(stack.registryUrl, `${name}-${eventType}`, eventSchema);
  const env = relayEnv(stack, { SLOT: name, TOPICS_TEMPLATE: name, TOPICS_ALLOW: name, HTTP_PORT: 0 });
  const pool = new pg.Pool({ connectionString: stack.databaseUrl });
  const relay = new RelayProcess({ env });
  await relay.streaming();
  await fill(pool, published, 'before the slot was lost');
  await waitFor(async () => (await countCovered(pool)) >= published, 'the published rows', 3_600_000);
  await relay.stop();
  await waitFor(
    () =>
      pool.query('select pg_drop_replication_slot($1)', [name]).then(
        () => true,
        () => false,
      ),
    'the slot to be free',
    15_000,
  );
  await fill(pool, missing, 'after the slot was lost');
  await pool.query('analyze outbox.event');
  await pool.end();

  const beganMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags,
      '--import',
      path.join(import.meta.dirname, 'print-memory.ts'),
      main,
      'recover',
      ...process.argv.slice(4),
    ],
    { env, stdio: 'inherit' },
  );
  const [code] = await once(child, 'close');
  const seconds = (performance.now() - beganMs) / 1_000;
  console.log(
    `recover ended with ${code} after ${seconds.toFixed(1)} s: ${missing} missing, ${published} published before`,
  );
}
