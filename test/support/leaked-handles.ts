/**
 * Owns the rule that a test file leaves nothing open: it fails when sockets, listeners, child processes or servers of
 * its own outlive its last hook.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, vi } from 'vitest';
import { cacheFolder } from '../../stack/cache.ts';

const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'ProcessWrap'];
// Of files that ran in this process before, some may be left; each has said so itself.
const openAtStart = [...openHandles(), ...(await ownRuns())];

// Set up before the file's own hooks, it runs after them.
afterAll(async () => {
  // What was closed in the last hook needs some turns of the event loop to be gone.
  await vi.waitFor(
    async () => {
      const leaked = subtract([...openHandles(), ...(await ownRuns())], openAtStart);
      if (leaked.length > 0) throw new Error(`this file leaves open: ${leaked.join(', ')}`);
    },
    { timeout: 30_000, interval: 20 },
  );
});

/** Handles that keep this process alive. */
function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => kinds.includes(kind));
}

function subtract(all: readonly string[], known: readonly string[]): string[] {
  const rest = [...all];
  for (const one of known) {
    const index = rest.indexOf(one);
    if (index >= 0) rest.splice(index, 1);
  }
  return rest;
}

/** Folders of servers that this process started and did not stop. */
async function ownRuns(): Promise<string[]> {
  const folder = path.join(cacheFolder(), 'run');
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.startsWith(`${process.pid}-`)).map((name) => `servers in ${name}`);
}
