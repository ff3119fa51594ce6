/**
 * Compares the tail of the connector's slot with the topics, by the ids of the events. Changes nothing. Memory: some 60
 * bytes for each event of the tail; the topics may be of any size.
 */
import { commitToleranceMs } from '../../audit/commit-tolerance.ts';
import { assertVisible, headerText, type TopicRecord } from '../../audit/read-topics.ts';
import { routedId } from '../../audit/routed-id.ts';
import type { Capture } from '../../capture/capture.ts';
import type { Servers } from '../../connect/servers.ts';
import { Router } from '../../encode/route.ts';
import type { Lsn } from '../../model/position.ts';
import { IdTable } from '../../recover/id-table.ts';
import { type Published, readPublished, unseen } from '../../recover/published.ts';
import { judgeTail, type TailJudgement, type TailSight } from './judge-tail.ts';
import { LastRecords } from './last-records.ts';
import type { TakeOverOptions } from './options.ts';
import { lostHeaders, type PlacedHeader } from './placed-headers.ts';
import { readTail } from './tail.ts';
import { destinationOf, TailIndex } from './tail-index.ts';

/** Some events of the tail, for a report: how many, and the first of their ids. */
export type SomeOfTail = { readonly count: number; readonly ids: readonly string[] };

export type ComparedTail = {
  /** Rows of the tail. */
  readonly events: number;
  readonly withoutId: number;
  /** Further rows of an id; what becomes of the first becomes of them. */
  readonly repeated: number;
  readonly firstCommittedAt: string | null;
  readonly lastCommittedAt: string | null;
  /** Records with an id in the topics. */
  readonly records: number;
  readonly published: number;
  /** Further records of events of the tail. They stay: without exactly-once delivery a connector writes some. */
  readonly duplicates: number;
  readonly missing: SomeOfTail;
  readonly overtaken: SomeOfTail;
  readonly unjudged: SomeOfTail;
  /** How many of the unjudged go to no topic of `topics.allow`. */
  readonly unrouted: number;
  /** Published events whose record has another topic or key than the relay would give it. */
  readonly otherKeys: SomeOfTail;
  /** Records of the connector in another partition than their key leads to. */
  readonly otherPartitions: SomeOfTail;
  /** Names of headers that records of the connector have, and those of the relay will not. */
  readonly lostHeaders: readonly string[];
  /** Events to publish whose row lacks a header that the connector takes from another column. */
  readonly withoutHeaders: SomeOfTail;
  /** Whether the topics have any record that a router wrote. */
  readonly isConnectorSeen: boolean;
};

export type Comparison = ComparedTail & {
  /** How many events are to be published, those without an id left out. */
  readonly wanted: number;
  /** Whether an event of the tail is to be published. */
  readonly isWanted: (id: string) => boolean;
};

/**
 * @param until everything before it is committed, and nothing before it comes on our own stream
 * @param ownHeaders that each row of the tail must bring itself
 */
export async function compareTail(
  capture: Capture,
  until: Lsn,
  { kafka, admin }: Servers,
  options: TakeOverOptions,
  ownHeaders: readonly PlacedHeader[] = [],
): Promise<Comparison> {
  const { config, signal, onStage } = options;
  const tail = await readIndex(capture, until, options, ownHeaders);
  const found = new FoundRecords(tail);
  const published = await readPublished({
    config,
    kafka,
    admin,
    signal,
    coveredMs: null,
    onDone: (done, total) => onStage({ stage: 'topics', done, total }),
    wanted: nothing,
    idOf: ({ headers }) => routedId(headers),
    onEvent: (id, record) => found.note(id, record),
  });
  // A listing leaves out topics that the role may not see, and their events are not missing.
  const routed = tail.index.topics.filter((topic) => topic !== undefined);
  await assertVisible(
    admin,
    routed.filter((topic) => !published.topics.has(topic)),
  );
  return judgeAll(tail, found, published, options);
}

type Tail = {
  readonly index: TailIndex;
  /** Names of the headers that rows bring themselves. */
  readonly headerNames: ReadonlySet<string>;
  readonly events: number;
  readonly withoutId: number;
  /** Commit times, ms since 1970; infinite without events. */
  readonly firstMs: number;
  readonly lastMs: number;
};

