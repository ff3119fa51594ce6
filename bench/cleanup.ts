/**
 * `npm run bench:cleanup`: how long INSERTs wait while cleanup drops partitions, beside the same load without cleanup in
 * the same run. A server of its own with fsync on. The rows count as published from the start: publishing is not measured.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Command } from 'commander';
import pg from 'pg';
import { integer } from '../harness/arguments.ts';
import { percentile } from '../harness/percentile.ts';
import { loadConfig } from '../relay/config/config.ts';
import { createPool } from '../relay/connect/postgres/pool.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { type CleanupReport, removePublished } from '../relay/upkeep/remove-published.ts';
import { startPostgres } from '../stack/postgres.ts';
import { defaultRowBytes, eventType, payloadOf } from './workload.ts';

export type Waits = {
  readonly inserts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

export type CleanupFigures = {
  readonly partitions: number;
  readonly rowsPerPartition: number;
  readonly eventsPerSecond: number;
  readonly without: Waits;
  readonly during: Waits;
  readonly p99Ratio: number;
  /** INSERTs that waited for a lock for longer than 100 ms, as the server logged them. A slow disk or CPU does not count. */
  readonly lockWaitsOver100Ms: number;
  readonly cleanupSeconds: number;
  readonly removedRows: number;
  readonly removedPartitions: number;
};

/** The server logs each wait for a lock that is longer than this. */
const logsLockWaits = {
  deadlock_timeout: '100ms',
  log_lock_waits: 'on',
  logging_collector: 'on',
  log_directory: 'waits',
  log_filename: 'server.log',
} as const;

const perTransaction = 5;
/** More than a stall of 50 ms makes wait at 2,000 events/s. */
const connections = 40;
const slotName = 'outbox_relay';

const help = `
Exit codes: 0 measured, and no INSERT waited for a lock for over 100 ms; 1 one did, or not everything was dropped; 64 wrong arguments

Examples:
  $ npm run bench:cleanup
  $ npm run bench:cleanup -- --partitions 3 --rows 2000 --seconds 3`;

async function main(): Promise<void> {
  const options = new Command('npm run bench:cleanup --')
    .description('Measures how long INSERTs wait while cleanup drops partitions.')
    .option('--partitions <number>', 'partitions to drop', integer(1, 1_000), 20)
    .option('--rows <number>', 'rows of each', integer(1, 10_000_000), 200_000)
    .option('--rate <number>', 'events/s that are written meanwhile', integer(5, 100_000), 2_000)
    .option('--seconds <number>', 'length of the load without cleanup', integer(1, 3_600), 30)
    .option('--json <file>', 'also write the figures to this file')
    .addHelpText('after', help)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64))
    .parse()
    .opts<{ partitions: number; rows: number; rate: number; seconds: number; json?: string }>();
  const figures = await measureCleanup(options, (line) => void process.stderr.write(`# ${line}\n`));
  process.stdout.write(`${describe(figures)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  const isGood = figures.removedPartitions === figures.partitions && figures.lockWaitsOver100Ms === 0;
  process.exit(isGood ? 0 : 1);
}

function describe({ without, during, ...rest }: CleanupFigures): string {
  const line = (name: string, { inserts, p50Ms, p99Ms, maxMs }: Waits) =>
    `| ${name} | ${inserts} | ${p50Ms} ms | ${p99Ms} ms | ${maxMs} ms |`;
  return [
    `${rest.removedPartitions} of ${rest.partitions} partitions of ${rest.rowsPerPartition} rows dropped in ${rest.cleanupSeconds} s at ${rest.eventsPerSecond} events/s`,
    '| | inserts | p50 | p99 | longest |',
    '| --- | --- | --- | --- | --- |',
    line('without cleanup', without),
    line('during cleanup', during),
    `p99 during cleanup: ${rest.p99Ratio} of that without; ${rest.lockWaitsOver100Ms} INSERTs waited for a lock for over 100 ms`,
  ].join('\n');
}

export async function measureCleanup(
  given: {
    readonly partitions: number;
    readonly rows: number;
    readonly rate: number;
    readonly seconds: number;
  },
  say: (line: string) => void,
): Promise<CleanupFigures> {
  await using server = await startPostgres({
    settings: { max_wal_size: '8GB', checkpoint_timeout: '1h', ...logsLockWaits },
  });
  await migrate({ databaseUrl: server.url });
  const owner = new pg.Client({ connectionString: server.url });
  owner.on('error', () => {}); // the server ends first if a query has failed
  await owner.connect();
  await owner.query(startSlot);
  say(`writing ${given.partitions} partitions of ${given.rows} rows`);
  await fill(owner, given.partitions, given.rows);
  await owner.query(cover);
  say(`load without cleanup for ${given.seconds} s`);
  const without = await whileOffering(server.url, given.rate, () => sleep(given.seconds * 1_000));
  say('the same load while cleanup drops the partitions');
  const begunMs = performance.now();
  const reports: CleanupReport[] = [];
  const during = await whileOffering(server.url, given.rate, async () => {
    for (let pass = 0; pass < 5 && left(reports, given.partitions); pass += 1) {
      const report = await cleanUpOnce(server.url);
      reports.push(report);
      for (const { name, reason, outcome } of report.pieces)
        if (outcome === 'kept' && reason !== 'retention' && reason !== null) say(`${name} stays: ${reason}`);
    }
  });
  const log = await readFile(path.join(server.dataDir, 'waits', 'server.log'), 'utf8');
  const lockWaitsOver100Ms = log.split('still waiting for').length - 1;
  const cleanupSeconds = Math.round((performance.now() - begunMs) / 100) / 10;
  await owner.end();
  return {
    partitions: given.partitions,
    rowsPerPartition: given.rows,
    eventsPerSecond: given.rate,
    without,
    during,
    p99Ratio: Math.round((during.p99Ms / without.p99Ms) * 100) / 100,
    lockWaitsOver100Ms,
    cleanupSeconds,
    removedRows: reports.reduce((sum, { removedRows }) => sum + removedRows, 0),
    removedPartitions: reports.reduce((sum, { removedPartitions }) => sum + removedPartitions, 0),
  };
}

const left = (reports: readonly CleanupReport[], partitions: number): boolean =>
  reports.reduce((sum, { removedPartitions }) => sum + removedPartitions, 0) < partitions;

async function cleanUpOnce(databaseUrl: string): Promise<CleanupReport> {
  const { config } = loadConfig({
    env: { DATABASE_URL: databaseUrl, OUTBOX_RELAY_CLEANUP_RETENTION: '1d' },
    needs: ['database'],
  });
  const pool = createPool(config);
  try {
    const { signal } = new AbortController();
    return await removePublished({ config, pool, beat: 1, isDryRun: false, isGentle: true, signal });
  } finally {
    await pool.end();
  }
}

const here = `(select system_identifier::text as id from pg_control_system()) as cluster,
  (select oid from pg_database where datname = current_database()) as here`;

/** As a relay does at its first start. */
const startSlot = `insert into outbox.progress
    (slot, initialised_at, end_lsn, system_identifier, snapshots_of, first_snapshot, streamed_snapshot)
  select '${slotName}', now(), pg_current_wal_insert_lsn(), cluster.id, cluster.id || '/' || here.oid,
         pg_current_snapshot(), pg_current_snapshot() from ${here}`;

/** As with a heartbeat that the progress covers. */
const cover = `update outbox.progress set covered_snapshot = pg_current_snapshot(), covered_at = now(), covered_beat = 1`;

async function fill(owner: pg.Client, partitions: number, rows: number): Promise<void> {
  await owner.query(`set synchronous_commit = off; set timezone = 'UTC'`);
  for (let n = 1; n <= partitions; n += 1) {
    const day = new Date(Date.UTC(2020, 0, n)).toISOString();
    const next = new Date(Date.UTC(2020, 0, n + 1)).toISOString();
    const name = `event_${day.slice(0, 10).replaceAll('-', '')}`;
    await owner.query(
      `create table outbox.${name} partition of outbox.event for values from ('${day}') to ('${next}')`,
    );
    await owner.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       select 'bench', 'key-' || n % 1000, $1, $2, $3 from generate_series(1, $4::int) n`,
      [eventType, payloadOf(defaultRowBytes), day, rows],
    );
    // Rows of days ago are vacuumed. Otherwise autovacuum would do it now, beside the second load and not the first.
    await owner.query(`vacuum (analyze) outbox.${name}`);
  }
  await owner.query('set synchronous_commit = on');
  await owner.query('checkpoint');
}

