/**
 * Publishes the listed rows, batch by batch. Each batch is one Kafka transaction that also holds the progress of the replay,
 * so no death separates the two. Events at one place of the order (usually one transaction) go together, unless they exceed
 * the limits of a Kafka transaction; then the progress says how many rows of the place are done, and which.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { OutboxEvent } from '../capture/event.ts';
import type { CapturedRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { partLimits } from '../config/part-limits.ts';
import type { EncodedEvent } from '../encode/record.ts';
import { isRefusal } from '../encode/record.ts';
import { RelayError } from '../errors.ts';
import type { ReplayRefusal } from '../ledger/replays.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Batch, Publisher } from '../publish/publisher.ts';
import { nameOf } from '../recover/unreadable.ts';
import { type ListedRow, nextPage } from './listing.ts';
import { readRows } from './read-rows.ts';
import { type Marks, marked } from './records.ts';
import { type Place, type ReplayProgress, serializeReplay } from './replay-progress.ts';

export type PublishOptions = {
  readonly config: Config;
  /** Has the listing open. */
  readonly client: pg.Client;
  readonly publisher: Publisher;
  readonly encode: (events: readonly OutboxEvent[]) => Promise<EncodedEvent[]>;
  readonly marks: Omit<Marks, 'replayedAt'>;
  /** Most events of a batch. */
  readonly batchEvents: number;
  /** Waits until a batch may go. @returns false if the replay is to stop */
  readonly pass: (batch: Batch) => Promise<boolean>;
  /** What happens to an event that cannot be published as it is. */
  readonly refused: 'stop' | 'skip';
  /** Stores refusals before the commit that passes over them. */
  readonly storeRefusals: (refusals: readonly ReplayRefusal[]) => Promise<void>;
  /** As the claim found it. */
  readonly progress: ReplayProgress;
  /** After each commit. */
  readonly onCommitted: (progress: ReplayProgress) => Promise<void>;
  /** Stop after the present batch. */
  readonly signal: AbortSignal;
};

export type Ended =
  | { readonly outcome: 'done' | 'interrupted' }
  | { readonly outcome: 'refused'; readonly refusal: ReplayRefusal };

/** @throws RelayError KAFKA_*, PRODUCER_FENCED, TRANSACTION_EXPIRED, PUBLISH_*, POSTGRES_*, REGISTRY_*, REPLAY_CHANGED */
export async function publishListed(options: PublishOptions): Promise<Ended> {
  const run = new Run(options);
  for (;;) {
    const page = await nextPage(options.client);
    for (let from = 0; from < page.length; ) {
      const rows = page.slice(from);
      const contents = await readRows(options.config, options.client, rows);
      const ended = await run.add(rows.slice(0, contents.length), contents);
      if (ended !== undefined) return ended;
      from += contents.length;
    }
    if (page.length === 0) return run.finish();
  }
}

class Run {
  readonly #use: PublishOptions;
  #batch: Batch;
  #held = 0;
  #refusals: ReplayRefusal[] = [];
  #gone = 0;
  /** What the next commit says. */
  #after: Place | null;
  #open: OpenPlace | undefined;
  #committed: ReplayProgress;
  /** Whether something was passed since the last commit. */
  #isMoved = false;

  constructor(options: PublishOptions) {
    this.#use = options;
    this.#batch = options.publisher.newBatch();
    this.#committed = options.progress;
    this.#after = options.progress.after;
  }

