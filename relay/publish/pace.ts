/**
 * Owns how much one Kafka transaction may hold at present. Usually that is what the settings say. But Kafka aborts a
 * transaction that is not over within kafka.transactionTimeoutMs, and on a slow cluster, or under a quota, the same batch
 * would be aborted again and again. So after an abort the next transaction is smaller, down to one event, and after quick
 * ones it grows again. A Postgres transaction that is larger then comes in parts, as one over the limits of the settings.
 */
import type { Config } from '../config.ts';

/** One that took less than this part of the time may be twice as large the next time, and then takes half of it at most. */
const quickPart = 1 / 4;

type Size = { readonly events: number; readonly bytes: number };

export class Pace {
  /** The settings of `publish`, with the limits of the moment. */
  readonly limits: Config['publish'];
  readonly #most: Size;
  readonly #timeoutMs: number;
  #now: Size;

  constructor({ publish, kafka }: Pick<Config, 'publish' | 'kafka'>) {
    this.#most = { events: publish.maxTransactionEvents, bytes: publish.maxTransactionBytes };
    this.#timeoutMs = kafka.transactionTimeoutMs;
    this.#now = this.#most;
    const now = (): Size => this.#now;
    this.limits = {
      ...publish,
      get maxTransactionEvents() {
        return now().events;
      },
      get maxTransactionBytes() {
        return now().bytes;
      },
      get batchEvents() {
        return Math.min(publish.batchEvents, now().events);
      },
      get batchBytes() {
        return Math.min(publish.batchBytes, now().bytes);
      },
    };
  }

  /** Whether it is less than the settings allow. */
  get isReduced(): boolean {
    return this.#now.events < this.#most.events || this.#now.bytes < this.#most.bytes;
  }

  /** A transaction of this size was aborted for the time that it took. */
  expired({ events, bytes }: Size): void {
    if (events === 0) return;
    this.#now = {
      events: Math.max(1, Math.floor(Math.min(this.#now.events, events) / 2)),
      bytes: Math.max(1, Math.floor(Math.min(this.#now.bytes, bytes) / 2)),
    };
  }

  /** A transaction with events was committed. */
  committed(elapsedMs: number): void {
    if (!this.isReduced || elapsedMs > this.#timeoutMs * quickPart) return;
    this.#now = {
      events: Math.min(this.#most.events, this.#now.events * 2),
      bytes: Math.min(this.#most.bytes, this.#now.bytes * 2),
    };
  }
}
