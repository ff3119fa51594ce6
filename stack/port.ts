/** Owns the choice of a port that a server must keep over restarts. */
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below 32768, where Linux begins to hand out ports to outgoing connections: one of those could otherwise sit on
// the port while its server is down between a kill and a restart.
const lowestPort = 20_000;
const portCount = 12_000;

/** A loopback port that no server listens on at the moment. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = lowestPort + Math.floor(Math.random() * portCount);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port on 127.0.0.1 between ${lowestPort} and ${lowestPort + portCount}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
