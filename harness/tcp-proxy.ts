/**
 * A TCP proxy that makes a network bad: slow, silent, cut, half-open, or late with one Kafka request, or failing one.
 * While a connection lives, bytes are never lost, repeated or changed, as TCP promises (but for a Kafka answer that
 * `failNext` withholds); a silence that ends delivers what it held.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ISocketFactory } from 'kafkajs';

/** Listens to one connection. Called with bytes before they go on. */
export type Ear = { fromClient(chunk: Buffer): void; fromServer(chunk: Buffer): void };

/** API keys of Kafka requests that can be held, or failed. */
const kafkaApis = {
  Produce: 0,
  Fetch: 1,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  EndTxn: 26,
  /** Between brokers. */
  WriteTxnMarkers: 27,
} as const;
export type KafkaApi = keyof typeof kafkaApis;

/**
 * - `request`: the connection is cut and the request never arrives;
 * - `answer`: the request arrives, and the connection is cut instead of the answer;
 * - `silence`: the request arrives, its answer is withheld, and the connection stays.
 */
export type ExchangeFault = 'request' | 'answer' | 'silence';

export type Held = {
  /** Resolves when such a request was met, and is held. */
  readonly met: Promise<void>;
  readonly isMet: boolean;
  /** Delivers it, even if its sender has gone by then. */
  release(): void;
};

type Failing = { readonly api: number; readonly fault: ExchangeFault; readonly happened: () => void };

type Pair = {
  readonly client: Socket;
  readonly server: Socket;
  isHeld: boolean;
  isDeaf: boolean;
  /** By correlation id, requests whose answers are to fail. */
  readonly failing: Map<number, Failing>;
};

export class TcpProxy implements AsyncDisposable {
  /** Changes where new connections go. */
  targetPort: number;
  /** Added to each chunk, both ways. */
  latencyMs = 0;
  /** Both ways, each connection. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** Listens to each new connection. */
  listen: (() => Ear) | undefined;
  /** New connections are reset. */
  isClosed = false;
  /** Opened through it so far. */
  connections = 0;
  readonly #server: Server;
  readonly #speaksKafka: boolean;
  readonly #pairs = new Set<Pair>();
  #silence: { promise: Promise<void>; resolve: () => void } | undefined;
  #hold: { api: number; met: () => void; released: Promise<void> } | undefined;
  #failing: Failing | undefined;

  private constructor(server: Server, targetPort: number, speaksKafka: boolean) {
    this.#server = server;
    this.targetPort = targetPort;
    this.#speaksKafka = speaksKafka;
    server.on('connection', (client) => this.#accept(client));
  }

  /** On a free loopback port. @param speaksKafka whether requests of its clients can be told apart, held and failed */
  static async open(targetPort: number, speaksKafka = false): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.unref();
    return new TcpProxy(server, targetPort, speaksKafka);
  }

