/** `/livez`, `/readyz` and `/metrics` over HTTP, on loopback unless configured otherwise. Reads only, no secrets. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Registry } from 'prom-client';
import type { Config } from '../config/config.ts';
import { createServer } from '../model/node-http.ts';
import { type Listener as ListenerSettings, listenFailure } from './listen-failure.ts';

export type HttpServer = {
  readonly address: string;
  /** The real one, where the configuration asks for any free one. */
  readonly port: number;
  close(): Promise<void>;
};

export type Listening = Config['http'] & {
  /** The setting that has the port. */
  readonly portKey?: ListenerSettings['portKey'];
};

/** What the probes answer. */
type Probed = { live(): { readonly live: boolean }; ready(): { readonly ready: boolean } };

export type Observed = { readonly health: Probed; readonly registry: Registry };

/** A probe or a scrape sends a few hundred bytes at once. A client that takes longer is neither. */
const requestTimeoutMs = 5_000;
/** Longer than the 15 s at which Prometheus scrapes by default costs a socket for nothing. */
const keepAliveTimeoutMs = 5_000;

/** @throws RelayError CONFIG_INVALID when the address cannot be used. */
export async function startHttpServer(http: Listening, observed: Observed): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8 * 1024,
    },
    (request, response) => void answer(request, response, observed),
  );
  await listen(server, http);
  const { address, port } = server.address() as AddressInfo;
  return { address, port, close: () => close(server) };
}

/** Where others reach the server. An address such as 0.0.0.0 says only where it listens. */
export function announcedAddress(
  { announce }: Pick<Config['http'], 'announce'>,
  { address, port }: Pick<HttpServer, 'address' | 'port'>,
): string {
  if (announce === undefined) return `${address}:${port}`;
  return isIPv6(announce) ? `[${announce}]:${port}` : `${announce}:${port}`;
}

async function listen(server: Server, { host, port, portKey = 'http.port' }: Listening): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw listenFailure({ portKey, hostKey: 'http.host', host, port }, cause);
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { health, registry }: Observed,
): Promise<void> {
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return sendJson(response, 405, { error: 'only GET and HEAD' });
  }
  const path = (request.url ?? '').split('?', 1)[0];
  if (path === '/livez') {
    const liveness = health.live();
    return sendJson(response, liveness.live ? 200 : 503, liveness);
  }
  if (path === '/readyz') {
    const readiness = health.ready();
    return sendJson(response, readiness.ready ? 200 : 503, readiness);
  }
  if (path === '/metrics') return sendMetrics(response, registry);
  sendJson(response, 404, { error: 'not found; there are /livez, /readyz and /metrics' });
}

async function sendMetrics(response: ServerResponse, registry: Registry): Promise<void> {
  try {
    send(response, 200, registry.contentType, await registry.metrics());
  } catch {
    sendJson(response, 500, { error: 'the metrics cannot be collected' });
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
}

/** Node leaves the body out of the answer to HEAD by itself. */
function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}
