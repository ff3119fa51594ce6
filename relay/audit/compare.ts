/**
 * Compares the events of the table with the records of the topics. Pure; takes the table first, then the records, then
 * the dead letters. What may be concluded, and when:
 *
 * The table is one snapshot. `snapshotLsn` is the WAL insert position, read in that snapshot: the commit record of every
 * transaction that the snapshot shows ends at or before it. (The insert position, not the written one: with
 * `synchronous_commit = off` a transaction shows before its commit record is written.)
 *
 * An event of the snapshot that Kafka does not have is *missing* if the progress was at or past `snapshotLsn` before the
 * ends of the topics were taken: its transaction should then have been published. If the progress was not, nothing in the
 * table shows whether it covers a given row, so the event is *not yet published*: not an error while a relay lags, and the
 * list to look at if none runs. In both cases a dead letter accounts for the event, unless the snapshot shows the dead
 * letter as resubmitted: the snapshot then has what was written in its place (`letter-meaning.ts`). If the beginning of the
 * topic is gone, an event no younger than the rest may have gone with it: *expired*, if the settings of the topic explain
 * that Kafka removed one of its age; else *missing or removed*, and the audit proves nothing. From a
 * compacted topic Kafka removes events that a later one of their key follows: *superseded*. Events committed before the slot
 * was first made were never to be streamed: *before*, or *undated* where that is not known (`origin.ts`).
 *
 * `strangers.ts` states what a record means whose event the snapshot does not have.
 *
 * A record without the relay's headers is *foreign*, of another producer, unless its producer also wrote the progress or
 * such headers: then it is a fault of the relay. Producers are identified by the ids that Kafka assigned to them, which
 * nobody chooses. What the relay of another slot wrote is foreign, too, as `producers.ts` states, whether its value can be
 * decoded or not; and a stranger that cannot be decoded and was written without a transaction, as no relay writes.
 * Foreign records say nothing about any event; how many there are, and where, is reported.
 *
 * Positions distinguish two records of one id: with the same position, it is one event that was published twice.
 *
 * A record that a replay wrote names the replay, which Postgres knows. It is no further record of its event for the rules
 * above: it makes up for none that is missing. The event must exist, the record must equal its row, and within one replay
 * an event may not come twice. An event from before the first start counts as published once a replay has published it.
 */
import type { Removals } from '../ledger/removals.ts';
import { type Lsn, parsePosition } from '../model/position.ts';
import {
  type AuditedEvent,
  type AuditedRecord,
  type RecordOfReplay,
  type RowsOfEvent,
  recordPlace,
} from './audited.ts';
import { EventIndex, flag } from './event-index.ts';
import {
  type DifferentRecord,
  type Findings,
  type Listed,
  list,
  note,
  type OutOfOrderRecord,
  type RecordPlace,
  type UndecodableRecord,
  type Unjudged,
} from './findings.ts';
import { Foreign, type ForeignTopic, ofOtherSlot, withoutTransaction } from './foreign.ts';
import {
  type Absence,
  absenceOf,
  isAbsent,
  isInKafka,
  isOpenDeadLetter,
  isRepeated,
  noteOrigin,
  originOf,
} from './judge-event.ts';
import { KeptFrom } from './kept-from.ts';
import { Keys } from './keys.ts';
import { isOfRow, type LetterFacts, type LetterMeaning, meaningOf } from './letter-meaning.ts';
import { Producers, type Writer } from './producers.ts';
import { Repeats } from './repeats.ts';
import { type KnownReplay, Replays } from './replays.ts';
import type { RetentionOf } from './retention.ts';
import { RowPlaces } from './row-places.ts';
import { Strangers } from './strangers.ts';
import { TopicNumbers } from './topic-numbers.ts';

export type Comparison = {
  readonly events: number;
  readonly records: number;
  readonly deadLetters: number;
  /** Events of the table whose record or dead letter was found. */
  readonly matched: number;
  /** Records that were compared with their rows. */
  readonly compared: number;
  /** Of these, records that are right and were written under other settings of `records`: another form, other headers. */
  readonly otherSettings: number;
  /** Records that replays wrote. */
  readonly replayed: number;
  readonly findings: Findings;
  readonly unjudged: Unjudged;
  /** Where the foreign records are. */
  readonly foreignTopics: readonly ForeignTopic[];
};

export type ComparerOptions = {
  /** Most ids of each kind that are kept. */
  readonly maxIds: number;
  /** Nothing was ever removed on either side: unknown counts as leaked; expired, superseded and before count as missing. */
  readonly expectAll: boolean;
};

