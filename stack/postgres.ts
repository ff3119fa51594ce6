/** Owns a real Postgres server on a free loopback port, set up for logical replication, in a folder of its own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  statfs,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Identity } from './certificates.ts';
import { freePort } from './port.ts';
import { embeddedPostgres, postgresMajor } from './postgres-binaries.ts';
import type { Progress } from './progress.ts';
import { inRun, type Run, type Server, untilReady } from './run.ts';
import { canEnter, serverUser, type User } from './server-user.ts';

const execFileAsync = promisify(execFile);

export type PostgresOptions = {
  /** Folder of `initdb` and `postgres`; `POSTGRES_BIN_DIR` by default, else the npm package's. */
  readonly binDir?: string;
  /** Absolute path of a data folder to create or to start again; it is kept at stop. By default one in the run. */
  readonly dataDir?: string;
  /** Server settings as in postgresql.conf, over the ones below; `{ fsync: 'off' }` in tests. */
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly port?: number;
  /** Offers TLS: who the server is, and the authority (PEM) of the client certificates it may ask for. */
  readonly tls?: { readonly identity: Identity; readonly clientAuthority: string };
  /** Lines of pg_hba.conf in place of initdb's, which admit every user from loopback by password. */
  readonly access?: readonly string[];
  readonly onProgress?: Progress;
  /** The run it belongs to; by default its own, which ends with `stop`. */
  readonly run?: Run;
};

/** `fast` ends sessions and writes a checkpoint; `immediate` is a crash that the next start recovers from. */
export type StopMode = 'fast' | 'immediate';

export type Postgres = AsyncDisposable & {
  /** Superuser on database `postgres`, password included. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly binDir: string;
  /** Of the postmaster; changes with `restart`. */
  readonly pid: number;
  stop(options?: { mode?: StopMode }): Promise<void>;
  /** Starts again on the same port and data, after stopping if it still runs; resolves when it answers. */
  restart(options?: { mode?: StopMode }): Promise<void>;
  kill(signal: NodeJS.Signals): void;
};

const baseSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_wal_senders: 20,
  max_replication_slots: 50,
  max_prepared_transactions: 10,
  max_connections: 200,
  timezone: 'UTC',
  log_timezone: 'UTC',
} as const;

const stopSignals = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const passwordFile = 'superuser-password';
const readyWithinMs = 60_000;

/** Starts a server and resolves when it answers a query. @throws with the end of its log when it does not come up. */
export function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  return inRun(options.run, (run, onStopped) => start(options, run, onStopped));
}

async function start(options: PostgresOptions, run: Run, onStopped: () => Promise<void>): Promise<Postgres> {
  const user = await serverUser();
  const binDir = await usableBinDir(
    options.binDir ?? process.env.POSTGRES_BIN_DIR,
    user,
    run,
    options.onProgress,
  );
  const dataDir = options.dataDir ?? (await ownDataDir(user, run, isDurable(options)));
  const port = options.port ?? (await freePort());
  const password = await prepareData(dataDir, binDir, user, options);

  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const boot = async () => {
    const server = run.start({
      name: `postgres-${port}`,
      command: path.join(binDir, 'postgres'),
      args: ['-D', dataDir, '-p', String(port)],
      cwd: dataDir,
      user,
      lastSignal: 'SIGQUIT', // on SIGKILL the postmaster would leave its shared memory segment behind
    });
    await untilReady(server, () => answers(url), readyWithinMs);
    return server;
  };
  return handle(await boot(), boot, { url, port, dataDir, binDir }, onStopped);
}

function handle(
  first: Server,
  boot: () => Promise<Server>,
  facts: Pick<Postgres, 'url' | 'port' | 'dataDir' | 'binDir'>,
  onStopped: () => Promise<void>,
): Postgres {
  let server = first;
  const postgres: Postgres = {
    url: facts.url,
    port: facts.port,
    dataDir: facts.dataDir,
    binDir: facts.binDir,
    get pid() {
      return server.pid;
    },
    async stop({ mode = 'fast' } = {}) {
      await server.end(stopSignals[mode]);
      await onStopped();
    },
    async restart({ mode = 'fast' } = {}) {
      await server.end(stopSignals[mode]);
      server = await boot();
    },
    kill: (signal) => server.kill(signal),
    [Symbol.asyncDispose]() {
      return postgres.stop();
    },
  };
  return postgres;
}

