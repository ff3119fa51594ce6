/**
 * Owns the way from an event to its record, or to the reason why it cannot be published. An outage of the registry or of
 * Kafka is no such reason: it leaves as a `retry` error, and the caller encodes the events again later. So does a failure
 * that nobody foresaw, for a limited number of attempts; then the event is refused for it.
 */
import type { OutboxEvent, OutboxEvents } from '../capture/event.ts';
import type { CapturedRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { maxRowBytesOf } from '../config/row-size.ts';
import type { CacheUse } from '../observe/facts.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { Destinations } from './destinations.ts';
import { causeOf, NotPublishable, reasonOf, toRefusal } from './not-publishable.ts';
import type { EncodedEvent, OutboundRecord, TopicDirectory } from './record.ts';
import { RecordBuilder } from './record-builder.ts';
import { type SchemaSource, Schemas } from './registry/schemas.ts';
import { Router } from './route.ts';
import { type Target, Targets } from './targets.ts';
import { UnclearFailures } from './unclear-failures.ts';

export class Encoder {
  readonly #router: Router;
  readonly #schemas: Schemas;
  readonly #destinations: Destinations;
  readonly #targets: Targets;
  readonly #builder: RecordBuilder;
  readonly #unclear: UnclearFailures;
  readonly #maxRowBytes: number;

  constructor(config: Config, registry: SchemaSource, topics: TopicDirectory, observer: RelayObserver = {}) {
    this.#schemas = new Schemas(registry, config.registry.latestTtlMs, config.schemas.bytes, observer);
    this.#router = new Router(config);
    this.#destinations = new Destinations(this.#router, topics);
    this.#targets = new Targets(config, this.#router, this.#destinations, this.#schemas);
    this.#builder = new RecordBuilder(config);
    this.#unclear = new UnclearFailures(config.retry.unclearAttempts);
    this.#maxRowBytes = maxRowBytesOf(config.publish);
  }

  get cacheUse(): readonly CacheUse[] {
    return [this.#targets.cacheUse, this.#schemas.cacheUse, this.#destinations.cacheUse];
  }

  /** Topics are read again: a broker's refusal may mean that one changed. */
  forgetTopics(): void {
    this.#destinations.forget();
    this.#targets.forget();
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
    this.#targets.dropDistrusted();
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
        let target = this.#targets.fresh(row);
        if (target === undefined) {
          if (!isPrepared) isPrepared = await this.#targets.prepare(events, index);
          target = await this.#targets.find(row);
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
   * Comes before anything else: of a row that is too large, what was kept is not the event. Rows that did not come from the
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

  /** @returns undefined where the topic takes no tombstones */
  async #tombstone(event: OutboxEvent): Promise<OutboundRecord | undefined> {
    const destination = await this.#destinations.of(event.row);
    if (!this.#router.takesTombstones(destination.topic)) return undefined;
    return this.#builder.tombstone(event, destination);
  }

  /** A promise only where the registry has to be asked: nearly no event waits. */
  #encodeEvent(event: OutboxEvent, target: Target): OutboundRecord | Promise<OutboundRecord> {
    try {
      return this.#builder.record(event, target);
    } catch (error) {
      if (!(error instanceof NotPublishable) || error.code !== 'PAYLOAD_INVALID') throw error;
      return this.#encodeWithNewer(event, target, error);
    }
  }

  /** Refuses only what the latest schema refuses too. */
  async #encodeWithNewer(
    event: OutboxEvent,
    target: Target,
    reason: NotPublishable,
  ): Promise<OutboundRecord> {
    const newer = await this.#targets.newer(event.row, target);
    if (newer === undefined) throw reason;
    return this.#builder.record(event, newer);
  }
}

/** NULL, or JSON null. */
function isEmpty(payload: string | null): boolean {
  return (
    payload === null || (payload.charCodeAt(payload.length - 1) <= lastOfNull && payload.trim() === 'null')
  );
}

/** The letter l: white space is below it, and so is every other ending of JSON but `}`, which nearly every payload has. */
const lastOfNull = 0x6c;
