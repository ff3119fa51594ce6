/**
 * The oracle of a world. It knows what the writers committed, what a concurrent consumer saw, what the progress
 * recorded, and what was acknowledged to Postgres. It records breaches of I2, I3 and I7 at once, the others at the next
 * check.
 *
 * I1 published = committed - dead letters. I2 each id once. I3 order per key. I4 a Postgres transaction in one Kafka
 * transaction, or in a declared split. I5 progress = what is published, at every progress. I6 confirmed_flush never
 * passes the committed progress, neither in samples of the slot nor in what the relay sends to Postgres. I7 I2 and I3
 * at every moment. I8 caught up in time. I9 each dead letter exactly once. I12 the audit finds what is wrong, and
 * only that.
 */
import avsc from 'avsc';
import type { CommittedRecord } from '../harness/committed-reader.ts';
import { parseLsn, parsePosition } from '../relay/model/position.ts';
import type { Acknowledgement, Commit } from './wiretap.ts';

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I12';
export type Breach = { readonly invariant: Invariant; readonly detail: string };

export type WrittenEvent = {
  readonly id: string;
  /** Can never be published, and must become a dead letter. */
  readonly isPoison: boolean;
};

/** A position, to be compared: commit LSN, ordinal. */
type Place = readonly [bigint, number];

type SeenEvent = {
  readonly place: Place;
  readonly partition: number;
  readonly transaction: string | undefined;
  readonly id: string;
  /** ms since 1970. */
  readonly readMs: number;
};

type SeenProgress = {
  /** The first place that it does not cover. */
  readonly frontier: Place;
  readonly endLsn: bigint;
  readonly eventCount: number;
  readonly timeMs: number;
  /** Which of the commits of which producer brought it. */
  readonly producer: string;
  readonly commitNumber: number;
};

export type DeadLetter = {
  readonly eventId: string;
  readonly status: string;
  /** Commit LSN of the release that published it. */
  readonly releasedLsn: bigint | null;
};

/** Not published, and not to be published. */
const isAside = ({ status }: DeadLetter): boolean => status === 'open' || status === 'discarded';

/** What passed between the relays and their servers. */
export type Traffic = {
  readonly commits: () => readonly Commit[];
  readonly acknowledgements: () => readonly Acknowledgement[];
};

export class Oracle {
  readonly #topic: string;
  readonly #slot: string;
  readonly #seen = new Map<string, SeenEvent>();
  readonly #lastOfKey = new Map<string, { seq: number; position: string }>();
  readonly #commitOf = new Map<string, bigint>();
  readonly #types = new Map<number, avsc.Type>();
  /** Acknowledged by Postgres, not seen in Kafka, not poison. */
  readonly #awaited = new Set<string>();
  readonly #deadLetters = new Set<string>();
  /** Committed, then lost when the database was rewound. */
  readonly #lost = new Set<string>();
  readonly #progress: SeenProgress[] = [];
  /** Seen since the last check. */
  #unchecked: SeenEvent[] = [];
  #checkedProgress = 0;
  readonly #intervalOf = new Map<string, number>();
  readonly #transactionOf = new Map<string, string>();
  /**
   * By producer, how many of its transactions were seen in the progress topic: each of the relay's has a record there.
   */
  readonly #commits = new Map<string, { count: number; last: string | undefined }>();
  readonly #traffic: Traffic;
  #acknowledgementsChecked = 0;
  #confirmed: { readonly lsn: bigint; readonly atMs: number }[] = [];
  #isLateAllowed = false;
  #isSlotWatched = true;
  /** Whether `recover` may publish the rest of a transaction, since the last check. */
  #mayBeCutOff: 'where declared' | 'anywhere' | undefined;
  #acknowledged = 0;
  #breaches: Breach[] = [];

  constructor(topic: string, slot: string, traffic: Traffic) {
    this.#topic = topic;
    this.#slot = slot;
    this.#traffic = traffic;
  }

  /** Events seen in Kafka. */
  get seen(): number {
    return this.#seen.size;
  }

  /** Events that Postgres has acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get awaited(): ReadonlySet<string> {
    return this.#awaited;
  }

  /** Returns the breaches since the last call. */
  takeBreaches(): Breach[] {
    const breaches = this.#breaches;
    this.#breaches = [];
    return breaches;
  }

  isSettled(id: string): boolean {
    return this.#seen.has(id) || this.#deadLetters.has(id);
  }

  /** A schema that records may be encoded with. */
  knowSchema(id: number, schema: object): void {
    this.#types.set(id, avsc.Type.forSchema(schema as avsc.Schema));
  }

