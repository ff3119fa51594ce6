/**
 * Owns how much one Kafka transaction may hold at the moment. Usually the settings decide. But Kafka aborts a
 * transaction that takes longer than kafka.transactionTimeoutMs, and on a slow cluster, or under a quota, it would
 * abort the same batch again and again.
 *
 * Promise: the events of one Postgres transaction stay together as long as Kafka can take them together. So the first
 * remedy is one Kafka transaction per Postgres transaction. A Postgres transaction is split, as if it were over the
 * limits of the settings, only if it was alone and was aborted twice in a row: a single abort may be due to a relay
 * that was stopped, and costs only time. After fast transactions the limits grow again.
 */
import type { Config } from '../config/config.ts';

/**
 * A transaction that takes less than this share of the timeout may be twice as large next time: then it takes at most
 * half.
 */
const quickPart = 1 / 4;

/** After so many aborts in a row, a Postgres transaction that was alone is split. */
const abortsBeforeSplit = 2;

type Size = { readonly events: number; readonly bytes: number };

export class Pace {
  /** The settings of `publish`, with the limits of the moment. */
  readonly limits: Config['publish'];
  readonly #most: { readonly split: Size; readonly batch: Size };
  readonly #timeoutMs: number;
  /** A Postgres transaction above it is split. */
  #split: Size;
  /** A Kafka transaction that reaches it takes no further Postgres transaction. */
  #batch: Size;
  /** In a row, of one Postgres transaction alone. */
  #aborts = 0;

  constructor({ publish, kafka }: Pick<Config, 'publish' | 'kafka'>) {
    this.#most = {
      split: { events: publish.maxTransactionEvents, bytes: publish.maxTransactionBytes },
      batch: { events: publish.batchEvents, bytes: publish.batchBytes },
    };
    this.#split = this.#most.split;
    this.#batch = this.#most.batch;
    this.#timeoutMs = kafka.transactionTimeoutMs;
    const split = () => this.#split;
    const batch = () => least(this.#batch, this.#split);
    this.limits = {
      ...publish,
      get maxTransactionEvents() {
        return split().events;
      },
      get maxTransactionBytes() {
        return split().bytes;
      },
      get batchEvents() {
        return batch().events;
      },
      get batchBytes() {
        return batch().bytes;
      },
    };
  }

  /** Whether Postgres transactions are split although the settings would keep them whole. */
  get isSplitting(): boolean {
    return this.#split.events < this.#most.split.events || this.#split.bytes < this.#most.split.bytes;
  }

  /**
   * A Kafka transaction of this size was aborted because it took too long.
   * @param postgresTransactions how many it held events of
   */
  expired({ events, bytes }: Size, postgresTransactions: number): void {
    this.#batch = { events: 1, bytes: 1 };
    if (events === 0 || postgresTransactions > 1) return;
    this.#aborts += 1;
    if (this.#aborts < abortsBeforeSplit) return;
    const half = { events: Math.floor(events / 2), bytes: Math.floor(bytes / 2) };
    const next = least(this.#split, half);
    this.#split = { events: Math.max(1, next.events), bytes: Math.max(1, next.bytes) };
  }

  /** A transaction with events was committed. */
  committed(elapsedMs: number): void {
    this.#aborts = 0;
    if (elapsedMs > this.#timeoutMs * quickPart) return;
    if (this.isSplitting) this.#split = least(twice(this.#split), this.#most.split);
    else this.#batch = least(twice(this.#batch), this.#most.batch);
  }
}

function twice({ events, bytes }: Size): Size {
  return { events: events * 2, bytes: bytes * 2 };
}

function least(a: Size, b: Size): Size {
  return { events: Math.min(a.events, b.events), bytes: Math.min(a.bytes, b.bytes) };
}
