/** Clients of the console that take a connection and send nothing. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startConsole } from '../../../console/server/serve.ts';
import { createLogger } from '../../../relay/observe/log.ts';
import { configOf } from '../../relay/settings.ts';

test('are shown out, and others are served meanwhile', async () => {
  const running = await startConsole({
    config: configOf({ CONSOLE_PORT: 0, CONSOLE_RELAYS: 'http://127.0.0.1:1' }),
    provenance: new Map(),
    log: createLogger('fatal'),
    assets: { page: '', files: new Map() },
  });
  try {
    const port = Number(new URL(running.url).port);
    const startedMs = performance.now();
    const clients = ['', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '].map((sent) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(sent));
      socket.on('error', () => {});
      socket.resume();
      return once(socket, 'close');
    });
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    await Promise.all(clients);
    // The limit of 5 s, and the second in which connections are looked at.
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  } finally {
    await running.close();
  }
});
