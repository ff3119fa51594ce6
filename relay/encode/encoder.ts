/**
 * From a row to a record, or to the reason why it can never be one. An outage of the registry or of Kafka is never such a
 * reason: it leaves as a `retry` error, and the transaction is encoded again later. So does what nobody foresaw, but only
 * so often: then the event is refused for it.
 */

import type { OutboxEvent, OutboxEvents } from '../capture/event.ts';
import type { CapturedRow, OutboxRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { keyLengthMax, maxRowBytesOf, nameLengthMax } from '../config/row-size.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import { BoundedMap } from './bounded-map.ts';
import { type TypeMatch, writerOf } from './event-type.ts';
import { ByteSink } from './formats/byte-sink.ts';
import type { ValueWriter } from './formats/format.ts';
import { parseLosslessJson } from './formats/json.ts';
import { ValueMismatch } from './formats/mismatch.ts';
import { buildHeaders, HeadersInvalid, mayNameVersion, namedVersion, PositionPrinter } from './headers.ts';
import { partitionOf } from './murmur2.ts';
import {
  type EncodedEvent,
  isTopic,
  type NoTopic,
  type OutboundRecord,
  type Refusal,
  type TopicDirectory,
  type TopicInfo,
} from './record.ts';
import { recordTime } from './record-time.ts';
import {
  isUsable,
  type SchemaLog,
  type SchemaSource,
  Schemas,
  type UnusableSchema,
  type UsableSchema,
} from './registry/schemas.ts';
import { Router } from './route.ts';
import { UnclearFailures } from './unclear-failures.ts';

/**
 * What a record takes in a batch beside key, value and headers: at most 35 bytes of varints and attributes, and at most
 * 10 a header; the batch itself has 61.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
const recordOverheadBytes = 35;
const headerOverheadBytes = 10;
export const batchOverheadBytes = 61;

/** A topic's partitions are looked at again after this long, as the Java client does (metadata.max.age.ms). */
const topicTtlMs = 300_000;
/** Names of topics come from rows: an application that makes them up without end must not fill the memory. */
const topicsMax = 10_000;
/** A topic that is missing is looked for again after this long. */
const missingTopicTtlMs = 1_000;
/** Shorter than most pauses between the attempts at an event, so that each of these asks the cluster again. */
const unclearTopicTtlMs = 100;
/** What is known of a kind of event is put together again after this long; only maps are asked, unless they are stale. */
const targetTtlMs = 1_000;
/** Types come from rows and may be as long as one: room for some 10,000 usual kinds. */
const targetBytesMax = 4 * 1024 * 1024;
/** Schemas that events of one transaction wait for at the same time: made-up types must not line up, nor flood the registry. */
const lookupsMax = 16;
/** A refused event asks for a newer schema only if ours is older than this, so that bad events cannot flood the registry. */
const refusedRefreshMs = 1_000;

type Destination = { readonly topic: string; readonly info: TopicInfo };

type Target = Destination & {
  readonly subject: string;
  readonly schema: UsableSchema;
  /** Of the type of the schema that the event's type names. */
  readonly write: ValueWriter;
  /** The version it is held at; null where it is the latest. */
  readonly version: number | null;
};

type WantedSchema = readonly [subject: string, version: number | null];

/** Thrown inside this file only: an event that cannot be published as it is. */
class NotPublishable {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path: string | null;
  readonly target: { topic?: string; subject?: string; schemaId?: number };
  /** Where the reason may pass. */
  readonly cause: Error | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    target: NotPublishable['target'] = {},
    { path = null, cause }: { path?: string | null; cause?: Error | undefined } = {},
  ) {
    this.code = code;
    this.message = message;
    this.path = path;
    this.target = target;
    this.cause = cause;
  }
}

export class Encoder {
  readonly #router: Router;
  readonly #schemas: Schemas;
  readonly #topics: TopicDirectory;
  readonly #maxRecordBytes: number;
  readonly #namespace: string;
  readonly #typeMatch: TypeMatch;
  readonly #maxRowBytes: number;
  /** Versions that the configuration holds subjects at. */
  readonly #versions: ReadonlyMap<string, number>;
  readonly #unclear: UnclearFailures;
  readonly #sink = new ByteSink();
  readonly #positions = new PositionPrinter();
  readonly #topicEntries = new Map<string, { info: TopicInfo | NoTopic; fetchedMs: number }>();
  /** By aggregatetype and type: what is needed to encode, while all of it is fresh. */
  readonly #targets = new BoundedMap<{ target: Target; untilMs: number }>(targetBytesMax);

