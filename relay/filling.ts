/**
 * The batch that fills while another is in flight: encoded events, dead letters, and what of the stream they cover. A
 * Postgres transaction is added whole or not at all.
 */
import type { CommittedTransaction } from './capture/transaction.ts';
import type { Config } from './config.ts';
import type { EncodedTransaction, Rejection } from './encode/record.ts';
import type { Covered } from './progress.ts';
import type { BatchBuilder } from './publish/batch.ts';

export class Filling {
  readonly batch: BatchBuilder;
  readonly rejections: Rejection[] = [];
  /** Commit times in Postgres, ms since 1970, of the transactions that have events here. */
  readonly committedAtMs: number[] = [];
  #covered: Covered | undefined;
  #capturedBytes = 0;
  #firstMs = Number.POSITIVE_INFINITY;

  constructor(batch: BatchBuilder) {
    this.batch = batch;
  }

  /** Up to where the stream is covered, once this batch is committed. */
  get covered(): Covered | undefined {
    return this.#covered;
  }

  /** Bytes that capture counts for what is in here. */
  get capturedBytes(): number {
    return this.#capturedBytes;
  }

  /** Whether there is anything to publish or to set aside, beyond the progress itself. */
  get hasEvents(): boolean {
    return this.batch.events > 0 || this.rejections.length > 0;
  }

  /** When the first event came in, on the monotonic clock. */
  get firstMs(): number {
    return this.#firstMs;
  }

  /** Whether a transaction can be added without exceeding what one Kafka transaction may hold. An empty batch takes any. */
  takes(transaction: CommittedTransaction, limits: Config['publish']): boolean {
    if (!this.hasEvents) return true;
    const events = this.batch.events + this.rejections.length + transaction.rows.length;
    return (
      events <= limits.maxTransactionEvents &&
      this.batch.bytes + transaction.bytes <= limits.maxTransactionBytes
    );
  }

  add(transaction: CommittedTransaction, encoded: EncodedTransaction): void {
    for (const record of encoded.records) this.batch.append(record);
    this.rejections.push(...encoded.rejections);
    if (encoded.records.length > 0) this.committedAtMs.push(transaction.committedAtMs);
    if (this.hasEvents) this.#firstMs = Math.min(this.#firstMs, performance.now());
    this.#capturedBytes += transaction.bytes;
    this.#covered = {
      commitLsn: transaction.commitLsn,
      endLsn: transaction.endLsn,
      nextOrdinal: transaction.firstOrdinal + transaction.rows.length,
      beat: transaction.beat ?? this.#covered?.beat,
    };
  }
}
