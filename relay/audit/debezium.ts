/**
 * Audits an outbox that Debezium's event router publishes. Reads only, and needs nothing of this project in the database:
 * the table, the slot of the connector, and topics whose records have the id of their row in the header `id`.
 *
 * 1. take a snapshot of the table, with its WAL position;
 * 2. wait until the slot has confirmed that position: the connector confirms what it has published;
 * 3. take the ends of the topics, read them under `read_committed`, and match rows and records by id.
 *
 * A row that is confirmed and has no record is missing. A second record for a row is a duplicate: without exactly-once
 * delivery a connector writes some after each restart. A record without a row is leaked, if the table still covers its
 * time, and every transaction that ran when the record was read has ended. A value is decodable if it is empty, JSON, or
 * Avro under a schema of the registry.
 *
 * Others may write to the topics, and a header `id` is nothing special. So whose a record is comes before what it holds: a
 * value that cannot be decoded is a finding if the record has a row, or its producer wrote one that has. Any other record is
 * counted as another producer's, with its place, unless it is leaked.
 *
 * What the router does not write cannot be checked: records have no position, so the order of a key is not compared, and of
 * two records with one id nothing tells which was the first. The content is not compared with the row.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import { readSlot } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { connectAdmin } from '../connect/kafka.ts';
import { openClient } from '../connect/postgres/client.ts';
import { pages } from '../connect/postgres/cursor.ts';
import { assertRowsShownNow } from '../connect/postgres/rows-shown.ts';
import { statement } from '../connect/postgres/statement.ts';
import { readOnly } from '../connect/postgres/transaction.ts';
import { Router } from '../encode/route.ts';
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import { recordPlace } from './audited.ts';
import { commitToleranceMs } from './commit-tolerance.ts';
import { CoveredFrom } from './covered-from.ts';
import { Decoder } from './decoder.ts';
import { findTopics } from './find-topics.ts';
import type { ForeignTopic } from './foreign.ts';
import { extendToHighWatermarks } from './high-watermarks.ts';
import { absenceOf } from './judge-event.ts';
import { KeptFrom } from './kept-from.ts';
import { findEvents, orUnreadable, selectEvents, type TableRow } from './read-table.ts';
import { readTopics, stableRanges, stallMsOf, type TopicRecord } from './read-topics.ts';
import { findRetention } from './retention.ts';
import { routedId } from './routed-id.ts';
import { lookAgain, readNow } from './running.ts';
import { Found, findingOf } from './standing/found.ts';
import { Matching, type OpenRecord, tooFarApart } from './standing/matching.ts';
import { openWindow, readHome, type WindowSnapshot } from './standing/read-window.ts';
import { RowFeed } from './standing/row-feed.ts';
import { chunks, idsMost } from './standing/window-means.ts';

export type DebeziumOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  /** How long the connector may take to confirm the snapshot, and transactions to end whose rows do not show, in ms. */
  readonly waitMs: number;
  readonly onDone?: (events: number, records: number) => void;
};

export type DebeziumReport = {
  /** No findings, the snapshot was confirmed, no record may be leaked, and not blind to all events. */
  readonly ok: boolean;
  readonly snapshot: { readonly lsn: string; readonly time: string };
  /** What the slot had confirmed when the topics were read. */
  readonly confirmedLsn: string;
  readonly isCovered: boolean;
  readonly topics: readonly string[];
  readonly events: number;
  /** Of these, the ones whose record was found. */
  readonly matched: number;
  readonly records: number;
  readonly findings: Readonly<Record<string, number>>;
  readonly unjudged: Readonly<Record<string, number>>;
  /** The first of the findings. */
  readonly first: Found['items'];
  /** Where records of other producers are. */
  readonly foreignTopics: readonly ForeignTopic[];
};

const scanTimeoutMs = 600_000;
const pollMs = 500;
const pageRows = 5_000;
const openMax = 2_000_000;

/** @throws RelayError POSTGRES_*, SLOT_*, KAFKA_*, REGISTRY_*, AUDIT_TOO_FAR_APART, ROW_UNREADABLE */
export async function auditDebezium(options: DebeziumOptions): Promise<DebeziumReport> {
  const { config } = options;
  const admin = options.kafka.admin();
  const client = await openClient(config, 'outbox-relay audit', scanTimeoutMs);
  let now: pg.Client | undefined;
  try {
    now = await openClient(config, 'outbox-relay audit', scanTimeoutMs);
    await connectAdmin(admin);
    await readHome(now, config);
    return await readOnly(client, 'opening a snapshot', 'repeatable read', async () =>
      new DebeziumAudit(options, { admin, client, now: now! }, await openWindow(client)).run(),
    );
  } catch (error) {
    throw orUnreadable(error);
  } finally {
    await Promise.allSettled([admin.disconnect(), client.end(), now?.end()]);
  }
}