  /** Postgres has acknowledged the commit. */
  committed(events: readonly WrittenEvent[]): void {
    this.#acknowledged += events.length;
    for (const { id, isPoison } of events) if (!isPoison && !this.isSettled(id)) this.#awaited.add(id);
  }

  /** Takes the current content of the table of dead letters. */
  foundDeadLetters(letters: readonly DeadLetter[]): void {
    this.#deadLetters.clear();
    for (const letter of letters) {
      if (!isAside(letter)) continue;
      const { eventId } = letter;
      this.#deadLetters.add(eventId);
      this.#awaited.delete(eventId);
    }
  }

  /**
   * Whether a finding of the audit is so: an event that no stream delivered was missing until recovery published it, and
   * records stay whose events were lost when the database was rewound (I12).
   * @param beganMs when the run of the audit began that found it, ms since 1970
   */
  confirms(kind: string, id: string | null, beganMs: number): boolean {
    if (id === null) return false;
    if (kind === 'leaked') return this.#lost.has(id);
    return kind === 'missing' && this.#isLateAllowed && (this.#seen.get(id)?.readMs ?? Infinity) >= beganMs;
  }

  /** The database was rewound. @param before all that it held @param after what it still holds */
  rewound(before: readonly WrittenEvent[], after: readonly WrittenEvent[]): void {
    const kept = new Set(after.map(({ id }) => id));
    for (const { id } of before) {
      if (kept.has(id)) continue;
      this.#lost.add(id);
      this.#awaited.delete(id);
    }
  }

  /** Whether the relay alone moves the slot from now on (I6). */
  watchSlot(isWatched: boolean): void {
    this.#isSlotWatched = isWatched;
    if (!isWatched) this.#mayBeCutOff ??= 'where declared';
    this.#confirmed = [];
    this.#acknowledgementsChecked = this.#traffic.acknowledgements().length;
  }

  /**
   * Of a transaction under way when its table leaves the publication, Postgres streams the rows from before and not
   * those from after, as a whole one (I4).
   */
  allowCut(): void {
    this.#mayBeCutOff = 'anywhere';
  }

  /** Allows later events of a key before an earlier one that was never streamed (I7). */
  allowLate(): void {
    this.#isLateAllowed = true;
  }

  /** A sample of the slot. @param atMs when it was surely so, ms since 1970 */
  foundConfirmed(lsn: bigint, atMs: number): void {
    if (this.#isSlotWatched && lsn !== this.#confirmed.at(-1)?.lsn) this.#confirmed.push({ lsn, atMs });
  }

  read(record: CommittedRecord): void {
    if (record.topic === this.#topic) this.#readEvent(record);
    else this.#readProgressTopic(record);
  }

  /** Claims, progress, and what commands write, all in transactions of the relay. */
  #readProgressTopic(record: CommittedRecord): void {
    const { producer, transaction } = record;
    const commits = this.#commits.get(producer) ?? { count: 0, last: undefined };
    if (transaction !== commits.last) commits.count += 1;
    commits.last = transaction;
    this.#commits.set(producer, commits);
    if (record.key === this.#slot) this.#readProgress(record, commits.count - 1);
  }

  #readEvent(record: CommittedRecord): void {
    const { id = '', position = '', seq = '', tx = '' } = record.headers;
    const at = `${record.partition}@${record.offset}`;
    const place = parsePosition(position);
    if (place === undefined || record.key === null) {
      this.#broke('I1', `a record without key or position at ${at}`);
      return;
    }
    const before = this.#seen.get(id);
    if (before !== undefined) {
      this.#broke('I2', `${id} again at ${at}, first with position ${before.place.join('.')}`);
      return;
    }
    this.#checkOrder(record.key, Number(seq), position, at);
    this.#checkContent(record, at);
    const commit = this.#commitOf.get(tx);
    // A resubmitted event has a transaction of its own.
    const mayMove = record.headers.poison !== undefined || (commit !== undefined && this.#isCutOff(commit));
    if (commit !== undefined && commit !== place.commitLsn && !mayMove)
      this.#broke('I4', `one transaction at two commit positions, ${at}`);
    if (!mayMove) this.#commitOf.set(tx, place.commitLsn);
    const seen: SeenEvent = {
      id,
      place: [place.commitLsn, place.ordinal],
      partition: record.partition,
      transaction: record.transaction,
      readMs: Date.now(),
    };
    this.#seen.set(id, seen);
    this.#unchecked.push(seen);
    this.#awaited.delete(id);
  }

  /**
   * A cut is declared if a progress ends within the transaction: the slot was lost before its other parts were
   * published.
   */
  #isCutOff(commitLsn: bigint): boolean {
    if (this.#mayBeCutOff !== 'where declared') return this.#mayBeCutOff === 'anywhere';
    return this.#progress.some(({ frontier: [lsn, ordinal] }) => lsn === commitLsn && ordinal > 0);
  }

  #checkOrder(key: string, seq: number, position: string, at: string): void {
    const last = this.#lastOfKey.get(key);
    // An event that no stream delivered is published behind later ones, at a position that says so.
    if (last !== undefined && this.#isLateAllowed && seq <= last.seq && position > last.position) return;
    if (last !== undefined && (seq <= last.seq || position <= last.position))
      this.#broke('I7', `${key} ${seq} (${position}) came after ${last.seq} (${last.position}), at ${at}`);
    this.#lastOfKey.set(key, { seq, position });
  }

  #checkContent({ key, value, headers }: CommittedRecord, at: string): void {
    const type = value === null ? undefined : this.#types.get(value.readInt32BE(1));
    if (value === null || type === undefined) {
      this.#broke('I1', `a record with an unknown schema at ${at}`);
      return;
    }
    const content = type.fromBuffer(value.subarray(5)) as { key?: string; seq?: number };
    if (content.key !== key || String(content.seq) !== headers.seq)
      this.#broke('I1', `content differs from what was written, at ${at}`);
  }

  #readProgress({ value, producer }: CommittedRecord, commitNumber: number): void {
    const text = JSON.parse(value?.toString() ?? '{}') as {
      endLsn: string;
      partial: { commitLsn: string; ordinal: number } | null;
      eventCount: number;
      time: string;
    };
    const endLsn = parseLsn(text.endLsn);
    const frontier: Place =
      text.partial === null ? [endLsn, 0] : [parseLsn(text.partial.commitLsn), text.partial.ordinal];
    const last = this.#progress.at(-1);
    if (last !== undefined && compare(frontier, last.frontier) <= 0)
      this.#broke('I5', `the progress went from ${last.frontier.join('.')} to ${frontier.join('.')}`);
    const { eventCount } = text;
    const timeMs = Date.parse(text.time);
    this.#progress.push({ frontier, endLsn, eventCount, timeMs, producer, commitNumber });
  }

