/** Owns the choice of a port that a server must keep over restarts. */
import { once } from 'node:events';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';

// Below 32768, where Linux begins to hand out ports to outgoing connections: one of those could otherwise sit on
// the port while its server is down between a kill and a restart.
const lowestPort = 20_000;
const portCount = 12_000;

/**
 * A loopback port that no server listens on at the moment, and that nobody else gets for a while: the server that it is for
 * takes some seconds to start.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = lowestPort + Math.floor(Math.random() * portCount);
    if ((await claim(port)) && (await isFree(port))) return port;
  }
  throw new Error(`no free port on 127.0.0.1 between ${lowestPort} and ${lowestPort + portCount}`);
}

const claims = path.join(os.tmpdir(), 'outbox-relay-ports');
/** Longer than a server takes to start on a machine under load. */
const claimMs = 120_000;

/** @returns whether no other process has claimed it lately */
async function claim(port: number): Promise<boolean> {
  const file = path.join(claims, String(port));
  await mkdir(claims, { recursive: true });
  const heldMs = await stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => undefined,
  );
  if (heldMs !== undefined && heldMs < claimMs) return false;
  if (heldMs !== undefined) await rm(file, { force: true });
  // Of two that come at the same time one fails.
  return writeFile(file, '', { flag: 'wx' }).then(
    () => true,
    () => false,
  );
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