/** The load comes from a thread of its own, so that nothing else makes its clock late. */
async function whileOffering(url: string, rate: number, work: () => Promise<unknown>): Promise<Waits> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { of: 'bench/cleanup', url, rate } });
  try {
    await once(worker, 'message');
    await work();
    worker.postMessage('stop');
    const [waits] = (await once(worker, 'message')) as [Waits];
    return waits;
  } finally {
    await worker.terminate();
  }
}

async function offerLoad(): Promise<void> {
  const { url, rate } = workerData as { url: string; rate: number };
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await Promise.all(Array.from({ length: connections }, () => pool.query('select pg_sleep(0.2)')));
  const waits: number[] = [];
  const payload = payloadOf(defaultRowBytes);
  const write = async (n: number) => {
    const begunMs = performance.now();
    await pool.query({
      name: 'write',
      text: `insert into outbox.event (aggregatetype, aggregateid, type, payload)
             select 'bench', $1, $2, $3::json from generate_series(1, ${perTransaction})`,
      values: [`key-${n % 1_000}`, eventType, payload],
    });
    waits.push(performance.now() - begunMs);
  };
  await Promise.all(Array.from({ length: connections * 5 }, (_, n) => write(n)));
  waits.length = 0;
  let isOver = false;
  parentPort!.once('message', () => {
    isOver = true;
  });
  parentPort!.postMessage('ready');
  const intervalMs = (1_000 * perTransaction) / rate;
  const startMs = performance.now();
  const writes: Promise<void>[] = [];
  for (let n = 0; !isOver; ) {
    const due = Math.floor((performance.now() - startMs) / intervalMs) + 1;
    for (; n < due; n += 1) writes.push(write(n));
    await sleep(1);
  }
  await Promise.all(writes);
  waits.sort((a, b) => a - b);
  const at = (share: number) => Math.round(percentile(waits, share) * 10) / 10;
  parentPort!.postMessage({ inserts: waits.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) });
  await pool.end();
}

if (!isMainThread && workerData?.of === 'bench/cleanup') await offerLoad();
else if (process.argv[1] === import.meta.filename) await main();