  /**
   * Whether the consumer has seen as many events as the last progress counts, and what allows for each acknowledgement.
   */
  get isProgressSeen(): boolean {
    const { endLsn = 0n, eventCount } = this.#progress.at(-1) ?? {};
    const isAllowedFor = ({ lsn }: Acknowledgement) => lsn <= endLsn;
    return eventCount === this.#seen.size && this.#unheeded.every(isAllowedFor);
  }

  /** Acknowledgements since the last check. */
  get #unheeded(): readonly Acknowledgement[] {
    return this.#isSlotWatched ? this.#traffic.acknowledgements().slice(this.#acknowledgementsChecked) : [];
  }

  /**
   * Compares everything, once nothing is in flight.
   * @param rows what the table holds, the truth
   * @param isComplete whether all of it must have been published: not after a halt
   * @param mayDeadLetter whether valid events may have become dead letters
   */
  check(options: {
    readonly rows: readonly WrittenEvent[];
    readonly letters: readonly DeadLetter[];
    readonly isComplete: boolean;
    readonly mayDeadLetter: boolean;
  }): void {
    this.#checkSets(options);
    this.#checkTransactions(options.letters);
    this.#checkConfirmed();
    this.#checkAcknowledgements();
    if (this.#isSlotWatched) this.#mayBeCutOff = undefined;
  }

  #checkSets({ rows, letters, isComplete, mayDeadLetter }: Parameters<Oracle['check']>[0]): void {
    const written = new Set(rows.map(({ id }) => id));
    const poison = new Set(rows.filter(({ isPoison }) => isPoison).map(({ id }) => id));
    const open = letters.filter(isAside).map(({ eventId }) => eventId);
    const isOpen = new Set(open);
    if (isOpen.size !== open.length)
      this.#broke('I9', `${open.length - isOpen.size} events are dead letters more than once`);
    this.#brokeAll(
      'I9',
      'dead letters of events that were never committed',
      open.filter((id) => !written.has(id)),
    );
    this.#brokeAll(
      'I9',
      'dead letters that are published',
      open.filter((id) => this.#seen.has(id)),
    );
    if (!mayDeadLetter)
      this.#brokeAll(
        'I9',
        'valid events dead-lettered',
        open.filter((id) => !poison.has(id)),
      );
    this.#brokeAll(
      'I1',
      'published, but never committed',
      [...this.#seen.keys()].filter((id) => !written.has(id) && !this.#lost.has(id)),
    );
    if (!isComplete) return;
    const missing = rows.map(({ id }) => id).filter((id) => !this.#seen.has(id) && !isOpen.has(id));
    this.#brokeAll('I1', 'committed, but neither published nor dead-lettered', missing);
  }

  /** I4 and I5: every progress ends exactly where its own Kafka transaction ends. */
  #checkTransactions(letters: readonly DeadLetter[]): void {
    const releases = new Map(
      letters.flatMap(({ eventId, releasedLsn }) =>
        releasedLsn === null ? [] : [[eventId, releasedLsn] as const],
      ),
    );
    const counts = new Map<number, number>();
    for (const { id, place, partition, transaction } of this.#unchecked) {
      // A parked event was published at the position of its release.
      const released = releases.get(id);
      const interval = this.#findInterval(released === undefined ? place : [released, 0]);
      counts.set(interval, (counts.get(interval) ?? 0) + 1);
      const name = transaction ?? 'none';
      const known = this.#intervalOf.get(name);
      if (transaction === undefined || (known !== undefined && known !== interval))
        this.#broke('I4', `${name} holds events of the progresses ${known} and ${interval}`);
      this.#intervalOf.set(name, interval);
      const other = this.#transactionOf.get(`${partition}/${interval}`);
      if (other !== undefined && other !== name)
        this.#broke('I4', `progress ${interval} is spread over ${other} and ${name}`);
      this.#transactionOf.set(`${partition}/${interval}`, name);
    }
    this.#unchecked = [];
    for (; this.#checkedProgress < this.#progress.length; this.#checkedProgress++) {
      const n = this.#checkedProgress;
      const claimed = this.#progress[n]!.eventCount - (this.#progress[n - 1]?.eventCount ?? 0);
      if (claimed !== (counts.get(n) ?? 0))
        this.#broke('I5', `progress ${n} counts ${claimed} events, but ${counts.get(n) ?? 0} were published`);
      counts.delete(n);
    }
    for (const [interval, count] of counts)
      this.#broke('I5', `${count} events beyond progress ${interval - 1}, or added to an earlier one`);
  }

  /** Number of the first progress that covers the place. */
  #findInterval(place: Place): number {
    let low = 0;
    let high = this.#progress.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(place, this.#progress[middle]!.frontier) < 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The progress that covers a confirmed position must be older than the sample that showed it. */
  #checkConfirmed(): void {
    for (const { lsn, atMs } of this.#confirmed) {
      const covering = this.#progress.find(({ endLsn }) => endLsn >= lsn);
      if (covering === undefined)
        this.#broke('I6', `confirmed_flush at ${lsn}, the progress at ${this.#progress.at(-1)?.endLsn}`);
      else if (covering.timeMs > atMs && covering !== this.#progress[0])
        this.#broke('I6', `confirmed_flush at ${lsn} ${covering.timeMs - atMs} ms before the progress`);
    }
    this.#confirmed = this.#confirmed.slice(-1);
  }

  /** The relay acknowledges only what Kafka confirmed before: to itself, or to the claim of a later session. */
  #checkAcknowledgements(): void {
    const acknowledgements = this.#unheeded;
    this.#acknowledgementsChecked += acknowledgements.length;
    for (const { lsn, atMs } of acknowledgements) {
      const covering = this.#progress.find(({ endLsn }) => endLsn >= lsn);
      if (covering === undefined) {
        this.#broke('I6', `${lsn} was acknowledged, the progress is at ${this.#progress.at(-1)?.endLsn}`);
        continue;
      }
      const knownMs = this.#knownMs(covering);
      if (knownMs === undefined)
        this.#broke('I6', `${lsn} was acknowledged, but no commit that covers it was answered`);
      else if (knownMs > atMs)
        this.#broke(
          'I6',
          `${lsn} was acknowledged ${(knownMs - atMs).toFixed(1)} ms before Kafka confirmed it`,
        );
    }
  }

  /** When a relay could first know that a progress is committed. */
  #knownMs({ producer, commitNumber }: SeenProgress): number | undefined {
    const commits = this.#traffic.commits();
    const own = commits.filter((commit) => commit.producer === producer)[commitNumber];
    if (own?.answeredMs !== undefined) return own.answeredMs;
    if (own === undefined) return undefined;
    // The answer was lost. A later session has fenced that producer before it asked for anything.
    return commits.find((commit) => commit.askedMs > own.askedMs && commit.producer !== producer)?.askedMs;
  }

  #brokeAll(invariant: Invariant, what: string, ids: readonly string[]): void {
    if (ids.length > 0) this.#broke(invariant, `${ids.length} ${what}: ${ids.slice(0, 3).join(', ')}`);
  }

  #broke(invariant: Invariant, detail: string): void {
    this.#breaches.push({ invariant, detail });
  }
}

function compare([lsnA, ordinalA]: Place, [lsnB, ordinalB]: Place): number {
  if (lsnA !== lsnB) return lsnA < lsnB ? -1 : 1;
  return ordinalA - ordinalB;
}