  #generation = 0;

  constructor(config: Config, registry: SchemaSource, topics: TopicDirectory, log?: SchemaLog) {
    this.#router = new Router(config);
    this.#schemas = new Schemas(registry, config.registry.latestTtlMs, config.schemas.bytes, log);
    this.#topics = topics;
    this.#maxRecordBytes = config.publish.maxRecordBytes ?? Number.POSITIVE_INFINITY;
    this.#namespace = config.schemas.namespace;
    this.#typeMatch = config.schemas.typeMatch;
    this.#maxRowBytes = maxRowBytesOf(config.publish);
    this.#versions = new Map(config.schemas.versions.map(readVersion));
    this.#unclear = new UnclearFailures(config.retry.unclearAttempts);
  }

  /** Topics are looked at anew: a broker's refusal may mean that one changed. */
  forgetTopics(): void {
    this.#topicEntries.clear();
    this.#targets.clear();
  }

  /**
   * Encodes events of one transaction.
   * @returns what became of each, in their order
   * @throws RelayError REGISTRY_* or KAFKA_* while something needed cannot be learned; ENCODING_UNCLEAR where a later
   * attempt may succeed, or refuse the event.
   */
  async encode(events: OutboxEvents): Promise<EncodedEvent[]> {
    const encoded: EncodedEvent[] = [];
    this.#unclear.begin();
    this.#dropDistrusted();
    let isPrepared = false;
    for (let index = 0; index < events.length; index++) {
      const event = events.at(index)!;
      const { row } = event;
      try {
        this.#assertReadable(row);
        if (isEmpty(row.payload)) {
          const tombstone = await this.#tombstone(event);
          if (tombstone !== undefined) {
            encoded.push(tombstone);
            continue;
          }
        }
        let target = this.#freshTarget(row);
        if (target === undefined) {
          if (!isPrepared) isPrepared = await this.#prepare(events, index);
          target = await this.#findTarget(row);
        }
        const record = this.#encodeEvent(event, target);
        encoded.push(record instanceof Promise ? await record : record);
      } catch (error) {
        const refusal = toRefusal(event, reasonOf(error));
        const decided = this.#unclear.decide(refusal, causeOf(error));
        if (decided !== undefined) encoded.push(decided);
      }
    }
    this.#unclear.settle(events);
    return encoded;
  }

  /**
   * Before anything else: of a row that is too large, what was kept is not the event. Rows that did not come from the
   * stream are judged here only.
   */
  #assertReadable({ leftOut, unreadable, aggregatetype, type, payload, headers }: CapturedRow): void {
    const bytes = leftOut?.rowBytes ?? (payload?.length ?? 0) + (headers?.length ?? 0);
    if (leftOut === undefined && unreadable === undefined && bytes <= this.#maxRowBytes) return;
    const topic = aggregatetype === null ? undefined : this.#router.topic(aggregatetype, type);
    const names = topic === undefined ? {} : { topic };
    if (unreadable !== undefined) throw new NotPublishable('EVENT_UNREADABLE', unreadable.message, names);
    throw new NotPublishable(
      'RECORD_TOO_LARGE',
      `the row has ${bytes} bytes, publish.maxRowBytes is ${this.#maxRowBytes}`,
      names,
    );
  }

