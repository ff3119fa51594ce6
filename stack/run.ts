/**
 * Owns the processes and the folder of one run of the servers. The promise: whatever way this process ends, normally
 * or by SIGKILL, its servers end and its folders go. It rests on `guard.sh`, which holds the other end of a pipe.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.ts';

const execFileAsync = promisify(execFile);

export type ServerSpec = {
  /** Also the name of the log file in the run's folder. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The user to run as; that of this process by default. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** What ends it at the end of the run: SIGQUIT if a server must clean up; SIGKILL by default. */
  readonly lastSignal?: 'SIGKILL' | 'SIGQUIT';
};

export type Server = {
  readonly name: string;
  /** 0 when it could not be started. */
  readonly pid: number;
  /** Resolves when the process has ended, with how: `exit code 1` or `signal SIGKILL`. Never rejects. */
  readonly exited: Promise<string>;
  readonly running: boolean;
  /** Absolute path of what it wrote to stdout and stderr. */
  readonly logFile: string;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal, and SIGKILL when the process is still there after `graceMs`; resolves when it has ended. */
  end(signal: NodeJS.Signals, graceMs?: number): Promise<void>;
};

export type Run = AsyncDisposable & {
  /** Absolute path, below `<cache>/run/`; removed by `end`. */
  readonly dir: string;
  start(spec: ServerSpec): Server;
  /** A process that the caller started and that must not survive the run; it is ended with SIGKILL. */
  adopt(child: ChildProcess): void;
  /** Another folder that must not survive the run. */
  addFolder(folder: string): void;
  /** A Docker container, or network, that must not survive the run. */
  addContainer(name: string): void;
  addNetwork(name: string): void;
  /** Ends what still runs, removes the folders, and lets the guard go. May be called twice. */
  end(): Promise<void>;
};

/**
 * Starts a server in the run that is given, or in one of its own, which then ends with the server.
 * @param start receives what the server must call when it has stopped
 */
