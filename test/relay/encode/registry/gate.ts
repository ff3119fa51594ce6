/** Owns a way to the registry that can be closed: an outage that only the relay meets. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

export type Gate = AsyncDisposable & {
  readonly url: string;
  /** Connections that were opened through it. */
  readonly connections: number;
  shut(): Promise<void>;
  open(): Promise<void>;
};

export async function openGate(targetUrl: string): Promise<Gate> {
  const target = new URL(targetUrl);
  let connections = 0;
  const listen = async (port: number): Promise<Server> => {
    const server = createServer((near) => {
      connections += 1;
      const far = connect(Number(target.port), target.hostname);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
      near.pipe(far).pipe(near);
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  const shut = async () => {
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  return {
    url: url.href,
    get connections() {
      return connections;
    },
    shut,
    async open() {
      server = await listen(port);
    },
    [Symbol.asyncDispose]: shut,
  };
}