  #encodeEvent(event: OutboxEvent, target: Target): OutboundRecord | Promise<OutboundRecord> {
    try {
      return this.#toRecord(event, target);
    } catch (error) {
      // A version that it is held at never changes.
      const mayBeNewer =
        error instanceof NotPublishable && error.code === 'PAYLOAD_INVALID' && target.version === null;
      if (!mayBeNewer) throw error;
      return this.#encodeWithNewer(event, target, error);
    }
  }

  /** Its writer may be ahead of the schema we know: only what the latest one refuses too is refused. */
  async #encodeWithNewer(event: OutboxEvent, target: Target, reason: NotPublishable) {
    const newer = await this.#schemas.refresh(target.subject, null, refusedRefreshMs);
    if (!isUsable(newer) || newer === target.schema) throw reason;
    const write = writerOf(newer.writers, event.row.type!, this.#namespace, this.#typeMatch);
    if (typeof write === 'string') throw reason;
    this.#targets.clear();
    return this.#toRecord(event, { ...target, schema: newer, write });
  }

  /** An event without a payload, where its topic takes that; it has no value, and needs no schema. */
  async #tombstone(event: OutboxEvent): Promise<OutboundRecord | undefined> {
    const destination = await this.#destination(event.row);
    if (!this.#router.takesTombstones(destination.topic)) return undefined;
    return this.#assemble(event, destination, null, { topic: destination.topic });
  }

  #toRecord(event: OutboxEvent, target: Target): OutboundRecord {
    const names = { topic: target.topic, subject: target.subject, schemaId: target.schema.id };
    return this.#assemble(event, target, target, names);
  }

  /** @param target null for a tombstone */
  #assemble(
    { position, committedAtMs, row }: OutboxEvent,
    destination: Destination,
    target: Target | null,
    names: NotPublishable['target'],
  ): OutboundRecord {
    const { id, aggregateid } = row;
    if (id === null || id === '') throw new NotPublishable('EVENT_INVALID', 'id: must not be empty', names);
    if (aggregateid === null)
      throw new NotPublishable('EVENT_INVALID', 'aggregateid: must not be NULL', names);
    assertLength('id', id, nameLengthMax, names);
    assertLength('aggregateid', aggregateid, keyLengthMax, names);
    const { info } = destination;
    const { timestampMs, isMoved } = recordTime(committedAtMs, info.keptMs, Date.now());
    const movedFromMs = isMoved ? committedAtMs : undefined;
    const headers = headersOf(row, this.#positions.print(position), names, movedFromMs);
    const value = target === null ? null : this.#encodePayload(row.payload, target, names);
    const bytes = recordBytes(aggregateid, value, headers);
    const maxBatchBytes = info.maxMessageBytes - batchOverheadBytes;
    const limit = Math.min(this.#maxRecordBytes, maxBatchBytes);
    if (bytes > limit)
      throw new NotPublishable('RECORD_TOO_LARGE', `${bytes} bytes, at most ${limit} fit`, names);
    return {
      topic: destination.topic,
      partition: partitionOf(aggregateid, info.partitions),
      key: aggregateid,
      value,
      headers,
      timestampMs,
      bytes,
      maxBatchBytes,
    };
  }

  #encodePayload(payload: string | null, target: Target, names: NotPublishable['target']): Buffer {
    if (payload === null) throw new NotPublishable('PAYLOAD_NOT_JSON', 'the payload is NULL', names);
    const value = parsePayload(payload, names);
    const sink = this.#sink;
    sink.truncate(0);
    sink.writeFixed(target.schema.framing);
    try {
      target.write(value, sink);
    } catch (error) {
      if (!(error instanceof ValueMismatch)) throw error;
      throw new NotPublishable('PAYLOAD_INVALID', `expected ${error.expected}, found ${error.found}`, names, {
        path: error.path,
      });
    }
    return sink.copy(0);
  }

  #freshTarget(row: OutboxRow): Target | undefined {
    if (mayNameVersion(row.headers)) return undefined;
    const entry = this.#targets.get(targetKey(row));
    return entry !== undefined && performance.now() < entry.untilMs ? entry.target : undefined;
  }

  /**
   * Where a row has to wait for the registry, asks for the schemas of it and all later rows side by side. What fails is asked
   * for again by its event.
   * @returns whether it looked at the later rows, which is done once
   */
  async #prepare(events: OutboxEvents, from: number): Promise<boolean> {
    const wanted = new Map<string, WantedSchema>();
    for (let index = from; index < events.length; index++) {
      const one = this.#awaitedSchema(events.at(index)!.row);
      if (one !== undefined) wanted.set(one.join('\0'), one);
      else if (index === from) return false;
    }
    const queue = [...wanted.values()];
    const work = async () => {
      for (let one = queue.pop(); one !== undefined; one = queue.pop()) await this.#schemas.get(...one);
    };
    // One that fails ends the others: it is an outage, which each event would only meet again.
    const stop = () => void queue.splice(0);
    await Promise.all(Array.from({ length: lookupsMax }, () => work().catch(stop)));
    return true;
  }

  /** Only of an event that needs no more than its schema: no question to the registry for what is refused before. */
  #awaitedSchema({ aggregatetype, type, payload, headers, leftOut }: CapturedRow): WantedSchema | undefined {
    if (aggregatetype === null || !type || payload === null || leftOut !== undefined) return undefined;
    const topic = this.#router.topic(aggregatetype, type);
    const info = topic === undefined ? undefined : this.#topicEntries.get(topic)?.info;
    if (topic === undefined || info === undefined || !isTopic(info)) return undefined;
    // Those that name a version are few, and their headers may be wrong.
    if (type.length > nameLengthMax || mayNameVersion(headers)) return undefined;
    const subject = this.#router.subject(topic, type);
    const version = this.#versions.get(subject) ?? null;
    return this.#schemas.isAwaited(subject, version) ? [subject, version] : undefined;
  }

  async #findTarget(row: OutboxRow): Promise<Target> {
    const { topic, info } = await this.#destination(row);
    // Not empty, or it has no destination.
    const subject = this.#router.subject(topic, row.type!);
    const version = this.#version(row, { topic, subject });
    const target = { topic, info, subject, version, ...(await this.#schemaOf(row, topic, subject, version)) };
    this.#dropDistrusted();
    if (!mayNameVersion(row.headers))
      this.#targets.set(targetKey(row), { target, untilMs: performance.now() + targetTtlMs }, 0);
    return target;
  }

  /** What was put together from schemas that the registry no longer stands by. */
  #dropDistrusted(): void {
    if (this.#generation === this.#schemas.generation) return;
    this.#generation = this.#schemas.generation;
    this.#targets.clear();
  }

  async #schemaOf(
    row: OutboxRow,
    topic: string,
    subject: string,
    version: number | null,
  ): Promise<Pick<Target, 'schema' | 'write'>> {
    let schema = await this.#schemas.get(subject, version);
    if (!isUsable(schema)) throw unusable(schema, topic, subject);
    let write = writerOf(schema.writers, row.type!, this.#namespace, this.#typeMatch);
    if (typeof write === 'string' && version === null) {
      // Its writer may be ahead of the schema we know: the latest one may have a branch more.
      schema = await this.#schemas.refresh(subject, null, refusedRefreshMs);
      if (!isUsable(schema)) throw unusable(schema, topic, subject);
      write = writerOf(schema.writers, row.type!, this.#namespace, this.#typeMatch);
    }
    if (typeof write === 'string')
      throw new NotPublishable('TYPE_NOT_IN_SCHEMA', write, { topic, subject, schemaId: schema.id });
    return { schema, write };
  }

  /** The row's own wish wins. */
  #version(row: OutboxRow, names: { topic: string; subject: string }): number | null {
    return versionOf(row.headers, names) ?? this.#versions.get(names.subject) ?? null;
  }

  async #destination(row: OutboxRow): Promise<Destination> {
    if (row.aggregatetype === null)
      throw new NotPublishable('EVENT_INVALID', 'aggregatetype: must not be NULL');
    if (row.type === null || row.type === '') {
      // Its topic is told all the same: its key may have to wait for it.
      const topic = this.#router.topic(row.aggregatetype, null);
      throw new NotPublishable(
        'EVENT_INVALID',
        'type: must not be empty',
        topic === undefined ? {} : { topic },
      );
    }
    const topic = this.#router.topic(row.aggregatetype, row.type);
    if (topic === undefined)
      throw new NotPublishable(
        'TOPIC_NOT_ALLOWED',
        'the topic of this aggregatetype is not on the allow-list',
      );
    assertLength('type', row.type, nameLengthMax, { topic });
    const info = await this.#topic(topic);
    if (!isTopic(info)) throw new NotPublishable(info.code, info.message, { topic }, { cause: info.cause });
    return { topic, info };
  }

  async #topic(topic: string): Promise<TopicInfo | NoTopic> {
    const known = this.#topicEntries.get(topic);
    if (known !== undefined && performance.now() - known.fetchedMs < keptForMs(known.info)) return known.info;
    const info = await this.#topics.resolve(topic);
    if (this.#topicEntries.size >= topicsMax) this.#topicEntries.clear();
    this.#topicEntries.set(topic, { info, fetchedMs: performance.now() });
    return info;
  }
}