export async function inRun<T>(
  given: Run | undefined,
  start: (run: Run, onStopped: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const run = given ?? (await openRun());
  const endOwn = async () => {
    if (given === undefined) await run.end();
  };
  try {
    return await start(run, endOwn);
  } catch (error) {
    await endOwn();
    throw error;
  }
}

const foldersFile = 'folders';

/** Opens a run with a fresh folder, and removes the folders of runs whose owner no longer lives. */
export async function openRun(): Promise<Run> {
  const parent = path.join(cacheFolder(), 'run');
  await mkdir(parent, { recursive: true });
  await removeStaleRuns(parent);
  const dir = path.join(parent, `${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(dir);
  await chmod(dir, 0o711); // a server that runs as another user must be able to pass through

  const guard = startGuard();
  await once(guard, 'spawn');
  const tell = (line: string) => guard.stdin?.write(`${line}\n`);
  tell(`folder ${dir}`);

  const servers = new Map<Server, 'SIGKILL' | 'SIGQUIT'>();
  const adopted = new Set<ChildProcess>();
  const folders = [dir];
  const docker: string[][] = [];
  const end = async () => {
    for (const child of adopted) child.kill('SIGKILL');
    await Promise.all([...adopted].map((child) => once(child, 'exit')));
    await Promise.all([...servers].map(([server, lastSignal]) => server.end(lastSignal)));
    for (const removal of docker) await execFileAsync('docker', removal).catch(() => {}); // it may be gone
    for (const folder of folders) await removeFolder(folder);
    if (guard.exitCode !== null) return;
    guard.ref();
    const gone = once(guard, 'exit');
    tell('done');
    await gone;
  };
  let ending: Promise<void> | undefined;
  const run: Run = {
    dir,
    start(spec) {
      const server = startServer(spec, dir, (pid) => tell(`forget ${pid}`));
      const { lastSignal = 'SIGKILL' } = spec;
      if (server.pid > 0) tell(`watch ${lastSignal.slice('SIG'.length)} ${server.pid}`);
      servers.set(server, lastSignal);
      void server.exited.then(() => servers.delete(server));
      return server;
    },
    adopt(child) {
      const { pid } = child;
      if (pid === undefined) return; // it could not be started
      tell(`watch KILL ${pid}`);
      adopted.add(child);
      child.once('exit', () => {
        adopted.delete(child);
        tell(`forget ${pid}`);
      });
    },
    addFolder(folder) {
      tell(`folder ${folder}`);
      appendFileSync(path.join(dir, foldersFile), `${folder}\n`);
      folders.push(folder);
    },
    addContainer(name) {
      tell(`container ${name}`);
      docker.unshift(['rm', '--force', name]);
    },
    addNetwork(name) {
      tell(`network ${name}`);
      docker.push(['network', 'rm', name]);
    },
    end() {
      ending ??= end();
      return ending;
    },
    [Symbol.asyncDispose]() {
      return run.end();
    },
  };
  return run;
}

function startGuard(): ChildProcess {
  const script = path.join(import.meta.dirname, 'guard.sh');
  // Its own session, so that Ctrl-C in the terminal does not reach it before its work is done.
  const guard = spawn('sh', [script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.stdin?.on('error', () => {}); // a guard that was killed by hand must not end this process
  letGo(guard);
  return guard;
}

/** Children do not keep the event loop alive: a caller that forgets to stop them ends, and the guard cleans up. */
function letGo(child: ChildProcess): void {
  child.unref();
  if (child.stdin && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
}

function startServer(spec: ServerSpec, dir: string, forget: (pid: number) => void): Server {
  const logFile = path.join(dir, `${spec.name}.log`);
  const log = openSync(logFile, 'a');
  const child = spawn(spec.command, spec.args, {
    stdio: ['ignore', log, log],
    detached: true, // Ctrl-C is for us; we end the servers in our own order
    cwd: spec.cwd ?? dir,
    env: spec.env ?? process.env,
    ...(spec.user ?? {}),
  });
  closeSync(log);
  letGo(child);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
  });
  const { pid } = child;
  let running = pid !== undefined;
  void exited.then(() => {
    running = false;
    if (pid !== undefined) forget(pid);
  });
  return {
    name: spec.name,
    pid: pid ?? 0,
    exited,
    logFile,
    get running() {
      return running;
    },
    kill: (signal) => void child.kill(signal),
    async end(signal, graceMs = 10_000) {
      if (!running) return;
      child.ref();
      if (signal !== 'SIGKILL') child.kill('SIGCONT'); // a stopped process would not see the signal
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/**
 * Resolves when `probe` resolves to true.
 * @throws when the server ends first or `deadlineMs` passes; the message ends with the last lines of its log.
 */
export async function untilReady(
  server: Server,
  probe: () => Promise<boolean>,
  deadlineMs: number,
): Promise<void> {
  const started = performance.now();
  let how: string | undefined;
  void server.exited.then((text) => {
    how = text;
  });
  for (;;) {
    if (await probe()) return;
    if (how !== undefined) throw startFailure(server, `ended before it was ready (${how})`);
    if (performance.now() - started > deadlineMs)
      throw startFailure(server, `was not ready within ${deadlineMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export function startFailure(server: Server, what: string): Error {
  return new Error(`${server.name} ${what}; the end of its log:\n${logTail(server.logFile)}`);
}

/** The last lines of a log file; empty when there is none. */
export function logTail(logFile: string, lines = 15): string {
  if (!existsSync(logFile)) return '';
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

async function removeStaleRuns(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const dir = path.join(parent, name);
    const owner = Number(name.split('-')[0]);
    if (!Number.isInteger(owner) || isAlive(owner)) continue;
    const others = await readFile(path.join(dir, foldersFile), 'utf8').catch(() => '');
    for (const folder of others.split('\n').filter((line) => line !== '')) await removeFolder(folder);
    await removeFolder(dir);
  }
}

// A server killed a moment ago may still be closing files in there: `rm` tries again for half a second.
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Whether a process of this id exists (possibly another user's). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
