/**
 * Watches a run from outside the relay and checks the invariants: at each decision of the coordinator, at each
 * acknowledgement, through readers that read at any moment, and at the end.
 */
import { activePauses, type Control } from '../relay/model/control.ts';
import { formatLsn, formatPosition, type Lsn, type Position } from '../relay/model/position.ts';
import { type Progress, parseProgress } from '../relay/model/progress.ts';
import type { Place } from './kafka/batches.ts';
import type { Entry, KafkaCluster, Partition } from './kafka/cluster.ts';
import type { Database, DeadLetter } from './postgres/database.ts';
import { waitingOf } from './postgres/parking.ts';
import type { OutboxEvent, WalTransaction } from './postgres/wal.ts';
import { Violation } from './violation.ts';

/** An event as it was committed in Postgres. */
type Source = {
  readonly event: OutboxEvent;
  readonly transaction: WalTransaction;
  readonly ordinal: number;
  readonly position: string;
  /** Kafka transaction that published it. */
  publishedBy: number | undefined;
};

export type ObserverOptions = {
  readonly slot: string;
  readonly progressTopic: string;
  readonly eventTopic: string;
  /** Most events that pass the gate at once. */
  readonly partEvents: number;
};

export class Observer {
  readonly #options: ObserverOptions;
  readonly #database: Database;
  #isSplitting = false;
  readonly #splits = new Set<Lsn>();
  readonly #sources = new Map<string, Source>();
  readonly #inOrder: Source[] = [];
  /** Ids of events that a person has repaired or discarded. */
  readonly #repaired = new Set<string>();
  readonly #discarded = new Set<string>();
  readonly #obeyed = new Map<string, { control: Control; sinceMs: number; events: number }>();
  #progress: Progress | undefined;
  /** The progress covers everything before this index of `#inOrder`. */
  #covered = 0;
  published = 0;
  readers: Reader[] = [];

  constructor(options: ObserverOptions, database: Database) {
    this.#options = options;
    this.#database = database;
  }

  get progress(): Progress | undefined {
    return this.#progress;
  }

  get committed(): number {
    return this.#inOrder.length;
  }

