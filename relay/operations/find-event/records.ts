/**
 * Finds records of events in Kafka, under `read_committed`, in windows around the time of each: a topic is not read from its
 * beginning. Promise: it says what it read, so that a record outside is never taken for one that does not exist.
 */
import type { Admin, Kafka } from 'kafkajs';
import { hasRelayHeaders, replayOf } from '../../audit/audited.ts';
import { isAvro } from '../../audit/decoder.ts';
import { extendToHighWatermarks } from '../../audit/high-watermarks.ts';
import {
  headerText,
  isAbsent,
  type PartitionRange,
  readTopics,
  stableRanges,
  type TopicRecord,
} from '../../audit/read-topics.ts';
import { kafkaError } from '../../connect/kafka.ts';
import { partitionOf } from '../../encode/murmur2.ts';
import type { FoundRecord, Looked, Unread } from './found.ts';
import type { Publishers } from './publishers.ts';

/** An event that may have a record in a topic. */
export type Sought = {
  /** By id, or by the `position` header. */
  readonly id: string | null;
  readonly position: string | null;
  readonly topic: string;
  /** null: any partition. */
  readonly key: string | null;
  /** No earlier record is one of it, ms since 1970; null: the end of the partition is read, since nothing is known. */
  readonly fromMs: number | null;
};

export type Limits = { readonly records: number; readonly bytes: number; readonly ms: number };

export type SearchOptions = {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly sought: readonly Sought[];
  /** Header that holds the type of the event; undefined where none does. */
  readonly typeHeader: string | undefined;
  /** Asked once, with the first record that may be a relay's. */
  readonly publishers: () => Promise<Publishers>;
  /** Whether an event has a row that routes elsewhere, and none that routes to the topic; asked for records of other slots of this database. */
  readonly routesElsewhere: (id: string, topic: string) => boolean;
  readonly limits: Limits;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (topic: string, partition: number, records: number) => void;
};

export type RecordsFound = {
  readonly records: readonly FoundRecord[];
  readonly looked: readonly Looked[];
  /** Topics that do not exist, or are not shown. */
  readonly absent: readonly string[];
  /** What the limits left no room for. */
  readonly unread: readonly Unread[];
  /** Number of partitions of each topic. */
  readonly partitions: ReadonlyMap<string, number>;
};

/** How long a partition may bring nothing. */
const stallMs = 5_000;
/** The clock of the application that wrote `created_at`, or of an older Postgres, may be ahead by that. */
export const earlierMs = 2_000;

/** @throws RelayError KAFKA_* */
export async function findRecords(options: SearchOptions): Promise<RecordsFound> {
  const search = new Search(options);
  for (const topic of new Set(options.sought.map((each) => each.topic))) await search.topic(topic);
  return search;
}

