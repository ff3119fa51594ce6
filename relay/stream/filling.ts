/**
 * Owns the batch that fills while another is in flight: encoded events, dead letters, and the part of the stream that they
 * cover. A Postgres transaction is added whole, or as much of it as capture delivers at once.
 */
import type { CommittedTransaction } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { partLimits } from '../config/part-limits.ts';
import type { OutboundRecord, Refusal } from '../encode/record.ts';
import type { Decisions } from '../ledger/decisions.ts';
import type { Release } from '../ledger/key-releases.ts';
import type { Lsn } from '../model/position.ts';
import type { Covered } from '../model/progress.ts';
import type { Waypoints } from '../observe/facts.ts';
import type { Batch } from '../publish/publisher.ts';
import type { ParkedKey } from '../refusals/parked-keys.ts';
import type { Decision } from '../refusals/refusals.ts';
import type { Released } from './release-keys.ts';
import type { TracedEvents } from './traced-events.ts';

/** What a transaction adds to a batch beside its own events. */
export type Beside = {
  /** Events that its requests release; they are published before its own. */
  readonly released: Released;
  /** Records for the dead-letter topic. */
  readonly copies: readonly OutboundRecord[];
  readonly waypoints: Waypoints;
};

const nothing: Beside = {
  released: { records: [], releases: [], encoded: 0, newlyRefused: [] },
  copies: [],
  waypoints: { receivedMs: 0, takenMs: 0, encodedMs: 0, encodingMs: 0 },
};

export class Filling {
  readonly batch: Batch;
  readonly deadLetters: Refusal[] = [];
  readonly #parked: ParkedKey[] = [];
  readonly #releases: Release[] = [];
  /** Commit times in Postgres, ms since 1970, of the transactions that have events here. */
  readonly committedAtMs: number[] = [];
  /** Of the same transactions. */
  readonly waypoints: Waypoints[] = [];
  /** Commit LSNs of the same transactions. */
  readonly lsns: Lsn[] = [];
  /** Number of the last transaction in it that passed the gate. */
  passed = 0;
  #covered: Covered | undefined;
  #capturedBytes = 0;
  #copies = 0;
  #rows = 0;

  /** undefined where nobody listens. */
  readonly traced: TracedEvents | undefined;

  constructor(batch: Batch, traced?: TracedEvents) {
    this.batch = batch;
    this.traced = traced;
  }

  /** How far the stream is covered once this batch is committed. */
  get covered(): Covered | undefined {
    return this.#covered;
  }

  /** Bytes that capture counts for the content. */
  get capturedBytes(): number {
    return this.#capturedBytes;
  }

  /** Whether there is anything to publish or to decide, beyond the progress itself. */
  get hasEvents(): boolean {
    return this.batch.events > 0 || this.deadLetters.length > 0 || this.#releases.length > 0;
  }

  /** Events that are published with the batch, without copies for the dead-letter topic. */
  get events(): number {
    return this.batch.events - this.#copies;
  }

  /** Rows of the transactions here: what becomes of their events is decided and not yet committed. */
  get rows(): number {
    return this.#rows;
  }

  /** To be stored before the batch is committed. */
  get decisions(): Decisions {
    return { deadLetters: this.deadLetters, parked: this.#parked, releases: this.#releases };
  }

  /**
   * Whether a transaction may be added. An empty batch takes any. A batch that is large enough to be efficient takes no
   * more, and none grows beyond what is held in memory at once. A transaction that comes in parts does not share its Kafka
   * transaction with earlier ones: if it cannot be published, they are published all the same.
   */
  takes(transaction: CommittedTransaction, limits: Config['publish']): boolean {
    if (!this.hasEvents) return true;
    if (transaction.endLsn === null && transaction.firstOrdinal === 0) return false;
    const most = partLimits(limits);
    const held = this.batch.events + this.deadLetters.length;
    const times = timesOf(this.batch.partitionCount);
    if (held >= limits.batchEvents * times || this.batch.bytes >= limits.batchBytes * times) return false;
    return (
      held + transaction.rows.length <= most.events && this.batch.bytes + transaction.bytes <= most.bytes
    );
  }

  add(transaction: CommittedTransaction, decision: Decision, beside: Beside = nothing): void {
    const { released, copies, waypoints } = beside;
    const { records, deadLetters, parked } = decision;
    for (const record of released.records) this.batch.append(record);
    for (const release of released.releases) this.#releases.push(release);
    for (const record of records) this.batch.append(record);
    for (const letter of deadLetters) this.deadLetters.push(letter);
    for (const key of parked) this.#parked.push(key);
    for (const copy of copies) this.batch.append(copy);
    this.#copies += copies.length;
    this.#rows += transaction.rows.length;
    if (records.length + released.records.length > 0 && this.lsns.at(-1) !== transaction.commitLsn) {
      this.lsns.push(transaction.commitLsn);
      this.committedAtMs.push(transaction.committedAtMs);
      this.waypoints.push(waypoints);
    }
    this.traced?.released(released.records);
    this.traced?.decided(transaction, decision, waypoints);
    if (!leavesNothing(transaction, decision)) this.#capturedBytes += transaction.bytes;
    this.#covered = {
      ...coveredBy(transaction, this.#covered?.endLsn ?? null),
      beat: transaction.beat ?? this.#covered?.beat,
    };
  }
}

/**
 * Each partition of a Kafka transaction costs the brokers a record batch and a marker, about as much as twenty events. So
 * a transaction is large enough with 100 events in each partition, and at most five times as large as otherwise.
 */
const partitionsPerBatch = 20;
const timesMax = 5;

/** How many times `batchEvents` and `batchBytes` make a batch large enough. */
export const timesOf = (partitions: number): number =>
  Math.min(timesMax, Math.max(1, partitions / partitionsPerBatch));

/**
 * Whether nothing of a transaction has to be kept until it is committed. Its bytes are given back at once: progress alone is
 * committed only with the next heartbeat, and until then they would fill the memory and hold up the events behind them.
 */
export function leavesNothing(
  { releases }: Pick<CommittedTransaction, 'releases'>,
  { records, deadLetters }: Decision,
): boolean {
  return records.length + deadLetters.length === 0 && releases === undefined;
}

/** A part that does not end its transaction leaves the end LSN at the last one that is whole. */
function coveredBy(transaction: CommittedTransaction, lastEndLsn: Lsn | null): Covered {
  const { commitLsn, committedAtMs, endLsn, firstOrdinal, rows } = transaction;
  const last = { commitLsn, committedAtMs };
  if (endLsn !== null) return { endLsn, partial: null, last };
  return { endLsn: lastEndLsn, partial: { commitLsn, ordinal: firstOrdinal + rows.length }, last };
}
