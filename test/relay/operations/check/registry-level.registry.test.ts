/** On real registries, each at a level of its own: what `check` says of it, and whether that is so. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import * as harness from '../../../../harness/registry.ts';
import { RegistryGate } from '../../../../harness/registry-gate.ts';
import { settingsEnv } from '../../../../harness/relay-process.ts';
import { loadConfig } from '../../../../relay/config/config.ts';
import { RegistryClient } from '../../../../relay/encode/registry/registry-client.ts';
import { compatibilityLevel } from '../../../../relay/operations/check/registry-level.ts';
import { filesOf } from '../../../../relay/operations/init/files.ts';
import { startRegistry } from '../../../../stack/registry.ts';
import { servers } from '../../../support/servers.ts';
import { unique } from '../../../support/unique.ts';

const record = (...fields: object[]) => ({ type: 'record', name: 'Placed', namespace: 'shop', fields });
const count = { name: 'count', type: 'int' };

let directory: string;
let aggregatetype: string;
let subject: string;
beforeEach(async () => {
  aggregatetype = unique('order');
  subject = `outbox.event.${aggregatetype}-shop.Placed`;
  directory = await mkdtemp(join(tmpdir(), 'outbox-relay-level-'));
  await mkdir(join(directory, aggregatetype));
  await writeFile(join(directory, aggregatetype, 'Placed.avsc'), JSON.stringify(record()));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

const look = (url: string, settings: Record<string, string> = {}) => {
  const env = { ...settingsEnv({ SCHEMAS_DIRECTORY: directory, ...settings }), SCHEMA_REGISTRY_URL: url };
  const { config } = loadConfig({ env, needs: ['registry'] });
  return compatibilityLevel.run({ client: new RegistryClient(config.registry), config });
};
const registerBreaking = (url: string) => harness.registerSchema(url, subject, record(count));

test('at NONE it warns, names the subject, and its command makes the registry refuse', async () => {
  await using registry = await startRegistry({ quickStart: true });
  await harness.registerSchema(registry.url, subject, record());
  const warning = await look(registry.url);
  expect(warning).toMatchObject({
    status: 'warn',
    message: expect.stringContaining(`nothing for ${subject}`),
  });
  const [, body, address] = /-d '(.*)' (http\S+)$/.exec(warning.fix!)!;
  expect(address).toBe(`${registry.url}/config`);
  const headers = { 'content-type': 'application/json' };
  expect((await fetch(address!, { method: 'PUT', headers, body: body! })).ok).toBe(true);
  expect(await look(registry.url)).toEqual({ status: 'ok', message: 'BACKWARD' });
  await expect(registerBreaking(registry.url)).rejects.toThrow();
});

test('a registry that was started at a level has it, and again after a restart', async () => {
  await using registry = await startRegistry({ quickStart: true, level: 'BACKWARD' });
  expect(await look(registry.url)).toEqual({ status: 'ok', message: 'BACKWARD' });
  await registry.restart();
  await harness.registerSchema(registry.url, subject, record());
  expect(await look(registry.url)).toEqual({ status: 'ok', message: 'BACKWARD' });
  await expect(registerBreaking(registry.url)).rejects.toThrow();
});

const project = {
  slot: 's',
  databaseUrl: '',
  brokers: [],
  registryUrl: '',
  aggregate: 'order',
  event: 'Placed',
  namespace: 'shop',
  format: 'avro',
} as const;

test('with the environment of the compose files the registry refuses', async () => {
  const ofRepository = await readFile('docker-compose.yml', 'utf8');
  const ofInit = filesOf(project).find(({ path }) => path === 'compose.yaml')!.text;
  const { environment } = parse(ofRepository).services.registry;
  expect(parse(ofInit).services.registry.environment).toEqual(environment);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, String(value));
  await using registry = await startRegistry({ quickStart: true });
  await harness.registerSchema(registry.url, subject, record());
  await expect(registerBreaking(registry.url)).rejects.toThrow();
  expect(await look(registry.url)).toMatchObject({
    status: 'ok',
    message: expect.stringContaining('says NONE, but refuses'),
  });
});

test('a subject at NONE below a registry at a level is a warning with its own command', async () => {
  const { registryUrl } = await servers();
  await harness.registerSchema(registryUrl, subject, record());
  await using gate = await RegistryGate.open(registryUrl);
  // Apicurio cannot exempt one subject; Confluent's registry answers so where somebody did.
  gate.instead = (_, path) =>
    path === '/config' ? { status: 200, body: '{"compatibilityLevel":"FULL"}' } : undefined;
  expect(await look(gate.url)).toMatchObject({
    status: 'warn',
    message: expect.stringContaining(`nothing for ${subject} (level NONE)`),
    fix: expect.stringMatching(new RegExp(`/config/${subject}$`)),
  });
});

test.each([
  ['forbids to ask', { status: 403, body: '{"error_code":40301}' }],
  ['does not know the request', { status: 404, body: '<html>' }],
  ['answers without a level', { status: 200, body: '{}' }],
])('a registry that %s is not taken to be fine', async (_, answer) => {
  await using gate = await RegistryGate.open((await servers()).registryUrl);
  gate.instead = (_method, path) => (path.startsWith('/config') ? answer : undefined);
  expect(await look(gate.url)).toMatchObject({
    status: 'warn',
    message: expect.stringContaining('could not be asked'),
  });
});

test('without schema files the subjects that events may use count', async () => {
  const { registryUrl } = await servers();
  await harness.registerSchema(registryUrl, subject, record());
  const settings = { SCHEMAS_DIRECTORY: '/nonexistent', TOPICS_ALLOW: `outbox.event.${aggregatetype}` };
  expect((await look(registryUrl, settings)).message).toContain(`nothing for ${subject} (level NONE)`);
});
