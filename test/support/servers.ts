/** Owns a test file's access to the shared servers. */
import { inject } from 'vitest';
import type { ServerAddresses } from './global-setup.ts';

let asked: Promise<ServerAddresses> | undefined;

/** Addresses of the servers that all files share; the first call of a run starts them (about 4 s). */
export function servers(): Promise<ServerAddresses> {
  asked ??= ask();
  return asked;
}

/** The name of a database with every migration, to copy. It is of today: the migrations make partitions by the day. */
export async function templateOfToday(): Promise<string> {
  return (await ask()).template;
}

async function ask(): Promise<ServerAddresses> {
  const response = await fetch(inject('serversUrl'));
  const text = await response.text();
  if (!response.ok) throw new Error(`the servers did not start: ${text}`);
  return JSON.parse(text);
}