type ForeignRow = Omit<TableRow, 'id'> & { readonly id: string | null };

type Servers = { readonly admin: Admin; readonly client: pg.Client; readonly now: pg.Client };

class DebeziumAudit {
  readonly #options: DebeziumOptions;
  readonly #servers: Servers;
  readonly #snapshot: WindowSnapshot;
  readonly #found = new Found();
  readonly #router: Router;
  readonly #kept = new KeptFrom();
  readonly #covered = new CoveredFrom();
  /** Producers of records that have a row. */
  readonly #connectors = new Set<bigint>();
  readonly #matching: Matching;
  readonly #feed: RowFeed<ForeignRow>;

  constructor(options: DebeziumOptions, servers: Servers, snapshot: WindowSnapshot) {
    this.#options = options;
    this.#servers = servers;
    this.#snapshot = snapshot;
    this.#router = new Router(options.config);
    this.#matching = new Matching(new Map(), (record) => this.#noteMatch(record));
    const events = statement<ForeignRow>(
      'audit.read_foreign_events',
      'reading the outbox table',
      selectEvents(options.config),
    );
    const rows = pages(servers.client, events, [], pageRows);
    this.#feed = new RowFeed(this.#matching, rows, (some) => this.#takeRows(some));
  }

  async run(): Promise<DebeziumReport> {
    const { config, kafka } = this.#options;
    const { admin } = this.#servers;
    const confirmedLsn = await this.#confirmed();
    const isCovered = confirmedLsn >= this.#snapshot.lsn;
    const topics = await findTopics(config, admin, []);
    const ranges = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMsOf(config));
    for (const { topic, partition, low } of ranges) if (low > 0n) this.#kept.addTrimmed(topic, partition);
    const { snapshot: running } = await readNow(this.#servers.now);
    const decoder = await Decoder.create(config.registry);
    await readTopics({
      kafka,
      ranges,
      stallMs: stallMsOf(config),
      isInStep: true,
      onTrimmed: (topic, partition) => this.#kept.addTrimmed(topic, partition),
      onRecords: async (records) => {
        await this.#feed.ahead();
        await decoder.prepare(records.map(({ value }) => (isFramed(value) ? value : null)));
        for (const record of records) this.#addRecord(record, decoder);
        this.#options.onDone?.(this.#found.events, this.#found.records);
        this.#assertBounded();
      },
    });
    this.#kept.explain(await findRetention(admin, topics));
    for await (const rows of this.#feed.unmatched())
      for (const { id, topic, createdAtMs } of rows) this.#judgeRow(id, topic, createdAtMs, isCovered);
    await this.#judgeRecords(running);
    await assertRowsShownNow(config, [config.outbox.table]);
    const { counts, unjudged, items, events, matched, records, foreign } = this.#found;
    return {
      ok:
        isCovered &&
        Object.values(counts).every((count) => count === 0) &&
        unjudged.missingOrRemoved === undefined &&
        unjudged.leakedOrNotShown === undefined &&
        (events === 0 || matched > 0),
      snapshot: { lsn: formatLsn(this.#snapshot.lsn), time: new Date(this.#snapshot.atMs).toISOString() },
      confirmedLsn: formatLsn(confirmedLsn),
      isCovered,
      topics,
      events,
      matched,
      records,
      findings: counts,
      unjudged,
      first: items.slice(0, 100),
      foreignTopics: foreign.topics(),
    };
  }

  /** Waits until the connector has confirmed the snapshot. */
  async #confirmed(): Promise<Lsn> {
    const { config, waitMs } = this.#options;
    const name = config.slot.name;
    const deadlineMs = performance.now() + waitMs;
    for (;;) {
      const slot = await readSlot(this.#servers.now, name);
      if (slot === undefined) throw new RelayError('SLOT_MISSING', `slot ${name} does not exist`);
      if (slot.confirmedLsn >= this.#snapshot.lsn || performance.now() > deadlineMs) return slot.confirmedLsn;
      await delay(pollMs);
    }
  }

  #takeRows(rows: readonly ForeignRow[]): void {
    for (const { id, aggregatetype, type, createdAtMs } of rows) {
      if (createdAtMs !== null) this.#covered.noteRow(createdAtMs);
      this.#found.events += 1;
      if (id === null) this.#found.skip('withoutId');
      else
        this.#matching.addRow({
          id,
          topic: this.#router.topic(aggregatetype, type),
          createdAtMs: createdAtMs ?? Number.NaN,
          origin: 'streamed',
        });
    }
    this.#assertBounded();
  }

  #addRecord(record: TopicRecord, decoder: Decoder): void {
    const { topic, partition, offset, committedAtMs, value, headers, producerId } = record;
    const found = this.#found;
    found.records += 1;
    const id = routedId(headers);
    if (id === undefined) {
      found.skipForeign({ ...recordPlace({ id, topic, partition, offset }), reason: 'no header id' });
      return;
    }
    this.#kept.note(topic, partition, committedAtMs);
    const position = `${topic}/${partition}/${offset}`;
    const open: OpenRecord = {
      id,
      topic,
      partition,
      offset,
      position,
      committedAtMs,
      after: undefined,
      window: 1,
      fault: isFramed(value) ? decoder.faultOf(value) : faultOfJson(value),
      producerId,
    };
    this.#matching.addRecord(open);
  }

