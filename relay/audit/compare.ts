/**
 * Compares the events of the table with the records of the topics. Pure; the table is told first, then the records,
 * then the dead letters. What may be concluded, and when:
 *
 * The table is one snapshot. `snapshotLsn` is the WAL insert position, read in that snapshot: the commit record of every
 * transaction that the snapshot shows ends at or before it. (The insert position, not the written one: with
 * `synchronous_commit = off` a transaction shows before its commit record is written.)
 *
 * An event of the snapshot that Kafka lacks is *missing* if the progress was at or past `snapshotLsn` before the ends of
 * the topics were taken, for then its transaction was published. If the progress did not get there, nothing in the
 * table tells whether the progress covers the transaction of a single row, so it is *not yet published*: no error
 * while a relay lags, and the list to look at when none runs. Either way a dead letter accounts for it. Where Kafka has
 * removed the beginning of the topic, an event that is not younger than what is left there may have been removed with
 * it: *expired*. And what was written before a relay first began on the slot was never to be streamed: *before*.
 *
 * A record whose event the snapshot lacks is
 * - *newer*, if its position is not below `snapshotLsn` and its commit time no earlier than the snapshot less a
 *   tolerance. The time counts because the positions of another database, or of the lost end of a restored one, are
 *   numbers like any other; the tolerance, because a commit takes its time before its place in the WAL;
 * - *newer* as well, if a second look at the table finds it (`suspects`, `confirm`): a transaction shows only some time
 *   after its commit record was written, so its position can be below the snapshot's;
 * - *unknown*, if it is older than what the table still covers: rows are deleted, partitions dropped;
 * - *leaked* otherwise: of a rolled-back transaction, or of another database.
 *
 * Two cases cannot be told from a leak: rows that the application itself deletes while the table keeps older ones, and a
 * transaction that waits for a synchronous standby during both looks at the table.
 */
import { type Lsn, parsePosition } from '../position.ts';
import { EventIndex, flag } from './event-index.ts';

export type AuditedEvent = {
  readonly id: string;
  /** undefined where the event routes to no allowed topic. */
  readonly topic: string | undefined;
  /** null where the table has no such column. */
  readonly createdAtMs: number | null;
};

export type AuditedRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly committedAtMs: number;
  readonly key: string | null;
  /** Headers; undefined where absent. */
  readonly id: string | undefined;
  readonly position: string | undefined;
  /** Why the value cannot be decoded. */
  readonly fault: string | undefined;
};

/** All that were found, and the first of them. */
export type Listed<T> = { count: number; readonly first: T[] };

export type RecordPlace = {
  readonly id: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
};
export type UndecodableRecord = RecordPlace & { readonly reason: string };
export type OutOfOrderRecord = RecordPlace & { readonly position: string; readonly after: string };

export type Findings = {
  readonly missing: Listed<string>;
  readonly duplicate: Listed<string>;
  readonly leaked: Listed<string>;
  readonly outOfOrder: Listed<OutOfOrderRecord>;
  readonly undecodable: Listed<UndecodableRecord>;
  /** A dead letter that nobody resubmitted, and a record. */
  readonly deadLetterPublished: Listed<string>;
};

/** No findings: what cannot be judged, see above. */
export type Unjudged = {
  readonly notYetPublished: Listed<string>;
  readonly newer: Listed<string>;
  readonly unknown: Listed<string>;
  readonly expired: Listed<string>;
  readonly before: Listed<string>;
};

export type Comparison = {
  readonly events: number;
  readonly records: number;
  readonly deadLetters: number;
  readonly findings: Findings;
  readonly unjudged: Unjudged;
};

export type ComparerOptions = {
  /** Most ids of each kind that are kept. */
  readonly maxIds: number;
  /** Nothing was ever removed on either side: unknown counts as leaked, expired and before as missing. */
  readonly expectAll: boolean;
};

/** From the moment a commit takes its time to that of its WAL record; in practice far below a millisecond. */
const commitToleranceMs = 60_000;

/**
 * Where rows were removed, those of one transaction may lie on both sides of the cut: its early rows are gone, yet it was
 * committed after the oldest row left was written. No writing transaction is expected to take longer than this.
 */
const longestTransactionMs = 600_000;

export class Comparer {
  readonly #options: ComparerOptions;
  readonly #index = new EventIndex();
  readonly #topics = new Map<string | undefined, number>();
  readonly #order = new Map<string, Map<string, string>>();
  #snapshotLsn: Lsn = 0n;
  #snapshotMs = 0;
  #firstStartMs = Number.NEGATIVE_INFINITY;
  /** Partitions whose beginning Kafka has removed, with the topic's name. */
  readonly #trimmed = new Map<string, string>();
  /** By topic number: the time of the oldest record left, the latest of its trimmed partitions. */
  readonly #keptFromMs = new Map<number, number>();
  readonly #firstSeen = new Set<string>();
  readonly #duplicate = list<string>();
  readonly #outOfOrder = list<OutOfOrderRecord>();
  readonly #undecodable = list<UndecodableRecord>();
  #oldestRowMs = Number.POSITIVE_INFINITY;
  #oldestMatchMs = Number.POSITIVE_INFINITY;
  #oldestStrangerMs = Number.POSITIVE_INFINITY;
  #events = 0;
  #records = 0;
  #deadLetters = 0;

