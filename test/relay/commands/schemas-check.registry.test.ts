import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { type CliResult, runCli } from './cli.ts';

const decimal = (scale: number) => ({ type: 'bytes', logicalType: 'decimal', precision: 9, scale });
const id = { name: 'id', type: 'string' };
const total = { name: 'total', type: decimal(4) };
const note = { name: 'note', type: ['null', 'string'], default: null };
const placed = (...fields: object[]) => ({ type: 'record', name: 'OrderPlaced', namespace: 'shop', fields });

let directory: string;
let registryUrl: string;
let aggregatetype: string;
let subject: string;

beforeEach(async () => {
  ({ registryUrl } = await servers());
  directory = await mkdtemp(join(tmpdir(), 'outbox-relay-schemas-'));
  aggregatetype = unique('order');
  subject = `outbox.event.${aggregatetype}-shop.OrderPlaced`;
});
afterEach(() => rm(directory, { recursive: true }));

async function write(schema: object, file = `${aggregatetype}/OrderPlaced.avsc`): Promise<void> {
  await mkdir(dirname(join(directory, file)), { recursive: true });
  await writeFile(join(directory, file), JSON.stringify(schema, null, 2));
}

async function setLevel(compatibility: string): Promise<void> {
  const response = await fetch(`${registryUrl}/config/${subject}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility }),
  });
  expect(response.ok).toBe(true);
}

/** The real registry with other answers to what level a path has, as Apicurio gives them. */
async function withLevels(levels: Readonly<Record<string, string>>): Promise<RegistryGate> {
  const gate = await RegistryGate.open(registryUrl);
  gate.instead = (_, path) => {
    const compatibilityLevel = levels[path];
    return compatibilityLevel === undefined
      ? undefined
      : { status: 200, body: JSON.stringify({ compatibilityLevel }) };
  };
  return gate;
}

const run = (...args: string[]): Promise<CliResult> =>
  runCli(['schemas', ...args], {
    SCHEMA_REGISTRY_URL: registryUrl,
    OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
  });

describe('check', () => {
  test('a default that does not fit its field is named by check and register, before anything is registered', async () => {
    await write(placed(id, { ...note, default: 5 }));
    await write({ ...placed(id), name: 'Fine' }, `${aggregatetype}/Fine.avsc`);
    for (const command of ['check', 'register']) {
      const { code, stderr } = await run(command);
      expect(code).toBe(64);
      expect(stderr).toContain(
        `${aggregatetype}/OrderPlaced.avsc: The default of shop.OrderPlaced.note does not fit its type`,
      );
    }
    expect(
      (await fetch(`${registryUrl}/subjects/${subject.replace('OrderPlaced', 'Fine')}/versions`)).status,
    ).toBe(404);
  });

  test('what a schema hardly means is warned of, and passes', async () => {
    await write(
      placed(id, { ...note, default: 'null' }, { name: 'at', type: 'long', logicalType: 'timestamp-millis' }),
    );
    const { code, stdout } = await run('check');
    expect(code).toBe(0);
    expect(stdout).toMatch(/! \$\.note: the default is the text "null"/);
    expect(stdout).toMatch(/! \$\.at: logicalType "timestamp-millis" stands next to the type/);
    const [{ warnings }] = JSON.parse((await run('check', '--json')).stdout).schemas;
    expect(warnings.map(({ path }: { path: string }) => path)).toEqual(['$.note', '$.at']);
  });

  test('a new, an unchanged and a compatible schema pass', async () => {
    await write(placed(id));
    expect(await run('check')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('new: its subject'),
    });
    await registerSchema(subject, placed(id));
    expect((await run('check')).stdout).toContain('unchanged');
    await setLevel('FULL');
    await write(placed(id, note));
    const { code, stdout } = await run('check', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      schemas: [{ subject, status: 'compatible', level: 'FULL', findings: [] }],
    });
  });

  test('a required field under BACKWARD is refused by the registry and explained by us', async () => {
    await registerSchema(subject, placed(id));
    await setLevel('BACKWARD');
    await write(placed(id, { name: 'count', type: 'int' }));
    const { code, stdout } = await run('check');
    expect(code).toBe(1);
    expect(stdout).toContain('✖');
    expect(stdout).toContain(
      '$.count: consumers with this cannot read events written with version 1: field `count` is new and has no default',
    );
    expect(stdout).toContain('→ Make it optional: "type": ["null", "int"], "default": null');
    expect(stdout).not.toContain('the registry refuses');
  });

  test('a removed field under FORWARD breaks the consumers of the version before', async () => {
    await registerSchema(subject, placed(id, { name: 'count', type: 'int' }));
    await setLevel('FORWARD');
    await write(placed(id));
    const { code, stdout } = await run('check', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).schemas[0].findings).toMatchObject([
      { version: 1, path: '$.count', kind: 'field', breaks: 'consumers' },
    ]);
  });

  test('what the registry lets pass though it corrupts data is found, even at NONE', async () => {
    await registerSchema(subject, placed(id, total));
    await write(placed(id, { name: 'total', type: decimal(2) }));
    for (const level of ['NONE', 'FULL_TRANSITIVE']) {
      await setLevel(level);
      const { code, stdout } = await run('check', '--json');
      expect(code).toBe(1);
      expect(JSON.parse(stdout).schemas[0]).toMatchObject({
        level,
        findings: [{ version: 1, path: '$.total', kind: 'decimal-scale' }],
      });
    }
  });

  test('a transitive level looks at every version', async () => {
    await registerSchema(subject, placed(id));
    await registerSchema(subject, placed(id, note));
    await write(placed(id, { ...note, default: undefined }));
    expect((await run('check', '--level', 'BACKWARD')).code).toBe(0);
    const { code, stdout } = await run('check', '--level', 'BACKWARD_TRANSITIVE', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).schemas[0].findings).toMatchObject([{ version: 1, path: '$.note' }]);
  });

  test('a refusal is explained by the level of the registry, also where another one was asked for', async () => {
    await registerSchema(subject, placed(id));
    await setLevel('BACKWARD');
    await write(placed(id, { name: 'count', type: 'int' }));
    const { code, stdout } = await run('check', '--level', 'NONE', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).schemas[0]).toMatchObject({
      level: 'BACKWARD',
      findings: [{ version: 1, path: '$.count', kind: 'field' }],
    });
    const { stdout: said } = await run('check', '--level', 'NONE');
    expect(said).toContain('incompatible (BACKWARD)');
    expect(said).not.toMatch(/gives no reason|does not say why/);
  });

  test('at NONE a changed schema passes, with the warning that nothing was compared', async () => {
    await registerSchema(subject, placed(id));
    await setLevel('NONE');
    await write(placed(id, { name: 'count', type: 'int' }));
    const { code, stdout } = await run('check');
    expect(code).toBe(0);
    expect(stdout).toContain('changed but not compared, because the level of its subject is NONE');
    expect(stdout).toContain('→ Give --level BACKWARD, or set a level for it: curl -X PUT ');
    expect(stdout).toContain(` ${registryUrl}/config/${subject}\n`);
    expect(stdout).toMatch(/^0 of 1 schema may be registered; 1 changed but not compared \(level NONE\)$/m);
    const asked = await run('check', '--level', 'NONE');
    expect(asked.stdout).toContain('changed but not compared, because --level is NONE\n');
    expect(asked.stdout).not.toContain('curl');
    expect((await run('check', '--level', 'BACKWARD')).stdout).toMatch(/^0 of 1 schema may be registered$/m);
  });

  test('a refusal is explained also where the registry says NONE of the subject and judges it by its own level', async () => {
    await registerSchema(subject, placed(id));
    await setLevel('BACKWARD'); // that of the whole registry belongs to the other tests too
    await write(placed(id, { name: 'count', type: 'int' }));
    await using registry = await withLevels({ [`/config/${subject}`]: 'NONE', '/config': 'BACKWARD' });
    registryUrl = registry.url;
    const { code, stdout } = await run('check', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).schemas[0]).toMatchObject({
      level: 'BACKWARD',
      findings: [{ version: 1, path: '$.count', kind: 'field' }],
    });
  });

  test('a refusal is explained also where the registry says NONE, and hides the level by which it refuses', async () => {
    await registerSchema(subject, placed(id));
    await setLevel('BACKWARD');
    await write(placed(id, { name: 'count', type: 'int' }));
    await using registry = await withLevels({ [`/config/${subject}`]: 'NONE', '/config': 'NONE' });
    registryUrl = registry.url;
    const { code, stdout } = await run('check');
    expect(code).toBe(1);
    expect(stdout).toContain('incompatible (a level that the registry does not show)');
    expect(stdout).toContain('$.count: consumers with this cannot read events written with version 1');
    await write(placed(id, note));
    expect((await run('check')).stdout).toContain('compatible (a level that the registry does not show)');
  });

  test('a wrong level is a wrong argument, and a registry that does not answer ends with 69', async () => {
    await write(placed(id));
    expect(await run('check', '--level', 'SIDEWAYS')).toMatchObject({ code: 64 });
    registryUrl = 'http://127.0.0.1:1';
    const { code, stderr } = await run('check');
    expect(code).toBe(69);
    expect(stderr).toMatch(/^error REGISTRY_UNAVAILABLE/);
  });
});

describe('diff', () => {
  test('ends with 0 only when every file is the latest version', async () => {
    await write(placed(id));
    expect(await run('diff')).toMatchObject({ code: 1, stdout: expect.stringContaining('unregistered') });
    await registerSchema(subject, placed(id));
    expect(await run('diff')).toMatchObject({ code: 0, stdout: expect.stringContaining('same') });
  });

  test('shows field by field what differs', async () => {
    await registerSchema(subject, placed(id, total));
    await write(placed({ ...id, doc: 'Of the order.' }, note));
    const { code, stdout } = await run('diff');
    expect(code).toBe(1);
    expect(stdout).toContain('~ $.id doc: none → Of the order.');
    expect(stdout).toContain('+ $.note: null or string = null');
    expect(stdout).toContain('- $.total: decimal(9, 4)');
    expect(JSON.parse((await run('diff', '--json')).stdout)).toMatchObject({
      ok: false,
      schemas: [{ subject, status: 'changed', differences: { length: 3 } }],
    });
  });

  test('a schema in other words is told as rewritten', async () => {
    await registerSchema(subject, placed({ name: 'id', type: { type: 'string' } }));
    await write(placed(id));
    expect(await run('diff')).toMatchObject({ code: 1, stdout: expect.stringContaining('rewritten') });
  });
});
