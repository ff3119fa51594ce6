/**
 * The transactions between the socket and the encoder, and the bound on memory: it counts the bytes of every event that
 * is not yet committed to Kafka, and says when to stop reading from Postgres. It has one reader.
 *
 * Promise: a failure of the stream keeps its place in the order. The reader gets first what arrived before it, and never
 * what arrives after it: nobody knows what is missing after a message that could not be read.
 */

import type { RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import type { CommittedTransaction } from './transaction.ts';

export class Inbox {
  /** Resolves with the failure of the stream as soon as it fails, even if transactions wait before it. */
  readonly failed: Promise<RelayError>;
  readonly #fail: (error: RelayError) => void;
  readonly #maxBytes: number;
  readonly #onRoom: () => void;
  #queue: CommittedTransaction[] = [];
  #head = 0;
  #bytes = 0;
  #events = 0;
  #failure: RelayError | undefined;
  #waiting: { resolve: () => void; reject: (error: RelayError) => void } | undefined;

  /** @param onRoom called when the bytes fall below the bound after they reached it */
  constructor(maxBytes: number, onRoom: () => void) {
    this.#maxBytes = maxBytes;
    this.#onRoom = onRoom;
    const { promise, resolve } = withResolvers<RelayError>();
    this.failed = promise;
    this.#fail = resolve;
  }

  /** Bytes of the events that were read from Postgres and are not yet released. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events in line. */
  get events(): number {
    return this.#events;
  }

  /** The first transaction in line. */
  get first(): CommittedTransaction | undefined {
    return this.#queue[this.#head];
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** The failure of the stream, even if transactions wait before it. */
  get failure(): RelayError | undefined {
    return this.#failure;
  }

  push(transaction: CommittedTransaction): void {
    if (this.#failure !== undefined) return;
    this.#queue.push(transaction);
    this.#bytes += transaction.bytes;
    this.#events += transaction.rows.length;
    this.wake();
  }

  /** Ends the inbox after what it holds. The first failure counts. */
  fail(error: RelayError): void {
    this.#failure ??= error;
    this.#fail(this.#failure);
    // A reader that waits has read everything before it.
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** The next transaction, without removing it. @throws the failure of the stream, once all before it is taken. */
  peek(): CommittedTransaction | undefined {
    const next = this.#queue[this.#head];
    if (next === undefined && this.#failure !== undefined) throw this.#failure;
    return next;
  }

  shift(): void {
    this.#events -= this.#queue[this.#head]?.rows.length ?? 0;
    this.#head += 1;
    // Array.shift is O(n) on a long queue. To drop the read part once it is half of the queue is O(1) amortised.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Ends a wait for `arrival`, although nothing arrived. */
  wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** Resolves when `peek` has something, or on `wake`. Rejects with the failure of the stream when its turn comes. */
  arrival(): Promise<void> {
    if (this.#head < this.#queue.length) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** To be called when the events of so many bytes are committed or skipped. */
  release(bytes: number): void {
    const wasFull = this.isFull;
    this.#bytes -= bytes;
    if (wasFull && !this.isFull) this.#onRoom();
  }
}
