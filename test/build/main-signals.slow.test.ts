/**
 * What a signal does to each command that runs until one comes, started as npm installs it, and below npx. No server is
 * there: a command that waits for one must end as well.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../stack/port.ts';
import { type Installed, installPackage, nodeFolder, oldestNodes } from '../support/package.ts';

const run = promisify(execFile);
const nodes = await oldestNodes();

let installed: Installed;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  [installed] = await Promise.all([installPackage(), ...nodes.map(nodeFolder)]);
  const manifest = path.join(installed.folder, 'package.json');
  const text = await readFile(manifest, 'utf8');
  await writeFile(
    manifest,
    JSON.stringify({ ...JSON.parse(text), scripts: { relay: 'outbox-relay console' } }),
  );
  const nobody = `127.0.0.1:${await freePort()}`;
  env = {
    HOME: installed.folder,
    DATABASE_URL: `postgres://relay@${nobody}/shop`,
    KAFKA_BROKERS: nobody,
    SCHEMA_REGISTRY_URL: `http://${nobody}`,
    OUTBOX_RELAY_HTTP_PORT: '0',
    OUTBOX_RELAY_AUDIT_HTTP_PORT: '0',
    OUTBOX_RELAY_CONSOLE_PORT: '0',
  };
}, 240_000);
afterAll(() => installed?.[Symbol.asyncDispose]());

/** What each prints once it handles signals. */
const commands = { run: /"msg":/, audit: /"msg":"auditing"/, console: /^console: http/ } as const;
type Name = keyof typeof commands;

/** Starts a program, and returns once the command below it handles signals. */
async function start(program: string, args: readonly string[], ready: RegExp, version: string) {
  const child = spawn(program, args, {
    env: { ...env, PATH: `${await nodeFolder(version)}:${process.env.PATH}` },
    cwd: installed.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const lines = createInterface({ input: child.stdout });
  await Promise.race([
    new Promise<void>((resolve) =>
      lines.on('line', (line) => {
        said.push(line);
        if (ready.test(line)) resolve();
      }),
    ),
    ended.then(() => Promise.reject(new Error(`it ended:\n${said.join('\n')}`))),
  ]);
  const below = await descendants(child.pid!);
  const pid = child.pid!;
  const end = () => {
    for (const each of [pid, ...below]) kill(each);
  };
  return { pid, below, ended, said, [Symbol.dispose]: end };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Without those that have ended, and that nobody has waited for yet. */
async function running(pids: readonly number[]): Promise<string[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,stat=,args=']);
  const lines = stdout.split('\n').map((line) => line.trim());
  return lines.filter((line) => pids.includes(Number.parseInt(line, 10)) && !/^\d+\s+Z/.test(line));
}

async function descendants(root: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=']);
  const pairs = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [root];
  for (const pid of found)
    found.push(...pairs.filter(([, parent]) => parent === pid).map(([child]) => child));
  return found.slice(1);
}

const program = () => path.join(installed.folder, 'node_modules/.bin/outbox-relay');

describe.concurrent.each(nodes)('on Node %s', (version) => {
  describe.each(Object.keys(commands) as Name[])('%s', (name) => {
    test.each(['SIGTERM', 'SIGINT'] as const)(
      'ends with 0 at %s, and there is no process below it',
      async (signal) => {
        using started = await start(program(), [name], commands[name], version);
        const { pid, below, ended, said } = started;
        expect(below).toEqual([]);
        process.kill(pid, signal);
        expect(await ended, said.join('\n')).toEqual([0, null]);
      },
    );
  });

  test.each(['audit', 'console'] as const)(
    '%s ends at SIGHUP, as any program that has no use for it',
    async (name) => {
      using started = await start(program(), [name], commands[name], version);
      const { pid, ended } = started;
      process.kill(pid, 'SIGHUP');
      expect(await ended).toEqual([null, 'SIGHUP']);
    },
  );
});

describe.concurrent('below npm, whose shell passes no signal on,', () => {
  test.each([
    ...(Object.keys(commands) as Name[]).map((name) => [name, 'npx', ['outbox-relay', name]] as const),
    ['console', 'npm', ['run', 'relay']] as const,
  ])('%s started by %s ends at SIGTERM', async (name, npm, args) => {
    using started = await start(npm, args, commands[name], nodes.at(-1)!);
    expect(started.below.length).toBeGreaterThan(0);
    process.kill(started.pid, 'SIGTERM');
    // npm itself ends as its shell did: by the signal, or with the code of the relay where the shell gave its place to it.
    expect([0, null, 143], started.said.join('\n')).toContain((await started.ended)[0]);
    expect(await running(started.below)).toEqual([]);
  });
});