function keptForMs(found: TopicInfo | NoTopic): number {
  if (isTopic(found)) return topicTtlMs;
  return found.cause === undefined ? missingTopicTtlMs : unclearTopicTtlMs;
}

/** `<subject>=<version>` */
function readVersion(setting: string): [string, number] {
  const at = setting.lastIndexOf('=');
  return [setting.slice(0, at), Number(setting.slice(at + 1))];
}

function assertLength(
  column: string,
  text: string,
  lengthMax: number,
  names: NotPublishable['target'],
): void {
  if (text.length > lengthMax)
    throw new NotPublishable(
      'EVENT_INVALID',
      `${column}: ${text.length} characters, at most ${lengthMax}`,
      names,
    );
}

/** NULL, or JSON null. */
function isEmpty(payload: string | null): boolean {
  return (
    payload === null || (payload.charCodeAt(payload.length - 1) <= lastOfNull && payload.trim() === 'null')
  );
}

/** The letter l: white space is below it, and so is every other ending of JSON but `}`, which nearly every payload has. */
const lastOfNull = 0x6c;

function unusable(schema: UnusableSchema, topic: string, subject: string): NotPublishable {
  const { code, message, id, cause } = schema;
  const names = { topic, subject, ...(id === null ? {} : { schemaId: id }) };
  return new NotPublishable(code, message, names, { cause });
}

