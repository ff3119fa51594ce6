/**
 * Owns the current limits of one Kafka transaction. Normally the settings apply. But Kafka aborts a transaction that
 * takes longer than kafka.transactionTimeoutMs. On a slow cluster, or under a quota, it would abort the same batch
 * again and again.
 *
 * Promise: the events of one Postgres transaction stay together as long as Kafka can take them together. So the first
 * step is one Kafka transaction per Postgres transaction. Only a Postgres transaction that was alone and was aborted
 * twice in a row is split, like one over the limits of the settings. A single abort may be due to a relay that was
 * paused, and costs only time. After fast transactions the limits grow back.
 */
import type { Config } from '../config/config.ts';
import { partLimits, type Size, transactionLimits } from '../config/part-limits.ts';

/**
 * After a transaction that took less than this part of the timeout, the size doubles. The next takes half of it at
 * most.
 */
const quickPart = 1 / 4;

/** Consecutive aborts of a single Postgres transaction after which it is split. */
const abortsBeforeSplit = 2;

export class TransactionLimits {
  /** The settings of `publish`, with the current limits. */
  readonly publish: Config['publish'];
  readonly #most: { readonly split: Size; readonly part: Size; readonly batch: Size };
  readonly #timeoutMs: number;
  /** A larger Postgres transaction is split. */
  #split: Size;
  /** Kept, since capture asks for each row. */
  #part: Size;
  /** A Kafka transaction of this size takes no further Postgres transaction. */
  #batch: Size;
  /** Consecutive aborts of a single Postgres transaction. */
  #aborts = 0;

  constructor({ publish, kafka }: Pick<Config, 'publish' | 'kafka'>) {
    this.#most = {
      split: transactionLimits(publish),
      part: partLimits(publish),
      batch: { events: publish.batchEvents, bytes: publish.batchBytes },
    };
    this.#split = this.#most.split;
    this.#part = this.#most.part;
    this.#batch = this.#most.batch;
    this.#timeoutMs = kafka.transactionTimeoutMs;
    const split = () => this.#split;
    const batch = () => least(this.#batch, this.#split);
    const part = () => this.#part;
    this.publish = {
      ...publish,
      // They change without a restart.
      get maxEventsPerSecond() {
        return publish.maxEventsPerSecond;
      },
      get maxBytesPerSecond() {
        return publish.maxBytesPerSecond;
      },
      get maxTransactionEvents() {
        return split().events;
      },
      get maxTransactionBytes() {
        return split().bytes;
      },
      get partEvents() {
        return part().events;
      },
      get partBytes() {
        return part().bytes;
      },
      get batchEvents() {
        return batch().events;
      },
      get batchBytes() {
        return batch().bytes;
      },
    };
  }

  /** Whether Postgres transactions are split that are within the limits of the settings. */
  get isSplitting(): boolean {
    return this.#split.events < this.#most.split.events || this.#split.bytes < this.#most.split.bytes;
  }

  /**
   * A Kafka transaction of this size was aborted because it took too long.
   * @param postgresTransactions the number of Postgres transactions in it
   */
  expired({ events, bytes }: Size, postgresTransactions: number): void {
    this.#batch = { events: 1, bytes: 1 };
    if (events === 0 || postgresTransactions > 1) return;
    this.#aborts += 1;
    if (this.#aborts < abortsBeforeSplit) return;
    const half = { events: Math.floor(events / 2), bytes: Math.floor(bytes / 2) };
    const next = least(this.#split, half);
    this.#splitAt({ events: Math.max(1, next.events), bytes: Math.max(1, next.bytes) });
  }

  #splitAt(size: Size): void {
    this.#split = size;
    this.#part = least(this.#most.part, size);
  }

  /** A transaction with events was committed. */
  committed(elapsedMs: number): void {
    this.#aborts = 0;
    if (elapsedMs > this.#timeoutMs * quickPart) return;
    if (this.isSplitting) this.#splitAt(least(twice(this.#split), this.#most.split));
    else this.#batch = least(twice(this.#batch), this.#most.batch);
  }
}

/** A size that no transaction has: a limit that grows beyond it is none, as it was at the beginning. */
const boundless = 2 ** 36;

function twice({ events, bytes }: Size): Size {
  const double = (size: number) => (size >= boundless ? Number.POSITIVE_INFINITY : size * 2);
  return { events: double(events), bytes: double(bytes) };
}

function least(a: Size, b: Size): Size {
  return { events: Math.min(a.events, b.events), bytes: Math.min(a.bytes, b.bytes) };
}
