/**
 * What a recovery from a lost slot takes: `npx node bench/recover.ts [missing rows] [published rows] [options of recover]`
 *
 * The outbox table has that many rows which were published, and then that many which were not, since the slot was dropped:
 * by default 2,000,000 and 0, of 1,000 keys, each row in a transaction with its neighbours of 100. It prints the stages as
 * `outbox-relay recover` shows them, how long it took, and the most memory that the process had.
 * Measured on 2 busy cores:
 * 250 MiB for 200,000 missing rows, 245 for 1,000,000, 249 for 2,000,000.
 */
import { waitFor } from '../harness/wait.ts';
import { CommandBench } from './command-bench.ts';
import { fill } from './fill.ts';

const [missing = 2_000_000, published = 0] = process.argv.slice(2).map(Number);

await using bench = await CommandBench.start('recover');
const { pool } = bench;
await bench.publish(published, 'before the slot was lost');
const dropSlot = () =>
  pool.query('select pg_drop_replication_slot($1)', [bench.name]).then(
    () => true,
    () => false,
  );
await waitFor(dropSlot, 'the slot to be free', 15_000);
await fill(pool, missing, 'after the slot was lost');
await pool.query('analyze outbox.event');

const { code, seconds } = await bench.run('recover', ...process.argv.slice(4));
console.log(
  `recover ended with ${code} after ${seconds.toFixed(1)} s: ${missing} missing, ${published} published before`,
);
