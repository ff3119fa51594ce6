/** A reverse proxy as people put before the console: it serves it under a path, and strips that path or passes it on. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export type ReverseProxyOptions = {
  /** Where requests go. */
  readonly target: URL;
  /** Such as `/outbox/`; every other path is another application, which answers 404. */
  readonly prefix: string;
  readonly strips: boolean;
  /** What it adds, in place of what the browser sends. */
  readonly headers?: Readonly<Record<string, string>>;
};

export class ReverseProxy implements AsyncDisposable {
  /** With the prefix, without a slash at the end. */
  readonly url: string;
  /** Paths of others, which a page under a prefix must never ask for. */
  readonly strays: string[];
  readonly #server: Server;

  private constructor(server: Server, prefix: string, strays: string[]) {
    this.#server = server;
    this.strays = strays;
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}${prefix.slice(0, -1)}`;
  }

  static async open({ target, prefix, strips, headers }: ReverseProxyOptions): Promise<ReverseProxy> {
    const strays: string[] = [];
    const server = createServer((asked, answer) => {
      const { url: path = '', method } = asked;
      if (!path.startsWith(prefix)) {
        strays.push(path);
        answer.writeHead(404).end('another application');
        return;
      }
      const passing = request({
        host: target.hostname,
        port: target.port,
        method,
        path: strips ? path.slice(prefix.length - 1) : path,
        // The host as it is, as nginx does with `proxy_set_header Host $http_host`.
        headers: { ...asked.headers, ...headers },
      });
      passing.on('response', (passed) => {
        answer.writeHead(passed.statusCode!, passed.headers);
        pipeline(passed, answer, () => {});
      });
      passing.on('error', () => answer.writeHead(502).end());
      answer.on('close', () => passing.destroy());
      asked.pipe(passing);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ReverseProxy(server, prefix, strays);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