  /** @param url of the server, on this machine */
  static before(url: string, speaksKafka = false): Promise<TcpProxy> {
    return TcpProxy.open(Number(new URL(url).port), speaksKafka);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  /** The same URL, by way of this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String(this.port);
    return changed.href;
  }

  /** For a client of kafkajs: each connection goes through here, whatever address the broker advertises. */
  get socketFactory(): ISocketFactory {
    const { port } = this;
    return ({ onConnect }) => connect({ host: '127.0.0.1', port }, onConnect);
  }

  /**
   * From now on nothing passes, not even a FIN; new connections are accepted and stay mute. `calm` delivers everything.
   */
  silence(): void {
    this.#silence ??= Promise.withResolvers<void>();
  }

  /** Ends each connection with RST, on both sides. */
  reset(): void {
    for (const pair of this.#pairs) cut(pair);
  }

  /** Resets every connection, those to come too, until `calm`. */
  shut(): void {
    this.isClosed = true;
    this.reset();
  }

  /** The server loses its connections; the clients notice nothing, and what they send goes nowhere. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      pair.isDeaf = true;
      reset(pair.server);
    }
  }

  /** Holds the next request of this kind, and what follows it on its connection. */
  hold(api: KafkaApi): Held {
    const met = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    let isMet = false;
    const own = {
      api: kafkaApis[api],
      met: () => {
        isMet = true;
        met.resolve();
      },
      released: released.promise,
    };
    this.#hold = own;
    return {
      met: met.promise,
      get isMet() {
        return isMet;
      },
      release: () => {
        if (this.#hold === own) this.#hold = undefined;
        released.resolve();
      },
    };
  }

  /** Fails the next exchange of this kind. Resolves when that has happened. */
  failNext(api: KafkaApi, fault: ExchangeFault): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#failing = { api: kafkaApis[api], fault, happened: resolve };
    return promise;
  }

  /** Ends every disturbance; half-open connections are reset. */
  calm(): void {
    this.latencyMs = 0;
    this.bytesPerSecond = Number.POSITIVE_INFINITY;
    this.isClosed = false;
    this.#silence?.resolve();
    this.#silence = undefined;
    for (const pair of this.#pairs) if (pair.isDeaf) reset(pair.client);
  }

  close(): void {
    this.calm();
    this.reset();
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.close();
    await closed;
  }

  #accept(client: Socket): void {
    this.connections += 1;
    client.on('error', () => {}); // an end like any other
    if (this.isClosed) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({
      port: this.targetPort,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    const pair: Pair = { client, server, isHeld: false, isDeaf: false, failing: new Map() };
    this.#pairs.add(pair);
    server.on('error', () => {
      if (!pair.isDeaf) cut(pair);
    });
    client.on('close', () => {
      if (!pair.isHeld) server.destroy();
    });
    server.on('close', () => {
      if (!pair.isDeaf) client.destroy();
      if (client.destroyed) this.#pairs.delete(pair);
    });
    const ear = this.listen?.();
    void this.#pump(pair, client, server, (chunk) => ear?.fromClient(chunk));
    void this.#pump(pair, server, client, (chunk) => ear?.fromServer(chunk));
  }

  async #pump(pair: Pair, from: Socket, to: Socket, hear: (chunk: Buffer) => void): Promise<void> {
    const requests = new Frames();
    const answers = new Answers();
    try {
      for await (const chunk of from) {
        hear(chunk);
        if (!this.#speaksKafka) await this.#pass(pair, chunk, to);
        else if (from === pair.server) {
          const pieces = answers.passing(chunk, (correlationId) => isAnswerFailed(pair, correlationId));
          for (const piece of pieces) await this.#pass(pair, piece, to);
        } else
          for (const request of requests.add(chunk)) {
            if (this.#isRequestFailed(pair, request)) continue;
            await this.#passHold(pair, request);
            await this.#pass(pair, request, to);
          }
      }
      while (this.#silence !== undefined) await this.#silence.promise;
      to.end();
    } catch {
      // The 'close' handlers see to the other side.
    }
  }

  #isRequestFailed(pair: Pair, frame: Buffer): boolean {
    const failing = this.#failing;
    if (failing === undefined || frame.length < 12 || frame.readInt16BE(4) !== failing.api) return false;
    this.#failing = undefined;
    if (failing.fault !== 'request') {
      pair.failing.set(frame.readInt32BE(8), failing);
      return false;
    }
    cut(pair);
    failing.happened();
    return true;
  }

  async #passHold(pair: Pair, frame: Buffer): Promise<void> {
    const hold = this.#hold;
    if (hold === undefined || frame.length < 6 || frame.readInt16BE(4) !== hold.api) return;
    this.#hold = undefined;
    pair.isHeld = true;
    hold.met();
    await hold.released;
    // A moment for the late delivery to arrive before the end of the connection does.
    setTimeout(() => {
      pair.isHeld = false;
      if (pair.client.destroyed) pair.server.destroy();
    }, 500).unref();
  }

  async #pass(pair: Pair, chunk: Buffer, to: Socket): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const rate = this.bytesPerSecond;
      const size = Number.isFinite(rate) ? Math.max(1, Math.ceil(rate / 10)) : chunk.length;
      const piece = chunk.subarray(at, at + size);
      at += piece.length;
      if (Number.isFinite(rate)) await delay((piece.length / rate) * 1000);
      if (this.latencyMs > 0) await delay(this.latencyMs);
      while (this.#silence !== undefined) await this.#silence.promise;
      if (pair.isDeaf || to.destroyed) return;
      if (!to.write(piece)) await drained(to);
    }
  }
}

function isAnswerFailed(pair: Pair, correlationId: number): boolean {
  const failing = pair.failing.get(correlationId);
  if (failing === undefined) return false;
  pair.failing.delete(correlationId);
  if (failing.fault === 'answer') cut(pair);
  failing.happened();
  return true;
}

function cut({ client, server }: Pair): void {
  reset(client);
  reset(server);
}

/** One whose FIN is on its way cannot be reset: Node would leave its handle open. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resolves when it takes more, or never will. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

/** Cuts a stream of Kafka requests into whole ones, each with its size in front. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readInt32BE(at);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return frames;
  }
}

/** Size and correlation id. */
const answerHeadBytes = 8;

/** Passes Kafka's answers on as their bytes arrive, so that a cut may fall within one, and leaves out those that fail. */
class Answers {
  /** Of an answer whose correlation id is still to come. */
  #head: Buffer = Buffer.alloc(0);
  /** Of the answer that is passing. */
  #bytesLeft = 0;
  #isFailed = false;

  passing(chunk: Buffer, isFailed: (correlationId: number) => boolean): Buffer[] {
    const pieces: Buffer[] = [];
    let bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    while (bytes.length > 0) {
      if (this.#bytesLeft === 0) {
        if (bytes.length < answerHeadBytes) break;
        this.#bytesLeft = 4 + bytes.readInt32BE(0);
        this.#isFailed = isFailed(bytes.readInt32BE(4));
      }
      const piece = bytes.subarray(0, this.#bytesLeft);
      if (!this.#isFailed) pieces.push(piece);
      this.#bytesLeft -= piece.length;
      bytes = bytes.subarray(piece.length);
    }
    this.#head = bytes;
    return pieces;
  }
}
