/** Outages are made by a server that misbehaves on purpose; what decides that the client works is a real registry. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { RegistryClient } from '../../../../relay/encode/registry/registry-client.ts';
import type { RelayError } from '../../../../relay/errors.ts';
import { type Registry, startRegistry } from '../../../../stack/registry.ts';
import { freeze } from '../../../support/freeze.ts';
import { registerSchema } from '../../../support/registry.ts';
import { servers } from '../../../support/servers.ts';
import { unique } from '../../../support/unique.ts';
import { configOf as wholeConfig } from '../../settings.ts';

const record = (...fields: object[]) => ({ type: 'record', name: 'Order', namespace: 'shop', fields });
const id = { name: 'id', type: 'string' };
const total = { name: 'total', type: 'long' };
const settings = { ...wholeConfig().registry, timeoutMs: 5_000, latestTtlMs: 0 };

describe('at a real registry', () => {
  let client: RegistryClient;
  let url: string;

  beforeAll(async () => {
    url = (await servers()).registryUrl;
    client = new RegistryClient({ ...settings, url });
  });

  const putConfig = async (subject: string, compatibility: string) => {
    const body = JSON.stringify({ compatibility });
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
    const response = await fetch(`${url}/config/${subject}`, { method: 'PUT', headers, body });
    expect(response.ok).toBe(true);
  };
  const configOf = async (subject: string) => (await fetch(`${url}/config/${subject}`)).text();

  test('the latest version comes with its id and its text', async () => {
    const subject = unique('topic-shop.Order');
    await registerSchema(subject, record(id));
    const newest = await registerSchema(subject, record(id, { ...total, default: 0 }));
    const found = await client.latest(subject);
    expect(found).toMatchObject({ id: newest, references: [] });
    expect(JSON.parse(found?.schemaText ?? '')).toEqual(record(id, { ...total, default: 0 }));
  });

  test('a version registered later is seen at once, since nothing is cached here', async () => {
    const subject = unique('later');
    await registerSchema(subject, record(id));
    await client.latest(subject);
    const newest = await registerSchema(subject, record(id, { ...total, default: 0 }));
    expect((await client.latest(subject))?.id).toBe(newest);
  });

  test('a subject that is not there is undefined, and so is an id', async () => {
    expect(await client.latest(unique('missing'))).toBeUndefined();
    expect(await client.byId(2_000_000_000)).toBeUndefined();
  });

  test.each([
    ['with a path', '../subjects'],
    ['of dots', '..'],
    ['with a slash', 'a/b'],
    ['with a query', 'a?b#c'],
    ['beyond ASCII', 'é'],
    ['that is empty', ''],
    ['without end', 'x'.repeat(20_000)],
    ['as long as we ask for', 'y'.repeat(1_000)],
  ])('a subject %s, as a row may make one up, is missing and no outage', async (_, subject) => {
    expect(await client.latest(subject)).toBeUndefined();
  });

  test('a schema is found by its id', async () => {
    const known = await registerSchema(unique('by-id'), record(id, total));
    expect(JSON.parse((await client.byId(known))?.schemaText ?? '')).toEqual(record(id, total));
  });

  test('what a schema refers to comes along, what it builds on first', async () => {
    const [country, address, customer] = [unique('Country'), unique('Address'), unique('Customer')];
    await registerSchema(country, { type: 'enum', name: country, symbols: ['CH', 'DE'] });
    await register(address, { name: address, field: country, refers: country });
    await register(customer, { name: customer, field: address, refers: address });
    const found = await client.latest(customer);
    expect(found?.references.map((text) => JSON.parse(text).name)).toEqual([country, address]);
  });

  async function register(subject: string, { name, field, refers }: Record<string, string>): Promise<void> {
    const schema = JSON.stringify({ type: 'record', name, fields: [{ name: 'f', type: field }] });
    const references = [{ name: refers, subject: refers, version: 1 }];
    const response = await fetch(`${url}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema, references }),
    });
    expect(await response.json()).toHaveProperty('id');
  }

  test('registering twice gives the same id, and find tells whether it was there', async () => {
    const subject = unique('twice');
    const text = JSON.stringify(record(id));
    expect(await client.find(subject, text)).toBeUndefined();
    const first = await client.register(subject, text);
    expect(await client.register(subject, text)).toBe(first);
    expect(await client.find(subject, text)).toEqual({ id: first, version: 1 });
    expect(await client.find(subject, JSON.stringify(record(id, total)))).toBeUndefined();
  });

  test('registering leaves the compatibility level as it is, whether the subject has one or not', async () => {
    const without = unique('without-level');
    await client.register(without, JSON.stringify(record(id)));
    expect(await configOf(without)).not.toContain('BACKWARD');
    const withLevel = unique('with-level');
    await client.register(withLevel, JSON.stringify(record(id)));
    await putConfig(withLevel, 'FULL');
    await client.register(withLevel, JSON.stringify(record(id, { ...total, default: 0 })));
    expect(JSON.parse(await configOf(withLevel))).toEqual({ compatibilityLevel: 'FULL' });
  });

  test('a breaking change is refused with the registry’s words', async () => {
    const subject = unique('breaking');
    await client.register(subject, JSON.stringify(record(id)));
    await putConfig(subject, 'BACKWARD');
    await expect(client.register(subject, JSON.stringify(record(id, total)))).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
    });
  });

  test('what is not Avro is refused with the registry’s words', async () => {
    const text = '{"type":"record","name":"X","fields":[{"name":"a","type":"strnig"}]}';
    await expect(client.register(unique('bad'), text)).rejects.toMatchObject({ code: 'SCHEMA_INVALID' });
  });
});

test('what is not Avro is named, by subject, by id and where a schema refers to it', async () => {
  const json = '{"type":"string"}';
  const server = createServer(({ url }, response) => {
    const referring = { schema: '"string"', references: [{ name: 'n', subject: 'inner', version: 2 }] };
    const answer =
      url === '/subjects/outer/versions/latest' ? referring : { schema: json, schemaType: 'JSON' };
    response.end(JSON.stringify({ id: 1, version: 1, ...answer }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new RegistryClient({ ...settings, url });
    const words = async (asked: Promise<unknown>) => asked.catch((error) => error.message);
    const rest = 'holds a JSON schema; only Avro is supported';
    expect(await words(client.latest('a'))).toBe(`subject a ${rest}`);
    expect(await words(client.version('a', 1))).toBe(`subject a ${rest}`);
    expect(await words(client.byId(1))).toBe(`schema 1 ${rest}`);
    expect(await words(client.latest('outer'))).toBe(`version 2 of inner ${rest}`);
  } finally {
    server.close();
  }
});

describe('in an outage', () => {
  const sockets = new Set<Socket>();
  let stop: (() => void) | undefined;
  let port = 0;

  afterEach(() => {
    vi.restoreAllMocks();
    stop?.();
    stop = undefined;
    sockets.clear();
  });

  async function misbehaving(listener: RequestListener, timeoutMs = 5_000): Promise<RegistryClient> {
    const server = createServer(listener);
    server.on('connection', (socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stop = () => {
      server.close();
      server.closeAllConnections();
    };
    ({ port } = server.address() as AddressInfo);
    return new RegistryClient({ ...settings, timeoutMs, url: `http://127.0.0.1:${port}/` });
  }

  test.each([
    ['an error of the server', 500, '{"error_code":50001,"message":"boom"}'],
    ['a proxy without a backend', 502, '<html>Bad Gateway</html>'],
    ['throttling', 429, ''],
    ['a 404 that is not the registry’s', 404, '<html>Not Found</html>'],
    ['a 404 with another code', 404, '{"error_code":404,"message":"HTTP 404 Not Found"}'],
    ['a page of HTML with status 200', 200, '<html>please log in</html>'],
    ['an object with status 200 that is no schema', 200, '{"ok":true}'],
    ['a redirect', 302, ''],
    ['a bad request', 400, '{"error_code":400,"message":"bad"}'],
  ])('%s is never taken for a missing schema', async (_, status, body) => {
    const client = await misbehaving((_request, response) => response.writeHead(status).end(body));
    await expect(client.latest('a')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    await expect(client.byId(1)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    await expect(client.find('a', '"string"')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    const text = JSON.stringify(record(id));
    await expect(client.register('a', text)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test.each([
    [404, '{"error_code":404,"message":"HTTP 404 Not Found"}', true],
    [200, '<html>please log in</html>', true],
    [302, '', true],
    [500, '{"error_code":50001,"message":"boom"}', false],
    [502, '<html>Bad Gateway</html>', false],
    [429, '', false],
  ])(
    'status %i with %s: the hint speaks of another address, and of a slow registry otherwise',
    async (status, body, isElsewhere) => {
      const client = await misbehaving((_request, response) => response.writeHead(status).end(body));
      const { hint } = (await client.ping().catch((error: unknown) => error)) as RelayError;
      expect(hint.includes('Correct the address and its path: Apicurio')).toBe(isElsewhere);
      expect(hint.includes('is slow')).toBe(!isElsewhere);
    },
  );

  test('a kept connection that the server has closed is no outage: the question goes over another', async () => {
    let asked = 0;
    const client = await misbehaving((request, response) => {
      asked += 1;
      // The third question is the second one of the connection that a burst keeps.
      if (asked === 3) return void request.socket.destroy();
      response.writeHead(404).end('{"error_code":40401}');
    });
    vi.spyOn(performance, 'now').mockReturnValue(0);
    for (let question = 0; question < 4; question++) expect(await client.latest('a')).toBeUndefined();
    expect([asked, sockets.size]).toEqual([5, 4]);
  });

  test('a refused connection is an outage', async () => {
    const client = await misbehaving(() => {});
    stop?.();
    await expect(client.latest('a')).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test.each([401, 403])('status %i means that the credentials are wrong', async (status) => {
    const client = await misbehaving((_request, response) => response.writeHead(status).end());
    await expect(client.latest('a')).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
  });

  test.each<[string, RequestListener]>([
    ['accepts and says nothing', () => {}],
    [
      'stops in the middle of its answer',
      (_request, response) => void response.writeHead(200).write('{"id"'),
    ],
  ])('a registry that %s is given up at the deadline, and its socket closed', async (_, listener) => {
    const client = await misbehaving(listener, 100);
    await expect(client.latest('a')).rejects.toMatchObject({ message: expect.stringContaining('100 ms') });
    const [socket] = sockets;
    expect(sockets.size).toBe(1);
    if (socket?.closed === false) await once(socket, 'close');
  });

  test('an answer that breaks off is an outage', async () => {
    const client = await misbehaving((_request, response) => {
      response.writeHead(200).write('{"id":');
      response.socket?.end();
    }, 500);
    await expect(client.latest('a')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test('the password goes to the registry and into no error', async () => {
    let authorization: string | undefined;
    const listening = await misbehaving((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(500).end();
    });
    await listening.latest('a').catch(() => {});
    expect(authorization).toBeUndefined();
    const url = `http://127.0.0.1:${port}`;
    const client = new RegistryClient({ ...settings, url, username: 'relay', password: 'sesame' });
    const error = await client.latest('a').catch((cause) => cause);
    expect(authorization).toBe(`Basic ${Buffer.from('relay:sesame').toString('base64')}`);
    expect(`${error.message}${JSON.stringify(error)}`).not.toContain('sesame');
  });

  test('a frozen registry is an outage, and works again when it thaws', async () => {
    const registry: Registry = await startRegistry({ quickStart: true });
    try {
      const client = new RegistryClient({ ...settings, timeoutMs: 1_000, url: registry.url });
      await freeze(registry);
      await expect(client.latest('a')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
      registry.kill('SIGCONT');
      const patient = new RegistryClient({ ...settings, timeoutMs: 20_000, url: registry.url });
      expect(await patient.latest('a')).toBeUndefined();
    } finally {
      await registry.stop();
    }
  });
});
