/**
 * The transactions between the socket and the encoder, and the bound on memory: it counts the bytes of every event that
 * is not yet committed to Kafka, and says when to stop reading from Postgres. One reader.
 */
import type { RelayError } from '../errors.ts';
import type { CommittedTransaction } from './transaction.ts';

export class Inbox {
  /** Resolves with the failure of the stream, if it fails. */
  readonly failed: Promise<RelayError>;
  readonly #fail: (error: RelayError) => void;
  readonly #maxBytes: number;
  readonly #onRoom: () => void;
  #queue: CommittedTransaction[] = [];
  #head = 0;
  #bytes = 0;
  #failure: RelayError | undefined;
  #waiting: { resolve: () => void; reject: (error: RelayError) => void } | undefined;

  /** @param onRoom called when the bytes fall below the bound after having reached it. */
  constructor(maxBytes: number, onRoom: () => void) {
    this.#maxBytes = maxBytes;
    this.#onRoom = onRoom;
    const { promise, resolve } = Promise.withResolvers<RelayError>();
    this.failed = promise;
    this.#fail = resolve;
  }

  /** Bytes of events read from Postgres and not yet released. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Commit time, ms since 1970, of the first transaction in line. */
  get oldestMs(): number | undefined {
    return this.#queue[this.#head]?.committedAtMs;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  push(transaction: CommittedTransaction): void {
    this.#queue.push(transaction);
    this.#bytes += transaction.bytes;
    this.wake();
  }

  /** Ends the inbox. What arrived and was not committed is dropped with it: the next connection reads it again. */
  fail(error: RelayError): void {
    this.#failure ??= error;
    this.#fail(this.#failure);
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** The next transaction, without removing it. @throws the failure of the stream. */
  peek(): CommittedTransaction | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#queue[this.#head];
  }

  shift(): void {
    this.#head += 1;
    // Array.shift is O(n) on a long queue; dropping the read half once it is half keeps it O(1) amortised.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Ends a wait for arrival although nothing arrived. */
  wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** Resolves when `peek` has something, or on `wake`; rejects with the failure of the stream. */
  arrival(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#head < this.#queue.length) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** The events of these bytes are committed, or were skipped. */
  release(bytes: number): void {
    const wasFull = this.isFull;
    this.#bytes -= bytes;
    if (wasFull && !this.isFull) this.#onRoom();
  }
}
