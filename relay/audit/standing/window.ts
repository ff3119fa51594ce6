/**
 * One window of the standing audit. Windows follow each other without a gap and without an overlap, on both sides:
 *
 * - *The table.* A window has a snapshot. Its rows are those that the snapshot shows and that no earlier window has counted.
 *   A transaction shows as a whole or not at all, so a row belongs to the first window whose snapshot shows its `xmin`.
 *   `CountedXids` remembers which numbers were seen above the oldest one that was running, because the text of a snapshot
 *   does not list savepoints.
 * - *The topics.* A window reads each partition from where the last one ended to the high watermark, as a `read_committed`
 *   consumer, taken once the progress had reached the position of the snapshot.
 *
 * What may be concluded:
 *
 * 1. The progress covers every row of the window before the ends are taken. So each row has its record in this window, or
 *    in an earlier one that left it open. A row without one is *missing*, unless a dead letter of its own accounts for it
 *    (each accounts for one row), the topic has lost its beginning, or a second reading of what earlier windows have read
 *    finds it: an UPDATE gives a row a new `xmin`, and an event that is released between the snapshot and the ends of a
 *    window is read in that window, while its release is for the next one.
 * 2. A record may be read before its row shows: it is published after the snapshot was taken, or its commit was not visible
 *    yet. Such a record stays open for later windows. It is *final* once every transaction that ran after the record was
 *    read has ended at a later snapshot: from then on its row shows, or there is none. Then it is a *duplicate* if the table
 *    has its row, which an earlier record has matched; *leaked* if the table has no such row and still covers its time.
 * 3. The relay publishes a partition in commit order, so positions rise along the offsets. A record whose position does not
 *    is *late*: *out of order* if its row matches it first; otherwise a duplicate as in 2, however many windows later. A
 *    dead letter that was released explains one late record.
 * 4. What the relay of another slot of this database wrote counts if the table has its row. If no row of the window matches it
 *    at once, the table is asked. By then it has left its place in the order, so it is not judged whether it is late.
 * 5. A missing event whose record comes later, as after `recover`, is missing no more.
 *
 * Memory holds what one side is ahead of the other, one bit for each transaction since the oldest running one, and some
 * numbers for each partition. Nothing grows with the table, the topics or the number of keys.
 */
import { assertRowsShownNow } from '../../connect/postgres/rows-shown.ts';
import { readOnly } from '../../connect/postgres/transaction.ts';
import { Router } from '../../encode/route.ts';
import { readReplays } from '../../ledger/replays.ts';
import { parseSnapshot } from '../../model/pg-snapshot.ts';
import { parsePosition } from '../../model/position.ts';
import { type AuditedRecord, auditedRecord, hasRelayHeaders, recordPlace } from '../audited.ts';
import { findProducers } from '../await-progress.ts';
import { commitToleranceMs } from '../commit-tolerance.ts';
import { Decoder } from '../decoder.ts';
import { findTopics } from '../find-topics.ts';
import { list, type RecordPlace, type UndecodableRecord } from '../findings.ts';
import { ofOtherSlot, withoutTransaction } from '../foreign.ts';
import { extendToHighWatermarks } from '../high-watermarks.ts';
import { KeptFrom } from '../kept-from.ts';
import { Origins, readOriginFacts } from '../origin.ts';
import { Producers } from '../producers.ts';
import type { TableRow } from '../read-table.ts';
import {
  type PartitionRange,
  readTopics,
  stableRanges,
  stallMsOf,
  type TopicRecord,
} from '../read-topics.ts';
import { findRetention } from '../retention.ts';
import { readNow } from '../running.ts';
import { readSiblings } from '../siblings.ts';
import type { AuditState } from './audit-state.ts';
import { Found, findingOf } from './found.ts';
import { RecordJudge } from './judge-records.ts';
import { RowJudge } from './judge-rows.ts';
import { Letters } from './letters.ts';
import { Matching, type OpenRecord, tooFarApart } from './matching.ts';
import { approach, type HeldBack, reach } from './reach.ts';
import { oldestRowMs, openWindow, WindowRows } from './read-window.ts';
import { RecordsOfSiblings } from './records-of-siblings.ts';
import { RowFeed } from './row-feed.ts';
import { placeOf, type WindowMeans, type WindowScope } from './window-means.ts';

export type WindowResult =
  | {
      readonly verdict: 'verified';
      readonly state: AuditState;
      readonly found: Found;
      /** Transactions below `beginsXid` whose rows it compared all the same. */
      readonly besides: ReadonlySet<bigint>;
    }
  | HeldBack
  /** What earlier windows know no longer fits. */
  | { readonly verdict: 'start again'; readonly why: string };