  #noteMatch(record: OpenRecord): void {
    this.#found.matched += 1;
    this.#covered.noteMatch(record.committedAtMs);
    if (record.producerId !== undefined) this.#connectors.add(record.producerId);
    this.#judgeValue(record);
  }

  /** Of a record that is the connector's. */
  #judgeValue(record: OpenRecord): void {
    if (record.fault !== undefined)
      this.#found.add(findingOf('undecodable', { ...record, position: undefined }, record.fault));
  }

  /** A record without a row, of which nothing else is concluded. */
  #skip(kind: 'newer' | 'unknown' | 'leakedOrNotShown', record: OpenRecord): void {
    const { fault, producerId } = record;
    const isOfConnector = producerId !== undefined && this.#connectors.has(producerId);
    if (fault === undefined || isOfConnector) {
      this.#found.skip(kind);
      this.#judgeValue(record);
    } else this.#found.skipForeign({ ...recordPlace(record), reason: `no row has its id, and ${fault}` });
  }

  #judgeRow(id: string, topic: string | undefined, createdAtMs: number, isCovered: boolean): void {
    const absence = absenceOf({
      timeMs: createdAtMs,
      origin: 'streamed',
      isSuperseded: false,
      isCovered,
      lost: this.#kept.lost(topic),
      expectAll: false,
    });
    if (absence === 'missing') this.#found.add({ kind: 'missing', id, topic });
    else if (absence === 'notYetPublished' || absence === 'missingOrRemoved') this.#found.skip(absence);
    else this.#found.skip('expired');
  }

  /** Records that no row of the snapshot has matched. */
  async #judgeRecords(running: string): Promise<void> {
    const { client, now } = this.#servers;
    const { config, waitMs } = this.#options;
    const found = this.#found;
    const suspects = new Map<string, OpenRecord[]>();
    for (const some of chunks([...this.#matching.records()], idsMost)) {
      const before = new Set<string>();
      await findEvents(client, config, new Set(some.map(({ id }) => id)), (id) => before.add(id));
      for (const record of some) {
        if (before.has(record.id)) {
          found.add(findingOf('duplicate', { ...record, position: undefined }));
          this.#judgeValue(record);
        } else if (record.committedAtMs >= this.#snapshot.atMs - commitToleranceMs)
          this.#skip('newer', record);
        else suspects.set(record.id, [...(suspects.get(record.id) ?? []), record]);
      }
    }
    const isFinal = await lookAgain(
      { client: now, config, running, waitMs },
      () => [...suspects.keys()],
      (id) => {
        const shown = suspects.get(id) ?? [];
        found.skip('newer', shown.length);
        for (const record of shown) this.#judgeValue(record);
        suspects.delete(id);
      },
    );
    const strangers = [...suspects.values()].flat();
    for (const { committedAtMs } of strangers) this.#covered.noteStranger(committedAtMs);
    for (const record of strangers) {
      if (record.committedAtMs < this.#covered.fromMs()) this.#skip('unknown', record);
      else if (!isFinal) this.#skip('leakedOrNotShown', record);
      else found.add(findingOf('leaked', { ...record, position: undefined }, record.fault));
    }
  }

  #assertBounded(): void {
    const { openRows, openRecords } = this.#matching;
    if (openRows + openRecords > openMax) throw tooFarApart(openRows, openRecords);
  }
}

/** Confluent framing begins with a zero byte, which no JSON does. */
const isFramed = (value: Buffer | null): boolean => value !== null && value[0] === 0;

function faultOfJson(value: Buffer | null): string | undefined {
  if (value === null) return undefined;
  try {
    JSON.parse(value.toString());
    return undefined;
  } catch {
    return 'neither JSON nor Avro with a schema id';
  }
}
