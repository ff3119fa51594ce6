/** What a client of the registry sees of each mood of the gate before it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RegistryGate } from '../../harness/registry-gate.ts';

const registry = createServer(async (request, response) => {
  response.end(`${request.method} ${request.url} ${await text(request)}`);
});
let gate: RegistryGate;

beforeAll(async () => {
  registry.listen(0, '127.0.0.1');
  await once(registry, 'listening');
  gate = await RegistryGate.open(`http://127.0.0.1:${(registry.address() as AddressInfo).port}/base`);
});
afterAll(async () => {
  await gate[Symbol.asyncDispose]();
  registry.closeAllConnections();
  registry.close();
});

test('passes on the path and the body', async () => {
  expect(await (await fetch(`${gate.url}/subjects?deleted=true`)).text()).toBe(
    'GET /base/subjects?deleted=true ',
  );
  const posted = await fetch(`${gate.url}/subjects/x/versions`, { method: 'POST', body: '{"schema":"x"}' });
  expect(await posted.text()).toBe('POST /base/subjects/x/versions {"schema":"x"}');
});

test('answers in place of the registry', async () => {
  gate.instead = (method, path) =>
    method === 'GET' && path === '/odd' ? { status: 422, body: 'odd' } : undefined;
  const odd = await fetch(`${gate.url}/odd`);
  expect([odd.status, await odd.text()]).toEqual([422, 'odd']);
  expect(await (await fetch(`${gate.url}/even`)).text()).toBe('GET /base/even ');
});

test('is down, in error, or a login page', async () => {
  gate.mood = 'down';
  await expect(fetch(gate.url)).rejects.toThrow();
  gate.mood = 'error';
  expect((await fetch(gate.url)).status).toBe(500);
  gate.mood = 'html';
  expect((await fetch(gate.url)).headers.get('content-type')).toBe('text/html');
  expect(gate.disturbed).toBe(3);
});
