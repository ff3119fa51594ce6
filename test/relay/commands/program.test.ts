import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import { inheritedEnv } from '../../../harness/relay-process.ts';
import { createProgram, documentedCommands, runProgram } from '../../../relay/commands/program.ts';
import { freePort } from '../../../stack/port.ts';
import { type CliResult, runCli } from './cli.ts';

const programFile = join(import.meta.dirname, '../../../relay/commands/program.ts');

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined; // a command may set it, and this process is the test's
});

/** In this process, for what does not depend on the environment. */
async function run(args: readonly string[]): Promise<CliResult> {
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += text;
      return true;
    });
  return { code: await runProgram(args), ...said };
}

test('the version is that of the package', async () => {
  const { default: manifest } = await import('../../../package.json', { with: { type: 'json' } });
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

test('every command explains itself without a configuration', async () => {
  const program = await createProgram();
  expect(program.commands.map((command) => command.name())).toEqual(documentedCommands);
  expect(documentedCommands).toEqual(
    expect.arrayContaining(['migrate', 'check', 'schemas', 'run', 'status', 'verify', 'config']),
  );
  for (const name of documentedCommands) {
    let printed = '';
    const command = program.commands.find((each) => each.name() === name);
    command?.configureOutput({ writeOut: (text) => (printed += text) });
    await expect(command?.parseAsync(['--help'], { from: 'user' })).rejects.toMatchObject({ exitCode: 0 });
    expect(printed).toContain(`Usage: outbox-relay ${name}`);
  }
});

test('a command loads no other, nor what only others stand on', async () => {
  const loaded = async (name: string) => {
    const script = `
      import { createRequire } from 'node:module';
      const { runProgram } = await import(${JSON.stringify(programFile)});
      await runProgram([${JSON.stringify(name)}, '--help']);
      const files = Object.keys(createRequire(${JSON.stringify(programFile)}).cache);
      console.error(JSON.stringify(files.flatMap((file) => /node_modules.(kafkajs|pg)\\b/.exec(file)?.[1] ?? [])));`;
    const args = ['--input-type=module', '-e', script];
    const { stderr } = await promisify(execFile)(process.execPath, args, { env: inheritedEnv() });
    return [...new Set<string>(JSON.parse(stderr))].sort();
  };
  expect(await loaded('status')).toEqual(['pg']);
  expect(await loaded('run')).toEqual(['kafkajs', 'pg']);
});

/** What a file loads with itself, not later. */
const importLines = /^(?:import|export)(?! type\b)(?:[^;]*? from)? '([^']+)';/gm;

/** The files that a file of the relay loads, itself among them. */
function filesLoadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(importLines))
    if (path!.startsWith('.') && path!.endsWith('.ts')) filesLoadedBy(join(dirname(file), path!), seen);
  return seen;
}

test('run loads what it always needs: a codec, a trace exporter, a signer, a recovery come when the settings ask for them', () => {
  const files = filesLoadedBy(join(dirname(programFile), 'run.ts'));
  const packages = [...files].flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(importLines)].map(([, path]) => path!),
  );
  expect(new Set(packages.filter((name) => !/^(\.|node:)/.test(name)))).toEqual(
    new Set([
      ...['@node-rs/crc32', 'avsc', 'commander', 'kafkajs', 'pg', 'pg-connection-string'],
      ...['pg-logical-replication', 'pino', 'prom-client', 'zod'],
    ]),
  );
  const rooms = [...files].map((file) => relative(join(dirname(programFile), '..'), file));
  expect(rooms.filter((file) => /^(recover|replay|library)\W/.test(file))).toEqual([
    join('recover', 'unattended.ts'),
  ]);
});

test('a command that opens connections to Kafka has the patches of kafkajs and every codec', () => {
  const folder = dirname(programFile);
  const withKafka = documentedCommands
    .map((name) => ({ name, files: filesLoadedBy(join(folder, `${name}.ts`)) }))
    .filter(({ files }) => files.has(join(folder, '../connect/kafka.ts')));
  expect(withKafka.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['run', 'verify', 'find', 'console']),
  );
  for (const { name, files } of withKafka)
    for (const needed of ['publish/wire/kafkajs-internals.ts', 'connect/compression/codecs.ts'])
      expect(files.has(join(folder, '..', needed)), `${name}: ${needed}`).toBe(true);
});

test.each([[['chekc']], [['check', '--jsno']], [['status', '--watch', 'often']], [['schemas', 'regster']]])(
  'arguments that are wrong end with 64: %s',
  async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^error: /);
  },
);

