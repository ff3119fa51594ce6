/** Runs the console: a process of its own, with the connections of its role, until it is closed. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import type { Logger } from 'pino';
import type { Config, Provenance } from '../../relay/config/config.ts';
import { asRelayError } from '../../relay/errors.ts';
import { listenFailure } from '../../relay/observe/listen-failure.ts';
import { readOperatorRights } from '../../relay/operations/operator-rights.ts';
import { keepPool } from '../../relay/operations/with-pool.ts';
import { createAccess } from './api/session.ts';
import { createApp } from './app.ts';
import { type Assets, loadAssets } from './assets.ts';
import { Jobs } from './jobs.ts';
import { Sampler } from './live/sampler.ts';
import { StatusWatch } from './live/status-watch.ts';

export type ConsoleOptions = {
  readonly config: Config;
  readonly provenance: Provenance;
  readonly log: Logger;
  /** By default those that were built. */
  readonly assets?: Assets;
};

export type RunningConsole = {
  /** Where it listens. */
  readonly url: string;
  /** The operators' token that it made up, because the configuration has no way to sign in; else undefined. */
  readonly madeUpToken: string | undefined;
  close(): Promise<void>;
};

/** A page sends its requests at once; only an edited payload of some MB may take longer. */
const serverOptions = {
  headersTimeout: 5_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
};
/** Several hundred pages, each with its stream. */
const connectionsMax = 1_000;

/** @throws RelayError CONFIG_INVALID where it cannot listen, or the pages were not built */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const { config, provenance, log, assets = loadAssets() } = options;
  const { viewToken, operateToken, userHeader, host, port, pathPrefix } = config.console;
  const isOpenToNobody = (viewToken ?? operateToken ?? userHeader) === undefined;
  const madeUpToken = isOpenToNobody ? randomBytes(24).toString('base64url') : undefined;
  const access = createAccess(config, { view: viewToken, operate: operateToken ?? madeUpToken }, log);
  const endPool = keepPool(config);
  const status = new StatusWatch(config);
  const sampler = new Sampler(config);
  const jobs = new Jobs();
  const app = createApp({ config, provenance, log, status, sampler, jobs }, access, assets);
  const server = serve({ fetch: app.fetch, hostname: host, port, serverOptions }) as Server;
  server.maxConnections = connectionsMax;
  const close = async () => {
    status.end();
    sampler.end();
    await jobs.end();
    if (server.listening) {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    }
    await endPool();
  };
  try {
    await once(server, 'listening');
  } catch (cause) {
    await close();
    throw listenFailure({ portKey: 'console.port', hostKey: 'console.host', host, port }, cause);
  }
  const { address, port: taken, family } = server.address() as AddressInfo;
  if (!isLoopback(address))
    log.warn(
      { address },
      'the console serves other machines without TLS: whoever listens on the network reads tokens and payloads, unless a proxy with TLS stands between',
    );
  void warnOfRights(config, log);
  const name = family === 'IPv6' ? `[${address}]` : address;
  return { url: `http://${name}:${taken}${pathPrefix}`, madeUpToken, close };
}

/** Said at the start, so that nobody learns in an incident what the role may not do. */
async function warnOfRights(config: Config, log: Logger): Promise<void> {
  try {
    const { role, missing, cannot, fixes } = await readOperatorRights(config);
    if (missing.length > 0)
      log.warn(
        { role, missing, cannot, fixes },
        'the role of the console lacks rights: it cannot do what `cannot` lists until somebody runs `fixes`',
      );
  } catch (error) {
    // The pages show it too, and when it is over.
    const { code, message, hint } = asRelayError(error);
    log.warn({ code, hint }, `the console cannot read Postgres: ${message}`);
  }
}

const isLoopback = (address: string) => address === '::1' || /^(::ffff:)?127\./.test(address);