async function readIndex(
  capture: Capture,
  until: Lsn,
  options: TakeOverOptions,
  ownHeaders: readonly PlacedHeader[],
): Promise<Tail> {
  const { config, onStage, signal } = options;
  const index = new TailIndex();
  const router = new Router(config);
  let [events, withoutId, firstMs, lastMs] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const headerNames = new Set<string>();
  let beganLsn: Lsn | undefined;
  for await (const { rows, committedAtMs, commitLsn } of readTail(capture, until, signal)) {
    beganLsn ??= commitLsn;
    if (rows.length === 0) continue;
    firstMs = Math.min(firstMs, committedAtMs);
    lastMs = Math.max(lastMs, committedAtMs);
    for (let at = 0; at < rows.length; at++) {
      const { id, aggregatetype, aggregateid, type, headers } = rows.at(at);
      events += 1;
      const names = namesIn(headers);
      for (const name of names) if (headerNames.size < namesMax) headerNames.add(name);
      if (id === null) withoutId += 1;
      else {
        const lacksHeaders = ownHeaders.some(({ header }) => !names.includes(header));
        index.add(id, router.topic(aggregatetype ?? '', type), aggregateid, lacksHeaders);
      }
    }
    onStage({ stage: 'tail', done: Number(commitLsn - beganLsn), total: Number(until - beganLsn) });
  }
  return { index, headerNames, events, withoutId, firstMs, lastMs };
}

/** Names come from rows. */
const namesMax = 1_000;

/** What the column for headers has; nothing where it cannot be read, and then the event is refused on its own. */
function namesIn(headers: string | null): string[] {
  if (headers === null || headers === '{}') return [];
  try {
    const parsed: unknown = JSON.parse(headers);
    return typeof parsed === 'object' && parsed !== null ? Object.keys(parsed) : [];
  } catch {
    return [];
  }
}

/** `FoundRecords` keeps what counts, by number. */
const nothing = { has: () => false };

/** What the records of the topics say about the tail. */
class FoundRecords {
  /** Number of the last published event, by destination. */
  readonly lastPublished = new IdTable();
  /** Partitions that still have a record from before the tail, as `topic/partition`. */
  readonly seen = new Set<string>();
  duplicates = 0;
  isConnectorSeen = false;
  /** Some record of the tail is older than its event: the times say something else. */
  areTimesForeign = false;
  readonly otherKeys = new Sample();
  readonly lastRecords = new LastRecords();
  readonly #tail: Tail;
  readonly #published: Uint8Array;

  constructor(tail: Tail) {
    this.#tail = tail;
    this.#published = new Uint8Array(tail.index.size);
  }

  isPublished(number: number): boolean {
    return this.#published[number] === 1;
  }

  note(id: string, { topic, partition, key, headers, committedAtMs }: TopicRecord): void {
    const { index, firstMs } = this.#tail;
    const number = index.find(id);
    const isFromBefore = committedAtMs < firstMs - commitToleranceMs;
    // A record with a position is one of the relay, of an earlier run of the take-over.
    if (headerText(headers, 'position') === undefined) {
      this.isConnectorSeen = true;
      this.lastRecords.note(id, { topic, partition, key, headers });
    }
    if (number === undefined) {
      if (isFromBefore) this.seen.add(`${topic}/${partition}`);
      return;
    }
    if (isFromBefore) this.areTimesForeign = true;
    const destination = destinationOf(topic, key?.toString() ?? null);
    if (this.isPublished(number)) this.duplicates += 1;
    else if (destination !== index.destination(number)) this.otherKeys.add(id);
    this.#published[number] = 1;
    // By the destination of the event: where its record went is another question.
    const name = String(index.destination(number));
    const last = this.lastPublished.add(name, number);
    if (number > last) this.lastPublished.set(name, number);
  }
}