  constructor(options: ComparerOptions) {
    this.#options = options;
  }

  /**
   * First of all.
   * @param snapshotMs clock of the database
   * @param firstStartMs when a relay first began on the slot; -Infinity where that is not known
   */
  setSnapshot(snapshotLsn: Lsn, snapshotMs: number, firstStartMs = Number.NEGATIVE_INFINITY): void {
    this.#snapshotLsn = snapshotLsn;
    this.#snapshotMs = snapshotMs;
    this.#firstStartMs = firstStartMs;
  }

  /** Before the records: a partition whose beginning Kafka has removed. */
  addTrimmed(topic: string, partition: number): void {
    this.#trimmed.set(`${topic}/${partition}`, topic);
  }

  addEvent({ id, topic, createdAtMs }: AuditedEvent): void {
    this.#events += 1;
    const slot = this.#index.add(id, this.#topicNumber(topic), createdAtMs ?? Number.NaN);
    this.#index.addRow(slot);
    if (createdAtMs !== null) this.#oldestRowMs = Math.min(this.#oldestRowMs, createdAtMs);
  }

  addRecord(record: AuditedRecord): void {
    this.#records += 1;
    this.#noteFirst(record);
    const position = record.position === undefined ? undefined : parsePosition(record.position);
    const reason = faultOf(record, position !== undefined);
    if (reason !== undefined) this.#list(this.#undecodable, () => ({ ...placeOf(record), reason }));
    if (record.id === undefined) return;

    const slot = this.#index.add(record.id, this.#topicNumber(record.topic), record.committedAtMs);
    this.#index.addRecord(slot);
    const surplus = this.#index.records(slot) - Math.max(1, this.#index.rows(slot));
    if (surplus === 1) this.#list(this.#duplicate, () => record.id!);
    if (surplus > 0) return; // a repeated record is out of order as a rule: told once
    this.#judgeOrigin(slot, record, position?.commitLsn);
    if (position !== undefined) this.#checkOrder(record, record.position!);
  }

  /**
   * @param status as in `outbox.dead_letter`
   * @param releasedLsn where the release of its key published it
   */
  addDeadLetter(id: string, status: string, releasedLsn: Lsn | null = null): void {
    this.#deadLetters += 1;
    const slot = this.#index.add(id, this.#topicNumber(undefined), Number.NaN);
    this.#index.addFlag(slot, this.#flagOf(status, releasedLsn));
  }

