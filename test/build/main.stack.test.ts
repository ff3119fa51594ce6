/** What npm publishes: on each Node that it is for, from an empty folder to a published event, on real servers. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '../../stack/cache.ts';
import { noFaults } from '../demo/verdict.ts';
import { createDatabase } from '../support/database.ts';
import { type Installed, installPackage, nodeFolder, oldestNodes } from '../support/package.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');
const nodes = await oldestNodes();

let installed: Installed;
let own: string;
beforeAll(async () => {
  [installed] = await Promise.all([installPackage(), servers(), ...nodes.map(nodeFolder)]);
  own = path.join(installed.folder, 'node_modules/outbox-relay');
}, 240_000);
afterAll(() => installed?.[Symbol.asyncDispose]());

test('has no source that Node would have to strip, no test, and nothing of development', () => {
  const strange = installed.packed.filter((file) =>
    /\.tsx?$/.test(file) ? !file.endsWith('.d.ts') : /(^|\/)(test|node_modules|\.cache)\//.test(file),
  );
  expect(strange).toEqual([]);
  expect(installed.packed).toContain('dist/relay/index.d.ts');
  expect(installed.packed).toContain('console/dist/index.html');
  const names = readdirSync(path.join(installed.folder, 'node_modules'));
  expect(names.filter((name) => /^node-(bin|linux|win)|^@types$|^typescript$/.test(name))).toEqual([]);
});

test('names no folder of this machine, in maps neither', () => {
  for (const file of installed.packed.filter((name) => /\.(js|map|json)$/.test(name))) {
    const text = readFileSync(path.join(own, file), 'utf8');
    expect(text.includes(root), file).toBe(false);
    if (!file.endsWith('.map')) continue;
    const { sources, sourcesContent } = JSON.parse(text) as Record<'sources' | 'sourcesContent', string[]>;
    for (const source of sources) expect(source).toMatch(/^(\.\.\/)+(relay|console)\/[\w/-]+\.ts$/);
    expect(
      sourcesContent.every((content) => content.length > 0),
      file,
    ).toBe(true);
  }
});

test('uses no built-in that the compiler knows and Node 20 lacks', () => {
  const using = installed.packed.filter(
    (file) =>
      /^dist\/.*\.js$/.test(file) &&
      /\bnew (Async)?DisposableStack\b/.test(readFileSync(path.join(own, file), 'utf8')),
  );
  expect(using).toEqual([]);
});

test('is as npm and its readers expect a package', async () => {
  expect((await publint({ pkgDir: own, pack: false })).messages).toEqual([]);
});

test('has a README whose links npm can resolve: by the repository, to files that are there', () => {
  const { repository } = JSON.parse(readFileSync(path.join(own, 'package.json'), 'utf8'));
  // npmjs.com takes a relative link for one to the files of the repository, below `directory`.
  expect(repository).toEqual({ type: 'git', url: expect.stringMatching(/^git\+https:\/\/github\.com\//) });
  const readme = readFileSync(path.join(own, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  const relative = links.filter((link) => !/^(https:|#)/.test(link));
  expect(relative.length).toBeGreaterThan(20);
  for (const link of relative) expect(existsSync(path.join(root, link.split('#')[0]!)), link).toBe(true);
});

test('takes less than 36 MB with all that it needs', async () => {
  const { stdout } = await run('du', ['-sk', path.join(installed.folder, 'node_modules')]);
  expect((Number.parseInt(stdout, 10) * 1024) / 1_000_000).toBeLessThan(36);
});

describe.concurrent.each(nodes)('on Node %s', (version) => {
  test('every file of it can be loaded', async () => {
    const files = installed.packed.filter(
      (file) => /^dist\/(relay|console|demo)\/.*\.js$/.test(file) && !isEntry(file),
    );
    const script =
      `for (const file of ${JSON.stringify(files)}) await import('outbox-relay/' + file);`.replace(
        "'outbox-relay/'",
        `${JSON.stringify(`${own}/`)}`,
      );
    const { stdout, stderr } = await run(path.join(await nodeFolder(version), 'node'), [
      '--input-type=module',
      '-e',
      script,
    ]);
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
  });

  test('numbers keep the digits with which they were written', async () => {
    const script = `
      const { readJson } = await import(${JSON.stringify(`${own}/dist/relay/audit/avro/exact-json.js`)});
      const { jsonText, parseJsonAsWritten } = await import(${JSON.stringify(`${own}/dist/relay/operations/json-text.js`)});
      const text = '{"a":[9007199254740993,1.50,-0,1e400],"b":true,"c":null,"d":{"e":"1\\\\" 2"}}';
      console.log(jsonText(parseJsonAsWritten(text)) === text, JSON.stringify(readJson(text)));`;
    const { stdout } = await run(path.join(await nodeFolder(version), 'node'), [
      '--input-type=module',
      '-e',
      script,
    ]);
    const numbers = ['9007199254740993', '1.50', '-0', '1e400'].map((source) => ({ source }));
    expect(stdout).toBe(`true ${JSON.stringify({ a: numbers, b: true, c: null, d: { e: '1" 2' } })}\n`);
  });

  test('an event comes from the table to Kafka', async () => {
    await using outbox = await createDatabase();
    const { brokers, registryUrl } = await servers();
    const name = unique('package');
    const env = {
      PATH: `${await nodeFolder(version)}:${process.env.PATH}`,
      HOME: installed.folder,
      DATABASE_URL: outbox.url,
      OUTBOX_RELAY_TOPICS_TEMPLATE: `${name}.{aggregatetype}`,
      OUTBOX_RELAY_TOPICS_ALLOW: `${name}.*`,
      OUTBOX_RELAY_HTTP_PORT: '0',
    };
    const cwd = path.join(installed.folder, name);
    const command = async (...args: string[]) => {
      const program = path.join(installed.folder, 'node_modules/.bin/outbox-relay');
      const { stdout, stderr } = await run(program, args, { env, cwd });
      expect(stderr).not.toMatch(/warning/i);
      return stdout;
    };
    const given = {
      slot: name,
      'database-url': outbox.url,
      brokers: brokers.join(),
      'registry-url': registryUrl,
    };
    const options = Object.entries({ ...given, dir: name }).flatMap(([key, value]) => [`--${key}`, value]);
    const init = await run('npx', ['outbox-relay', 'init', '--yes', '--json', ...options], {
      env,
      cwd: installed.folder,
    });
    const { firstEvent } = JSON.parse(init.stdout) as { firstEvent: string };
    await command('migrate');
    await command('schemas', 'register');
    expect(await command('check')).not.toContain('\u001b');

    const relay = spawn(path.join(installed.folder, 'node_modules/.bin/outbox-relay'), ['run'], {
      env,
      cwd,
    });
    let errors = '';
    relay.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    try {
      await streaming(relay);
      await outbox.pool.query(firstEvent);
      expect(JSON.parse(await command('verify', '--json'))).toMatchObject({
        ok: true,
        events: 1,
        compared: 1,
      });
      await command('status', '--wait-seconds', '60');
      relay.kill('SIGTERM');
      expect(await once(relay, 'exit')).toEqual([0, null]);
      expect(errors).not.toMatch(/warning/i);
    } finally {
      relay.kill('SIGKILL');
    }
  });
});

test('the demo, on the oldest Node, loses, doubles and reorders nothing while the relay is killed again and again', {
  // Two servers of Java start beside whatever else the tests do.
  timeout: 400_000,
}, async () => {
  const program = path.join(installed.folder, 'node_modules/.bin/outbox-relay');
  const { stdout, stderr } = await run(
    program,
    ['demo', '--seconds', '8', '--rate', '300', '--crash', '--json'],
    {
      env: {
        ...process.env,
        PATH: `${await nodeFolder(nodes[0]!)}:${process.env.PATH}`,
        OUTBOX_RELAY_CACHE: cacheFolder(),
      },
      cwd: installed.folder,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
  expect(summary, stderr).toMatchObject(noFaults);
  // 2,400 are offered; a busy machine may manage less, and one that manages next to nothing tests nothing.
  expect(summary.committed).toBeGreaterThan(300);
  expect(summary.published).toBe(summary.committed);
  expect(summary.rolledBack).toBeGreaterThan(0);
  expect(summary.deadLetters).toBeGreaterThan(0);
  // Every 1 to 4 s in 8 s.
  expect(summary.crashes).toBeGreaterThanOrEqual(1);
  expect(summary.evolution).toMatchObject({ unreadable: 0, refused: expect.stringContaining('refundCents') });
  expect(summary.evolution.readByOld).toBeGreaterThan(0);
  expect(summary.p50Ms).toBeGreaterThan(0);
  expect(summary.p99Ms).toBeGreaterThanOrEqual(summary.p50Ms);
});

/** Runs something when it is loaded. */
const isEntry = (file: string) => /\/(main|thread|audit-worker)\.js$/.test(file);

