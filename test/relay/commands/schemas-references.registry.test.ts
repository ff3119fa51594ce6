/** Schema files that name the types of other files. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import { RegistryClient } from '../../../relay/encode/registry/registry-client.ts';
import { readSchemaFiles } from '../../../relay/operations/schemas/files.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';
import { runCli } from './cli.ts';
import { openRelayDatabase } from './outbox.ts';

const record = (name: string, ...fields: object[]) => ({ type: 'record', name, namespace: 'shop', fields });
const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outbox-relay-schemas-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function write(file: string, schema: object): Promise<void> {
  await mkdir(dirname(join(directory, file)), { recursive: true });
  await writeFile(join(directory, file), JSON.stringify(schema, null, 2));
}

describe('reading', () => {
  const read = (strategy = 'topic-record') => {
    const env = {
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
      OUTBOX_RELAY_SCHEMAS_SUBJECT_STRATEGY: strategy,
    };
    return readSchemaFiles(loadConfig({ env, needs: [] }).config);
  };

  test('puts each file after those it uses; a type of the root goes by its own name and is no event', async () => {
    await write('order/A.avsc', record('A', field('lines', { type: 'array', items: 'Line' })));
    await write('order/Line.avsc', record('Line', field('price', 'Money'), field('again', 'shop.Money')));
    await write('Money.avsc', record('Money', field('currency', ['null', 'Currency']), field('n', 'long')));
    await write('Currency.avsc', { type: 'enum', name: 'shop.Currency', symbols: ['EUR'] });
    const files = await read();
    expect(files.map(({ file, subject, isEvent, uses }) => [file, subject, isEvent, uses.length])).toEqual([
      ['Currency.avsc', 'shop.Currency', false, 0],
      ['Money.avsc', 'shop.Money', false, 1],
      ['order/Line.avsc', 'outbox.event.order-shop.Line', true, 1],
      ['order/A.avsc', 'outbox.event.order-shop.A', true, 1],
    ]);
    expect(files.at(-1)?.usedTexts.map((text) => JSON.parse(text).name)).toEqual([
      'shop.Currency',
      'Money',
      'Line',
    ]);
    expect((await read('record')).map(({ subject }) => subject)).toEqual([
      'shop.Currency',
      'shop.Money',
      'shop.Line',
      'shop.A',
    ]);
  });

  test('refuses a circle, and names it', async () => {
    await write('order/A.avsc', record('A', field('b', ['null', 'B'])));
    await write('order/B.avsc', record('B', field('c', 'C')));
    await write('order/C.avsc', record('C', field('a', ['null', 'A'])));
    const circle = 'order/A.avsc → order/B.avsc → order/C.avsc → order/A.avsc';
    await expect(read()).rejects.toThrow(circle);
  });

  test('takes a record that holds itself for no circle', async () => {
    await write('order/A.avsc', record('A', field('next', ['null', 'A']), field('own', ['null', 'shop.A'])));
    expect(await read()).toMatchObject([{ uses: [] }]);
  });

  test('prefers the type of the same folder, and refuses a choice it cannot make', async () => {
    const money = record('Money', field('n', 'long'));
    for (const file of ['order/Money.avsc', 'payment/Money.avsc']) await write(file, money);
    await write('order/A.avsc', record('A', field('m', 'Money')));
    const order = (await read()).find(({ file }) => file === 'order/A.avsc');
    expect(order?.uses.map(({ file }) => file)).toEqual(['order/Money.avsc']);
    await write('shipment/B.avsc', record('B', field('m', 'Money')));
    await expect(read()).rejects.toThrow(
      'shipment/B.avsc: it uses shop.Money, which several files define: order/Money.avsc, payment/Money.avsc',
    );
  });

  test('refuses a name that no file defines, and a type of the root that nobody names', async () => {
    await write('order/A.avsc', record('A', field('m', 'Money')));
    await write('Currency.avsc', { type: 'enum', name: 'shop.Currency', symbols: ['EUR'] });
    const error = await read().catch((cause) => cause);
    expect(error.message).toMatch(/order\/A\.avsc: .*Money/);
    expect(error.message).toContain('Currency.avsc: it does not describe a record');
    expect(error.message).toContain('have 2 faults');
  });
});

describe('the commands', () => {
  let registryUrl: string;
  let kind: string;
  let money: string;

  const run = async (...args: string[]) => {
    const env = { SCHEMA_REGISTRY_URL: registryUrl, OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory };
    return runCli(['schemas', ...args], env);
  };
  const register = async () => JSON.parse((await run('register', '--json')).stdout);
  const statuses = async () => (await register()).map(({ status }: { status: string }) => status);

  beforeEach(async () => {
    ({ registryUrl } = await servers());
    kind = unique('order');
    money = unique('Money');
    await write(`${money}.avsc`, record(money, field('cents', 'long')));
    await write(`${kind}/Placed.avsc`, record('Placed', field('total', money)));
  });

  test('register in the order of the references, and again when what is used has changed', async () => {
    expect(await statuses()).toEqual(['registered', 'registered']);
    expect(await statuses()).toEqual(['unchanged', 'unchanged']);
    expect((await run('diff')).code).toBe(0);
    expect(JSON.parse((await run('check', '--json')).stdout)).toMatchObject({ ok: true });
    await write(
      `${money}.avsc`,
      record(money, field('cents', 'long'), field('of', 'string', { default: '' })),
    );
    expect((await run('diff')).stdout).toContain('$.total.of');
    expect(await statuses()).toEqual(['registered', 'registered']);
    const client = new RegistryClient({ ...configOf().registry, url: registryUrl });
    const found = await client.latest(`outbox.event.${kind}-shop.Placed`);
    expect(JSON.parse(found!.references[0]!).fields).toHaveLength(2);
  });

  test('check finds what a change of a used type breaks, before it is registered', async () => {
    await register();
    for (const subject of [`shop.${money}`, `outbox.event.${kind}-shop.Placed`])
      await fetch(`${registryUrl}/config/${subject}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
        body: '{"compatibility":"BACKWARD"}',
      });
    await write(`${money}.avsc`, record(money, field('cents', 'long'), field('of', 'string')));
    const { code, stdout } = await run('check', '--json');
    expect(code).toBe(1);
    const { schemas } = JSON.parse(stdout);
    expect(schemas.map(({ status }: { status: string }) => status)).toEqual(['incompatible', 'incompatible']);
    expect(schemas[1].findings[0].path).toBe('$.total.of');
  });

  test('types and test know the types of other files', async () => {
    await using database = await openRelayDatabase();
    const env = {
      ...database.env,
      OUTBOX_RELAY_TOPICS_ALLOW: 'outbox.event.*',
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
    };
    const types = (await runCli(['schemas', 'types'], env)).stdout;
    expect(types).toContain('  total: ');
    expect(types).toMatch(/EventTypes \{\n {2}'shop.Placed': Placed;\n\}/);
    for (const payload of ['{"total":{"cents":1}}', '{"total":{"cents":"1"}}'])
      await database.pool.query(
        `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ($1, 'k', 'shop.Placed', $2)`,
        [kind, payload],
      );
    const tried = JSON.parse((await runCli(['schemas', 'test', '--json'], env)).stdout);
    expect(tried.types).toMatchObject([
      { passed: 1, failed: 1, failures: [{ code: 'PAYLOAD_INVALID', path: '$.total.cents' }] },
    ]);
  });
});
