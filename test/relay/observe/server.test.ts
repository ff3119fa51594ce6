import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settings } from '../../../relay/config/config.ts';
import { RelayError } from '../../../relay/errors.ts';
import { Health } from '../../../relay/observe/health.ts';
import { listenFailure } from '../../../relay/observe/listen-failure.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { announcedAddress, type HttpServer, startHttpServer } from '../../../relay/observe/server.ts';

let server: HttpServer;
let health: Health;
const loopback = { host: '127.0.0.1', port: 0 };

beforeEach(async () => {
  health = new Health({ notReadyAfterMs: 0 });
  const { registry } = createMetrics({ process: false });
  server = await startHttpServer(loopback, { health, registry });
});
afterEach(() => server.close());

const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);

test('readyz answers 503 with a reason until the relay streams, then 200', async () => {
  const before = await get('/readyz');
  expect(before.status).toBe(503);
  expect(await before.json()).toMatchObject({ ready: false, state: 'standby' });
  health.enter('streaming');
  const after = await get('/readyz?verbose');
  expect(after.status).toBe(200);
  expect(await after.json()).toMatchObject({ ready: true, state: 'streaming' });
});

test('livez turns 503 when the relay stopped itself, and readyz says what to do', async () => {
  expect((await get('/livez')).status).toBe(200);
  health.stopped(new RelayError('SLOT_INVALIDATED', 'slot is lost'));
  expect((await get('/livez')).status).toBe(503);
  const { error } = (await (await get('/readyz')).json()) as { error: { hint: string } };
  expect(error.hint).toContain('outbox-relay recover');
});

test('metrics come in the text format', async () => {
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain');
  expect(await response.text()).toContain('# HELP outbox_relay_build_info');
});

test('HEAD answers without a body', async () => {
  const response = await get('/metrics', { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('');
});

test('another path is 404 and another method 405, both as JSON', async () => {
  const missing = await get('/');
  expect([missing.status, await missing.json()]).toEqual([404, { error: expect.any(String) }]);
  const refused = await get('/metrics', { method: 'POST', body: 'x' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  await refused.json();
});

test('a port in use is a fault of the configuration that names the key', async () => {
  const { registry } = createMetrics({ process: false });
  const second = startHttpServer({ ...loopback, port: server.port }, { health, registry });
  await expect(second).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /^http\.port is in use .*; set http\.port \(OUTBOX_RELAY_HTTP_PORT\) to another port, or to 0/,
    ),
  });
});

test('every listener names its own setting and variable, as the reference has them', () => {
  const listeners = [
    ['http.port', 'http.host'],
    ['audit.httpPort', 'http.host'],
    ['console.port', 'console.host'],
  ] as const;
  const variableOf = new Map(settings.map(({ path, env }) => [path.join('.'), env]));
  for (const [portKey, hostKey] of listeners) {
    const failed = (code: string) =>
      listenFailure({ portKey, hostKey, host: '127.0.0.1', port: 1 }, { code }).message;
    for (const code of ['EADDRINUSE', 'EACCES'])
      expect(failed(code)).toContain(`set ${portKey} (${variableOf.get(portKey)})`);
    expect(failed('EADDRNOTAVAIL')).toContain(hostKey);
  }
});

test('closing does not wait for a connection that is kept open', async () => {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  await server.close();
  await closed;
});

test('others are told the address that was set, and otherwise where the server listens', () => {
  const address = (announce?: string) => announcedAddress({ announce }, { address: '0.0.0.0', port: 9465 });
  expect(address()).toBe('0.0.0.0:9465');
  expect(address('10.0.0.7')).toBe('10.0.0.7:9465');
  expect(address('relay-0.relays')).toBe('relay-0.relays:9465');
  expect(address('fd00::7')).toBe('[fd00::7]:9465');
});
