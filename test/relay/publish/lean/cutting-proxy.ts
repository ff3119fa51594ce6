/**
 * Owns a TCP proxy before one broker that cuts, or holds, exactly one exchange: the next of a kind of request. It reads
 * the frames of the protocol in both directions, so that a test says where in a transaction the network fails.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';

/**
 * - `request`: the connection is cut and the request never arrives;
 * - `answer`: the request arrives, the connection is cut instead of the answer;
 * - `silence`: the request arrives, its answer is withheld and the connection stays.
 */
export type Fault = 'request' | 'answer' | 'silence';

export const apiKeys = { produce: 0, fetch: 1, addPartitions: 24, endTxn: 26 } as const;

type Armed = { readonly apiKey: number; readonly fault: Fault; readonly done: () => void };

export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #armed: Armed | undefined;

  private constructor(broker: string) {
    const [host = '', port = ''] = broker.split(':');
    this.#server = createServer((client) => this.#join(client, connect(Number(port), host)));
  }

  /** @param broker `host:port` */
  static async open(broker: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(broker);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** For a client of kafkajs: every connection goes through here, whatever address the broker advertises. */
  get socketFactory(): ISocketFactory {
    const { port } = this.#server.address() as AddressInfo;
    return ({ onConnect }) => connect({ host: '127.0.0.1', port }, onConnect);
  }

  /** Resolves when the fault has happened. */
  failNext(apiKey: number, fault: Fault): Promise<void> {
    const happened = Promise.withResolvers<void>();
    this.#armed = { apiKey, fault, done: happened.resolve };
    return happened.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, broker: Socket): void {
    const cut = () => {
      client.destroy();
      broker.destroy();
    };
    const faults = new Map<number, Armed>();
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    eachFrame(client, (frame) => {
      const armed = this.#armed;
      if (armed?.apiKey === frame.readInt16BE(4)) {
        this.#armed = undefined;
        if (armed.fault === 'request') {
          cut();
          armed.done();
          return;
        }
        faults.set(frame.readInt32BE(8), armed);
      }
      broker.write(frame);
    });
    eachFrame(broker, (frame) => {
      const fault = faults.get(frame.readInt32BE(4));
      if (fault === undefined) client.write(frame);
      else {
        if (fault.fault === 'answer') cut();
        fault.done();
      }
    });
  }
}

/** Frames with their size in front. */
function eachFrame(socket: Socket, take: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= rest.readInt32BE(0) + 4) {
      const size = rest.readInt32BE(0) + 4;
      take(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
  });
}
