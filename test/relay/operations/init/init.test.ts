import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../../../relay/config/config.ts';
import { RequestInvalid } from '../../../../relay/errors.ts';
import {
  filesOf,
  firstEvent,
  isOfEvery,
  keepsSecret,
  localAddresses,
} from '../../../../relay/operations/init/files.ts';
import { assertFree, init } from '../../../../relay/operations/init/init.ts';
import { eventOf, faultOf, type Project } from '../../../../relay/operations/init/project.ts';

const project: Project = {
  ...localAddresses,
  slot: 'orders',
  format: 'avro',
  aggregate: 'order',
  event: 'OrderPlaced',
  namespace: 'shop.order',
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'init-'));
});
afterEach(() => rm(directory, { recursive: true }));

const start = (own: Partial<Project> = {}, replaces = false) =>
  init({ project: { ...project, ...own }, directory, replaces });
const read = (file: string) => readFile(path.join(directory, file), 'utf8');
const present = async () => (await readdir(directory, { recursive: true })).sort();

describe('what it writes', () => {
  test('is the same files for every first event, but for its schema', () => {
    for (const format of ['avro', 'json'] as const) {
      const paths = (own: Partial<Project>) =>
        filesOf({ ...project, format, ...own })
          .filter(isOfEvery)
          .map((file) => file.path);
      expect(paths({})).toEqual(paths({ aggregate: 'other', event: 'Other', namespace: 'other' }));
      expect(filesOf({ ...project, format }).length - paths({}).length).toBe(format === 'avro' ? 1 : 0);
    }
  });

  test('is settings that are valid, and that the environment overrides', async () => {
    await start();
    const file = path.join(directory, 'relay.yaml');
    const { config } = loadConfig({ file, env: {} });
    expect(config.slot.name).toBe('orders');
    expect(config.database.url).toBe(localAddresses.databaseUrl);
    expect(config.kafka.brokers).toEqual(localAddresses.brokers);
    const env = { DATABASE_URL: 'postgres://other/app' };
    expect(loadConfig({ file, env }).config.database.url).toBe(env.DATABASE_URL);
  });

  test.each(['123', 'null', 'yes', '1e3'])('takes the slot %s as a name', async (slot) => {
    await start({ slot });
    expect(loadConfig({ file: path.join(directory, 'relay.yaml'), env: {} }).config.slot.name).toBe(slot);
    expect(parse(await read('kubernetes/values.yaml')).config.slot).toBe(slot);
  });

  test('is YAML: servers that listen on this machine only, and a job with few rights', async () => {
    await start();
    const { services } = parse(await read('compose.yaml')) as {
      services: Record<string, { ports: string[] }>;
    };
    expect(Object.keys(services)).toEqual(['postgres', 'kafka', 'registry']);
    for (const { ports } of Object.values(services))
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(parse(await read('.github/workflows/schemas.yml')).permissions).toEqual({ contents: 'read' });
  });

  test('in JSON needs no registry anywhere, and has no schema', async () => {
    await start({ format: 'json' });
    const files = await present();
    expect(files).toContain('relay.yaml');
    expect(files).not.toContain('schemas');
    expect(files).not.toContain('.github');
    const { config } = loadConfig({ file: path.join(directory, 'relay.yaml'), env: {} });
    expect([config.records.format, config.registry.url]).toEqual(['json', undefined]);
    const { services } = parse(await read('compose.yaml')) as { services: object };
    expect(Object.keys(services)).toEqual(['postgres', 'kafka']);
    const values = parse(await read('kubernetes/values.yaml'));
    expect(values.config).toEqual({
      slot: 'orders',
      kafka: { brokers: ['kafka.example:9092'] },
      records: { format: 'json' },
    });
    expect(values.secretEnv.DATABASE_URL).toBeDefined();
  });

  test('is a schema with the name that the first event has', async () => {
    await start({ aggregate: 'line-item', event: eventOf('line-item'), namespace: 'shop' });
    const schema = JSON.parse(await read('schemas/line-item/LineItemPlaced.avsc'));
    expect(`${schema.namespace}.${schema.name}`).toBe('shop.LineItemPlaced');
    expect(firstEvent({ ...project, namespace: 'shop', event: 'LineItemPlaced' })).toContain(
      `'shop.LineItemPlaced'`,
    );
  });

  test('is a first event that a shell takes between double quotes', () => {
    expect(firstEvent(project)).not.toMatch(/["$`\\!]/);
  });

  test('is values that the chart has', async () => {
    await start();
    const chart = path.join(import.meta.dirname, '../../../../deploy/helm/outbox-relay/values.yaml');
    const known = Object.keys(parse(await readFile(chart, 'utf8')));
    const values = parse(await read('kubernetes/values.yaml'));
    expect(known).toEqual(expect.arrayContaining(Object.keys(values)));
    expect(values.secretEnv).toEqual({ DATABASE_URL: { name: 'outbox-relay', key: 'database-url' } });
  });

  test('has no password of a server on another machine', async () => {
    await start({
      databaseUrl: 'postgres://relay:sesame@db.example/app',
      registryUrl: 'https://u:sesame@r.example',
    });
    for (const file of ['relay.yaml', 'kubernetes/values.yaml', 'consumer.mjs'])
      expect(await read(file)).not.toContain('sesame');
    // The job that checks schemas knows the registry, and no database.
    const file = path.join(directory, 'relay.yaml');
    const env = { SCHEMA_REGISTRY_URL: 'https://u:sesame@r.example' };
    expect(loadConfig({ file, env, needs: ['registry'] }).config.registry.url).toBe(env.SCHEMA_REGISTRY_URL);
    expect(keepsSecret('postgres://db.example/app?password=sesame')).toBe(true);
    for (const key of ['sslpassword', 'PASSWORD', 'pass%77ord', 'oauth_client_secret'])
      expect(keepsSecret(`postgres://db.example/app?${key}=sesame`)).toBe(true);
    expect(keepsSecret('postgres://relay@db.example/app')).toBe(false);
    expect(keepsSecret('postgres://relay@one.example,two.example/app')).toBe(false);
    expect(keepsSecret('postgres://relay:sesame@one.example,two.example/app')).toBe(true);
    expect(keepsSecret('http://one.example,http://u:sesame@two.example')).toBe(true);
    expect(keepsSecret('http://r.example/?apikey=sesame')).toBe(true);
    expect(keepsSecret('postgres://me:mine@127.0.0.1/app')).toBe(true);
    expect(keepsSecret(localAddresses.databaseUrl)).toBe(false);
  });
});

describe('nothing is written', () => {
  test.each<[string, Partial<Project>]>([
    ['a slot that Postgres refuses', { slot: 'Orders!' }],
    ['a URL of another protocol', { databaseUrl: 'mysql://x' }],
    ['a broker without a port', { brokers: ['kafka'] }],
    ['an aggregate that leaves the folder', { aggregate: '../../etc' }],
    ['a namespace that ends the SQL', { namespace: "x'; drop table y; --" }],
    ['an event that is no name', { event: 'order placed' }],
    ['a brace that ends the reference', { registryUrl: 'http://x/}' }],
    ['a parameter of the registry, which nobody sends', { registryUrl: 'http://x/?apikey=sesame' }],
  ])('for %s', async (_, own) => {
    const failure = await start(own).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestInvalid);
    expect(await present()).toEqual([]);
  });

  test.each([
    ['postgres://ada:s@same@db/app', 'has the character @ in its user or password: write %40 for it'],
    ['postgres://ada@azure:sesame@db/app', 'write %40'],
    ['postgres://ada:ses/ame@db/app', 'has the character / in its user or password: write %2F for it'],
    ['postgres://ada:12/34@db/app', 'write %2F'],
    ['postgres://ada:ses?ame@db/app', 'write %3F'],
    ['postgres://ada:12?34@db/app', 'write %3F'],
    ['postgres://ada:ses#ame@db/app', 'write %23'],
    ['postgres://ada:ses%ame@db/app', 'write %25'],
    ['postgres://ada:ses ame@db/app', 'has a space in its user or password: write %20 for it'],
    ["postgres://ada:ses'ame@db/app", 'write %27'],
    ['postgres://ada:ses}ame@db/app', 'write %7D'],
    ['postgres://ada:ses@ame@db-1:5432,db-2:5432/app', 'write %40'],
    ['postgres://db/app?password=ses+ame', 'has the character + in a parameter that is a secret'],
  ])('for %s, whose character is named, and nothing else of it', async (databaseUrl, why) => {
    const ofDatabase = await start({ databaseUrl }).catch(String);
    expect(ofDatabase).toContain(`databaseUrl has `);
    expect(ofDatabase).toContain(why);
    const registryUrl = `${databaseUrl.replace('postgres', 'https').replace(/,.*/, '')}`;
    const ofRegistry = await start({ registryUrl: `https://fine.example,${registryUrl}` }).catch(String);
    expect(ofRegistry).toContain('registryUrl has ');
    for (const said of [ofDatabase, ofRegistry]) expect(said).not.toMatch(/ses|@same|ada|12|34|db-/);
    expect(await present()).toEqual([]);
  });

  test('for no @ of a database, a path or a socket, and for a comma with its code', async () => {
    for (const databaseUrl of [
      'postgres://h/db@x',
      'postgres://h:5432/db@x',
      'postgres://u:p@h:5432/db@x',
      'postgres:///db?host=/run/a@b',
    ])
      expect(faultOf('databaseUrl', databaseUrl), databaseUrl).toBeUndefined();
    for (const registryUrl of ['http://reg/a@b', 'http://reg:8081/a@b'])
      expect(faultOf('registryUrl', registryUrl), registryUrl).toBeUndefined();
    for (const broken of ['postgres://u:1/x@h/d', 'postgres://u:x/x@h', 'postgres://u:p@ss/word@h:5432'])
      expect(faultOf('databaseUrl', broken), broken).toMatch(/write %2F|as %2F/);
    expect(faultOf('registryUrl', 'http://u:a,b@reg')).toContain('a comma in user or password is %2C');
  });

  test('for no character that is percent-encoded, or means nothing where it is', async () => {
    for (const databaseUrl of [
      'postgres://ada:s%40me%2F%25%23%3F%20%27%7D@db/app',
      'postgres://db/app?user=ada@azure&application_name=a+b',
      'postgres://ada:a:b!$&()*,;=~-@db-1:5432,db-2:5432/app?sslrootcert=/etc/ca@home.pem',
      'postgres:///app?host=/var/run/postgresql',
      'postgres://ada@[::1]:5432/app',
    ])
      await start({ databaseUrl }, true);
    expect(await present()).toContain('relay.yaml');
  });

  test('for several wrong answers, which are named together', async () => {
    await expect(start({ slot: 'Orders!', brokers: ['kafka'], event: 'order placed' })).rejects.toThrow(
      /kafka\.brokers\.0 must be .*; slot\.name must be .*; event must be /,
    );
  });

  test('before a question, where a file of every project exists', async () => {
    await assertFree(directory, project);
    await assertFree(path.join(directory, 'nowhere'), project);
    await writeFile(path.join(directory, 'relay.yaml'), 'mine');
    await expect(assertFree(directory, project)).rejects.toThrow(/^relay\.yaml exists already in /);
  });

  test('with every file that exists, and not for a schema alone, whose name is asked for', async () => {
    const { files } = await start();
    const all = files.map((file) => file.path);
    expect(all).toHaveLength(6);
    await expect(assertFree(directory, project)).rejects.toThrow(`${all.join(', ')} exist already in `);
    for (const file of files.filter(isOfEvery)) await rm(path.join(directory, file.path));
    await assertFree(directory, project);
  });

  test('without a URL that was given in the wrong place: it may have a password', async () => {
    const failure = await start({ aggregate: 'postgres://ada:sesame@db/app' }).catch(String);
    expect(failure).toContain('aggregate must be a word such as order, not a URL');
    expect(failure).not.toContain('sesame');
    for (const namespace of ['ada:sesame@db', 'sesame@db', 'password=sesame']) {
      const said = await start({ namespace }).catch(String);
      expect(said).toContain('such as shop.order, not an address');
      expect(said).not.toContain('sesame');
    }
  });

  test('where a file exists, which is named and stays', async () => {
    await writeFile(path.join(directory, 'compose.yaml'), 'mine');
    await expect(start()).rejects.toThrow(/^compose\.yaml exists already in .*--force/);
    expect(await present()).toEqual(['compose.yaml']);
    expect(await read('compose.yaml')).toBe('mine');
  });

  test('where a file cannot be written: what was made before is removed', async () => {
    await symlink('nowhere', path.join(directory, 'kubernetes'));
    const failure = await start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestInvalid);
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    expect(files.filter((file) => file.isFile())).toEqual([]);
  });
});

test('replaces what exists only if it is told to, and says which', async () => {
  await writeFile(path.join(directory, 'compose.yaml'), 'mine');
  const { files } = await start({}, true);
  const replaced = files.filter(({ status }) => status === 'replaced').map((file) => file.path);
  expect(replaced).toEqual(['compose.yaml']);
  expect(await read('compose.yaml')).toContain('services:');
});
