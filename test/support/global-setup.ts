/**
 * Owns the servers that all test files share. They start when the first file asks, so that tests of pure code run
 * without them; a file asks with `servers()`, over HTTP on loopback since it runs in another process.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { ignoreNegativeTimeouts } from '../../relay/connect/kafkajs-warnings.ts';
import { serverSource } from '../../stack/fetch.ts';
import { type Stack, startStack } from '../../stack/stack.ts';
import { bundleRelay } from './bundled-relay.ts';
import { dropTemplates, templateOn } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where to ask for the addresses of the shared servers; see `servers()`. */
    serversUrl: string;
  }
}

/** Of the shared servers. */
export type ServerAddresses = {
  databaseUrl: string;
  brokers: string[];
  registryUrl: string;
  /** A database with every migration, made today, to copy: see `template.ts`. */
  template: string;
};

const onProgress = (line: string) => console.error(`# ${line}`);

type Desk = {
  readonly url: string;
  /** Stops what was started. */
  readonly close: () => Promise<void>;
};

/** Of all projects of a run: each calls this file's function, on a copy of this module of its own. */
const common = globalThis as { testServers?: { desk: Promise<Desk>; users: number } };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  common.testServers ??= { desk: open(), users: 0 };
  const servers = common.testServers;
  servers.users += 1;
  project.provide('serversUrl', (await servers.desk).url);
  return async () => {
    servers.users -= 1;
    if (servers.users > 0) return;
    delete common.testServers;
    await (await servers.desk).close();
  };
}

async function open(): Promise<Desk> {
  ignoreNegativeTimeouts();
  // The one step that may take minutes, once: not within the time limit of a test's hook. What is missing is said
  // again to the first file that needs it.
  await serverSource(onProgress).catch(() => {});
  // The processes of the tests inherit it. Who wants to see lines of the sources gives relay/main.ts.
  process.env.RELAY_MAIN ??= await bundleRelay();

  let stack: Promise<Stack> | undefined;
  const addresses = async (): Promise<ServerAddresses> => {
    stack ??= startStack({ purpose: 'test', onProgress });
    const { databaseUrl, brokers, registryUrl } = await stack;
    return { databaseUrl, brokers, registryUrl, template: await templateOn(databaseUrl) };
  };
  const secretPath = `/${randomBytes(16).toString('hex')}`; // the answer holds a password
  const desk = createServer((request, response) => {
    if (request.url !== secretPath) return void response.writeHead(404).end();
    addresses().then(
      (answer) => response.end(JSON.stringify(answer)),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  desk.listen(0, '127.0.0.1');
  await once(desk, 'listening');
  const { port } = desk.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${secretPath}`,
    async close() {
      desk.close();
      desk.closeAllConnections();
      const started = await stack?.catch(() => undefined);
      // On a server that is not ours it would stay.
      if (started !== undefined && started.postgres === undefined) await dropTemplates(started.databaseUrl);
      await started?.stop();
    },
  };
}
