import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import { settingsEnv } from '../../../harness/relay-process.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { readSchemaFiles } from '../../../relay/operations/schemas/files.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { type CliResult, runCli } from './cli.ts';

const placed = {
  type: 'record',
  name: 'OrderPlaced',
  namespace: 'shop',
  fields: [{ name: 'id', type: 'string' }],
};
const withField = (field: object) => ({ ...placed, fields: [...placed.fields, field] });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outbox-relay-schemas-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function write(file: string, schema: unknown): Promise<void> {
  await mkdir(dirname(join(directory, file)), { recursive: true });
  await writeFile(join(directory, file), typeof schema === 'string' ? schema : JSON.stringify(schema));
}

describe('files', () => {
  const read = (settings: Record<string, string> = {}) => {
    const env = settingsEnv({ SCHEMAS_DIRECTORY: directory, ...settings });
    return readSchemaFiles(loadConfig({ env, needs: [] }).config);
  };

  test.each([
    ['topic-record', 'outbox.event.order-shop.OrderPlaced'],
    ['record', 'shop.OrderPlaced'],
    ['topic', 'outbox.event.order-value'],
  ])('the strategy %s gives the subject %s', async (strategy, subject) => {
    await write('order/OrderPlaced.avsc', placed);
    const files = await read({ SCHEMAS_SUBJECT_STRATEGY: strategy });
    expect(files).toMatchObject([{ file: 'order/OrderPlaced.avsc', name: 'shop.OrderPlaced', subject }]);
  });

  test('all faults are told at once, each with its file', async () => {
    await write('Loose.avsc', { ...placed, name: 'Loose' });
    await write('order/Twice.avsc', placed);
    await write('order/OrderPlaced.avsc', placed);
    await write('order/broken.avsc', '{');
    await write('order/unknown.avsc', withField({ name: 'total', type: 'strnig' }));
    await write('order/enum.avsc', { type: 'enum', name: 'E', symbols: ['A'] });
    await write('ord er/OrderPlaced.avsc', { ...placed, name: 'Spaced' });
    await write('order/README.md', 'not a schema');
    const error = await read().catch((cause) => cause);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    for (const fault of [
      'Loose.avsc: it must be in a folder',
      'order/Twice.avsc: it has the same subject as order/OrderPlaced.avsc: outbox.event.order-shop.OrderPlaced',
      'order/broken.avsc: ',
      'order/unknown.avsc: ',
      'order/enum.avsc: it does not describe a record',
      'ord er/OrderPlaced.avsc: no topic of topics.allow belongs to its folder ord er',
    ])
      expect(error.message).toContain(fault);
    expect(error.message).toContain('have 6 faults');
  });

  test('two files of one topic are refused where the topic is the subject', async () => {
    await write('order/A.avsc', { ...placed, name: 'A' });
    await write('order/B.avsc', { ...placed, name: 'B' });
    await expect(read({ SCHEMAS_SUBJECT_STRATEGY: 'topic' })).rejects.toThrow(/B\.avsc.*A\.avsc/);
    expect(await read()).toHaveLength(2);
  });

  test('a directory that is not there is named', async () => {
    await expect(read({ SCHEMAS_DIRECTORY: join(directory, 'none') })).rejects.toThrow(/none/);
  });

  test('the schemas of this repository are in order', async () => {
    const files = await read({ SCHEMAS_DIRECTORY: new URL('../../../schemas', import.meta.url).pathname });
    expect(files.map(({ name }) => name)).toEqual([
      'shop.order.OrderCancelled',
      'shop.order.OrderPlaced',
      'shop.payment.PaymentCaptured',
      'shop.shipment.ShipmentDispatched',
    ]);
  });
});

