/**
 * The console as a process of its own beside a relay, and its pages built when a source is newer. It runs without the
 * right to write a file, where it stands and for what is temporary too, so that whatever would need a disk fails here.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { packageRoot } from '../relay/config/package-root.ts';
import { withResolvers } from '../relay/model/builtins.ts';
import { cacheFolder } from '../stack/cache.ts';
import { alone } from '../stack/fill-once.ts';
import type { Run } from '../stack/run.ts';
import { endsWithUs } from './ends-with-us.ts';
import { type Environment, mainFile } from './relay-process.ts';

const root = packageRoot;
/** The package has the pages, and no sources to build them from. */
const isSource = import.meta.filename.endsWith('.ts');
const builtPage = join(root, 'console', 'dist', 'index.html');

let built: Promise<void> | undefined;

/** Builds the pages unless they are newer than their sources; once in a process, and by one process at a time. */
export function buildConsole(): Promise<void> {
  if (!isSource) return Promise.resolve();
  const lock = join(cacheFolder(), 'console-build.lock');
  built ??= alone(lock, 'the pages of the console', undefined, async () => {
    if (!isBuilt()) await build();
  });
  return built;
}

function isBuilt(): boolean {
  if (!fs.existsSync(builtPage)) return false;
  const { mtimeMs } = fs.statSync(builtPage);
  const sources = ['console/web/**/*.*', 'console/vite.config.ts', 'package-lock.json'];
  return fs.globSync(sources, { cwd: root }).every((file) => fs.statSync(join(root, file)).mtimeMs < mtimeMs);
}

async function build(): Promise<void> {
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const child = spawn(process.execPath, [vite, 'build', '--config', 'console/vite.config.ts'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the pages of the console cannot be built:\n${said}`);
}

/** Node's permissions: it may read, load its native packages and use the network, and write nothing. Node 20 lacks them. */
const withoutDisk = isSource ? ['--permission', '--allow-fs-read=*', '--allow-addons'] : [];
/** Where not even root can write. Not everywhere there is such a folder; the permissions hold there too. */
const readOnlyFolder = process.platform === 'linux' ? '/proc' : '/';

export type ConsoleOptions = {
  /** All of it: nothing is inherited. */
  readonly env: Environment;
  /** Ends the console with the run, however this process ends. */
  readonly run?: Run;
};

const startWithinMs = 60_000;

export class ConsoleProcess {
  /** With the path prefix; without the token that it may have made up. */
  readonly url: string;
  /** undefined where the settings have one. */
  readonly madeUpToken: string | undefined;
  readonly pid: number;
  /** What it printed, log and all. */
  readonly lines: readonly string[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, lines: readonly string[], printed: string) {
    const [url = '', token] = printed.split('#token=');
    this.url = url.replace(/\/$/, '');
    this.madeUpToken = token;
    this.pid = child.pid!;
    this.lines = lines;
    this.#child = child;
  }

  /** Builds the pages, starts it, and waits until it listens. @throws Error with what it printed when it ends instead */
  static async start({ env, run }: ConsoleOptions): Promise<ConsoleProcess> {
    await buildConsole();
    // The cache of compiled code would be written.
    const { NODE_COMPILE_CACHE: _, ...rest } = env;
    const child = spawn(process.execPath, [...nodeFlags, ...withoutDisk, mainFile, 'console'], {
      env: { ...rest, TMPDIR: '/dev/null/none' },
      cwd: readOnlyFolder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: run !== undefined,
    });
    run?.adopt(child);
    endsWithUs(child);
    const lines: string[] = [];
    const { promise, resolve, reject } = withResolvers<string>();
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (line.startsWith('console: ')) resolve(line.slice('console: '.length));
      });
    const fail = (why: string) => reject(new Error(`the console ${why}:\n${lines.slice(-20).join('\n')}`));
    child.once('close', (code) => fail(`ended with exit code ${code}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('does not listen');
    }, startWithinMs);
    try {
      return new ConsoleProcess(child, lines, await promise);
    } finally {
      clearTimeout(timer);
    }
  }

  /** As a deployment would. Resolves with its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGTERM');
      await closed;
    }
    return this.#child.exitCode;
  }
}
