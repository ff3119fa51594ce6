/** The one port that the relay opens, met by clients that mean no good. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Health } from '../../relay/observe/health.ts';
import { createMetrics } from '../../relay/observe/metrics.ts';
import { type HttpServer, startHttpServer } from '../../relay/observe/server.ts';
import { configOf } from '../relay/settings.ts';

let server: HttpServer;
beforeAll(async () => {
  const health = new Health({ notReadyAfterMs: 1_000 });
  const { registry } = createMetrics({ process: false });
  server = await startHttpServer(configOf({ HTTP_PORT: 0 }).http, { health, registry });
});
afterAll(() => server.close());

/** Sends the text and gives what came back until the server closed the connection, and when that was. */
async function converse(text: string): Promise<{ answer: string; afterMs: number }> {
  const startedMs = performance.now();
  const socket: Socket = connect(server.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(text);
  await closed;
  return { answer, afterMs: performance.now() - startedMs };
}

test('it is bound to loopback unless it is told otherwise', async () => {
  expect(server.address).toBe('127.0.0.1');
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((found) => found?.family === 'IPv4' && !found.internal)?.address;
  if (outside === undefined) return;
  const socket = connect(server.port, outside);
  await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test.concurrent.each([
  ['says nothing', ''],
  ['stops in the middle of a header', 'GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: '],
  ['announces a body that never comes', 'POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n'],
])('a client that %s is shown out, and others are served meanwhile', async (_, text) => {
  const slow = converse(text);
  expect((await fetch(`http://127.0.0.1:${server.port}/livez`)).status).toBe(200);
  const { answer, afterMs } = await slow;
  expect(answer).not.toContain('HTTP/1.1 200');
  // The limit of 5 s, and the second in which connections are looked at.
  expect(afterMs).toBeLessThan(15_000);
});

test.each([
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', '400'],
  ['headers without end', `GET /livez HTTP/1.1\r\nX: ${'y'.repeat(9 * 1024)}\r\n\r\n`, '431'],
  ['a path outside', 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '404'],
  [
    'a path of another address',
    'GET http://x/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    '404',
  ],
  ['a method that changes', 'DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '405'],
  ['a tunnel', 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', ''],
  ['a trace', 'TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: sesame\r\n\r\n', '405'],
])('%s is refused and quoted back to nobody', async (_, text, status) => {
  const { answer } = await converse(text);
  expect(answer.split(' ')[1] ?? '').toBe(status);
  expect(answer).not.toMatch(/sesame|passwd|OpenSSH|root:/);
});
