/**
 * Owns what stands in front of a schema registry in production: a reverse proxy that speaks TLS, asks for a client
 * certificate and for credentials, and passes the rest on to the real registry.
 */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Identity } from '../../stack/certificates.ts';

export type RegistryProxyOptions = {
  /** Base URL of the registry behind it. */
  readonly registryUrl: string;
  readonly identity: Identity;
  /** PEM of the authority of client certificates. */
  readonly clientAuthority: string;
  /** Values of the header `authorization` that are let through. */
  readonly admitted: readonly string[];
};

export type RegistryProxy = AsyncDisposable & {
  readonly port: number;
  /** From the next connection on. */
  present(identity: Identity): void;
};

export async function startRegistryProxy(options: RegistryProxyOptions): Promise<RegistryProxy> {
  const { registryUrl, identity, clientAuthority, admitted } = options;
  const tls = ({ certificate, key }: Identity) => ({ cert: certificate, key, ca: clientAuthority });
  const target = new URL(registryUrl);
  const server: Server = createServer({ ...tls(identity), requestCert: true }, (request, response) => {
    const { authorization = '', host: _, ...headers } = request.headers;
    if (!admitted.includes(authorization)) {
      request.resume();
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' });
      response.end('{"error_code":401,"message":"Unauthorized"}');
      return;
    }
    const { hostname, port } = target;
    const { method, url: path } = request;
    const behind = httpRequest({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    behind.on('error', () => response.writeHead(502).end());
    request.pipe(behind);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    present: (other) => server.setSecureContext(tls(other)),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