/** With more open records than this, rows are read until they match, up to `rowsAheadMax`. */
const openRecordsMost = 50_000;
const rowsAheadMax = 500_000;
/** Some 300 MB. Past this, the two sides do not belong together. */
const openMax = 1_000_000;
/** Open records that are kept for the next window. */
const openKept = 200_000;
/** Records without headers that are listed. */
const producerItems = 1_000;

/** @throws RelayError POSTGRES_*, KAFKA_*, REGISTRY_*, ROW_UNREADABLE, PROGRESS_UNREADABLE */
export async function auditWindow(means: WindowMeans, before: AuditState | undefined): Promise<WindowResult> {
  // First without a snapshot, which would keep dead rows while a relay lags.
  const target = await readNow(means.now);
  const held = await approach(means, target.lsn);
  if (held !== undefined) return held;
  const producers = new Producers(producerItems);
  const siblings = await readSiblings(means.now, means.config.slot.name);
  return readOnly(means.client, 'opening a snapshot', 'repeatable read', async () => {
    const snapshot = await openWindow(means.client);
    if (before !== undefined && snapshot.lsn < before.lsn)
      return { verdict: 'start again', why: 'the WAL position went back: the database was restored' };
    const stillHeld = await reach(means, snapshot.lsn, { producers, siblings });
    if (stillHeld !== undefined) return stillHeld;
    return await new Window({ means, before, snapshot, found: new Found(), producers, siblings }).run();
  });
}

class StartAgain extends Error {}

class Window {
  readonly #scope: WindowScope;
  readonly #number: number;
  readonly #router: Router;
  readonly #rows: WindowRows;
  readonly #feed: RowFeed<TableRow>;
  readonly #letters: Letters;
  readonly #matching: Matching;
  readonly #records: RecordJudge;
  readonly #kept = new KeptFrom();
  readonly #producers: Producers;
  readonly #ofSiblings = new RecordsOfSiblings();
  /** Those of the slot. */
  #replays: ReadonlySet<string> = new Set();
  /** In a first window. An earlier one has counted all that was committed before the audit, whatever a later row says. */
  #origins: Origins | undefined;
  /** In a first window: records that were committed earlier have no row. */
  #rowsFromMs = Number.NEGATIVE_INFINITY;