describe('register', () => {
  let registryUrl: string;
  let aggregatetype: string;
  beforeEach(async () => {
    ({ registryUrl } = await servers());
    aggregatetype = unique('order');
    await write(`${aggregatetype}/OrderPlaced.avsc`, placed);
  });

  const register = (...args: string[]): Promise<CliResult> =>
    runCli(['schemas', 'register', ...args], {
      SCHEMA_REGISTRY_URL: registryUrl,
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
    });
  const subject = () => `outbox.event.${aggregatetype}-shop.OrderPlaced`;
  const versions = async () => (await fetch(`${registryUrl}/subjects/${subject()}/versions`)).json();

  test('a dry run changes nothing, the first run registers, the second leaves it', async () => {
    expect((await register('--dry-run')).stdout).toMatch(/^would register /);
    expect(await versions()).toMatchObject({ error_code: 40401 });
    const [first] = JSON.parse((await register('--json')).stdout);
    expect(first).toMatchObject({ subject: subject(), status: 'registered', id: expect.any(Number) });
    const [second] = JSON.parse((await register('--json')).stdout);
    expect(second).toEqual({ ...first, status: 'unchanged' });
    expect(await versions()).toEqual([1]);
  });

  test('at NONE it warns after registering, in text and in JSON, and ends with 0', async () => {
    await write(`${aggregatetype}/Other.avsc`, { ...placed, name: 'Other' });
    const { code, stdout } = await register();
    expect(code).toBe(0);
    const other = subject().replace('OrderPlaced', 'Other');
    expect(stdout).toContain(
      `! the registry compares nothing for ${subject()}, ${other} (level NONE), and accepts a schema that breaks every consumer\n    → Set a level: curl -X PUT `,
    );
    expect(stdout).toContain(` ${registryUrl}/config\n`);
    const registrations = JSON.parse((await register('--json')).stdout);
    expect(registrations).toMatchObject([{ level: 'NONE' }, { level: 'NONE' }]);
    expect(registrations[0].warnings).toEqual([
      {
        explanation: expect.stringContaining(`nothing for ${subject()} (level NONE)`),
        remedy: expect.stringContaining('curl -X PUT'),
      },
    ]);
  });

  test('a level that the registry does not tell is said, not taken for fine', async () => {
    await using gate = await RegistryGate.open(registryUrl);
    gate.instead = (_, path) => (path.startsWith('/config') ? { status: 403, body: '{}' } : undefined);
    registryUrl = gate.url;
    const { code, stdout } = await register();
    expect(code).toBe(0);
    expect(stdout).toContain('! the compatibility level could not be asked');
    expect(stdout).toContain('→ Give the relay the right to read');
    expect(JSON.parse((await register('--json')).stdout)).toMatchObject([
      {
        status: 'unchanged',
        level: null,
        warnings: [{ explanation: expect.stringContaining('not be asked') }],
      },
    ]);
  });

  test('a level that the registry cannot tell now is not called a missing right', async () => {
    await using gate = await RegistryGate.open(registryUrl);
    gate.instead = (_, path) => (path.startsWith('/config') ? { status: 503, body: '{}' } : undefined);
    registryUrl = gate.url;
    const { code, stdout } = await register();
    expect(code).toBe(0);
    expect(stdout).toContain('! the compatibility level could not be asked');
    expect(stdout).toContain('→ Run the command again once the registry answers that');
    expect(stdout).not.toContain('the right');
  });

  test('a schema that another tool registered with other spaces is the same', async () => {
    const id = await registerSchema(subject(), placed);
    await write(`${aggregatetype}/OrderPlaced.avsc`, JSON.stringify(placed, null, 4));
    const [outcome] = JSON.parse((await register('--json')).stdout);
    expect(outcome).toMatchObject({ status: 'unchanged', id });
    expect(await versions()).toEqual([1]);
  });

  test('a compatible change becomes a new version, a breaking one is refused and ends with 1', async () => {
    await register();
    await fetch(`${registryUrl}/config/${subject()}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: '{"compatibility":"BACKWARD"}',
    });
    await write(
      `${aggregatetype}/OrderPlaced.avsc`,
      withField({ name: 'note', type: 'string', default: '' }),
    );
    expect((await register()).code).toBe(0);
    expect(await versions()).toEqual([1, 2]);
    await write(`${aggregatetype}/OrderPlaced.avsc`, withField({ name: 'total', type: 'long' }));
    await write(`${aggregatetype}/Other.avsc`, { ...placed, name: 'Other' });
    const { code, stdout } = await register();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✖ \S+OrderPlaced\.avsc: SCHEMA_INCOMPATIBLE: registering a schema under /m);
    expect(stdout).toMatch(/^1 of 2 schemas refused$/m);
    expect(stdout).toMatch(/^refused .*OrderPlaced/m);
    expect(stdout).toMatch(/^registered .*Other/m);
    expect(await versions()).toEqual([1, 2]);
  });

  test('a schema that consumers would misread is refused unless that is allowed, and so is a dry run', async () => {
    const timed = (logicalType: string) => withField({ name: 'at', type: { type: 'long', logicalType } });
    await write(`${aggregatetype}/OrderPlaced.avsc`, timed('timestamp-micros'));
    expect((await register()).code).toBe(0);
    await write(`${aggregatetype}/OrderPlaced.avsc`, timed('timestamp-millis'));
    for (const args of [['--dry-run'], []]) {
      const { code, stdout } = await register(...args);
      expect({ code, stdout }).toEqual({
        code: 1,
        stdout: expect.stringMatching(
          /OrderPlaced.avsc: SCHEMA_INCOMPATIBLE: .* misread .*--allow-misreading/,
        ),
      });
    }
    expect(await versions()).toEqual([1]);
    expect((await register('--allow-misreading')).code).toBe(0);
    expect(await versions()).toEqual([1, 2]);
  });

  test('a dry run refuses what the registry would refuse', async () => {
    await register();
    await fetch(`${registryUrl}/config/${subject()}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: '{"compatibility":"BACKWARD"}',
    });
    await write(`${aggregatetype}/OrderPlaced.avsc`, withField({ name: 'total', type: 'long' }));
    const { code, stdout } = await register('--dry-run');
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(/^refused .*OrderPlaced/m) });
  });

  test('a file that equals an older version says which is the latest, and which the relay uses', async () => {
    const wider = withField({ name: 'note', type: 'string', default: '' });
    await register();
    await registerSchema(subject(), wider);
    const { code, stdout } = await register();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^unchanged +id \d+ +version 1 \(the latest is 2\) /m);
    expect(stdout).toContain(
      `! the file is version 1 of ${subject()}, but the latest is version 2, with which the relay encodes\n    → `,
    );
    const check = await runCli(['schemas', 'check'], {
      SCHEMA_REGISTRY_URL: registryUrl,
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
    });
    expect(check.stdout).toContain('already registered as version 1; the latest is version 2');
    expect(JSON.parse((await register('--json')).stdout)).toMatchObject([
      {
        status: 'unchanged',
        version: 1,
        latestVersion: 2,
        usedVersion: 2,
        warnings: [{ remedy: expect.stringContaining(`schemas: { versions: ['${subject()}=1'] }`) }, {}],
      },
    ]);
  });

  test('a version that schemas.versions names is the one that the relay uses', async () => {
    await register();
    await registerSchema(subject(), withField({ name: 'note', type: 'string', default: '' }));
    const pinnedTo = async (version: number) => {
      const { stdout } = await runCli(['schemas', 'register', '--json'], {
        SCHEMA_REGISTRY_URL: registryUrl,
        OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
        OUTBOX_RELAY_SCHEMAS_VERSIONS: `${subject()}=${version}`,
      });
      const [{ usedVersion, warnings }] = JSON.parse(stdout);
      return { usedVersion, said: warnings.map(({ explanation }: { explanation: string }) => explanation) };
    };
    // The other warning is that of the level.
    expect(await pinnedTo(1)).toEqual({ usedVersion: 1, said: [expect.stringContaining('level NONE')] });
    expect(await pinnedTo(2)).toMatchObject({
      usedVersion: 2,
      said: [
        `the file is version 1 of ${subject()}, but the relay encodes with version 2, which schemas.versions names`,
        {},
      ],
    });
  });

  test('a version that schemas.versions names and the registry lacks is a fault, as it is for check', async () => {
    const other = unique('without-a-file');
    const run = (list: string, ...more: string[]) =>
      runCli(['schemas', 'register', ...more], {
        SCHEMA_REGISTRY_URL: registryUrl,
        OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
        OUTBOX_RELAY_SCHEMAS_VERSIONS: list,
      });
    // Before the first version is made, nobody knows which one it will be.
    expect(await run(`${subject()}=1`, '--dry-run')).toMatchObject({ code: 0 });
    const { code, stdout } = await run(`${subject()}=9,${other}=1`);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^registered /m);
    expect(stdout).toContain(
      `✖ the registry has no version 9 of ${subject()}, and no version 1 of ${other}, which schemas.versions names: the relay refuses every event of it\n    → Correct or remove`,
    );
    expect(stdout).not.toContain('the relay encodes with version 9');
    const json = await run(`${subject()}=9`, '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject([{ version: 1, usedVersion: null }]);
    expect(json.stderr).toContain(`no version 9 of ${subject()}`);
    expect(await run(`${subject()}=1`)).toMatchObject({ code: 0 });
  });

  test('a subject of another kind of schema is named, ends with 1, and does not hide the others', async () => {
    await write(`${aggregatetype}/Other.avsc`, { ...placed, name: 'Other' });
    const schema = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' };
    await registerSchema(subject(), schema, 'JSON');
    for (const command of ['register', 'check', 'diff']) {
      const { code, stdout } = await runCli(['schemas', command], {
        SCHEMA_REGISTRY_URL: registryUrl,
        OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
      });
      expect([code, stdout]).toEqual([
        1,
        expect.stringContaining(`SCHEMA_INVALID: subject ${subject()} holds a JSON schema; only Avro`),
      ]);
      expect(stdout).toContain('Other.avsc');
    }
  });

  test.each([
    ['read-only', 42205, 'Subject x is in read-only mode', 'REGISTRY_READ_ONLY'],
    ['sure that it is invalid', 42201, 'Invalid schema', 'SCHEMA_INVALID'],
    ['one that takes no such size', 42209, 'Schema too large', 'SCHEMA_INVALID'],
  ])('a registry that answers, and is %s, is no outage and ends with 1', async (_, errorCode, said, code) => {
    await using gate = await RegistryGate.open(registryUrl);
    gate.instead = (method, path) =>
      method === 'POST' && path.endsWith('/versions')
        ? { status: 422, body: JSON.stringify({ error_code: errorCode, message: said }) }
        : undefined;
    registryUrl = gate.url;
    const result = await register();
    expect(result.code).toBe(1);
    expect(result.stdout).toContain('1 of 1 schema refused');
    expect(result.stdout).toContain(`${code}: registering a schema under ${subject()}: ${said}`);
  });

  test.each([
    ['an outage', 500, 69, 'failed', 'untried'],
    ['a right that one subject lacks', 403, 77, 'failed', 'registered'],
  ])('%s at the second file does not hide the first', async (_, status, code, second, third) => {
    for (const name of ['Second', 'Third']) await write(`${aggregatetype}/${name}.avsc`, { ...placed, name });
    await using gate = await RegistryGate.open(registryUrl);
    gate.instead = (method, path) =>
      method === 'POST' && path.endsWith('Second/versions') ? { status, body: '{}' } : undefined;
    registryUrl = gate.url;
    const json = await register('--json');
    expect(json.code).toBe(code);
    expect(json.stderr).toMatch(/^error REGISTRY_/);
    const statuses = JSON.parse(json.stdout).map((each: { status: string }) => each.status);
    expect(statuses).toEqual(['registered', second, third]);
    const text = await register();
    expect(text.code).toBe(code);
    expect(text.stdout).toMatch(/^unchanged .*OrderPlaced/m);
    expect(text.stdout).toMatch(/^failed .*Second/m);
    expect(text.stdout).toMatch(third === 'untried' ? /^not tried .*Third/m : /^unchanged .*Third/m);
    expect(text.stdout).toContain(`1 of 3 schemas failed, ${third === 'untried' ? 1 : 0} not tried`);
    expect(await versions()).toEqual([1]);
  });

  test('what was registered before the registry went away is registered, not unchanged, once it is back', async () => {
    await write(`${aggregatetype}/Second.avsc`, { ...placed, name: 'Second' });
    await using gate = await RegistryGate.open(registryUrl);
    let asked = 0;
    gate.instead = (method, path) =>
      method === 'POST' && path.endsWith('Second/versions') && asked++ === 0
        ? { status: 503, body: '' }
        : undefined;
    registryUrl = gate.url;
    const { code, stdout } = await register('--wait-seconds', '60', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { status: 'registered', version: 1 },
      { status: 'registered', version: 1 },
    ]);
  });

  test('a registry that does not answer ends with 69', async () => {
    registryUrl = 'http://127.0.0.1:1';
    const { code, stderr } = await register();
    expect(code).toBe(69);
    expect(stderr).toMatch(/^error REGISTRY_UNAVAILABLE/);
  });

  test('at an address without its path the hint is about that, and about no event', async () => {
    registryUrl = new URL(registryUrl).origin;
    const { code, stdout, stderr } = await register();
    expect(code).toBe(69);
    for (const said of [stdout, stderr]) {
      expect(said).toContain('Correct the address and its path: Apicurio');
      expect(said).not.toMatch(/is slow|Events wait/);
    }
  });

  test('with --wait-seconds it waits for a registry that starts', async () => {
    await using gate = await RegistryGate.open(registryUrl);
    let asked = 0;
    gate.instead = () => (asked++ === 0 ? { status: 503, body: '' } : undefined);
    registryUrl = gate.url;
    const { code, stdout } = await register('--wait-seconds', '60');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^registered /) });
  });
});