function judgeAll(
  tail: Tail,
  found: FoundRecords,
  published: Published,
  { config, unjudged, overtaken }: TakeOverOptions,
): Comparison {
  const { index, headerNames, firstMs, lastMs, events, withoutId } = tail;
  const withoutHeaders = new Sample();
  const some: Record<Exclude<TailJudgement, 'published'>, Sample> = {
    missing: new Sample(),
    overtaken: new Sample(),
    unjudged: new Sample(),
  };
  const isWanted = new Uint8Array(index.size);
  let [unrouted, wanted] = [0, 0];
  const sights = new Sights(tail, found, published);
  for (let number = 0; number < index.size; number++) {
    const sight = sights.of(number);
    const judgement = judgeTail({
      isPublished: found.isPublished(number),
      number,
      lastPublished: found.lastPublished.find(String(index.destination(number))),
      sight,
    });
    if (judgement === 'published') continue;
    some[judgement].add(index.name(number));
    if (judgement === 'unjudged' && sight === 'unrouted') unrouted += 1;
    const choice = { missing: 'publish', overtaken, unjudged }[judgement];
    if (choice !== 'publish') continue;
    isWanted[number] = 1;
    wanted += 1;
    if (index.lacksHeaders(number)) withoutHeaders.add(index.name(number));
  }
  const absent = some.missing.count + some.overtaken.count + some.unjudged.count;
  return {
    events,
    withoutId,
    repeated: index.repeated,
    firstCommittedAt: iso(firstMs),
    lastCommittedAt: iso(lastMs),
    records: published.records,
    published: index.size - absent,
    duplicates: found.duplicates,
    missing: some.missing.value,
    overtaken: some.overtaken.value,
    unjudged: some.unjudged.value,
    unrouted,
    otherKeys: found.otherKeys.value,
    otherPartitions: someOf(found.lastRecords.elsewhere(published.partitions)),
    lostHeaders: lostHeaders(found.lastRecords.headerNames, headerNames, config).slice(0, idsShown),
    withoutHeaders: withoutHeaders.value,
    isConnectorSeen: found.isConnectorSeen,
    wanted,
    isWanted: (id) => isWanted[index.find(id) ?? -1] === 1,
  };
}

/** Sights of partitions, each looked at once. */
class Sights {
  readonly #index: TailIndex;
  readonly #found: FoundRecords;
  readonly #published: Published;
  readonly #known = new Map<string, TailSight>();

  constructor({ index }: Tail, found: FoundRecords, published: Published) {
    this.#index = index;
    this.#found = found;
    this.#published = published;
  }

  of(number: number): TailSight {
    const topic = this.#index.topic(number);
    if (topic === undefined) return 'unrouted';
    // A topic that does not exist has had nothing removed.
    const partitions = this.#published.partitions.get(topic);
    if (partitions === undefined) return 'whole';
    const partition = this.#index.partition(number, partitions);
    const name = `${topic}/${partition ?? '*'}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const wanted =
      partition === undefined ? Array.from({ length: partitions }, (_, each) => each) : [partition];
    const sight = wanted.every((each) => this.#isWhole(topic, each)) ? 'whole' : 'part';
    this.#known.set(name, sight);
    return sight;
  }

  #isWhole(topic: string, partition: number): boolean {
    const removed = this.#published.removed.get(topic);
    if (removed === undefined) return true;
    // Compaction removes a record that a later one of its key follows, and a connector that starts again repeats old ones.
    if (removed === 'compacted' || removed.includes(unseen)) return false;
    const name = `${topic}/${partition}`;
    if (!this.#published.trimmed.has(name)) return true;
    return !this.#found.areTimesForeign && this.#found.seen.has(name);
  }
}

class Sample {
  count = 0;
  readonly #ids: string[] = [];

  get value(): SomeOfTail {
    return { count: this.count, ids: this.#ids };
  }

  add(id: string | undefined): void {
    this.count += 1;
    if (id !== undefined && this.#ids.length < idsShown) this.#ids.push(id);
  }
}

const idsShown = 20;

const someOf = (ids: readonly string[]): SomeOfTail => ({ count: ids.length, ids: ids.slice(0, idsShown) });

function iso(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
