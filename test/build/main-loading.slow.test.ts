/**
 * What a signal does before a command handles signals, and after a relay reads its settings no more. The program is held where
 * it would load the command, so that no clock decides what it is at.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../stack/port.ts';

const bin = path.join(import.meta.dirname, '../../bin/outbox-relay.js');

/** In place of the sources of the commands: says so, and loads them once something comes on standard input. */
const held = `
console.log('loading');
const input = process.stdin.once('data', () => input.pause());
await new Promise((resolve) => input.once('data', resolve));
await import(import.meta.url + '?loaded');`;
const hold = `
import { registerHooks } from 'node:module';
registerHooks({
  load: (url, context, next) =>
    url.endsWith('/relay/main.ts')
      ? { format: 'module', source: ${JSON.stringify(held)}, shortCircuit: true }
      : next(url, context),
});`;
/** Where the program replaces itself, it takes the hook along. */
const flags = ['--import', `data:text/javascript,${encodeURIComponent(hold)}`];

async function start(args: readonly string[], below: readonly string[] = []) {
  const nobody = `127.0.0.1:${await freePort()}`;
  const [file, ...words] = [...below, process.execPath, ...flags, bin, ...args];
  const child = spawn(file!, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: `postgres://relay@${nobody}/shop`,
      KAFKA_BROKERS: nobody,
      SCHEMA_REGISTRY_URL: `http://${nobody}`,
      OUTBOX_RELAY_HTTP_PORT: '0',
    },
  });
  const ended = once(child, 'close') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const hears = (fits: RegExp) =>
    Promise.race([
      new Promise<void>((resolve) => {
        if (said.some((line) => fits.test(line))) resolve();
        lines.on('line', (line) => fits.test(line) && resolve());
      }),
      ended.then((how) => Promise.reject(new Error(`it ended with ${how}:\n${said.join('\n')}`))),
    ]);
  lines.on('line', (line) => said.push(line));
  return {
    pid: child.pid!,
    hears,
    ended,
    said,
    go: () => child.stdin.write('\n'),
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  };
}

describe.concurrent('while the command is loaded,', () => {
  test.each([
    ['run', 'SIGTERM', [0, null]],
    ['run', 'SIGINT', [0, null]],
    ['audit', 'SIGTERM', [0, null]],
    ['console', 'SIGTERM', [0, null]],
    ['status', 'SIGTERM', [null, 'SIGTERM']],
    ['audit', 'SIGHUP', [null, 'SIGHUP']],
  ] as const)('%s ends at %s with %j', async (command, signal, how) => {
    using started = await start([command]);
    await started.hears(/^loading$/);
    process.kill(started.pid, signal);
    expect(await started.ended, started.said.join('\n')).toEqual(how);
  });

  test('the name of a file is no command', async () => {
    using started = await start(['-c', 'run', 'status']);
    await started.hears(/^loading$/);
    process.kill(started.pid, 'SIGTERM');
    expect(await started.ended).toEqual([null, 'SIGTERM']);
  });

  test('SIGHUP does nothing to a relay, nor does it while the relay stops', async () => {
    using started = await start(['run']);
    await started.hears(/^loading$/);
    process.kill(started.pid, 'SIGHUP');
    started.go();
    await started.hears(/"msg":"started"/);
    process.kill(started.pid, 'SIGTERM');
    await started.hears(/"msg":"stopping"/);
    process.kill(started.pid, 'SIGHUP');
    expect(await started.ended, started.said.join('\n')).toEqual([0, null]);
  });

  test('a signal that comes once the command handles signals is its own', async () => {
    using started = await start(['run']);
    await started.hears(/^loading$/);
    started.go();
    await started.hears(/"msg":"started"/);
    process.kill(started.pid, 'SIGTERM');
    await started.hears(/"msg":"stopped"/);
    expect(await started.ended).toEqual([0, null]);
  });
});

const namespace = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const mayUnshare = (() => {
  try {
    execFileSync(namespace[0]!, [...namespace.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.runIf(mayUnshare)('as process 1, as in the image,', () => {
  test.each([
    ['run', 0],
    ['status', 128 + 15],
  ])('%s ends at SIGTERM with %i', async (command, code) => {
    using started = await start([command], namespace);
    await started.hears(/^loading$/);
    const [first] = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8').split(' ');
    process.kill(Number(first), 'SIGTERM');
    expect(await started.ended, started.said.join('\n')).toEqual([code, null]);
  });
});
