/**
 * Publishes the missing events as the relay itself would: the same encoder, the same decisions about refused events, the
 * same publisher, dead letters stored before the commit of their batch.
 *
 * The commit LSNs of these events are lost. They are published as one transaction over the limit, with the byte before the
 * new slot as its commit LSN: their positions lie after everything published before and before everything the slot will
 * stream, and since commit records begin at multiples of eight they are no other transaction's. The progress names the
 * part that is published, and its end LSN stays where it was: so it always says exactly what is in Kafka, and no relay
 * takes the gap for closed before it is (LINEAGE_SLOT_AHEAD).
 */
import type pg from 'pg';
import type { OutboxEvent } from '../capture/event.ts';
import type { CapturedRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { partLimits } from '../config/part-limits.ts';
import type { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import { encodePatiently } from '../encode/encode-patiently.ts';
import type { Encoder } from '../encode/encoder.ts';
import { loadOf } from '../encode/load.ts';
import type { EncodedEvent } from '../encode/record.ts';
import { RelayError } from '../errors.ts';
import type { ControlledGate } from '../ledger/controlled-gate.ts';
import { storeDecisions } from '../ledger/decisions.ts';
import type { Session } from '../ledger/session.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Batch, Publisher } from '../publish/publisher.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { Refusals } from '../refusals/refusals.ts';
import type { Missing } from './compare.ts';
import { fetchRows } from './fetch-rows.ts';
import { type AbsentEvent, eventMs } from './gap.ts';
import { nameOf } from './unreadable.ts';
import { Upcoming } from './upcoming.ts';

export type ClosingOptions = {
  readonly config: Config;
  /** Sees the snapshot. */
  readonly client: pg.Client;
  readonly pool: pg.Pool;
  readonly publisher: Publisher;
  readonly encoder: Encoder;
  /** Where copies of refused events go; undefined for nowhere. */
  readonly deadLetterTopic: DeadLetterTopic | undefined;
  /** Postgres refuses dead letters of earlier sessions. */
  readonly session: Session;
  /** Keys whose events wait behind a refused one. */
  readonly parked: readonly TopicKey[];
  /** Where the new slot begins. */
  readonly consistentLsn: Lsn;
  /** As the claim found it. */
  readonly progress: Progress;
  readonly onDone: (done: number, total: number) => void;
  /** Says when something is paused or limited. */
  readonly controlled: ControlledGate;
};

export type Closed = { readonly published: number; readonly deadLettered: number };

/** Rows looked at at once; fewer are fetched where they are large. */
const fetchEvents = 100;

/** @throws RelayError as the relay itself does. Whatever was committed stays; all of it may be repeated. */
export async function closeGap(options: ClosingOptions, missing: Missing): Promise<Closed> {
  const upcoming = new Upcoming(missing.inOrder());
  const closing = new Closing(options, missing, upcoming);
  const most = partLimits(options.config.publish).events;
  const step = Math.min(fetchEvents, most);
  for (;;) {
    // One more than fits: what remains of a larger transaction follows as if it was one of its own.
    let left = await upcoming.ofOneTransaction(most + 1);
    if (left === 0) break;
    await closing.makeRoom(left);
    for (; left > 0; ) {
      const count = await closing.fetched(Math.min(step, left));
      await closing.add(upcoming.take(count));
      left -= count;
    }
  }
  await closing.commit();
  return closing.done;
}

class Closing {
  readonly #use: ClosingOptions;
  readonly #missing: Missing;
  readonly #upcoming: Upcoming;
  /** Rows of the next events, by relation and place; of those before `#fetchedUntil`. */
  #rows = new Map<string, CapturedRow>();
  #fetchedUntil = 0;
  readonly #refusals: Refusals;
  #batch: Batch;
  #held = 0;
  #ordinal = 0;
  /** The ordinal of the last progress. */
  #committed = 0;
  #published = 0;
  #deadLettered = 0;

  constructor(options: ClosingOptions, missing: Missing, upcoming: Upcoming) {
    this.#use = options;
    this.#missing = missing;
    this.#upcoming = upcoming;
    this.#refusals = new Refusals(options.config.deadLetters, options.parked, options.controlled.gate);
    this.#batch = options.publisher.newBatch();
    options.onDone(0, missing.count);
  }

  get done(): Closed {
    return { published: this.#published, deadLettered: this.#deadLettered };
  }

  /** Before a transaction: one that would not fit any more begins a batch of its own. */
  async makeRoom(events: number): Promise<void> {
    const { publish } = this.#use.config;
    const { batchEvents, batchBytes } = publish;
    const isLarge = this.#held >= batchEvents || this.#batch.bytes >= batchBytes;
    if (isLarge || this.#held + events > partLimits(publish).events) await this.commit();
  }

  /** Events of one transaction. */
  async add(absent: readonly AbsentEvent[]): Promise<void> {
    const { config, pool, encoder, session, deadLetterTopic } = this.#use;
    const events = this.#read(absent);
    const encoded = await encodePatiently(encoder, events, config.retry);
    await this.#pass(encoded);
    const { records, deadLetters, parked } = this.#refusals.decide(events, encoded, performance.now());
    const copies = (await deadLetterTopic?.copies(deadLetters)) ?? [];
    for (const record of [...records, ...copies]) this.#batch.append(record);
    await storeDecisions(pool, session, { deadLetters, parked, releases: [] });
    await failpoint('DEAD_LETTERS_STORED');
    this.#held += records.length;
    this.#deadLettered += deadLetters.length;
    // Unlike the stream, a recovery splits a transaction that is too large for the memory.
    const most = partLimits(config.publish);
    if (this.#held + fetchEvents > most.events || this.#batch.bytes >= most.bytes) await this.commit();
  }

  /** Waits while the events may not go: a recovery obeys what people say, as the stream does. */
  async #pass(encoded: readonly EncodedEvent[]): Promise<void> {
    const { controlled, onDone } = this.#use;
    const tell = () => onDone(this.#published + this.#deadLettered, this.#missing.count);
    await controlled.pass(loadOf(encoded, controlled.gate), this.#refusals.parkedKeys, tell);
  }

  /** Also commits a batch in which every event was refused: the progress covers dead letters too. */
  async commit(): Promise<void> {
    if (this.#ordinal === this.#committed) return;
    const { publisher, progress, consistentLsn } = this.#use;
    await publisher.commit(this.#batch, {
      ...progress,
      partial: { commitLsn: consistentLsn - 1n, ordinal: this.#ordinal },
      eventCount: progress.eventCount + this.#published + this.#held,
      time: new Date().toISOString(),
    });
    await failpoint('KAFKA_COMMITTED');
    this.#published += this.#held;
    this.#held = 0;
    this.#committed = this.#ordinal;
    this.#batch = publisher.newBatch();
    this.#use.onDone(this.#published + this.#deadLettered, this.#missing.count);
  }

  /**
   * Fetches the rows of the next events, of several transactions where these are small.
   * @returns how many of the next events there are, `wanted` at most
   */
  async fetched(wanted: number): Promise<number> {
    if (this.#ordinal + wanted > this.#fetchedUntil) {
      const { config, client } = this.#use;
      const events = await this.#upcoming.first(fetchEvents);
      this.#rows = await fetchRows(config, client, events, this.#missing.unreadablePlaces);
      this.#fetchedUntil = this.#ordinal + this.#rows.size;
    }
    return Math.max(1, Math.min(wanted, this.#fetchedUntil - this.#ordinal));
  }

  /** @param absent the next ones, as many as are fetched */
  #read(absent: readonly AbsentEvent[]): OutboxEvent[] {
    const commitLsn = this.#use.consistentLsn - 1n;
    const committedAtMs = eventMs(absent[0]!) ?? Date.now();
    return absent.map((event) => {
      const row = this.#rows.get(nameOf(event));
      if (row === undefined) throw new RelayError('INTERNAL', 'a row of the snapshot was not found again');
      return { position: { commitLsn, ordinal: this.#ordinal++ }, committedAtMs, row };
    });
  }
}