async function streaming(relay: ChildProcess): Promise<void> {
  let errors = '';
  let last = '';
  relay.stderr!.on('data', (chunk) => {
    errors += chunk;
  });
  for await (const line of createInterface({ input: relay.stdout! })) {
    last = line;
    const { state, pid } = JSON.parse(line);
    // There is no process below it, which SIGKILL would leave behind.
    expect(pid).toBe(relay.pid);
    if (state === 'streaming') return void relay.stdout!.resume();
  }
  throw new Error(`the relay ended: ${last}${errors}`);
}

describe('a program that uses the library', () => {
  const source = `
    import { createRelay, type Relay, RelayError, type RelaySettings, readSettings } from 'outbox-relay';
    const settings: RelaySettings = {
      slot: 'orders',
      database: { url: 'postgres://x' },
      kafka: { brokers: ['x:9092'] },
      registry: { url: 'http://x' },
    };
    const relay: Relay = createRelay(settings);
    const end: () => void = relay.on('retry', ({ error, retryInMs }) => {
      const code: 'KAFKA_UNAVAILABLE' | string = error.code;
      const ms: number = retryInMs;
      void [code, ms, error.hint];
    });
    relay.on('failed', ({ error }) => error instanceof RelayError);
    // @ts-expect-error the brokers are a list
    createRelay({ ...settings, kafka: { brokers: 'x' } });
    // @ts-expect-error there is no such event
    relay.on('published', () => {});
    const { drained }: { drained: boolean } = await relay.stop({ withinMs: 1_000 });
    void [drained, end, readSettings({ file: 'relay.yaml' })];
  `;

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('compiles with module %s, resolution %s', async (module, moduleResolution) => {
    const folder = path.join(installed.folder, `consumer-${moduleResolution}`);
    await mkdir(folder);
    await writeFile(path.join(folder, 'program.mts'), source);
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: [],
    };
    await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const compile = run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    await compile.catch(({ stdout }) => expect(stdout).toBe(''));
  });
});
