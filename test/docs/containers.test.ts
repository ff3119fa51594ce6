import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../../relay/commands/program.ts';
import { loadConfig, settings } from '../../relay/config/config.ts';
import { images } from '../../stack/fetch.ts';

type Service = {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
};

const root = join(import.meta.dirname, '../..');
const read = (name: string) => readFile(join(root, name), 'utf8');
const compose = parse(await read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image === 'outbox-relay');
const dockerfile = await read('Dockerfile');

describe('docker-compose.yml', () => {
  test('runs the same servers as the demo and the tests, and so does the one that init writes', async () => {
    vi.stubEnv('KAFKA_VERSION', '');
    const { kafka, registry } = await images();
    expect(compose.services.kafka?.image).toBe(kafka);
    expect(compose.services.registry?.image).toBe(registry);
    const written = await read('relay/operations/init/files.ts');
    for (const image of [kafka, registry]) expect(written).toContain(`    image: ${image}\n`);
  });

  test('names only settings that exist, and settings that are valid', () => {
    expect(ours.map(([name]) => name)).toEqual(['migrate', 'schemas', 'relay', 'console']);
    const known = settings.map(({ env }) => env);
    for (const [, { environment = {} }] of ours) {
      for (const name of Object.keys(environment)) expect(known).toContain(name);
      const env = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [name, String(value)]),
      );
      expect(() => loadConfig({ env })).not.toThrow();
    }
  });

  test('runs only commands that exist', async () => {
    const program = await createProgram();
    const known = program.commands.map((command) => command.name());
    const words = compose.services.schemas?.command ?? [];
    const register = program.commands
      .find((command) => command.name() === 'schemas')
      ?.commands.find((command) => command.name() === words[1]);
    expect(register?.options.map(({ long }) => long)).toContain(words[2]);
    expect(compose.services.migrate?.command).toEqual(['migrate', '--roles']);
    expect(compose.services.console?.command).toEqual(['console']);
    expect(known).toEqual(expect.arrayContaining(['migrate', 'schemas', 'run', 'console']));
  });

  test('waits only for services that exist and can tell', () => {
    for (const [name, { depends_on: needs = {} }] of services)
      for (const [needed, { condition }] of Object.entries(needs)) {
        const service = compose.services[needed];
        expect(service, `${name} needs ${needed}`).toBeDefined();
        if (condition === 'service_healthy') expect(service?.healthcheck?.test, needed).toBeDefined();
      }
  });

  test('the relay connects as its own role, with the password that the role is given', () => {
    const url = new URL(String(compose.services.relay?.environment?.DATABASE_URL));
    expect(url.username).toBe('outbox_relay');
    expect(compose.services.roles?.command?.join(' ')).toContain(`password '${url.password}'`);
  });

  test('the console connects as an operator, with a disk that it cannot write to', () => {
    const { environment, read_only: isReadOnly, ports, profiles } = compose.services.console!;
    const url = new URL(String(environment?.DATABASE_URL));
    const made = `create role ${url.username} login password '${url.password}' in role outbox_operator`;
    expect(compose.services.roles?.command?.join(' ')).toContain(made);
    expect({ isReadOnly, profiles }).toEqual({ isReadOnly: true, profiles: ['console'] });
    const port = settings.find(({ path }) => path.join('.') === 'console.port')?.default;
    expect(ports).toEqual([`127.0.0.1:${port}:${port}`]);
  });

  test('our containers write nothing and can become nothing more', () => {
    for (const [name, service] of ours)
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
  });

  test('publishes ports on loopback only', () => {
    for (const port of services.flatMap(([, { ports = [] }]) => ports))
      expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe('Dockerfile', () => {
  test('holds what the package holds, and the builder sees all that the package is made of', async () => {
    expect(dockerfile).toContain('npm pack --pack-destination');
    expect(dockerfile).toContain('COPY --from=package --chown=0:0 /app /app\n');
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    const ignored = (await read('.dockerignore'))
      .split('\n')
      .filter((line) => line !== '' && line[0] !== '#');
    // These are built there.
    const built = ['dist', 'console/dist'];
    const [, include] = /"include": (\[.*\])/.exec(await read('tsconfig.build.json'))!;
    // What those import lies beside them.
    const sources = [...JSON.parse(include!), 'build', 'console', 'harness', 'stack'];
    for (const part of [...manifest.files.filter((file) => !built.includes(file)), ...sources])
      expect(ignored, part).not.toContain(part);
    for (const secret of ['.git', '**/node_modules']) expect(ignored).toContain(secret);
  });

  test('has a Node that the package admits, and that can build it', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    expect(manifest.engines.node).toMatch(/>=24\.0\.0$/);
    expect(/^ARG NODE=\S+\/node:(\d+)-/m.exec(dockerfile)?.[1]).toBe('24');
  });

  test('needs no shell to run: what it starts is a list of words', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(last).not.toMatch(/^RUN /m);
    const started = [...last.matchAll(/^(?:ENTRYPOINT|CMD| {2}CMD) (.*)$/gm)].map(([, what]) => what!);
    expect(started).toHaveLength(3);
    for (const what of started) expect(() => JSON.parse(what)).not.toThrow();
  });

  test('sets and asks only for settings that exist', () => {
    const known = settings.map(({ env }) => env);
    const names = [...dockerfile.matchAll(/OUTBOX_RELAY_[A-Z_]+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(known).toContain(name);
  });

  test.each([
    ['http.port', 'HTTP_PORT'],
    ['audit.httpPort', 'AUDIT_HTTP_PORT'],
    ['console.port', 'CONSOLE_PORT'],
  ])('asks for health at the port that is the default of %s', (key, env) => {
    const port = settings.find(({ path }) => path.join('.') === key)?.default;
    expect(dockerfile).toContain(`env.OUTBOX_RELAY_${env} || ${port}`);
    expect(dockerfile).toMatch(new RegExp(`^EXPOSE .*\\b${port}\\b`, 'm'));
  });

  test('is not root, and ends on SIGTERM in less time than Docker allows', () => {
    expect(dockerfile).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(dockerfile).toMatch(/^STOPSIGNAL SIGTERM$/m);
    const shutdownMs = settings.find(({ path }) => path[0] === 'shutdownMs')?.default;
    expect(shutdownMs).toBeLessThan(10_000);
  });
});