  /** @param contents of the rows; undefined for one that is gone */
  async add(
    rows: readonly ListedRow[],
    contents: readonly (CapturedRow | undefined)[],
  ): Promise<Ended | undefined> {
    const nowMs = Date.now();
    const events = rows.flatMap((row, index) => {
      const content = contents[index];
      // The table has no positions; the record gets none.
      const position = { commitLsn: 0n, ordinal: 0 };
      return content === undefined ? [] : [{ position, committedAtMs: row.timeMs ?? nowMs, row: content }];
    });
    const encoded = await this.#use.encode(events);
    let next = 0;
    for (const [index, row] of rows.entries()) {
      if (await this.#begin(row)) return { outcome: 'interrupted' };
      const isPublished = this.#open!.passes(row);
      const content = contents[index];
      const record = content === undefined ? undefined : encoded[next++]!;
      if (isPublished) continue;
      const refusal = this.#take(row, content, record, nowMs);
      if (refusal !== undefined) {
        // What the batch holds is left for the next run: a commit here would show a part of the transaction.
        if (this.#use.refused === 'stop') return { outcome: 'refused', refusal };
        this.#refusals.push(refusal);
      }
      this.#isMoved = true;
      if (!(await this.#splitIfLarge(row))) return { outcome: 'interrupted' };
    }
    return undefined;
  }

  async finish(): Promise<Ended> {
    this.#close();
    return { outcome: (await this.#commit({ isDone: true })) ? 'done' : 'interrupted' };
  }

  /** Goes on to the place of a row. @returns whether to end here */
  async #begin(row: ListedRow): Promise<boolean> {
    if (this.#open?.isAt(row)) return false;
    this.#close();
    const { config, batchEvents, signal, progress } = this.#use;
    const { batchBytes } = config.publish;
    const isLarge = this.#held >= batchEvents || this.#batch.bytes >= batchBytes;
    const isFull = isLarge || this.#held + row.size > partLimits(config.publish).events || this.#isLong();
    if ((isFull || signal.aborted) && !(await this.#commit())) return true;
    if (signal.aborted) return true;
    this.#open = new OpenPlace(row, progress.part);
    return false;
  }

  /** Of refused events and gone ones: what is passed is stored from time to time. */
  #isLong(): boolean {
    return this.#refusals.length >= passedMax || this.#gone >= passedMax;
  }

  #close(): void {
    if (this.#open === undefined) return;
    this.#open.assertWhole();
    this.#after = this.#open.place;
    this.#open = undefined;
  }

  #take(
    row: ListedRow,
    content: CapturedRow | undefined,
    encoded: EncodedEvent | undefined,
    nowMs: number,
  ): ReplayRefusal | undefined {
    if (content === undefined || encoded === undefined) {
      this.#gone += 1;
      return undefined;
    }
    const marks = { ...this.#use.marks, replayedAt: new Date(nowMs).toISOString() };
    const record = isRefusal(encoded) ? encoded : marked(encoded, marks);
    if ('code' in record) {
      const { code, message, topic } = record;
      const id = content.id ?? `row ${row.place} of table ${row.relation}`;
      return { id, type: content.type, topic, code, message };
    }
    this.#batch.append(record);
    this.#held += 1;
    return undefined;
  }

  /** @returns whether to go on */
  async #splitIfLarge(row: ListedRow): Promise<boolean> {
    const most = partLimits(this.#use.config.publish);
    const isFull = this.#held >= most.events || this.#batch.bytes >= most.bytes;
    return !isFull || this.#open!.isLast(row) || this.#commit();
  }

  /** @returns false if the replay is to stop; then what is held is left for the next run */
  async #commit({ isDone = false } = {}): Promise<boolean> {
    if (!this.#isMoved && !isDone) return true;
    const { publisher, pass, storeRefusals, onCommitted } = this.#use;
    if (!(await pass(this.#batch))) return false;
    await storeRefusals(this.#refusals);
    await failpoint('DEAD_LETTERS_STORED');
    const before = this.#committed;
    const progress: ReplayProgress = {
      ...before,
      published: before.published + this.#held,
      refused: before.refused + this.#refusals.length,
      gone: before.gone + this.#gone,
      after: this.#after,
      part: this.#open?.part ?? null,
      isDone,
      instance: this.#use.progress.instance,
      time: new Date().toISOString(),
    };
    await publisher.commitText(this.#batch, serializeReplay(progress));
    await failpoint('KAFKA_COMMITTED');
    this.#committed = progress;
    this.#isMoved = false;
    [this.#held, this.#gone, this.#refusals] = [0, 0, []];
    this.#batch = publisher.newBatch();
    await onCommitted(progress);
    return true;
  }
}

/** Rows that are passed without being published, at most, before that is committed. */
const passedMax = 10_000;

/** The rows at one place of the order, of which an earlier run may have published the first ones. */
class OpenPlace {
  readonly place: Place;
  readonly #done: ReplayProgress['part'];
  #rows = 0;
  #digest = '';

  constructor({ us, xid }: ListedRow, part: ReplayProgress['part']) {
    this.place = { us, xid };
    this.#done = part !== null && part.us === us && part.xid === xid ? part : null;
  }

  isAt({ us, xid }: Place): boolean {
    return us === this.place.us && xid === this.place.xid;
  }

  isLast({ size }: ListedRow): boolean {
    return this.#rows === size;
  }

  /** Counts a row. @returns whether an earlier run has passed it. @throws RelayError REPLAY_CHANGED */
  passes(row: ListedRow): boolean {
    this.#rows += 1;
    this.#digest = createHash('sha256')
      .update(`${this.#digest} ${nameOf(row)}`)
      .digest('hex');
    if (this.#done === null || this.#rows > this.#done.rows) return false;
    if (this.#rows === this.#done.rows && this.#digest !== this.#done.digest) throw changed();
    return true;
  }

  get part(): ReplayProgress['part'] {
    return this.#rows === 0 ? null : { ...this.place, rows: this.#rows, digest: this.#digest };
  }

  /** @throws RelayError REPLAY_CHANGED if an earlier run has passed more rows than there are */
  assertWhole(): void {
    if (this.#done !== null && this.#rows < this.#done.rows) throw changed();
  }
}

function changed(): RelayError {
  return new RelayError(
    'REPLAY_CHANGED',
    'an earlier run published the first events of a transaction, and some of its rows have been removed from the table since',
  );
}
