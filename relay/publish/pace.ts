/**
 * Owns how much one Kafka transaction may hold at present. Usually that is what the settings say. But Kafka aborts a
 * transaction that is not over within kafka.transactionTimeoutMs, and on a slow cluster, or under a quota, the same batch
 * would be aborted again and again.
 *
 * Promise: the events of one Postgres transaction stay together as long as Kafka can take them together. So the first
 * remedy is a Kafka transaction for each Postgres transaction. Only one that was alone and was aborted twice in a row is
 * split, as one over the limits of the settings: a single abort may come of a relay that stood still, and costs no more
 * than the time. After quick transactions everything grows again.
 */
import type { Config } from '../config/config.ts';

/** One that took less than this part of the time may be twice as large the next time, and then takes half of it at most. */
const quickPart = 1 / 4;

/** Aborts in a row of a Postgres transaction that was alone, after which it is split. */
const abortsBeforeSplit = 2;

type Size = { readonly events: number; readonly bytes: number };

export class Pace {
  /** The settings of `publish`, with the limits of the moment. */
  readonly limits: Config['publish'];
  readonly #most: { readonly split: Size; readonly batch: Size };
  readonly #timeoutMs: number;
  /** Above it a Postgres transaction is split. */
  #split: Size;
  /** From it on a Kafka transaction takes in no further Postgres transaction. */
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

  /** Whether Postgres transactions are split that the settings would leave whole. */
  get isSplitting(): boolean {
    return this.#split.events < this.#most.split.events || this.#split.bytes < this.#most.split.bytes;
  }

  /**
   * A Kafka transaction of this size was aborted for the time that it took.
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
