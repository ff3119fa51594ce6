import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Decoder } from '../../../relay/audit/decoder.ts';
import { StockReader } from '../../../relay/audit/stock-reader.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { avro } from '../../../relay/encode/formats/avro/format.ts';
import { depthMax } from '../../../relay/encode/formats/avro/nesting.ts';
import { Authority } from '../../../stack/certificates.ts';
import { startRegistryProxy } from '../../security/registry-proxy.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { encode, typeOf } from '../encode/formats/avro/encoding.ts';

const { config } = loadConfig({ env: {}, needs: [] });
const registryAt = (url: string, more: object = {}) => ({ ...config.registry, url, ...more });

const order = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'cents', type: 'long', default: 0 },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-nanos' } },
    { name: 'paid', type: 'boolean' },
  ],
};
const json = '{"cents": 9007199254740993, "at": "2026-01-31T08:00:00.000000001Z", "paid": true}';
const bytes = () => encode(typeOf(order), json);

test('what the relay writes, the library of consumers decodes, and neither a byte less nor one more', async () => {
  const id = await registerSchema(unique('stock'), order);
  const reader = await StockReader.create(registryAt((await servers()).registryUrl));
  await reader.prepare(id);
  expect(reader.decodes(id, bytes())).toBe(true);
  expect(reader.decodes(id, bytes().subarray(0, -1))).toBe(false);
  expect(reader.decodes(id, Buffer.concat([bytes(), Buffer.alloc(1)]))).toBe(false);
});

test('of several URLs it goes on from one that is away to the next, and stays there', async () => {
  const ids = [
    await registerSchema(unique('stock'), order),
    await registerSchema(unique('stock'), { ...order, name: 'Other' }),
  ];
  await using away = await answering((_, response) => response.writeHead(503).end('{}'));
  const reader = await StockReader.create(registryAt(`${away.url},${(await servers()).registryUrl}`));
  for (const id of ids) await reader.prepare(id);
  expect([reader.decodes(ids[0]!, bytes()), away.asked]).toEqual([true, 1]);
  // It decodes, rather than leaving what it could not fetch to the other reader.
  expect(reader.decodes(ids[0]!, bytes().subarray(0, -1))).toBe(false);
  const alone = await StockReader.create(registryAt(`${away.url},${away.url}`));
  await expect(alone.prepare(ids[0]!)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
});

test('a schema that refers to another one is read with it', async () => {
  const { registryUrl } = await servers();
  const [country, address] = [unique('country'), unique('address')];
  const used = { type: 'enum', name: 'Country', namespace: 'geo', symbols: ['DE', 'FR'] };
  const using = { type: 'record', name: 'Address', fields: [{ name: 'country', type: 'geo.Country' }] };
  await registerSchema(country, used);
  const answer = await fetch(`${registryUrl}/subjects/${address}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({
      schema: JSON.stringify(using),
      references: [{ name: 'geo.Country', subject: country, version: 1 }],
    }),
  });
  const { id } = (await answer.json()) as { id: number };
  const reader = await StockReader.create(registryAt(registryUrl));
  await reader.prepare(id);
  expect(reader.decodes(id, Buffer.from([2]))).toBe(true);
  expect(reader.decodes(id, Buffer.from([4]))).toBe(false);
});

test('records that are nested as deeply as the relay writes them are decoded', async () => {
  const list = { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'], default: null }] };
  const id = await registerSchema(unique('stock'), list);
  const reader = await StockReader.create(registryAt((await servers()).registryUrl));
  await reader.prepare(id);
  const deepest = `${'{"next":'.repeat(depthMax - 1)}{}${'}'.repeat(depthMax - 1)}`;
  expect(reader.decodes(id, encode(typeOf(list), deepest))).toBe(true);
});

test('what the strict reader takes and the library does not is a fault, and the other way round', async () => {
  const id = await registerSchema(unique('stock'), order);
  const registry = registryAt((await servers()).registryUrl);
  const decoder = new Decoder(registry, await StockReader.create(registry));
  const value = (avroBytes: Buffer) => Buffer.concat([avro.framing(id), avroBytes]);
  await decoder.prepare([value(bytes())]);
  expect(decoder.faultOf(value(bytes()))).toBeUndefined();
  const notBoolean = bytes();
  notBoolean[notBoolean.length - 1] = 3; // avsc takes it
  expect(decoder.faultOf(value(notBoolean))).toBe(`schema ${id}: the bytes do not fit it`);
  const suspicious = new Decoder(registry, { prepare: async () => {}, decodes: () => false });
  await suspicious.prepare([value(bytes())]);
  expect(suspicious.faultOf(value(bytes()))).toBe(`schema ${id}: avsc cannot decode the bytes`);
});

test('values of a schema that avsc refuses are left to the strict reader', async () => {
  const schema = {
    type: 'record',
    name: 'Odd',
    fields: [
      { name: 'a', type: { type: 'enum', name: 'E', symbols: ['X'] } },
      { name: 'b', type: { type: 'E' } },
    ],
  };
  await using registry = await answering((_, response) =>
    response.end(JSON.stringify({ schema: JSON.stringify(schema) })),
  );
  const reader = await StockReader.create(registryAt(registry.url));
  await reader.prepare(1);
  expect(reader.decodes(1, Buffer.from([9, 9, 9]))).toBe(true);
});

test('it reaches a registry behind TLS, with a client certificate and a token', async () => {
  const id = await registerSchema(unique('stock'), order);
  const authority = new Authority('test');
  await using proxy = await startRegistryProxy({
    registryUrl: (await servers()).registryUrl,
    identity: authority.issue({ name: 'registry', addresses: ['127.0.0.1'] }),
    clientAuthority: authority.certificate,
    admitted: ['Bearer sesame', `Basic ${Buffer.from('a:b').toString('base64')}`],
  });
  const folder = await mkdtemp(path.join(tmpdir(), 'stock-reader-'));
  try {
    const client = authority.issue({ name: 'client' });
    const file = async (name: string, text: string) => {
      await writeFile(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const tls = {
      sslCaFile: await file('ca.pem', authority.certificate),
      sslCertFile: await file('cert.pem', client.certificate),
      sslKeyFile: await file('key.pem', client.key),
    };
    const read = async (url: string, more: object) => {
      const reader = await StockReader.create(registryAt(url, { ...tls, ...more }));
      await reader.prepare(id);
      return reader.decodes(id, bytes());
    };
    const { pathname } = new URL((await servers()).registryUrl);
    const at = (credentials = '') => `https://${credentials}127.0.0.1:${proxy.port}${pathname}`;
    expect(await read(at(), { token: 'sesame' })).toBe(true);
    expect(await read(at('a:b@'), {})).toBe(true);
    await expect(read(at(), { token: 'wrong' })).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    await expect(read(at(), { token: 'sesame', sslCaFile: undefined })).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.each<[string, RequestListener]>([
  ['says nothing', () => {}],
  ['stops in the middle of its answer', (_, response) => void response.writeHead(200).write('{"schema"')],
  ['breaks off', (_, response) => void response.writeHead(200).write('{', () => response.socket?.destroy())],
  ['fails', (_, response) => response.writeHead(500).end()],
])('a registry that %s is an outage, within the time limit', async (_, listener) => {
  await using registry = await answering(listener);
  const reader = await StockReader.create(registryAt(registry.url, { timeoutMs: 200 }));
  await expect(reader.prepare(1)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
});

type Answering = AsyncDisposable & { readonly url: string; readonly asked: number };

async function answering(listener: RequestListener): Promise<Answering> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    listener(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get asked() {
      return asked;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