const letterFlags: Readonly<Record<LetterMeaning, number>> = {
  refused: flag.deadLetter,
  resubmitted: flag.resubmitted,
  released: flag.released,
  'under way': flag.resubmitted | flag.underWay,
};

export class Comparer {
  readonly #options: ComparerOptions;
  readonly #index = new EventIndex();
  readonly #places = new RowPlaces();
  readonly #topics = new TopicNumbers();
  readonly #repeats: Repeats;
  readonly #producers: Producers;
  readonly #foreign = list<RecordPlace>();
  readonly #foreignPlaces = new Foreign();
  readonly #keys = new Keys();
  readonly #replays = new Replays();
  readonly #kept = new KeptFrom();
  #retentionOf: RetentionOf = () => undefined;
  readonly #strangers: Strangers;
  #snapshotLsn: Lsn = 0n;
  #highestLsn: Lsn = 0n;
  readonly #outOfOrder = list<OutOfOrderRecord>();
  readonly #undecodable = list<UndecodableRecord>();
  readonly #different = list<DifferentRecord>();
  readonly #removed = list<string>();
  #compared = 0;
  #otherSettings = 0;
  #events = 0;
  #records = 0;
  #replayed = 0;
  #deadLetters = 0;

  constructor(options: ComparerOptions) {
    this.#options = options;
    this.#producers = new Producers(options.maxIds);
    this.#repeats = new Repeats(this.#index, options.maxIds);
    this.#strangers = new Strangers(this.#index, options.expectAll);
  }

  /**
   * Called first.
   * @param snapshotMs clock of the database
   */
  setSnapshot(snapshotLsn: Lsn, snapshotMs: number): void {
    this.#snapshotLsn = snapshotLsn;
    this.#strangers.setSnapshot(snapshotLsn, snapshotMs);
  }

  /** Called before the records: a partition whose beginning Kafka removed. */
  addTrimmed(topic: string, partition: number): void {
    this.#kept.addTrimmed(topic, partition);
  }

  /** Called before the end: what Kafka removes from the topics by itself. */
  setRetention(retentionOf: RetentionOf): void {
    this.#retentionOf = retentionOf;
  }

  /** Called before the records: a producer of a progress. */
  addProducer(producerId: bigint, writer: Writer): void {
    this.#producers.addProgress(producerId, writer);
  }

  /** Called before the records, once the ends of the topics are known: each record of a replay names one of these. */
  setReplays(replays: readonly KnownReplay[]): void {
    this.#replays.setKnown(replays);
  }

  /** Called before the records. */
  setCompacted(topics: ReadonlySet<string>): void {
    this.#keys.setCompacted(topics);
  }

  noteRemoved(removals: Removals): void {
    this.#strangers.noteRemoved(removals);
  }

