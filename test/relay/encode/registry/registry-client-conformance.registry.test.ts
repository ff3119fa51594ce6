/**
 * What the relay needs of a registry that speaks Confluent's API. Two are held to it, each from another maker: the
 * registry that all tests share (Apicurio), and AxonOps where `npm run tools` has built it. Another one by
 * `SCHEMA_REGISTRY_CONFORMANCE_URL=http://host:8081 npx vitest run registry-client-conformance` (with credentials in the
 * URL where it asks for them). Subjects have random names and are deleted afterwards.
 */
import { afterAll, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { findAxonopsRegistry } from '../../../../deploy/tools/programs.ts';
import { RegistryClient } from '../../../../relay/encode/registry/registry-client.ts';
import { type Level, SubjectHistory } from '../../../../relay/operations/schemas/subject-history.ts';
import { freePort } from '../../../../stack/port.ts';
import { answers } from '../../../../stack/registry.ts';
import { openRun, untilReady } from '../../../../stack/run.ts';
import { servers } from '../../../support/servers.ts';
import { skipFor } from '../../../support/tools.ts';
import { unique } from '../../../support/unique.ts';
import { configOf } from '../../settings.ts';

type Opened = { readonly url: string; readonly close: () => Promise<void> };

const named = process.env.SCHEMA_REGISTRY_CONFORMANCE_URL;
const registries: Readonly<Record<string, (context: TestContext) => Promise<Opened>>> =
  named === undefined
    ? {
        'the registry of the stack': async () => ({
          url: (await servers()).registryUrl,
          close: async () => {},
        }),
        AxonOps: startAxonops,
      }
    : { 'the registry of the environment': async () => ({ url: named, close: async () => {} }) };

async function startAxonops(context: TestContext): Promise<Opened> {
  const command = findAxonopsRegistry() ?? skipFor(context, 'the registry of AxonOps');
  const run = await openRun();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = run.start({
    name: 'axonops',
    command,
    args: [],
    env: {
      SCHEMA_REGISTRY_HOST: '127.0.0.1',
      SCHEMA_REGISTRY_PORT: String(port),
      SCHEMA_REGISTRY_STORAGE_TYPE: 'memory',
    },
  });
  await untilReady(server, () => answers(url), 20_000);
  return { url, close: () => run.end() };
}

const id = { name: 'id', type: 'string' };
const total = { name: 'total', type: 'long' };
const optional = { ...total, default: 0 };
/** Names are unique, since some registries take the same text under two subjects for one schema. */
const schemaOf = (subject: string, ...fields: object[]) =>
  JSON.stringify({ type: 'record', name: subject.split('.')[1], namespace: 'shop', fields });

describe.each(Object.entries(registries))('%s', (_, open) => {
  let opened: Opened | undefined;
  let base: URL;
  let client: RegistryClient;
  let history: SubjectHistory;
  const subjects: string[] = [];

  beforeEach(async (context) => {
    if (opened !== undefined) return;
    opened = await open(context);
    const { url } = opened;
    base = new URL(url);
    const registry = { ...configOf().registry, url };
    client = new RegistryClient(registry);
    history = new SubjectHistory(registry);
  });

  afterAll(async () => {
    // What refers to others goes first.
    for (const subject of subjects.toReversed())
      for (const query of ['', '?permanent=true']) await ask('DELETE', `/subjects/${subject}${query}`);
    await opened?.close();
  });

  /** Past the client: what it has no need for, and the answers as they are. */
  async function ask(method: string, path: string, body?: object) {
    const url = new URL(base);
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    [url.username, url.password] = ['', ''];
    const response = await fetch(`${url.href.replace(/\/+$/, '')}${path}`, {
      method,
      headers: {
        'content-type': 'application/vnd.schemaregistry.v1+json',
        ...(credentials === ':'
          ? {}
          : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text === '' ? 'null' : text) };
  }

  function newSubject(): string {
    const subject = unique('conformance-shop.Order');
    subjects.push(subject);
    return subject;
  }

  async function setLevel(subject: string, compatibility: Level) {
    expect((await ask('PUT', `/config/${subject}`, { compatibility })).status).toBe(200);
  }

  test('the latest version, each version and each id give the text that was registered', async () => {
    const subject = newSubject();
    const texts = [schemaOf(subject, id), schemaOf(subject, id, optional)];
    const ids = [await client.register(subject, texts[0]!), await client.register(subject, texts[1]!)];
    expect(new Set(ids).size).toBe(2);
    const parsed = (schema: { schemaText: string } | undefined) => JSON.parse(schema?.schemaText ?? 'null');
    const latest = await client.latest(subject);
    expect([latest?.id, parsed(latest)]).toEqual([ids[1], JSON.parse(texts[1]!)]);
    for (const [index, text] of texts.entries()) {
      const version = await client.version(subject, index + 1);
      expect([version?.id, parsed(version)]).toEqual([ids[index], JSON.parse(text)]);
      expect(parsed(await client.byId(ids[index]!))).toEqual(JSON.parse(text));
    }
    expect(await history.versions(subject)).toEqual([1, 2]);
  });

  test('registering the same again gives its id, and finds it', async () => {
    const subject = newSubject();
    const text = schemaOf(subject, id);
    const first = await client.register(subject, text);
    expect(await client.register(subject, text)).toBe(first);
    expect(await client.find(subject, text)).toEqual({ id: first, version: 1 });
    expect(await client.find(subject, schemaOf(subject, id, total))).toBeUndefined();
  });

  describe('what is not there is said with the registry’s own code', () => {
    test('40401 for a subject', async () => {
      const subject = unique('conformance-missing');
      const answer = await ask('GET', `/subjects/${subject}/versions/latest`);
      expect([answer.status, answer.body.error_code]).toEqual([404, 40401]);
      expect(await client.latest(subject)).toBeUndefined();
      expect(await client.version(subject, 1)).toBeUndefined();
      expect(await client.find(subject, schemaOf('x.Missing', id))).toBeUndefined();
      expect(await history.versions(subject)).toEqual([]);
    });

    test('40402 for a version', async () => {
      const subject = newSubject();
      await client.register(subject, schemaOf(subject, id));
      const answer = await ask('GET', `/subjects/${subject}/versions/99`);
      expect([answer.status, answer.body.error_code]).toEqual([404, 40402]);
      expect(await client.version(subject, 99)).toBeUndefined();
    });

    test('40403 for an id', async () => {
      const answer = await ask('GET', '/schemas/ids/2000000000');
      expect([answer.status, answer.body.error_code]).toEqual([404, 40403]);
      expect(await client.byId(2_000_000_000)).toBeUndefined();
    });
  });

  test('what a schema refers to comes along, by subject, by version and by id, what it builds on first', async () => {
    const [money, price, order] = [newSubject(), newSubject(), newSubject()];
    const nameOf = (subject: string) => `shop.${subject.split('.')[1]}`;
    await client.register(money, schemaOf(money, total));
    const uses = (used: string) => ({ name: 'uses', type: nameOf(used) });
    const refer = (used: string) => [{ name: nameOf(used), subject: used, version: 1 }];
    await client.register(price, schemaOf(price, uses(money)), refer(money));
    const top = await client.register(order, schemaOf(order, uses(price)), refer(price));
    for (const found of [
      await client.latest(order),
      await client.version(order, 1),
      await client.byId(top),
    ]) {
      expect(found?.id).toBe(top);
      expect(found?.references.map((text) => JSON.parse(text))).toEqual([
        JSON.parse(schemaOf(money, total)),
        JSON.parse(schemaOf(price, uses(money))),
      ]);
    }
  });

  test('a subject deleted is gone, its schema stays by id until it is deleted for good', async () => {
    const subject = newSubject();
    const text = schemaOf(subject, id);
    const known = await client.register(subject, text);
    expect((await ask('DELETE', `/subjects/${subject}`)).status).toBe(200);
    expect(await client.latest(subject)).toBeUndefined();
    expect(await client.version(subject, 1)).toBeUndefined();
    expect(JSON.parse((await client.byId(known))?.schemaText ?? 'null')).toEqual(JSON.parse(text));
    expect((await ask('DELETE', `/subjects/${subject}?permanent=true`)).status).toBe(200);
    expect(await client.latest(subject)).toBeUndefined();
  });

  test('a version deleted leaves the others', async () => {
    const subject = newSubject();
    const first = await client.register(subject, schemaOf(subject, id));
    await client.register(subject, schemaOf(subject, id, optional));
    expect((await ask('DELETE', `/subjects/${subject}/versions/2`)).status).toBe(200);
    expect((await client.latest(subject))?.id).toBe(first);
  });

  test('an incompatible version is refused with 409, and judged so beforehand', async () => {
    const subject = newSubject();
    await client.register(subject, schemaOf(subject, id));
    await setLevel(subject, 'BACKWARD');
    expect(await history.level(subject)).toEqual({ level: 'BACKWARD', isOwn: true });
    const [good, bad] = [schemaOf(subject, id, optional), schemaOf(subject, id, total)];
    expect((await history.judge(subject, good, [1])).isCompatible).toBe(true);
    expect((await history.judge(subject, bad, [1])).isCompatible).toBe(false);
    const refused = await ask('POST', `/subjects/${subject}/versions`, { schema: bad });
    expect(refused.status).toBe(409);
    await expect(client.register(subject, bad)).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' });
    expect(await client.register(subject, good)).toBeGreaterThan(0);
  });

  test('at NONE of a subject, whatever that means here, the level told is the one that decides', async () => {
    const subject = newSubject();
    await client.register(subject, schemaOf(subject, id));
    await setLevel(subject, 'NONE');
    const { level } = await history.level(subject);
    const bad = await ask('POST', `/subjects/${subject}/versions`, { schema: schemaOf(subject, id, total) });
    expect(bad.status).toBe(level === 'NONE' ? 200 : 409);
  });

  test('what is no schema is refused with 422', async () => {
    const text = '{"type":"record","name":"X","fields":[{"name":"a","type":"strnig"}]}';
    const subject = newSubject();
    const refused = await ask('POST', `/subjects/${subject}/versions`, { schema: text });
    expect([refused.status, refused.body.error_code]).toEqual([422, 42201]);
    await expect(client.register(subject, text)).rejects.toMatchObject({ code: 'SCHEMA_INVALID' });
  });

  test('it answers when asked whether it does', async () => {
    await client.ping();
  });
});