  /** A release that the snapshot does not cover may not be in Kafka yet, as may what was resubmitted. */
  #flagOf(status: string, releasedLsn: Lsn | null): number {
    if (status === 'released')
      return releasedLsn !== null && releasedLsn < this.#snapshotLsn ? flag.released : flag.resubmitted;
    return status === 'resubmitted' ? flag.resubmitted : flag.deadLetter;
  }

  /** Ids in Kafka that would be called leaked: to be looked for in the table once more. */
  *suspects(): Generator<string> {
    const coveredFromMs = this.#coveredFromMs();
    for (const { slot, id } of this.#index.entries())
      if (this.#isStranger(slot) && this.#index.timeMs(slot) >= coveredFromMs) yield id();
  }

  /** A suspect that the second look found. */
  confirm(id: string): void {
    const slot = this.#index.find(id);
    if (slot !== undefined) this.#index.addFlag(slot, flag.newer);
  }

  /** @param isCovered whether the progress was at `snapshotLsn` before the ends of the topics were taken */
  finish(isCovered: boolean): Comparison {
    const absent = {
      missing: list<string>(),
      notYetPublished: list<string>(),
      expired: list<string>(),
      before: list<string>(),
    };
    const strange = { leaked: list<string>(), newer: list<string>(), unknown: list<string>() };
    const deadLetterPublished = list<string>();
    const coveredFromMs = this.#coveredFromMs();
    this.#noteEmptied();
    for (const { slot, id } of this.#index.entries()) {
      const { isAbsent, isOpenDeadLetter, isPublished } = this.#stateOf(slot);
      if (isOpenDeadLetter && isPublished) this.#list(deadLetterPublished, id);
      if (isAbsent) this.#list(absent[this.#absence(slot, isCovered)], id);
      if (this.#isStranger(slot))
        this.#list(this.#index.timeMs(slot) >= coveredFromMs ? strange.leaked : strange.unknown, id);
      else if (this.#index.has(slot, flag.newer)) this.#list(strange.newer, id);
    }
    return {
      events: this.#events,
      records: this.#records,
      deadLetters: this.#deadLetters,
      findings: {
        missing: absent.missing,
        duplicate: this.#duplicate,
        leaked: strange.leaked,
        outOfOrder: this.#outOfOrder,
        undecodable: this.#undecodable,
        deadLetterPublished,
      },
      unjudged: {
        notYetPublished: absent.notYetPublished,
        newer: strange.newer,
        unknown: strange.unknown,
        expired: absent.expired,
        before: absent.before,
      },
    };
  }

  #stateOf(slot: number) {
    const index = this.#index;
    const isResubmitted = index.has(slot, flag.resubmitted);
    const isOpenDeadLetter = index.has(slot, flag.deadLetter) && !isResubmitted;
    const isAccounted = isOpenDeadLetter || isResubmitted;
    return {
      isOpenDeadLetter,
      isPublished: index.records(slot) > 0,
      isAbsent: index.rows(slot) > index.records(slot) && !isAccounted,
    };
  }

  #absence(slot: number, isCovered: boolean): 'missing' | 'notYetPublished' | 'expired' | 'before' {
    const { expectAll } = this.#options;
    const timeMs = this.#index.timeMs(slot);
    if (!expectAll && timeMs < this.#firstStartMs) return 'before';
    if (!isCovered) return 'notYetPublished';
    const keptFromMs = this.#keptFromMs.get(this.#index.topic(slot));
    if (expectAll || keptFromMs === undefined) return 'missing';
    return timeMs > keptFromMs ? 'missing' : 'expired';
  }

  /** In Kafka, but neither in the table nor a dead letter. */
  #isStranger(slot: number): boolean {
    const index = this.#index;
    const isKnown =
      index.rows(slot) > 0 ||
      index.has(slot, flag.newer | flag.deadLetter | flag.resubmitted | flag.released);
    return index.records(slot) > 0 && !isKnown;
  }

  /** From which commit time on the table still has every row; without `created_at`, judged by its records. */
  #coveredFromMs(): number {
    if (this.#options.expectAll) return Number.NEGATIVE_INFINITY;
    const oldestMs = Number.isFinite(this.#oldestRowMs) ? this.#oldestRowMs : this.#oldestMatchMs;
    return this.#oldestStrangerMs < oldestMs ? oldestMs + longestTransactionMs : oldestMs;
  }

  #judgeOrigin(slot: number, { committedAtMs }: AuditedRecord, commitLsn: Lsn | undefined): void {
    if (this.#index.rows(slot) > 0) {
      this.#oldestMatchMs = Math.min(this.#oldestMatchMs, committedAtMs);
      return;
    }
    const isNewer =
      commitLsn !== undefined &&
      commitLsn >= this.#snapshotLsn &&
      committedAtMs >= this.#snapshotMs - commitToleranceMs;
    if (isNewer) this.#index.addFlag(slot, flag.newer);
    else this.#oldestStrangerMs = Math.min(this.#oldestStrangerMs, committedAtMs);
  }

  #checkOrder(record: AuditedRecord, position: string): void {
    const partition = `${record.topic}/${record.partition}`;
    let last = this.#order.get(partition);
    if (last === undefined) {
      last = new Map();
      this.#order.set(partition, last);
    }
    const key = record.key ?? '';
    const after = last.get(key);
    if (after !== undefined && position <= after)
      this.#list(this.#outOfOrder, () => ({ ...placeOf(record), position, after }));
    else last.set(key, position);
  }

  #noteFirst({ topic, partition, committedAtMs }: AuditedRecord): void {
    const key = `${topic}/${partition}`;
    if (!this.#trimmed.has(key) || this.#firstSeen.has(key)) return;
    this.#firstSeen.add(key);
    const number = this.#topicNumber(topic);
    this.#keptFromMs.set(number, Math.max(committedAtMs, this.#keptFromMs.get(number) ?? 0));
  }

  /** Trimmed partitions that have no record left: anything may have been in them. */
  #noteEmptied(): void {
    for (const [partition, topic] of this.#trimmed)
      if (!this.#firstSeen.has(partition))
        this.#keptFromMs.set(this.#topicNumber(topic), Number.POSITIVE_INFINITY);
  }

  #topicNumber(topic: string | undefined): number {
    let number = this.#topics.get(topic);
    if (number === undefined) {
      number = this.#topics.size;
      this.#topics.set(topic, number);
    }
    return number;
  }

  #list<T>(listed: Listed<T>, item: () => T): void {
    listed.count += 1;
    if (listed.first.length < this.#options.maxIds) listed.first.push(item());
  }
}

function list<T>(): Listed<T> {
  return { count: 0, first: [] };
}

function placeOf({ id, topic, partition, offset }: AuditedRecord): RecordPlace {
  return { id: id ?? null, topic, partition, offset: String(offset) };
}

function faultOf({ id, fault }: AuditedRecord, hasPosition: boolean): string | undefined {
  if (id === undefined) return 'no header id';
  if (!hasPosition) return 'no legal header position';
  return fault;
}