async function usableBinDir(
  given: string | undefined,
  user: User | undefined,
  run: Run,
  onProgress: Progress | undefined,
): Promise<string> {
  if (given !== undefined) return path.resolve(given);
  const native = await embeddedPostgres(onProgress);
  if (native === undefined) {
    const platform = `${process.platform}-${process.arch}`;
    throw new Error(
      `npm has no Postgres for ${platform}: install PostgreSQL 14 to 18 and set POSTGRES_BIN_DIR to its bin folder`,
    );
  }
  if (user === undefined || (await canEnter(path.join(native, 'bin'), user))) return path.join(native, 'bin');
  // The project lies in a folder that only root may enter: run a copy that the server's user can reach.
  const copy = await temporaryFolder(user, run);
  await cp(native, path.join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
  return path.join(copy, 'native', 'bin');
}

const isDurable = ({ settings }: PostgresOptions) => settings?.fsync !== 'off';

async function ownDataDir(user: User | undefined, run: Run, durable: boolean): Promise<string> {
  return path.join(await ownParent(user, run, durable), `postgres-${randomBytes(4).toString('hex')}`);
}

async function ownParent(user: User | undefined, run: Run, durable: boolean): Promise<string> {
  if (!durable && (await hasRoom(inMemory))) return temporaryFolder(user, run, inMemory);
  if (user === undefined || (await canEnter(run.dir, user))) return run.dir;
  return temporaryFolder(user, run);
}

/**
 * On Linux, files in memory. A database is some 300 files, and tests create and drop hundreds of databases: on ext4 half
 * of the CPU time of Postgres goes into finding inodes for them.
 */
const inMemory = '/dev/shm';

/** Of that a container has 64 MB by default. WAL takes up to 1 GB a server, and several run at once. */
const roomMinBytes = 6 * 1024 ** 3;

async function hasRoom(folder: string): Promise<boolean> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize >= roomMinBytes,
    () => false,
  );
}

async function temporaryFolder(user: User | undefined, run: Run, parent = os.tmpdir()): Promise<string> {
  const folder = await mkdtemp(path.join(parent, 'outbox-relay-'));
  run.addFolder(folder);
  if (user) await chown(folder, user.uid, user.gid);
  return folder;
}

/** Creates the cluster unless there is one, and returns the superuser's password. */
async function prepareData(
  dataDir: string,
  binDir: string,
  user: User | undefined,
  options: PostgresOptions,
): Promise<string> {
  const kept = await readFile(path.join(dataDir, passwordFile), 'utf8').catch(() => undefined);
  const conf = path.join(dataDir, 'postgresql.conf');
  if (kept !== undefined) {
    await appendFile(conf, settingLines(options.settings ?? {}));
    return kept;
  }
  options.onProgress?.('creating a Postgres cluster');
  const password = randomBytes(16).toString('hex');
  await initialise(dataDir, binDir, user, password, isDurable(options));
  const tls = options.tls === undefined ? {} : await installTls(dataDir, options.tls, user);
  await appendFile(conf, settingLines({ ...baseSettings, ...tls, ...options.settings }));
  if (options.access !== undefined)
    await writeFile(path.join(dataDir, 'pg_hba.conf'), options.access.map((line) => `${line}\n`).join(''));
  return password;
}

/** In the data folder, which only its owner may read: Postgres refuses a key that others can read. */
async function installTls(
  dataDir: string,
  { identity, clientAuthority }: NonNullable<PostgresOptions['tls']>,
  user: User | undefined,
): Promise<Record<string, string>> {
  const files = {
    'server.crt': identity.certificate,
    'server.key': identity.key,
    'root.crt': clientAuthority,
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(dataDir, name), text, { mode: 0o600 });
    if (user) await chown(path.join(dataDir, name), user.uid, user.gid);
  }
  return { ssl: 'on', ssl_ca_file: 'root.crt' };
}

function settingLines(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('');
}

async function initialise(
  dataDir: string,
  binDir: string,
  user: User | undefined,
  password: string,
  durable: boolean,
): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  await chmod(dataDir, 0o700);
  if (user) await chown(dataDir, user.uid, user.gid);
  const pwfile = `${dataDir}.password`;
  await writeFile(pwfile, password, { mode: 0o600 });
  if (user) await chown(pwfile, user.uid, user.gid);
  // From 17 on Postgres brings its own C.UTF-8; before, it would depend on the machine's locales.
  const builtIn = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const major = await postgresMajor(binDir);
  const locale = major >= 17 ? builtIn : [];
  const args = [
    '-D',
    dataDir,
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
    ...locale,
  ];
  // The password comes in a file, since it would be visible among the arguments.
  args.push(`--pwfile=${pwfile}`, ...(durable ? [] : ['--no-sync']));
  // A password of 128 random bits needs no 4,096 rounds, which are 40 % of the CPU time of a connection.
  if (!durable && major >= 16) args.push('-c', 'scram_iterations=1');
  try {
    await execFileAsync(path.join(binDir, 'initdb'), args, { cwd: dataDir, ...(user ?? {}) });
  } catch (error) {
    throw new Error(`initdb failed: ${stderrOf(error)}`, { cause: error });
  }
  await rename(pwfile, path.join(dataDir, passwordFile));
}

function stderrOf(error: unknown): string {
  return error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // counted as "not yet" below
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