  /** Postgres has committed. What was committed before the slot does not count. */
  onCommitted(transaction: WalTransaction): void {
    if (this.#database.slot === undefined) return;
    transaction.events.forEach((event, ordinal) => {
      const position = formatPosition(transaction.commitLsn, ordinal);
      const source = { event, transaction, ordinal, position, publishedBy: undefined };
      this.#sources.set(event.id, source);
      this.#inOrder.push(source);
    });
  }

  /** The relay has acknowledged `lsn` to Postgres. */
  onConfirmed(lsn: Lsn): void {
    const covered = this.#progress?.endLsn;
    if (covered === undefined || lsn > covered)
      throw new Violation(
        'I6',
        `the relay acknowledged ${formatLsn(lsn)}, but the committed progress is ${covered === undefined ? 'none' : formatLsn(covered)}`,
      );
  }

  /** The coordinator has decided to commit: from here on the transaction becomes visible. */
  onDecided(entries: readonly (Place & { readonly entry: Entry })[], nowMs = 0): void {
    const before = this.published;
    let progress: Progress | undefined;
    const touched = new Set<WalTransaction>();
    for (const { topic, partition, entry } of entries)
      for (const { key, value, headers } of entry.records) {
        if (topic !== this.#options.progressTopic) touched.add(this.#publish(headers, key, entry, partition));
        else if (key === this.#options.slot) progress = parseProgress(value.toString());
      }
    if (progress === undefined && touched.size > 0)
      throw new Violation('I5', 'events were committed without a progress');
    if (progress !== undefined) this.#checkObeyed(progress.instance, this.published - before, nowMs);
    for (const transaction of touched) this.#checkWhole(transaction, progress);
    if (progress !== undefined) this.#checkProgress(progress);
  }

  /** A person does something with a dead letter that waits for its key. */
  onPerson(did: 'fix' | 'discard', { id }: DeadLetter): void {
    (did === 'fix' ? this.#repaired : this.#discarded).add(id);
  }

  /** Whether nothing can take back what is decided at this position. */
  isSettled(position: Position): boolean {
    return this.#progress !== undefined && covers(this.#progress, position);
  }

  /** A relay says that it obeys. */
  onControlled(instance: string, control: Control, nowMs: number): void {
    this.#obeyed.set(instance, { control, sinceMs: nowMs, events: 0 });
  }

  /** A relay that says that it obeys publishes nothing to what is paused, and no more than it may. */
  #checkObeyed(instance: string, events: number, nowMs: number): void {
    const obeyed = this.#obeyed.get(instance);
    if (events === 0 || obeyed === undefined) return;
    if (obeyed.control.revision !== this.#database.control.revision) return;
    const pause = activePauses(obeyed.control)[0];
    if (pause !== undefined)
      throw new Violation(
        'I10',
        `${instance} published ${events} events although ${pause.topic ?? 'everything'} is paused`,
      );
    obeyed.events += events;
    const perSecond = obeyed.control.limits.eventsPerSecond ?? 0;
    if (perSecond === 0) return;
    const seconds = (nowMs - obeyed.sinceMs) / 1_000;
    // It counts from when it obeys, and says so when what passed before is committed. The last one may leave a debt.
    const most = perSecond * (seconds + obeyingSeconds) + 2 * this.#options.partEvents;
    if (obeyed.events > most)
      throw new Violation(
        'I10',
        `${instance} published ${obeyed.events} events in ${seconds.toFixed(3)} s, ${perSecond} a second are allowed`,
      );
  }

  #publish(
    headers: Readonly<Record<string, string>>,
    key: string,
    { transaction }: Entry,
    partition: number,
  ): WalTransaction {
    const source = this.#sources.get(headers.id ?? '');
    if (source === undefined) throw new Violation('I1', `${headers.id ?? 'an event'} was never committed`);
    if (source.publishedBy !== undefined)
      throw new Violation(
        'I2',
        `${headers.id} at ${source.position} in partition ${partition} was committed to Kafka before, in transaction ${source.publishedBy}, and again in ${transaction}`,
      );
    if (headers.position !== source.position || key !== source.event.aggregateid)
      throw new Violation('I1', `${headers.id} was published as ${headers.position} of key ${key}`);
    source.publishedBy = transaction;
    this.published += 1;
    return source.transaction;
  }

  /** A relay logged that Kafka keeps aborting a transaction for its time. From then on it may split smaller ones. */
  noteSplitting(): void {
    this.#isSplitting = true;
  }

  /** A relay said that it splits this transaction. */
  noteSplit(commitLsn: Lsn): void {
    this.#splits.add(commitLsn);
  }

  /** The published events of a transaction are in one Kafka transaction, or the progress has declared the split. */
  #checkWhole(transaction: WalTransaction, progress: Progress | undefined): void {
    if (this.#isSplitting || this.#splits.has(transaction.commitLsn)) return;
    // What waited for the release of its key is published with that.
    if (transaction.events.some(({ id }) => wasReleased(this.#letter(this.#sources.get(id)!)))) return;
    const by = new Set<number>();
    for (const { id } of transaction.events) {
      const { publishedBy } = this.#sources.get(id)!;
      if (publishedBy !== undefined) by.add(publishedBy);
    }
    const isDeclared = progress?.partial?.commitLsn === transaction.commitLsn;
    if (by.size > 1 || isDeclared)
      throw new Violation(
        'I4',
        `transaction ${formatLsn(transaction.commitLsn)} was split over ${by.size} Kafka transactions`,
      );
  }

  /** Everything before the progress is published or dead-lettered. Nothing after it is published. */
  #checkProgress(next: Progress): void {
    const before = this.#progress;
    this.#progress = next;
    if (before !== undefined && (next.endLsn < before.endLsn || next.eventCount < before.eventCount))
      throw new Violation(
        'I5',
        `the progress went back from ${formatLsn(before.endLsn)} to ${formatLsn(next.endLsn)}`,
      );
    for (; this.#covered < this.#inOrder.length; this.#covered++) {
      const source = this.#inOrder[this.#covered]!;
      if (!covers(next, positionOf(source))) break;
      this.#checkPlace(next.instance, source);
      if (source.publishedBy === undefined && !this.#isSetAside(source))
        throw new Violation(
          'I1',
          `the progress covers ${source.event.id} at ${source.position}, which is neither published nor a dead letter`,
        );
    }
    const beyond = this.#inOrder.slice(this.#covered, this.#covered + 50);
    const ahead = beyond.find(({ publishedBy }) => publishedBy !== undefined);
    if (ahead !== undefined)
      throw new Violation(
        'I5',
        `${ahead.event.id} at ${ahead.position} is published, the progress does not cover it`,
      );
    if (next.eventCount !== this.published)
      throw new Violation(
        'I5',
        `the progress counts ${next.eventCount} events, ${this.published} are published`,
      );
  }

  /** A relay that says that it sets a topic aside parks the key of a refused event too. */
  #checkPlace(instance: string, source: Source): void {
    const { control } = this.#obeyed.get(instance) ?? {};
    if (control === undefined || control.revision !== this.#database.control.revision) return;
    const letter = this.#letter(source);
    if (letter?.status !== 'open') return;
    const isAside = activePauses(control).some(
      ({ topic, mode }) => topic === letter.topic && mode === 'set-aside',
    );
    if (isAside && !this.#queueOf(letter).includes(letter))
      throw new Violation(
        'I11',
        `${letter.id} at ${source.position} was refused while its topic is set aside, and its key does not wait for it`,
      );
  }

  #queueOf({ topic, row: { aggregateid } }: DeadLetter): DeadLetter[] {
    return waitingOf(this.#database, topic, aggregateid);
  }

  #letter({ transaction, ordinal }: Source) {
    return this.#database.deadLetters.get(this.#database.key(formatLsn(transaction.commitLsn), ordinal));
  }

  #isSetAside(source: Source): boolean {
    const status = this.#letter(source)?.status;
    return status === 'open' || status === 'parked';
  }

  /** Behind an event of its key that would be refused again. */
  #waitsBehindRefused(letter: DeadLetter): boolean {
    const queue = this.#queueOf(letter);
    const first = queue[0];
    if (first?.status !== 'open' || first === letter || this.#repaired.has(first.id)) return false;
    return queue.includes(letter);
  }

  get hasCaughtUp(): boolean {
    return this.#covered === this.#inOrder.length && this.#database.control.pauses.length === 0;
  }

  /** At the end, when everything is quiet. */
  checkEnd(): void {
    for (const source of this.#inOrder) {
      const isPublished = source.publishedBy !== undefined;
      const isSetAside = this.#isSetAside(source);
      const { id, type, payload } = source.event;
      const letter = this.#letter(source);
      if (!isPublished && letter !== undefined) {
        if (this.#discarded.has(id) && letter.status === 'discarded') continue;
        if (this.#waitsBehindRefused(letter)) continue;
      }
      if (!isPublished && this.#repaired.has(id))
        throw new Violation('I11', `${id} at ${source.position} was repaired in its place and not published`);
      const isRefused = payload === badPayload && !this.#repaired.has(id);
      if (type === 'Item' && isPublished === isRefused)
        throw new Violation(
          'I1',
          `${source.event.id} was ${isPublished ? 'published' : 'dead-lettered'} against its schema`,
        );
      if (isPublished && isSetAside)
        throw new Violation(
          'I9',
          `${source.event.id} at ${source.position} is published and an open dead letter too`,
        );
      if (!isPublished && this.#letter(source)?.status !== 'open')
        throw new Violation(
          'I9',
          `${source.event.id} at ${source.position} is neither published nor an open dead letter, but ${this.#letter(source)?.status ?? 'no dead letter'}`,
        );
    }
    for (const reader of this.readers) reader.read();
    const seen = this.readers.reduce((sum, reader) => sum + reader.seen, 0);
    if (seen !== this.published)
      throw new Violation('I1', `${this.published} events are published, a reader saw ${seen}`);
  }
}

/** What an idle relay may publish at once (relay/model/rate-limit.ts), and the time until it says that it obeys. */
const obeyingSeconds = 1;

const wasReleased = (letter: DeadLetter | undefined): boolean =>
  letter !== undefined &&
  (letter.status === 'released' || letter.code === 'KEY_PARKED' || letter.code === 'TOPIC_PAUSED');

/** A payload that no schema accepts. Every other one of type `Item` must be published. */
export const badPayload = '{"seq":"none"}';

const positionOf = ({ transaction: { commitLsn }, ordinal }: Source): Position => ({ commitLsn, ordinal });

function covers({ endLsn, partial }: Progress, { commitLsn, ordinal }: Position): boolean {
  if (commitLsn < endLsn) return true;
  return partial !== null && partial.commitLsn === commitLsn && ordinal < partial.ordinal;
}

/** Reads a partition as a consumer under `read_committed` does, at any moment. */
export class Reader {
  readonly #partition: Partition;
  readonly #ids = new Set<string>();
  readonly #last = new Map<string, string>();
  #next = 0;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  get seen(): number {
    return this.#ids.size;
  }

  read(): void {
    const { entries, stableEnd } = this.#partition;
    for (; this.#next < stableEnd; this.#next++) {
      const { outcome, records } = entries[this.#next]!;
      if (outcome === 'committed') for (const { key, headers } of records) this.#see(key, headers);
    }
  }

  #see(key: string, { id = '', position = '' }: Readonly<Record<string, string>>): void {
    if (this.#ids.has(id)) throw new Violation('I7', `a reader saw ${id} twice`);
    this.#ids.add(id);
    const last = this.#last.get(key) ?? '';
    if (position <= last)
      throw new Violation('I3', `a reader saw ${id} of key ${key} at ${position} after ${last}`);
    this.#last.set(key, position);
  }
}

export function readersOf(cluster: KafkaCluster, topic: string): Reader[] {
  return (cluster.partitions(topic) ?? []).map((partition) => new Reader(partition));
}
