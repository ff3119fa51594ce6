/**
 * Owns what may be concluded about records whose event the snapshot does not have. Such a record is
 * - *newer*, if its position is not below `snapshotLsn` and its commit time is not before the snapshot, less a
 *   tolerance. The time counts because positions of another database, or of the lost end of a restored one, are numbers
 *   like any other; the tolerance, because a commit takes its time before its place in the WAL;
 * - *newer* as well, if a second look at the table finds it (`suspects`, `confirm`): a transaction becomes visible some
 *   time after its commit record was written, so its position can be below the snapshot's;
 * - *unknown*, if it is older than what the table still covers: rows are deleted, partitions dropped;
 * - *leaked or not shown*, if transactions that ran when it was read have not ended: one of them may still show it, as while
 *   its commit waits for a synchronous standby;
 * - *leaked or removed*, if it was committed before cleanup last removed rows: these may say that they are older than they are;
 * - *leaked* otherwise: it is of a rolled-back transaction, or of another database.
 *
 * One case looks like a leak and is not: rows that the application itself deletes while the table keeps older ones. Pure.
 */
import type { Removals } from '../ledger/removals.ts';
import type { Lsn } from '../model/position.ts';
import { commitToleranceMs } from './commit-tolerance.ts';
import { CoveredFrom } from './covered-from.ts';
import { type EventIndex, flag } from './event-index.ts';
import { isStranger } from './judge-event.ts';

export type Strangeness = 'leaked' | 'leakedOrNotShown' | 'leakedOrRemoved' | 'newer' | 'unknown';

export class Strangers {
  readonly #index: EventIndex;
  readonly #expectAll: boolean;
  readonly #covered = new CoveredFrom();
  #snapshotLsn: Lsn = 0n;
  #snapshotMs = 0;

  /** @param expectAll nothing was ever removed from the table: unknown counts as leaked */
  constructor(index: EventIndex, expectAll: boolean) {
    this.#index = index;
    this.#expectAll = expectAll;
  }

  setSnapshot(snapshotLsn: Lsn, snapshotMs: number): void {
    this.#snapshotLsn = snapshotLsn;
    this.#snapshotMs = snapshotMs;
  }

  /** A row of the snapshot, by its `created_at`. */
  noteRow(createdAtMs: number): void {
    this.#covered.noteRow(createdAtMs);
  }

  /** A record of a row of the snapshot. */
  noteMatch(committedAtMs: number): void {
    this.#covered.noteMatch(committedAtMs);
  }

  noteRemoved(removals: Removals): void {
    this.#covered.noteRemoved(removals);
  }

  /** A record of an event that the snapshot lacks. */
  add(slot: number, committedAtMs: number, commitLsn: Lsn): void {
    const isNewer = commitLsn >= this.#snapshotLsn && committedAtMs >= this.#snapshotMs - commitToleranceMs;
    if (isNewer) this.#index.addFlag(slot, flag.newer);
    else this.#covered.noteStranger(committedAtMs);
  }

  /** Ids in Kafka that would count as leaked: to be looked up in the table once more. */
  *suspects(): Generator<string> {
    const coveredFromMs = this.coveredFromMs();
    for (const { slot, id } of this.#index.entries())
      if (isStranger(this.#index, slot) && this.#index.timeMs(slot) >= coveredFromMs) yield id();
  }

  /** A suspect that the second look found. */
  confirm(id: string): void {
    const slot = this.#index.find(id);
    if (slot !== undefined) this.#index.addFlag(slot, flag.newer);
  }

  /** From which commit time on the table still has every row. Once all rows and records are known. */
  coveredFromMs(): number {
    return this.#expectAll ? Number.NEGATIVE_INFINITY : this.#covered.fromMs();
  }

  /**
   * @param coveredFromMs of this
   * @param isFinal whether every transaction that might show a suspect had ended at the last look
   * @returns undefined where the event is none of these
   */
  kindOf(slot: number, coveredFromMs: number, isFinal: boolean): Strangeness | undefined {
    if (!isStranger(this.#index, slot)) return this.#index.has(slot, flag.newer) ? 'newer' : undefined;
    const committedAtMs = this.#index.timeMs(slot);
    if (committedAtMs < coveredFromMs) return 'unknown';
    if (!isFinal) return 'leakedOrNotShown';
    const isPerhapsRemoved = !this.#expectAll && this.#covered.isPerhapsRemoved(committedAtMs);
    return isPerhapsRemoved ? 'leakedOrRemoved' : 'leaked';
  }
}
