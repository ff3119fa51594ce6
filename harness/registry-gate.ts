/** Stands between the relay and the schema registry, and answers in its place when the registry is to look broken. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

export type RegistryMood = 'well' | 'down' | 'error' | 'slow' | 'html' | 'silent';

/** Longer than the relay waits for an answer here (`registry.timeoutMs`). */
const slowMs = 3_000;

export type Answer = { readonly status: number; readonly body: string };

export class RegistryGate implements AsyncDisposable {
  mood: RegistryMood = 'well';
  /** Requests that it met in any mood but `well`. */
  disturbed = 0;
  /** What is answered in place of the registry. @param path below the registry's own, as `/subjects` */
  instead: (method: string, path: string) => Answer | undefined = () => undefined;
  readonly #server: Server;
  readonly #target: URL;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
    server.on('request', (request, response) => void this.#answer(request, response).catch(() => {}));
  }

  static async open(registryUrl: string): Promise<RegistryGate> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.unref();
    return new RegistryGate(server, new URL(registryUrl));
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate is closed');
    return `http://127.0.0.1:${address.port}${this.#target.pathname}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.close();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.mood !== 'well') this.disturbed += 1;
    switch (this.mood) {
      case 'down':
        request.socket.resetAndDestroy();
        return;
      case 'error':
        response.writeHead(500, { 'content-type': 'application/json' });
        response.end('{"error_code":50001,"message":"store is not available"}');
        return;
      case 'html':
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<html><body>Please log in</body></html>');
        return;
      case 'silent':
        return;
      case 'slow':
        await delay(slowMs);
        break;
      case 'well':
        break;
    }
    const { method = 'GET', url = '/', headers } = request;
    const path = url.slice(this.#target.pathname.replace(/\/$/, '').length);
    const answer = this.instead(method, path);
    if (answer !== undefined) return void response.writeHead(answer.status).end(answer.body);
    const forwarded = await fetch(new URL(url, this.#target), {
      method,
      headers: {
        accept: headers.accept ?? '*/*',
        ...(headers['content-type'] === undefined ? {} : { 'content-type': headers['content-type'] }),
      },
      body: method === 'GET' || method === 'DELETE' ? null : await buffer(request),
    });
    response.writeHead(forwarded.status, {
      'content-type': forwarded.headers.get('content-type') ?? 'application/json',
    });
    response.end(Buffer.from(await forwarded.arrayBuffer()));
  }
}