class Search implements RecordsFound {
  readonly records: FoundRecord[] = [];
  readonly looked: Looked[] = [];
  readonly absent: string[] = [];
  readonly unread: Unread[] = [];
  readonly partitions = new Map<string, number>();
  readonly #options: SearchOptions;
  readonly #ids: ReadonlySet<string>;
  readonly #positions: ReadonlySet<string>;
  readonly #seen = new Set<string>();
  readonly #untilMs: number;
  #publishers: Promise<Publishers> | undefined;
  #recordCount = 0;
  #bytes = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    const { sought, limits } = options;
    this.#ids = new Set(sought.flatMap(({ id }) => (id === null ? [] : [id])));
    this.#positions = new Set(sought.flatMap(({ position }) => (position === null ? [] : [position])));
    this.#untilMs = performance.now() + limits.ms;
  }

  async topic(topic: string): Promise<void> {
    const { kafka } = this.#options;
    if (this.#isSpent()) {
      this.unread.push({ topic, partition: null });
      return;
    }
    const stable = await this.#stableRanges(topic);
    if (stable === undefined) return;
    this.partitions.set(topic, stable.length);
    const ends = await extendToHighWatermarks(kafka, stable, stallMs);
    const here = this.#options.sought.filter((each) => each.topic === topic);
    for (const [index, range] of stable.entries()) {
      const mine = here.filter(
        ({ key }) => key === null || partitionOf(key, stable.length) === range.partition,
      );
      if (mine.length === 0) continue;
      if (this.#isSpent()) this.unread.push({ topic, partition: range.partition });
      else await this.#partition(range, ends[index]!.end, mine);
    }
  }

  async #stableRanges(topic: string): Promise<PartitionRange[] | undefined> {
    try {
      const ranges = await stableRanges(this.#options.admin, [topic]);
      return ranges.sort((a, b) => a.partition - b.partition);
    } catch (error) {
      if (!(await isAbsent(this.#options.admin, topic, error))) throw error;
      this.absent.push(topic);
      return undefined;
    }
  }

  /** Window after window, each from the time of an event that was not found yet. */
  async #partition(range: PartitionRange, end: bigint, sought: readonly Sought[]): Promise<void> {
    const { topic, partition } = range;
    let open = sought.toSorted((a, b) => (a.fromMs ?? 0) - (b.fromMs ?? 0));
    let next = range.low;
    while (open.length > 0 && !this.#isSpent()) {
      const begin = await this.#beginOf(range, open[0]!.fromMs);
      const from = begin > next ? begin : next;
      const { to, records } = await this.#window(range, from, open);
      open = open.filter((each) => !this.#has(each));
      const stoppedBy = open.length === 0 ? 'found' : to >= range.end ? 'end' : 'limit';
      this.looked.push({
        topic,
        partition,
        from: String(from),
        to: String(to),
        records,
        begin: String(range.low),
        stableEnd: String(range.end),
        end: String(end),
        stoppedBy,
      });
      if (to >= range.end) return;
      next = to;
      open = open.slice(1);
    }
  }

  async #beginOf({ topic, partition, low, end }: PartitionRange, fromMs: number | null): Promise<bigint> {
    if (fromMs === null) {
      // Half are markers, where transactions are small.
      const tail = end - BigInt(this.#windowMax() * 2);
      return tail > low ? tail : low;
    }
    try {
      // Kafka refuses times before 1970, and takes some of them for "the end". A row may have any time, even the year 1.
      const atMs = Math.max(0, fromMs - earlierMs);
      const offsets = await this.#options.admin.fetchTopicOffsetsByTimestamp(topic, atMs);
      const found = BigInt(offsets.find((each) => each.partition === partition)?.offset ?? low);
      return found < low ? low : found;
    } catch (error) {
      throw kafkaError(error, `looking up a time in topic ${topic}`);
    }
  }

  /** What each window may read, so that the first does not use up what is there for the others. */
  #windowMax(): number {
    const { sought, limits } = this.#options;
    return Math.max(1_000, Math.floor(limits.records / Math.max(1, Math.min(sought.length, 10))));
  }

  async #window(range: PartitionRange, from: bigint, open: readonly Sought[]) {
    const { kafka, signal, onProgress } = this.#options;
    const { topic, partition, end } = range;
    const recordsMax = this.#windowMax();
    const hasSpentShare = this.#shareOf(open.length);
    let records = 0;
    let to = from;
    const isDone = () => records >= recordsMax || hasSpentShare() || open.every((each) => this.#has(each));
    if (from < end)
      await readTopics({
        kafka,
        stallMs,
        ranges: [{ topic, partition, low: from, end }],
        isInStep: true,
        follow: { isDone: () => isDone() || to >= end, signal: AbortSignal.abort() },
        onDone: (offsets) => {
          to = from + BigInt(offsets);
        },
        onRecords: async (some) => {
          signal?.throwIfAborted();
          records += some.length;
          this.#recordCount += some.length;
          for (const record of some) if (record.offset < end) await this.#note(record);
          onProgress(topic, partition, this.#recordCount);
        },
      });
    return { records, to: to > end ? end : to };
  }

  async #note(record: TopicRecord): Promise<void> {
    this.#bytes += (record.value?.length ?? 0) + (record.key?.length ?? 0) + 100;
    const id = headerText(record.headers, 'id');
    if (id === undefined) return;
    const position = headerText(record.headers, 'position') ?? null;
    if (!this.#ids.has(id) && !(position !== null && this.#positions.has(position))) return;
    const found = {
      ...recordOf(record, id, position, this.#options.typeHeader),
      ...(await this.#writerOf(record, id)),
    };
    this.records.push(found);
    // Behind the record of another producer, that of the relay may still come.
    if (!found.isOfRelay) return;
    this.#seen.add(id);
    if (position !== null) this.#seen.add(position);
  }

  async #writerOf(record: TopicRecord, id: string): Promise<Pick<FoundRecord, 'isOfRelay' | 'isOfThisSlot'>> {
    if (!hasRelayHeaders(record)) return { isOfRelay: false, isOfThisSlot: false };
    this.#publishers ??= this.#options.publishers();
    const publishers = await this.#publishers;
    const { producerId, topic } = record;
    return {
      isOfRelay: !publishers.isOfOthers(producerId, () => !this.#options.routesElsewhere(id, topic)),
      isOfThisSlot: publishers.isOfThisSlot(producerId) ?? null,
    };
  }

  #has({ id, position }: Sought): boolean {
    return (id !== null && this.#seen.has(id)) || (position !== null && this.#seen.has(position));
  }

  /** Of the bytes and the time that are left, as with records: a wrong time in a row must not use up what the right one needs. */
  #shareOf(windows: number): () => boolean {
    const { limits } = this.#options;
    const share = 1 / Math.min(windows, 10);
    const nowMs = performance.now();
    const bytesMax = this.#bytes + (limits.bytes - this.#bytes) * share;
    const untilMs = nowMs + (this.#untilMs - nowMs) * share;
    return () => this.#bytes >= bytesMax || performance.now() >= untilMs || this.#isSpent();
  }

  #isSpent(): boolean {
    const { limits, signal } = this.#options;
    return (
      signal?.aborted === true ||
      this.#recordCount >= limits.records ||
      this.#bytes >= limits.bytes ||
      performance.now() >= this.#untilMs
    );
  }
}

function recordOf(
  record: TopicRecord,
  id: string,
  position: string | null,
  typeHeader: string | undefined,
): Omit<FoundRecord, 'isOfRelay' | 'isOfThisSlot'> {
  const { topic, partition, offset, committedAtMs, key, value, headers } = record;
  const schemaId = value !== null && value.length >= 5 && value[0] === 0 ? value.readInt32BE(1) : undefined;
  return {
    topic,
    partition,
    offset: String(offset),
    id,
    position,
    type: (typeHeader === undefined ? undefined : headerText(headers, typeHeader)) ?? null,
    key: key?.toString() ?? null,
    committedAt: new Date(committedAtMs).toISOString(),
    valueBytes: value?.length ?? null,
    format: value === null ? null : isAvro(value) ? 'avro' : 'json',
    schema: schemaId === undefined ? null : { id: schemaId, versions: null },
    replayId: replayOf(headers)?.id ?? null,
  };
}
