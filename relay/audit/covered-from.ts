/**
 * Owns from which commit time on the table still has every row; what is older may have been removed from it. Promise: no
 * record is called leaked because cleanup removed its row, and none is passed over because it might have.
 */
import type { Removals } from '../ledger/removals.ts';
import { commitToleranceMs } from './commit-tolerance.ts';

/**
 * Where rows were removed, those of one transaction may lie on both sides of the cut: its early rows are gone, yet it was
 * committed after the oldest row left was written. No writing transaction is expected to take longer than this.
 */
const longestTransactionMs = 600_000;

export class CoveredFrom {
  #oldestRowMs = Number.POSITIVE_INFINITY;
  #oldestMatchMs = Number.POSITIVE_INFINITY;
  #oldestStrangerMs = Number.POSITIVE_INFINITY;
  #removals: Removals | undefined;

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

  /** What cleanup has removed. Older rows may be left that it has to keep. */
  noteRemoved(removals: Removals): void {
    this.#removals = removals;
  }

  /** Without `created_at`, judged by the records. */
  fromMs(): number {
    // A row may say that it is of a later time than its commit.
    const leftMs = Math.min(this.#oldestRowMs, this.#oldestMatchMs);
    const oldestMs = Math.max(leftMs, this.#removals?.beforeMs ?? Number.NEGATIVE_INFINITY);
    return this.#oldestStrangerMs < oldestMs ? oldestMs + longestTransactionMs : oldestMs;
  }

  /**
   * Of a record without a row, from `fromMs` on. Cleanup goes by what a row says: it also removes one that was committed
   * lately and says that it is old. Nothing tells such a record from a leaked one.
   */
  isPerhapsRemoved(committedAtMs: number): boolean {
    return committedAtMs < (this.#removals?.lastMs ?? Number.NEGATIVE_INFINITY) + commitToleranceMs;
  }
}
