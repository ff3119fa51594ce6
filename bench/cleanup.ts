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
  /** Of each round: how far the machine itself spreads. */
  readonly p99RatioOfRounds: readonly number[];
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
/** With and without cleanup take turns, so that what else goes on in the machine meets both. */
const roundsMax = 5;
const p99RatioMax = 1.5;

const help = `
Exit codes: 0 everything was dropped, no INSERT waited for a lock for over 100 ms, and p99 was at most 1.5 times that
without cleanup; 1 not so; 64 wrong arguments

Examples:
  $ npm run bench:cleanup
  $ npm run bench:cleanup -- --partitions 3 --rows 2000 --seconds 3`;

async function main(): Promise<void> {
  const options = new Command('npm run bench:cleanup --')
    .description('Measures how long INSERTs wait while cleanup drops partitions.')
    .option('--partitions <number>', 'partitions to drop', integer(1, 1_000), 20)
    .option('--rows <number>', 'rows of each', integer(1, 10_000_000), 200_000)
    .option('--rate <number>', 'events/s that are written meanwhile', integer(5, 100_000), 2_000)
    .option('--seconds <number>', 'length of the load without cleanup, in all', integer(1, 3_600), 30)
    .option('--json <file>', 'also write the figures to this file')
    .addHelpText('after', help)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64))
    .parse()
    .opts<{ partitions: number; rows: number; rate: number; seconds: number; json?: string }>();
  const figures = await measureCleanup(options, (line) => void process.stderr.write(`# ${line}\n`));
  process.stdout.write(`${describe(figures)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  const { removedPartitions, partitions, lockWaitsOver100Ms, p99Ratio } = figures;
  const isGood = removedPartitions === partitions && lockWaitsOver100Ms === 0 && p99Ratio <= p99RatioMax;
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
    `p99 during cleanup: ${rest.p99Ratio} of that without (rounds: ${rest.p99RatioOfRounds.join(', ')}); ${rest.lockWaitsOver100Ms} INSERTs waited for a lock for over 100 ms`,
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
  const rounds = Math.min(roundsMax, given.partitions);
  const reports: CleanupReport[] = [];
  let cleanupMs = 0;
  await using load = await offering(server.url, given.rate);
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}: load without cleanup`);
    load.enter('without');
    await sleep((given.seconds * 1_000) / rounds);
    say(`round ${round} of ${rounds}: the same load while cleanup drops partitions`);
    load.enter('during');
    const begunMs = performance.now();
    const expired = Math.round((given.partitions * round) / rounds);
    for (let pass = 0; pass < 5 && removedOf(reports) < expired; pass += 1) {
      const report = await cleanUpOnce(server.url, expired);
      reports.push(report);
      for (const { name, reason, outcome } of report.pieces)
        if (outcome === 'kept' && reason !== 'retention' && reason !== null) say(`${name} stays: ${reason}`);
    }
    cleanupMs += performance.now() - begunMs;
  }
  const { without, during, ratios } = await load.end();
  const log = await readFile(path.join(server.dataDir, 'waits', 'server.log'), 'utf8');
  const lockWaitsOver100Ms = log.split('still waiting for').length - 1;
  const cleanupSeconds = Math.round(cleanupMs / 100) / 10;
  await owner.end();
  return {
    partitions: given.partitions,
    rowsPerPartition: given.rows,
    eventsPerSecond: given.rate,
    without,
    during,
    p99Ratio: ratioOf(during, without),
    p99RatioOfRounds: ratios,
    lockWaitsOver100Ms,
    cleanupSeconds,
    removedRows: reports.reduce((sum, { removedRows }) => sum + removedRows, 0),
    removedPartitions: removedOf(reports),
  };
}

const removedOf = (reports: readonly CleanupReport[]): number =>
  reports.reduce((sum, { removedPartitions }) => sum + removedPartitions, 0);

const ratioOf = (during: Waits, without: Waits): number =>
  Math.round((during.p99Ms / without.p99Ms) * 100) / 100;

/** @param expired how many partitions, the oldest, are past their retention */
async function cleanUpOnce(databaseUrl: string, expired: number): Promise<CleanupReport> {
  const untilMs = dayOf(expired + 1).getTime();
  const retention = `${Math.floor((Date.now() - untilMs) / 3_600_000)}h`;
  const { config } = loadConfig({
    env: { DATABASE_URL: databaseUrl, OUTBOX_RELAY_CLEANUP_RETENTION: retention },
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

/** First day of the n-th partition, from 1. */
const dayOf = (n: number): Date => new Date(Date.UTC(2020, 0, n));

async function fill(owner: pg.Client, partitions: number, rows: number): Promise<void> {
  await owner.query(`set synchronous_commit = off; set timezone = 'UTC'`);
  for (let n = 1; n <= partitions; n += 1) {
    const day = dayOf(n).toISOString();
    const next = dayOf(n + 1).toISOString();
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

type Phase = 'without' | 'during';
type Load = AsyncDisposable & {
  /** INSERTs that begin from now on count for this phase, and each `without` begins a round. */
  enter(phase: Phase): void;
  end(): Promise<{ readonly without: Waits; readonly during: Waits; readonly ratios: readonly number[] }>;
};

/** The load comes from a thread of its own, so that nothing else makes its clock late. */
async function offering(url: string, rate: number): Promise<Load> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { of: 'bench/cleanup', url, rate } });
  await once(worker, 'message');
  return {
    enter: (phase) => worker.postMessage(phase),
    end: async () => {
      worker.postMessage('stop');
      const [rounds] = (await once(worker, 'message')) as [Record<Phase, number[]>[]];
      const of = (phase: Phase) => waitsOf(rounds.flatMap((round) => round[phase]));
      const ratios = rounds.map(({ during, without }) => ratioOf(waitsOf(during), waitsOf(without)));
      return { without: of('without'), during: of('during'), ratios };
    },
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}

function waitsOf(waits: number[]): Waits {
  waits.sort((a, b) => a - b);
  const at = (share: number) => Math.round(percentile(waits, share) * 10) / 10;
  return { inserts: waits.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

async function offerLoad(): Promise<void> {
  const { url, rate } = workerData as { url: string; rate: number };
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await Promise.all(Array.from({ length: connections }, () => pool.query('select pg_sleep(0.2)')));
  const rounds: Record<Phase, number[]>[] = [];
  let waits: number[] = [];
  const payload = payloadOf(defaultRowBytes);
  const write = async (n: number) => {
    const [begunMs, phase] = [performance.now(), waits];
    await pool.query({
      name: 'write',
      text: `insert into outbox.event (aggregatetype, aggregateid, type, payload)
             select 'bench', $1, $2, $3::json from generate_series(1, ${perTransaction})`,
      values: [`key-${n % 1_000}`, eventType, payload],
    });
    phase.push(performance.now() - begunMs);
  };
  await Promise.all(Array.from({ length: connections * 5 }, (_, n) => write(n)));
  let isOver = false;
  parentPort!.on('message', (message: Phase | 'stop') => {
    if (message === 'stop') isOver = true;
    else {
      if (message === 'without') rounds.push({ without: [], during: [] });
      waits = rounds.at(-1)![message];
    }
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
  parentPort!.postMessage(rounds);
  parentPort!.close();
  await pool.end();
}

if (!isMainThread && workerData?.of === 'bench/cleanup') await offerLoad();
else if (process.argv[1] === import.meta.filename) await main();