  addEvent({ id, topic, createdAtMs, origin = 'streamed', isOfHere, place }: AuditedEvent): void {
    this.#events += 1;
    const slot = this.#index.add(id, this.#topics.of(topic), createdAtMs ?? Number.NaN);
    this.#index.addRow(slot);
    noteOrigin(this.#index, slot, origin);
    if (isOfHere === true) this.#index.addFlag(slot, flag.ofHere);
    if (place !== undefined) this.#places.add(slot, place);
    if (createdAtMs !== null) this.#strangers.noteRow(createdAtMs);
  }

  /** @returns the event of the snapshot to compare it with, if any */
  addRecord(record: AuditedRecord): RowsOfEvent | undefined {
    this.#records += 1;
    if (record.replay !== undefined) return this.#addReplayed(record, record.replay);
    this.#keys.note(record);
    const position = record.position === undefined ? undefined : parsePosition(record.position);
    if (record.id === undefined || position === undefined) {
      const reason = record.id === undefined ? 'no header id' : 'no legal header position';
      this.#producers.addHeadless(record.producerId, { ...recordPlace(record), reason });
      return undefined;
    }
    if (this.isOfOthers(record, record.id)) return this.#addForeign(record, ofOtherSlot);
    const { fault } = record;
    if (fault !== undefined && record.producerId === undefined && !this.#hasRow(record.id))
      return this.#addForeign(record, withoutTransaction(fault));
    this.#producers.addRelay(record.producerId);
    this.#kept.note(record.topic, record.partition, record.committedAtMs);
    if (fault !== undefined) this.#list(this.#undecodable, () => ({ ...recordPlace(record), reason: fault }));
    const slot = this.#index.add(record.id, this.#topics.of(record.topic), record.committedAtMs);
    if (!this.#repeats.isSurplus(slot, record.id, record.position!)) {
      this.#judgeOrigin(slot, record, position.commitLsn);
      const after = this.#keys.follow(record, record.position!);
      if (after !== undefined)
        this.#list(this.#outOfOrder, () => ({ ...recordPlace(record), position: record.position!, after }));
    }
    const places = this.#places.of(slot);
    if (fault !== undefined || places.length === 0) return undefined;
    return { id: record.id, places, createdAtMs: this.#index.timeMs(slot) };
  }

  /**
   * A record that a replay wrote: of an event that the stream has published, or of one from before the first start, which
   * it publishes for the first time. It says nothing about what Kafka has kept: it is younger than its event.
   */
  #addReplayed(record: AuditedRecord, { id: replayId, atMs }: RecordOfReplay): RowsOfEvent | undefined {
    const replay = this.#replays.find(replayId);
    // Compaction removes what was written before it, whatever the time of its event.
    this.#keys.note({ ...record, committedAtMs: Number.isNaN(atMs) ? record.committedAtMs : atMs });
    if (this.#producers.isOfOtherSlot(record.producerId)) return this.#addForeign(record, ofOtherSlot);
    if (record.id === undefined || replay === undefined) {
      const reason =
        record.id === undefined ? 'no header id' : 'it names a replay that is not in outbox.replay';
      this.#producers.addHeadless(record.producerId, { ...recordPlace(record), reason });
      return undefined;
    }
    this.#replayed += 1;
    const { fault, committedAtMs } = record;
    if (fault !== undefined) this.#list(this.#undecodable, () => ({ ...recordPlace(record), reason: fault }));
    const slot = this.#index.add(record.id, this.#topics.of(record.topic), committedAtMs);
    const isFirst = replay.isFirst && replay.topic === null;
    if (isFirst) this.#repeats.isSurplus(slot, record.id, `replay ${replayId}`);
    else if (this.#replays.isSurplus(replayId, slot, this.#index.rows(slot)))
      this.#repeats.addDuplicate(slot, record.id);
    this.#index.addFlag(slot, flag.replayed);
    // No position says which side of the snapshot it is on; an event that the snapshot lacks is looked up once more.
    this.#judgeOrigin(slot, record, this.#snapshotLsn);
    const places = this.#places.of(slot);
    if (fault !== undefined || places.length === 0) return undefined;
    return { id: record.id, places, createdAtMs: this.#index.timeMs(slot) };
  }

  addDifference(record: DifferentRecord): void {
    this.#list(this.#different, () => record);
  }

  addCompared(records: number, ofOtherSettings: number): void {
    this.#compared += records;
    this.#otherSettings += ofOtherSettings;
  }

  addRemoved(id: string): void {
    this.#list(this.#removed, () => id);
  }

  /** When the last record of a key in a compacted topic was committed. */
  lastOfKeyMs(topic: string, key: string): number | undefined {
    return this.#keys.lastMs(topic, key);
  }

  /** Events of compacted topics that Kafka does not have: compaction may have removed them. */
  *absentFromCompacted(): Generator<RowsOfEvent & { readonly topic: string }> {
    for (const { slot, id } of this.#index.entries()) {
      const topic = this.#topicOf(slot);
      if (topic === undefined || !this.#keys.isCompacted(topic) || !isAbsent(this.#index, slot)) continue;
      yield { id: id(), topic, places: this.#places.of(slot), createdAtMs: this.#index.timeMs(slot) };
    }
  }

  markSuperseded(id: string): void {
    const slot = this.#index.find(id);
    if (slot !== undefined) this.#index.addFlag(slot, flag.superseded);
  }

  /** Events that would be missing if the progress were at the snapshot, unless dead letters account for them. */
  *absentIds(): Generator<string> {
    for (const { slot, id } of this.#index.entries())
      if (isAbsent(this.#index, slot) && originOf(this.#index, slot) !== 'before') yield id();
  }

  /** Where the last event of the snapshot was committed whose record was read, by the positions of the records. */
  get highestLsn(): Lsn {
    return this.#highestLsn;
  }

  /** Topics that events of the table route to. */
  topics(): string[] {
    return this.#topics.names();
  }

  /** @param isOwn whether it is of this cluster */
  addDeadLetter(id: string, letter: LetterFacts, isOwn = true): void {
    this.#deadLetters += 1;
    const slot = this.#index.add(id, this.#topics.of(undefined), Number.NaN);
    const meaning = meaningOf(letter, this.#snapshotLsn);
    if (meaning !== 'refused' || isOfRow(isOwn, this.#index.has(slot, flag.ofHere)))
      this.#index.addFlag(slot, letterFlags[meaning]);
  }

  /** Ids in Kafka that would count as leaked: to be looked up in the table once more. */
  suspects(): Generator<string> {
    return this.#strangers.suspects();
  }

  /** A suspect that the second look found. */
  confirm(id: string): void {
    this.#strangers.confirm(id);
  }

  /**
   * @param isCovered whether the progress was at `snapshotLsn` before the ends of the topics were taken
   * @param isFinal whether every transaction that might show a suspect had ended at the last look
   */
  finish(isCovered: boolean, isFinal = true): Comparison {
    const index = this.#index;
    const absent = {
      missing: list<string>(),
      missingOrRemoved: list<string>(),
      notYetPublished: list<string>(),
      expired: list<string>(),
      before: list<string>(),
      undated: list<string>(),
      superseded: list<string>(),
    };
    const repeatedId = list<string>();
    const strange = {
      leaked: list<string>(),
      leakedOrNotShown: list<string>(),
      leakedOrRemoved: list<string>(),
      newer: list<string>(),
      unknown: list<string>(),
    };
    const deadLetterPublished = list<string>();
    let matched = 0;
    const coveredFromMs = this.#strangers.coveredFromMs();
    this.#kept.explain(this.#retentionOf);
    this.#producers.judge(this.#undecodable, this.#foreign, this.#foreignPlaces);
    for (const { slot, id } of index.entries()) {
      if (isOpenDeadLetter(index, slot) && isInKafka(index, slot)) this.#list(deadLetterPublished, id);
      if (isRepeated(index, slot)) this.#list(repeatedId, id);
      if (isAbsent(index, slot)) this.#list(absent[this.#absence(slot, isCovered)], id);
      else if (index.rows(slot) > 0) matched += 1;
      const strangeness = this.#strangers.kindOf(slot, coveredFromMs, isFinal);
      if (strangeness !== undefined) this.#list(strange[strangeness], id);
    }
    return {
      events: this.#events,
      records: this.#records,
      deadLetters: this.#deadLetters,
      matched,
      compared: this.#compared,
      otherSettings: this.#otherSettings,
      replayed: this.#replayed,
      findings: {
        missing: absent.missing,
        duplicate: this.#repeats.duplicates,
        leaked: strange.leaked,
        outOfOrder: this.#outOfOrder,
        undecodable: this.#undecodable,
        different: this.#different,
        repeatedId,
        deadLetterPublished,
      },
      unjudged: {
        notYetPublished: absent.notYetPublished,
        missingOrRemoved: absent.missingOrRemoved,
        newer: strange.newer,
        leakedOrNotShown: strange.leakedOrNotShown,
        leakedOrRemoved: strange.leakedOrRemoved,
        unknown: strange.unknown,
        expired: absent.expired,
        superseded: absent.superseded,
        before: absent.before,
        undated: absent.undated,
        foreign: this.#foreign,
        removed: this.#removed,
      },
      foreignTopics: this.#foreignPlaces.topics(),
    };
  }

  #absence(slot: number, isCovered: boolean): Absence {
    const topic = this.#topicOf(slot);
    return absenceOf({
      timeMs: this.#index.timeMs(slot),
      origin: originOf(this.#index, slot),
      isSuperseded: this.#index.has(slot, flag.superseded),
      isCovered,
      lost: this.#kept.lost(topic),
      expectAll: this.#options.expectAll,
    });
  }

  #judgeOrigin(slot: number, record: AuditedRecord, commitLsn: Lsn): void {
    const { committedAtMs } = record;
    if (this.#index.rows(slot) > 0) {
      this.#strangers.noteMatch(committedAtMs);
      if (record.position !== undefined && commitLsn > this.#highestLsn) this.#highestLsn = commitLsn;
    } else this.#strangers.add(slot, committedAtMs, commitLsn);
  }

  isOfOthers({ producerId, topic }: Pick<AuditedRecord, 'producerId' | 'topic'>, id: string): boolean {
    return this.#producers.isOfOthers(producerId, () => this.#hasRow(id, topic));
  }

  #addForeign(record: AuditedRecord, reason: string): undefined {
    this.#list(this.#foreign, () => recordPlace(record));
    this.#foreignPlaces.add({ ...recordPlace(record), reason });
  }

  /** @param topic that the row is to route to */
  #hasRow(id: string, topic?: string): boolean {
    const slot = this.#index.find(id);
    if (slot === undefined || this.#index.rows(slot) === 0) return false;
    return topic === undefined || this.#topicOf(slot) === topic;
  }

  #topicOf(slot: number): string | undefined {
    return this.#topics.name(this.#index.topic(slot));
  }

  #list<T>(listed: Listed<T>, item: () => T): void {
    note(listed, this.#options.maxIds, item);
  }
}
