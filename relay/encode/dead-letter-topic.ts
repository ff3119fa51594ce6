/**
 * Owns the copies of refused events for the topic `deadLetters.topic`: the payload as it is in the table, the reason in
 * headers. They go into the Kafka transaction that covers the refusal, so that each is there exactly once.
 */
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import { formatPosition } from '../model/position.ts';
import { partitionOf } from './murmur2.ts';
import { isTopic, type OutboundRecord, type Refusal, type TopicDirectory, type TopicInfo } from './record.ts';
import { batchOverheadBytes, recordBytes } from './record-size.ts';
import { recordTime } from './record-time.ts';

/** As for the topics of events. */
const infoTtlMs = 300_000;
/** Texts of the row are cut to this many characters in headers, where they are for people and for filters. */
const headerTextMax = 1_000;

/** @returns undefined if no topic of dead letters is configured */
export function deadLetterTopicOf(
  { deadLetters: { topic }, publish }: Pick<Config, 'deadLetters' | 'publish'>,
  topics: TopicDirectory,
): DeadLetterTopic | undefined {
  return topic === undefined ? undefined : new DeadLetterTopic(topic, topics, publish.maxRecordBytes);
}

export class DeadLetterTopic {
  readonly #topic: string;
  readonly #topics: TopicDirectory;
  readonly #maxRecordBytes: number;
  #known: { readonly info: TopicInfo; readonly fetchedMs: number } | undefined;

  constructor(topic: string, topics: TopicDirectory, maxRecordBytes = Number.POSITIVE_INFINITY) {
    this.#topic = topic;
    this.#topics = topics;
    this.#maxRecordBytes = maxRecordBytes;
  }

  get name(): string {
    return this.#topic;
  }

  /** The topic is read again: a broker's refusal may mean that it changed. */
  forgetTopic(): void {
    this.#known = undefined;
  }

  /**
   * A record for each event that is refused itself, and none for an event that only waits for another.
   * @throws RelayError KAFKA_UNSUITABLE where the topic does not exist and may not be created; KAFKA_*
   */
  async copies(refusals: readonly Refusal[]): Promise<OutboundRecord[]> {
    const refused = refusals.filter(({ code }) => code !== 'KEY_PARKED' && code !== 'TOPIC_PAUSED');
    if (refused.length === 0) return [];
    const info = await this.#info();
    return refused.map((refusal) => this.#copy(refusal, info));
  }

  /** With its payload if that fits, else without it, else without anything that came from the row but its position. */
  #copy(refusal: Refusal, info: TopicInfo): OutboundRecord {
    const maxBatchBytes = info.maxMessageBytes - batchOverheadBytes;
    const limit = Math.min(this.#maxRecordBytes, maxBatchBytes);
    const { row, committedAtMs } = refusal;
    const isLeftOut = row.leftOut?.payload !== undefined;
    const payload = isLeftOut ? 'omitted' : row.payload === null ? 'null' : 'whole';
    const headers = headersOf(refusal);
    const key = row.aggregateid ?? '';
    const forms = [
      { key, value: row.payload ?? '', headers: { ...headers, payload } },
      { key, value: '', headers: { ...headers, payload: 'omitted' } },
      { key: '', value: '', headers: { position: headers.position, code: headers.code, payload: 'omitted' } },
    ];
    // By the length alone: of a payload that does not fit no buffer is made.
    const fits = (each: (typeof forms)[number]) =>
      recordBytes(each.key, null, each.headers) + Buffer.byteLength(each.value) <= limit;
    const chosen = forms.find(fits) ?? forms.at(-1)!;
    const form = { ...chosen, value: Buffer.from(chosen.value) };
    return {
      topic: this.#topic,
      partition: partitionOf(form.key, info.partitions),
      ...form,
      timestampMs: recordTime(committedAtMs, info.keptMs, Date.now()).timestampMs,
      bytes: recordBytes(form.key, form.value, form.headers),
      maxBatchBytes,
    };
  }

  async #info(): Promise<TopicInfo> {
    if (this.#known !== undefined && performance.now() - this.#known.fetchedMs < infoTtlMs)
      return this.#known.info;
    const info = await this.#topics.resolve(this.#topic);
    // Its name comes from the configuration, not from a row.
    if (!isTopic(info))
      throw info.cause ?? new RelayError('KAFKA_UNSUITABLE', `deadLetters.topic: ${info.message}`);
    this.#known = { info, fetchedMs: performance.now() };
    return info;
  }
}

function headersOf({ row, position, code, message, path, topic, subject }: Refusal) {
  return {
    id: cut(row.id),
    type: cut(row.type),
    position: formatPosition(position.commitLsn, position.ordinal),
    code,
    message: cut(message),
    path: cut(path),
    aggregatetype: cut(row.aggregatetype),
    'source-topic': topic ?? '',
    subject: cut(subject),
    'event-headers': cut(row.headers),
  };
}

/** Whole characters only: half of a surrogate pair would not be UTF-8. */
function cut(text: string | null): string {
  if (text === null || text.length <= headerTextMax) return text ?? '';
  return `${text.slice(0, headerTextMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
