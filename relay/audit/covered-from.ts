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

  /** Without `created_at`, judged by the records. */
  fromMs(): number {
    const oldestMs = Number.isFinite(this.#oldestRowMs) ? this.#oldestRowMs : this.#oldestMatchMs;
    return this.#oldestStrangerMs < oldestMs ? oldestMs + longestTransactionMs : oldestMs;
  }
}
