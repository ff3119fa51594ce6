/**
 * Compares records with their rows, some hundred at a time. Rows are read by their places in the snapshot, so memory grows
 * with neither side, and the snapshot does not stay open while the topics are read.
 */

import type { Config } from '../config/config.ts';
import { type ValueFormatName, valueFormatByTopic } from '../config/value-format.ts';
import { groupBy } from '../model/builtins.ts';
import type { Difference } from './avro/compare-value.ts';
import { type ComparedRecord, type ComparedValue, type Comparison, compareRecord } from './compare-record.ts';
import { avroOf, type Decoder } from './decoder.ts';
import { type EventRow, RowReader } from './read-rows.ts';
import type { TopicRecord } from './read-topics.ts';
import type { RowPlace } from './row-places.ts';

/** A record whose event the snapshot holds, and that can be decoded. */
export type RecordOfRow = {
  readonly record: TopicRecord;
  readonly id: string;
  readonly places: readonly RowPlace[];
  /** NaN if the table has no such column. */
  readonly createdAtMs: number;
};

export type ContentOptions = {
  readonly config: Config;
  readonly client: ConstructorParameters<typeof RowReader>[0];
  readonly decoder: Decoder;
  readonly onDifference: (record: TopicRecord, difference: Difference) => void;
  /** `ofOtherSettings`: how many of them have another form, or other names of headers, than the settings say now. */
  readonly onCompared: (records: number, ofOtherSettings: number) => void;
  /** The row is gone. */
  readonly onGone: (id: string) => void;
};

/** Per statement. As JSON, payloads are a few times larger than as Avro. */
const mostRows = 500;
const mostBytes = 1_000_000;
/** Records whose rows moved since the snapshot wait for a common scan of the table. */
const mostMoved = 10_000;
const mostMovedBytes = 32_000_000;

export class Content {
  readonly #options: ContentOptions;
  readonly #rows: RowReader;
  readonly #formatOf: (topic: string) => ValueFormatName;
  #waiting: RecordOfRow[] = [];
  #waitingBytes = 0;
  #moved: RecordOfRow[] = [];
  #movedBytes = 0;

  constructor(options: ContentOptions) {
    this.#options = options;
    this.#rows = new RowReader(options.client, options.config);
    this.#formatOf = valueFormatByTopic(options.config.records);
  }

  async add(record: RecordOfRow): Promise<void> {
    this.#waiting.push(record);
    this.#waitingBytes += record.record.value?.length ?? 0;
    if (this.#waiting.length >= mostRows || this.#waitingBytes >= mostBytes) await this.flush();
  }

  /** Compares what was added, except records whose rows moved. */
  async flush(): Promise<void> {
    const some = this.#waiting;
    [this.#waiting, this.#waitingBytes] = [[], 0];
    if (some.length === 0) return;
    const times = some.map(({ createdAtMs }) => createdAtMs);
    const range = times.some(Number.isNaN)
      ? undefined
      : { fromMs: Math.min(...times), untilMs: Math.max(...times) };
    const rows = await this.#rows.at(
      some.flatMap(({ places }) => places),
      range,
    );
    const rowsOf = groupBy(rows, ({ id }) => id);
    const isComplete = ({ id, places }: RecordOfRow) => (rowsOf.get(id)?.length ?? 0) >= places.length;
    await this.#compare(some.filter(isComplete), rowsOf);
    for (const each of some) {
      if (isComplete(each)) continue;
      // Without a copy, it would keep the whole answer of the broker in memory.
      this.#moved.push({ ...each, record: detached(each.record) });
      this.#movedBytes += each.record.value?.length ?? 0;
    }
    if (this.#moved.length >= mostMoved || this.#movedBytes >= mostMovedBytes) await this.finish();
  }

  /** Compares everything that was added. */
  async finish(): Promise<void> {
    await this.flush();
    const moved = this.#moved;
    [this.#moved, this.#movedBytes] = [[], 0];
    if (moved.length === 0) return;
    const rows = await this.#rows.byId([...new Set(moved.map(({ id }) => id))]);
    const rowsOf = groupBy(rows, ({ id }) => id);
    await this.#compare(
      moved.filter(({ id }) => rowsOf.has(id)),
      rowsOf,
    );
    for (const { id } of moved) if (!rowsOf.has(id)) this.#options.onGone(id);
  }

  async #compare(records: readonly RecordOfRow[], rowsOf: ReadonlyMap<string, EventRow[]>): Promise<void> {
    let ofOtherSettings = 0;
    const different = records.flatMap((each) => {
      const { difference, isOfOtherSettings } = this.#compareOne(each.record, rowsOf.get(each.id) ?? []);
      if (isOfOtherSettings) ofOtherSettings += 1;
      return difference === undefined ? [] : [{ ...each, difference }];
    });
    this.#options.onCompared(records.length, ofOtherSettings);
    if (different.length === 0) return;
    const released = await this.#rows.released(different.map(({ id }) => id));
    const lettersOf = groupBy(released, ({ id }) => id);
    for (const { id, record, difference } of different) {
      const letters = lettersOf.get(id) ?? [];
      if (letters.length > 0 && this.#compareOne(record, letters).difference === undefined) continue;
      this.#options.onDifference(record, difference);
    }
  }

  /** Of several rows with one id, one must match. */
  #compareOne(record: TopicRecord, rows: readonly EventRow[]): Comparison {
    const { bytes, namespace } = this.#options.config.schemas;
    const { headers } = this.#options.config.records;
    const { key, topic, value } = record;
    const compared: ComparedRecord = {
      key,
      headers: record.headers,
      value: value === null ? null : this.#valueOf(value),
    };
    const reading = { bytes, namespace, headers, format: this.#formatOf(topic) };
    let first: Comparison | undefined;
    for (const row of rows) {
      const comparison = compareRecord(compared, row, reading);
      if (comparison.difference === undefined) return comparison;
      first ??= comparison;
    }
    return first ?? { difference: undefined, isOfOtherSettings: false };
  }

  #valueOf(value: Buffer): ComparedValue {
    const schema = this.#options.decoder.schemaOf(value);
    return schema === undefined
      ? { format: 'json', text: value }
      : { format: 'avro', avro: avroOf(value), schema };
  }
}

function detached(record: TopicRecord): TopicRecord {
  const copy = (bytes: Buffer | null) => (bytes === null ? null : Buffer.from(bytes));
  return {
    ...record,
    key: copy(record.key),
    value: copy(record.value),
    headers: record.headers.map(([name, value]) => [name, copy(value)] as const),
  };
}