/** @throws what is no reason to refuse the event */
function reasonOf(error: unknown): NotPublishable {
  if (error instanceof NotPublishable) return error;
  if (error instanceof RelayError && error.code !== 'INTERNAL') throw error;
  const name = error instanceof Error ? error.name : typeof error;
  // Without its message: it may quote the payload.
  return new NotPublishable('ENCODING_FAILED', `an unexpected ${name} while it was encoded`);
}

/** The error behind a refusal that may pass; undefined for one that cannot. */
function causeOf(error: unknown): Error | undefined {
  if (error instanceof NotPublishable) return error.cause;
  if (error instanceof RelayError && error.cause instanceof Error) return error.cause;
  return error instanceof Error ? error : new Error('not an error');
}

/** NUL cannot occur in a text column, so the pair is never ambiguous. */
function targetKey(row: OutboxRow): string {
  return `${row.aggregatetype}\0${row.type}`;
}

function parsePayload(payload: string, names: NotPublishable['target']): unknown {
  try {
    return parseLosslessJson(payload);
  } catch {
    // Without the parser's message: it may quote the payload.
    throw new NotPublishable('PAYLOAD_NOT_JSON', 'the payload is not JSON', names);
  }
}

function headersOf(
  row: OutboxRow,
  position: string,
  names: NotPublishable['target'],
  movedFromMs: number | undefined,
): Readonly<Record<string, string>> {
  try {
    return buildHeaders(row, position, movedFromMs);
  } catch (error) {
    throw invalidHeaders(error, names);
  }
}

function versionOf(headers: string | null, names: NotPublishable['target']): number | null {
  try {
    return namedVersion(headers);
  } catch (error) {
    throw invalidHeaders(error, names);
  }
}

function invalidHeaders(error: unknown, names: NotPublishable['target']): unknown {
  return error instanceof HeadersInvalid ? new NotPublishable('EVENT_INVALID', error.message, names) : error;
}

/** Upper bound of what a record takes in a batch. */
export function recordBytes(
  key: string,
  value: Buffer | null,
  headers: Readonly<Record<string, string>>,
): number {
  let bytes = recordOverheadBytes + Buffer.byteLength(key) + (value?.length ?? 0);
  for (const name in headers)
    bytes += headerOverheadBytes + Buffer.byteLength(name) + Buffer.byteLength(headers[name]!);
  return bytes;
}

function toRefusal(event: OutboxEvent, reason: NotPublishable): Refusal {
  return {
    ...event,
    code: reason.code,
    message: reason.message,
    path: reason.path,
    topic: reason.target.topic ?? null,
    subject: reason.target.subject ?? null,
    schemaId: reason.target.schemaId ?? null,
  };
}