  constructor(scope: WindowScope) {
    const { means, before, snapshot, producers } = scope;
    this.#producers = producers;
    this.#scope = scope;
    this.#number = (before?.window ?? 0) + 1;
    this.#router = new Router(means.config);
    this.#rows = new WindowRows(means.client, means.config, snapshot.text, before);
    this.#letters = new Letters(this.#scope, this.#rows);
    this.#records = new RecordJudge(this.#scope, this.#letters);
    this.#matching = new Matching(before?.floors ?? new Map(), (record, row) => {
      this.#records.noteMatch(record);
      if (row.isRelease !== true) scope.found.matched += 1;
    });
    this.#feed = new RowFeed(this.#matching, this.#rows.pages(), (rows) => this.#takeRows(rows));
  }

  async run(): Promise<WindowResult> {
    try {
      return await this.#verify();
    } catch (error) {
      if (error instanceof StartAgain) return { verdict: 'start again', why: error.message };
      throw error;
    }
  }

  async #verify(): Promise<WindowResult> {
    const { means, before, found } = this.#scope;
    const { config, admin, now } = means;
    const topics = await findTopics(config, admin, []);
    const ranges = await this.#ranges(topics);
    // A replay is recorded before its first record is written, so those of all records up to these ends are there.
    this.#replays = new Set((await readReplays(now, config.slot.name)).map(({ id }) => id));
    // Taken after the ends: whatever is read was committed by a transaction that this snapshot lists, or shows.
    const { snapshot: afterEnds } = await readNow(now);
    if (before === undefined) {
      this.#rowsFromMs = await this.#oldestRowMs();
      const facts = await readOriginFacts(now, config.slot.name, means.systemIdentifier);
      this.#origins = new Origins(facts, parseSnapshot(this.#scope.snapshot.text).xmax);
    }
    for (const record of before?.open ?? []) this.#matching.addRecord({ ...record });
    for (const { id, topic } of await this.#letters.releases())
      this.#matching.addRow({
        id,
        topic: topic ?? undefined,
        createdAtMs: Number.NaN,
        origin: 'streamed',
        isRelease: true,
      });
    await this.#readTopics(ranges);
    await this.#judgeSiblings();
    const retentionOf = await findRetention(admin, topics);
    this.#kept.explain(retentionOf);
    await this.#judgeRows(
      await RowJudge.create(this.#scope, this.#letters, { kept: this.#kept, topics, retentionOf }),
    );
    await this.#records.judge(this.#matching);
    this.#judgeProducers();
    found.skip('withoutId', this.#rows.withoutId);
    const state = await this.#state(ranges, afterEnds);
    const read = [
      config.outbox.table,
      'outbox.dead_letter',
      'outbox.progress',
      'outbox.audit_finding',
      'outbox.replay',
    ];
    await assertRowsShownNow(config, read);
    return { verdict: 'verified', found, state, besides: this.#rows.besides };
  }

  /** Where the table is empty, a row that is younger than the snapshot may still show. */
  async #oldestRowMs(): Promise<number> {
    const { means, snapshot } = this.#scope;
    const oldestMs = (await oldestRowMs(means.client, means.config)) ?? Number.NEGATIVE_INFINITY;
    return Math.floor(Math.min(oldestMs, snapshot.atMs - commitToleranceMs));
  }

  /** What to read of the topics. @throws StartAgain */
  async #ranges(topics: readonly string[]): Promise<PartitionRange[]> {
    const { means, before, siblings } = this.#scope;
    const { config, kafka, admin, systemIdentifier } = means;
    const stallMs = stallMsOf(config);
    const own = { topic: config.kafka.progressTopic, slot: config.slot.name, systemIdentifier, siblings };
    await findProducers({ kafka, admin, stallMs, ...own }, (producerId, writer) =>
      this.#producers.addProgress(producerId, writer),
    );
    const whole = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMs);
    return whole.map((range) => {
      const { topic, partition, low, end } = range;
      // A partition that appeared since the last window is read from its beginning.
      const next = before?.offsets.get(placeOf(range)) ?? 0n;
      if (end < next)
        throw new StartAgain(
          `topic ${topic} partition ${partition} ends at offset ${end}, before what is verified: it was recreated or shortened`,
        );
      if (low > next) this.#kept.addTrimmed(topic, partition);
      return { ...range, low: low > next ? low : next };
    });
  }

  async #readTopics(ranges: readonly PartitionRange[]): Promise<void> {
    const { means, found } = this.#scope;
    const { config, kafka, pace } = means;
    const decoder = await Decoder.create(config.registry);
    await readTopics({
      kafka,
      ranges,
      stallMs: stallMsOf(config),
      isInStep: true,
      onTrimmed: (topic, partition) => this.#kept.addTrimmed(topic, partition),
      onRecords: async (records) => {
        await this.#feed.ahead();
        const isPerhapsOurs = (record: TopicRecord) =>
          hasRelayHeaders(record) && !this.#producers.isOfOthers(record.producerId, () => true);
        await decoder.prepare(records.map((record) => (isPerhapsOurs(record) ? record.value : null)));
        for (const record of records) this.#addRecord(record, isPerhapsOurs(record) ? decoder : undefined);
        if (this.#ofSiblings.isFull) await this.#judgeSiblings();
        await this.#catchUpRows();
        means.onDone?.(found.events, found.records);
        await pace.took(records.length);
      },
    });
  }

  async #takeRows(rows: readonly TableRow[]): Promise<void> {
    for (const { id, aggregatetype, type, createdAtMs, xid } of rows)
      this.#matching.addRow({
        id,
        topic: this.#router.topic(aggregatetype, type),
        createdAtMs: createdAtMs ?? Number.NaN,
        origin: this.#origins?.of(xid, createdAtMs) ?? 'streamed',
        isOfHere: this.#origins?.isOfHere(xid) ?? true,
        xid,
      });
    this.#scope.found.events += rows.length;
    await this.#scope.means.pace.took(rows.length);
  }

  async #catchUpRows(): Promise<void> {
    const matching = this.#matching;
    while (!this.#feed.hasAll && matching.openRecords > openRecordsMost && matching.openRows < rowsAheadMax)
      await this.#feed.next();
    if (matching.openRecords > openMax || matching.openRows > openMax)
      throw tooFarApart(matching.openRows, matching.openRecords);
  }

  #addRecord(record: TopicRecord, decoder: Decoder | undefined): void {
    this.#scope.found.records += 1;
    const audited = auditedRecord(record, decoder, this.#router);
    if (audited.replay !== undefined) {
      this.#addReplayed(audited, audited.replay.id);
      return;
    }
    const { id, topic, producerId } = audited;
    if (this.#producers.isOfSibling(producerId) && id !== undefined && !this.#matching.hasRow(id, topic))
      this.#ofSiblings.add(audited);
    else this.#judgeRecord(audited, id !== undefined, 'in its place');
  }

  async #judgeSiblings(): Promise<void> {
    const { now, config } = this.#scope.means;
    for (const [record, hasRow] of await this.#ofSiblings.take(now, config, this.#router))
      this.#judgeRecord(record, hasRow, 'later');
  }

  /** @param hasRow counts for a record of another slot of this database */
  #judgeRecord(audited: AuditedRecord, hasRow: boolean, when: 'in its place' | 'later'): void {
    const { before, found } = this.#scope;
    const { id, topic, partition, offset, committedAtMs, producerId, fault } = audited;
    if (this.#isOfOthers(audited, hasRow)) return;
    const position = audited.position === undefined ? undefined : parsePosition(audited.position);
    if (id === undefined || position === undefined) {
      const reason = id === undefined ? 'no header id' : 'no legal header position';
      this.#producers.addHeadless(producerId, { ...recordPlace(audited), reason });
      return;
    }
    if (fault !== undefined && producerId === undefined) {
      this.#skipForeign(audited, withoutTransaction(fault));
      return;
    }
    this.#producers.addRelay(producerId);
    this.#kept.note(topic, partition, committedAtMs);
    if (fault !== undefined) found.add(findingOf('undecodable', audited, fault));
    if (position.commitLsn < (before?.beginsLsn ?? 0n)) {
      found.skip('before');
      return;
    }
    const open: OpenRecord = {
      id,
      topic,
      partition,
      offset,
      position: audited.position!,
      committedAtMs,
      after: when === 'later' ? undefined : this.#matching.follow(topic, partition, audited.position!),
      window: this.#number,
    };
    const verdict = this.#matching.addRecord(open);
    if (verdict === 'duplicate') found.add(findingOf('duplicate', open));
    if (verdict === 'open' && committedAtMs < this.#rowsFromMs) {
      this.#matching.remove(open);
      found.skip('unknown');
    }
  }

  /** A replay published it again on purpose: it stands in for no record of the stream. */
  #addReplayed(audited: AuditedRecord, replayId: string): void {
    const { found } = this.#scope;
    const { id, producerId, fault } = audited;
    // A replay of another slot is none of this one, whatever rows it repeats.
    if (this.#isOfOthers(audited, false)) return;
    if (id === undefined || !this.#replays.has(replayId)) {
      const reason = id === undefined ? 'no header id' : 'it names a replay that is not in outbox.replay';
      this.#producers.addHeadless(producerId, { ...recordPlace(audited), reason });
    } else if (fault !== undefined) found.add(findingOf('undecodable', audited, fault));
    else found.skip('replayed');
  }

  #isOfOthers(audited: AuditedRecord, hasRow: boolean): boolean {
    if (!this.#producers.isOfOthers(audited.producerId, () => hasRow)) return false;
    this.#skipForeign(audited, ofOtherSlot);
    return true;
  }

  #skipForeign(audited: AuditedRecord, reason: string): void {
    this.#scope.found.skipForeign({ ...recordPlace(audited), reason });
  }

  /** Every record is read: what a row lacks now is not there. */
  async #judgeRows(judge: RowJudge): Promise<void> {
    for await (const rows of this.#feed.unmatched()) await judge.judge(rows);
    await judge.finish();
  }

  /** Records without the headers of a relay. */
  #judgeProducers(): void {
    const { found } = this.#scope;
    const undecodable = list<UndecodableRecord>();
    const foreign = list<RecordPlace>();
    this.#producers.judge(undecodable, foreign, found.foreign);
    found.skip('foreign', foreign.count);
    for (const { reason, offset, ...place } of undecodable.first)
      found.add({ kind: 'undecodable', ...place, offset: BigInt(offset), detail: reason });
    found.counts.undecodable += undecodable.count - undecodable.first.length;
  }

  async #state(ranges: readonly PartitionRange[], afterEnds: string): Promise<AuditState> {
    const { before, snapshot } = this.#scope;
    const open = [...this.#matching.records()];
    if (open.length > openKept) throw tooFarApart(0, open.length);
    const windows = new Set(open.map(({ window }) => window));
    const after = [...(before?.after ?? []), [this.#number, afterEnds] as const];
    const ends = ranges.map((range) => [placeOf(range), range.end] as const);
    return {
      window: this.#number,
      snapshot: snapshot.text,
      lsn: snapshot.lsn,
      atMs: snapshot.atMs,
      counted: this.#rows.counted,
      beginsLsn: before?.beginsLsn ?? 0n,
      beginsXid: before?.beginsXid ?? 0n,
      offsets: new Map([...(before?.offsets ?? []), ...ends]),
      floors: this.#matching.floors,
      open,
      after: new Map(after.filter(([window]) => windows.has(window))),
      unclaimed: await this.#letters.unclaimed(),
      released: this.#letters.released,
    };
  }
}
