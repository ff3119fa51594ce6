/** Owns from which commit time on the table still has every row; what is older may have been removed from it. */

/**
 * Where rows were removed, those of one transaction may lie on both sides of the cut: its early rows are gone, yet it was
 * committed after the oldest row left was written. No writing transaction is expected to take longer than this.
 */
const longestTransactionMs = 600_000;

export class CoveredFrom {
  #oldestRowMs = Number.POSITIVE_INFINITY;
  #oldestMatchMs = Number.POSITIVE_INFINITY;
  #oldestStrangerMs = Number.POSITIVE_INFINITY;
  #removedMs = Number.NEGATIVE_INFINITY;

  /** A row, by its `created_at`. */
  noteRow(createdAtMs: number): void {
    // Kafka has no part of a millisecond: a record of the same one must not pass for older than the row.
    this.#oldestRowMs = Math.min(this.#oldestRowMs, Math.floor(createdAtMs));
  }

  /** A record of a row that the table has. */
  noteMatch(committedAtMs: number): void {
    this.#oldestMatchMs = Math.min(this.#oldestMatchMs, committedAtMs);
  }

  /** A record of a row that the table lacks. */
  noteStranger(committedAtMs: number): void {
    this.#oldestStrangerMs = Math.min(this.#oldestStrangerMs, committedAtMs);
  }

  /** Cleanup has removed rows that were written before this time. Older ones may be left that it has to keep. */
  noteRemoved(beforeMs: number): void {
    this.#removedMs = Math.max(this.#removedMs, beforeMs);
  }

  /** Without `created_at`, judged by the records. */
  fromMs(): number {
    const leftMs = Number.isFinite(this.#oldestRowMs) ? this.#oldestRowMs : this.#oldestMatchMs;
    const oldestMs = Math.max(leftMs, this.#removedMs);
    return this.#oldestStrangerMs < oldestMs ? oldestMs + longestTransactionMs : oldestMs;
  }
}
