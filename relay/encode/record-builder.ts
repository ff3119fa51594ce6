/** Owns what an event looks like in Kafka: key, value, headers, time and size. */
import type { OutboxEvent } from '../capture/event.ts';
import type { OutboxRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { keyLengthMax, nameLengthMax } from '../config/row-size.ts';
import type { Destination } from './destinations.ts';
import { ByteSink } from './formats/byte-sink.ts';
import { parseLosslessJson } from './formats/json.ts';
import { ValueMismatch } from './formats/mismatch.ts';
import {
  buildHeaders,
  type FieldHeaders,
  fieldHeadersOf,
  HeadersInvalid,
  PositionPrinter,
} from './headers.ts';
import { partitionOf } from './murmur2.ts';
import { assertLength, type Names, NotPublishable } from './not-publishable.ts';
import type { OutboundRecord } from './record.ts';
import { batchOverheadBytes, exactRecordBytes, recordBytes } from './record-size.ts';
import { recordTime } from './record-time.ts';
import type { Target } from './targets.ts';

export class RecordBuilder {
  readonly #maxRecordBytes: number;
  readonly #sink = new ByteSink();
  readonly #positions = new PositionPrinter();
  readonly #fieldHeaders: FieldHeaders | undefined;

  constructor({ publish, records }: Pick<Config, 'publish' | 'records'>) {
    this.#maxRecordBytes = publish.maxRecordBytes ?? Number.POSITIVE_INFINITY;
    this.#fieldHeaders = fieldHeadersOf(records);
  }

  /** @throws NotPublishable */
  record(event: OutboxEvent, target: Target): OutboundRecord {
    return this.#build(event, target, target, target.names);
  }

  /** An event without a payload: the record has no value, and needs no schema. @throws NotPublishable */
  tombstone(event: OutboxEvent, destination: Destination): OutboundRecord {
    return this.#build(event, destination, null, { topic: destination.topic });
  }

  /** @param target null for a tombstone */
  #build(
    { position, committedAtMs, row }: OutboxEvent,
    { topic, info }: Destination,
    target: Target | null,
    names: Names,
  ): OutboundRecord {
    const { id, aggregateid } = row;
    if (id === null || id === '') throw new NotPublishable('EVENT_INVALID', 'id: must not be empty', names);
    if (aggregateid === null)
      throw new NotPublishable('EVENT_INVALID', 'aggregateid: must not be NULL', names);
    assertLength('id', id, nameLengthMax, names);
    assertLength('aggregateid', aggregateid, keyLengthMax, names);
    const { timestampMs, isMoved } = recordTime(committedAtMs, info.keptMs, Date.now());
    const movedFromMs = isMoved ? committedAtMs : undefined;
    const headers = headersOf(row, this.#positions.print(position), names, movedFromMs, this.#fieldHeaders);
    const value = target === null ? null : this.#value(row.payload, target, names);
    const bytes = recordBytes(aggregateid, value, headers);
    const maxBatchBytes = info.maxMessageBytes - batchOverheadBytes;
    const limit = Math.min(this.#maxRecordBytes, maxBatchBytes);
    if (bytes > limit) assertFits(exactRecordBytes(aggregateid, value, headers), limit, names);
    return {
      topic,
      partition: partitionOf(aggregateid, info.partitions),
      key: aggregateid,
      value,
      headers,
      timestampMs,
      bytes,
      maxBatchBytes,
    };
  }

  #value(payload: string | null, target: Target, names: Names): Buffer {
    if (payload === null) throw new NotPublishable('PAYLOAD_NOT_JSON', 'the payload is NULL', names);
    if (target.schema === null) return jsonValue(payload, names);
    const value = parsePayload(payload, names);
    const sink = this.#sink;
    sink.truncate(0);
    sink.writeFixed(target.schema.framing);
    try {
      target.write(value, sink);
    } catch (error) {
      if (!(error instanceof ValueMismatch)) throw error;
      const { expected, found, path } = error;
      throw new NotPublishable('PAYLOAD_INVALID', `expected ${expected}, found ${found}`, names, { path });
    }
    return sink.copy(0);
  }
}

/** @param bytes not a bound: an event that fits must not be refused */
function assertFits(bytes: number, limit: number, names: Names): void {
  if (bytes > limit)
    throw new NotPublishable('RECORD_TOO_LARGE', `${bytes} bytes, at most ${limit} fit`, names);
}

function parsePayload(payload: string, names: Names): unknown {
  try {
    return parseLosslessJson(payload);
  } catch {
    throw notJson(names);
  }
}

/** Without the parser's message, which may quote the payload. */
const notJson = (names: Names): NotPublishable =>
  new NotPublishable('PAYLOAD_NOT_JSON', 'the payload is not JSON', names);

/** The text itself: printed again, numbers, escapes and repeated keys would come out otherwise. */
function jsonValue(payload: string, names: Names): Buffer {
  // A column of type text takes anything. JSON.parse is as strict as Postgres, and what it makes of numbers is not used.
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    throw notJson(names);
  }
  if (value === null)
    throw new NotPublishable('PAYLOAD_INVALID', 'expected a value, found null', names, { path: '$' });
  return Buffer.from(payload);
}

function headersOf(
  row: OutboxRow,
  position: string,
  names: Names,
  movedFromMs: number | undefined,
  fields: FieldHeaders | undefined,
): Readonly<Record<string, string>> {
  try {
    return buildHeaders(row, position, movedFromMs, fields);
  } catch (error) {
    if (!(error instanceof HeadersInvalid)) throw error;
    throw new NotPublishable('EVENT_INVALID', error.message, names);
  }
}
