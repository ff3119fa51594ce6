/**
 * Owns copies of a running Postgres: a base backup, which `startPostgres({ dataDir })` starts as it was at its end, and
 * a standby that streams from the server and can be promoted. Of the server's programs only `postgres` is needed, so
 * the backup is made by its functions.
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { randomBytes } from 'node:crypto';
import { chown, constants, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { type Postgres, type PostgresOptions, startPostgres } from './postgres.ts';
import { postgresMajor } from './postgres-binaries.ts';
import { serverUser, type User } from './server-user.ts';

export type Standby = Postgres & {
  /** The physical slot on the primary that keeps WAL for it; for `synchronized_standby_slots`. */
  readonly slot: string;
  /** Makes it a primary on a new timeline; resolves when it takes writes. */
  promote(): Promise<void>;
};

/** Files and folders of which a copy must not have the content, as the documentation lists them. */
const leftOut: ReadonlySet<string> = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  // Copied once the backup is at its end, which it has to reach.
  'pg_wal',
]);

/**
 * Copies a running server (without tablespaces) into `dir`, which must not exist. Slots are not in the copy.
 * Started without more it is a crash recovery: it ends at the end of the backup, on the same timeline.
 */
export async function backup(
  postgres: Pick<Postgres, 'url' | 'dataDir' | 'binDir'>,
  dir: string,
): Promise<void> {
  const user = await serverUser();
  // Both functions, and the slot that keeps the WAL during the copy, need this one session.
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    const slot = `backup_${randomBytes(4).toString('hex')}`;
    await client.query('select pg_create_physical_replication_slot($1, true, true)', [slot]);
    const { start, stop } = backupFunctions(await postgresMajor(postgres.binDir));
    await client.query(`select ${start}`);
    await copyFolder(postgres.dataDir, dir, user, leftOut);
    const { rows } = await client.query<{ label: string; tablespaces: string }>(
      `select labelfile as label, spcmapfile as tablespaces from ${stop}`,
    );
    const { label, tablespaces } = rows[0]!;
    if (tablespaces !== '') throw new Error('servers with tablespaces cannot be copied');
    await writeOwned(path.join(dir, 'backup_label'), label, user);
    await copyFolder(path.join(postgres.dataDir, 'pg_wal'), path.join(dir, 'pg_wal'), user);
  } finally {
    await client.end();
  }
}

/** Renamed in 15, which removed exclusive backups. */
function backupFunctions(major: number): { readonly start: string; readonly stop: string } {
  return major >= 15
    ? { start: `pg_backup_start('copy', true)`, stop: 'pg_backup_stop(false)' }
    : { start: `pg_start_backup('copy', true, false)`, stop: 'pg_stop_backup(false, false)' };
}

export type StandbyOptions = Pick<PostgresOptions, 'settings' | 'port' | 'run'> & {
  /** Whether it keeps copies of the failover slots, which 17 and newer have; true by default. */
  readonly keepsSlots?: boolean;
};

/** A streaming standby beside the primary's data. */
export async function startStandby(
  primary: Postgres,
  { keepsSlots = true, ...options }: StandbyOptions = {},
): Promise<Standby> {
  const slot = `standby_${randomBytes(4).toString('hex')}`;
  const dataDir = `${primary.dataDir}-${slot}`;
  const major = await postgresMajor(primary.binDir);
  await ask(primary.url, 'select slot_name as value from pg_create_physical_replication_slot($1, true)', [
    slot,
  ]);
  await backup(primary, dataDir);
  await writeOwned(path.join(dataDir, 'standby.signal'), '', await serverUser());
  const { password } = new URL(primary.url);
  const settings = {
    primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres password=${password} dbname=postgres`,
    primary_slot_name: slot,
    hot_standby_feedback: 'on',
    // Default 10 s: how often it reports what it has replayed; until then the primary holds back its logical slots.
    wal_receiver_status_interval: 1,
    ...(keepsSlots && major >= 17 ? { sync_replication_slots: 'on' } : {}),
  };
  const standby = await startPostgres({
    binDir: primary.binDir,
    ...options,
    dataDir,
    settings: { ...settings, ...options.settings },
  });
  return Object.assign(standby, {
    slot,
    async promote() {
      if ((await ask(standby.url, 'select pg_promote(true, 60)::text as value')) !== 'true')
        throw new Error('the standby was not promoted within 60 s');
    },
  });
}

/** Replaying the WAL corrects whatever vanishes or changes during the copy. */
async function copyFolder(
  from: string,
  to: string,
  user: User | undefined,
  leftOut: ReadonlySet<string> = new Set(),
): Promise<void> {
  await makeFolder(to, user);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = path.join(to, entry.name);
    const isLeftOut = leftOut.has(entry.name);
    if (entry.isDirectory()) await (isLeftOut ? makeFolder(target, user) : copyFolder(source, target, user));
    else if (!isLeftOut) await copyOwned(source, target, user);
  }
}

async function makeFolder(folder: string, user: User | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (user) await chown(folder, user.uid, user.gid);
}

async function copyOwned(source: string, target: string, user: User | undefined): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // removed during the copy
    throw error;
  }
  if (user) await chown(target, user.uid, user.gid);
}

async function writeOwned(file: string, text: string, user: User | undefined): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  if (user) await chown(file, user.uid, user.gid);
}

/** The column `value` of the one row of an answer. */
async function ask(url: string, text: string, values: readonly unknown[] = []): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ value: string }>(text, [...values]);
    return rows[0]!.value;
  } finally {
    await client.end();
  }
}