test('a fault of the configuration ends with 64 and one message that names the variable', async () => {
  const { code, stderr } = await runCli(['status']);
  expect(code).toBe(64);
  expect(stderr).toMatch(/^error CONFIG_INVALID: .*\n {2}database\.url is required.*DATABASE_URL/);
  expect(stderr).not.toContain('KAFKA_BROKERS');
  expect(stderr).not.toMatch(/\n\s+at /);
});

test.each([
  [['nonsense', '--help'], 64, "unknown command 'nonsense'"],
  [['nonsense', '-h'], 64, "unknown command 'nonsense'"],
  [['statu', '--help'], 64, 'Did you mean status?'],
  [['dead-letters', 'nonsense', '--help'], 64, "unknown command 'nonsense'"],
  [['-c', 'nonsense', 'dead-letters', 'list', '--help'], 0, 'Usage: outbox-relay dead-letters list'],
  [['dead-letters', '--help'], 0, 'Usage: outbox-relay dead-letters'],
  [['--help'], 0, 'Usage: outbox-relay'],
  [['help', 'status'], 0, 'Usage: outbox-relay status'],
])('%j ends with %i: %s', async (args, code, text) => {
  const result = await run(args);
  expect(result.stdout + result.stderr).toContain(text);
  expect(result.code).toBe(code);
});

test('a server that is not there ends with 69, its code and what to do', async () => {
  const { code, stderr } = await runCli(['status'], {
    DATABASE_URL: `postgres://relay:sesame@127.0.0.1:${await freePort()}/shop`,
  });
  expect(code).toBe(69);
  expect(stderr).toMatch(
    /^error POSTGRES_UNAVAILABLE: .*ECONNREFUSED.*\n {2}The relay cannot reach Postgres/,
  );
});

test('a server that accepts and never answers does not keep the process', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const hung = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => hung.add(socket.on('error', () => {})));
  try {
    const { code, stdout } = await runCli(['check', '--timeout', '0.5', '--json'], {
      DATABASE_URL: `postgres://relay:sesame@127.0.0.1:${port}/shop`,
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      SCHEMA_REGISTRY_URL: `http://relay:sesame@127.0.0.1:${port}`,
    });
    expect(code).toBe(1);
    const { ok, checks } = JSON.parse(stdout);
    expect(ok).toBe(false);
    const failed = checks.filter(({ status }: { status: string }) => status === 'fail');
    expect(failed.map(({ server, name }: Record<string, string>) => `${server} ${name}`)).toEqual([
      'postgres server',
      'kafka brokers',
      'registry registry',
    ]);
    for (const { message } of failed) expect(message).toContain('no answer within 0.5 s');
    for (const { status } of checks) expect(['fail', 'skipped']).toContain(status);
  } finally {
    for (const socket of hung) socket.destroy();
    server.close();
  }
});

test.each(['run', 'audit'])(
  'the error that ends %s is a line of its log, and nothing else is',
  async (name) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    try {
      const { code, stdout, stderr } = await runCli([name], {
        DATABASE_URL: 'postgres://127.0.0.1:1/shop',
        KAFKA_BROKERS: '127.0.0.1:1',
        SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
        OUTBOX_RELAY_HTTP_PORT: String(port),
        OUTBOX_RELAY_AUDIT_HTTP_PORT: String(port),
      });
      expect(code).toBe(64);
      expect(stderr).toBe('');
      const lines = stdout.trimEnd().split('\n');
      const fatal = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'fatal');
      expect(fatal).toEqual([
        expect.objectContaining({
          err: expect.objectContaining({ code: 'CONFIG_INVALID', hint: expect.any(String) }),
        }),
      ]);
    } finally {
      taken.close();
    }
  },
);

test('-c names the file, before or after the command', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'outbox-relay-cli-'));
  const file = join(folder, 'shop.yaml');
  try {
    await writeFile(file, 'slot: from_shop_yaml\n');
    for (const args of [
      ['-c', file, 'config', '--json'],
      ['config', '--json', '--config', file],
    ]) {
      const { code, stdout } = await run(args);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)[0]).toMatchObject({
        key: 'slot.name',
        value: 'from_shop_yaml',
        source: file,
      });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a reader that goes away is no error', async () => {
  const { spawn } = await import('node:child_process');
  const script = `"$0" bin/outbox-relay.js config --defaults | true; echo "\${PIPESTATUS[0]}"`;
  const child = spawn('bash', ['-c', script, process.execPath], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [code] = (await once(child.stdout, 'data')) as [Buffer];
  expect(code.toString().trim()).toBe('0');
});
