/**
 * Reads the records that `verify` compares: the topics to their present ends, and later what has come since. Each record is
 * passed on once.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { Router } from '../encode/route.ts';
import { readReplays } from '../ledger/replays.ts';
import { auditedRecord, hasRelayHeaders } from './audited.ts';
import { findCompacted } from './compacted.ts';
import type { Comparer } from './compare.ts';
import { Content } from './content.ts';
import { Decoder } from './decoder.ts';
import { findTopics } from './find-topics.ts';
import { extendToHighWatermarks } from './high-watermarks.ts';
import {
  headerText,
  offsetCount,
  readTopics,
  stableRanges,
  stallMsOf,
  type TopicRecord,
} from './read-topics.ts';
import { readNow } from './running.ts';

export type RecordsOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly client: pg.Client;
  readonly comparer: Comparer;
  readonly comparesContent: boolean;
  readonly onStage: (stage: {
    readonly stage: 'topics';
    readonly done: number;
    readonly total: number;
  }) => void;
};

export type RecordsRead = {
  readonly topics: readonly string[];
  /** undefined if the settings of topics may not be read. */
  readonly compacted: Awaited<ReturnType<typeof findCompacted>>;
  /** A snapshot that lists what ran once the ends were known. */
  readonly running: string;
};

export class RecordsReader {
  readonly #options: RecordsOptions;
  readonly #decoder: Decoder;
  readonly #router: Router;
  readonly #content: Content;
  /** By `topic/partition`: what was read ends before this offset. */
  readonly #ends = new Map<string, bigint>();

  private constructor(options: RecordsOptions, decoder: Decoder) {
    const { config, client, comparer } = options;
    this.#options = options;
    this.#decoder = decoder;
    this.#router = new Router(config);
    this.#content = new Content({
      config,
      client,
      decoder,
      onDifference: (record, difference) =>
        comparer.addDifference({ ...differentRecord(record), ...difference }),
      onCompared: (records, ofOtherSettings) => comparer.addCompared(records, ofOtherSettings),
      onGone: (id) => comparer.addRemoved(id),
    });
  }

  static async create(options: RecordsOptions): Promise<RecordsReader> {
    return new RecordsReader(options, await Decoder.create(options.config.registry));
  }

  /** Reads from where the last call ended, to the ends of now. @throws RelayError KAFKA_*, POSTGRES_*, REGISTRY_* */
  async read(): Promise<RecordsRead> {
    const { config, kafka, admin, client, comparer, comparesContent, onStage } = this.#options;
    const stallMs = stallMsOf(config);
    const topics = await findTopics(config, admin, comparer.topics());
    const compacted = await findCompacted(admin, topics);
    comparer.setCompacted(new Set(compacted?.keys()));
    const whole = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMs);
    const { snapshot: running } = await readNow(client);
    // A replay is recorded before its first record is written, so those of all records up to these ends are there.
    comparer.setReplays(await readReplays(client, config.slot.name));
    const ranges = whole.map((range) => {
      const { topic, partition, low } = range;
      const next = this.#ends.get(`${topic}/${partition}`) ?? 0n;
      if (low > next) comparer.addTrimmed(topic, partition);
      return { ...range, low: low > next ? low : next };
    });
    const total = offsetCount(ranges);
    onStage({ stage: 'topics', done: 0, total });
    await readTopics({
      kafka,
      ranges,
      stallMs,
      onTrimmed: (topic, partition) => comparer.addTrimmed(topic, partition),
      onDone: (done) => onStage({ stage: 'topics', done, total }),
      onRecords: async (records) => {
        // Values of other producers may name what looks like schema ids; the registry is not asked for those.
        const isOurs = (record: TopicRecord) =>
          hasRelayHeaders(record) && !comparer.isOfOthers(record, headerText(record.headers, 'id')!);
        await this.#decoder.prepare(records.map((record) => (isOurs(record) ? record.value : null)));
        for (const record of records) {
          const decoder = isOurs(record) ? this.#decoder : undefined;
          const event = comparer.addRecord(auditedRecord(record, decoder, this.#router));
          if (event !== undefined && comparesContent) await this.#content.add({ record, ...event });
        }
        await this.#content.flush();
      },
    });
    await this.#content.finish();
    for (const { topic, partition, end } of ranges) this.#ends.set(`${topic}/${partition}`, end);
    return { topics, compacted, running };
  }
}

function differentRecord({ topic, partition, offset, headers }: TopicRecord) {
  return {
    id: headerText(headers, 'id') ?? null,
    topic,
    partition,
    offset: String(offset),
    position: headerText(headers, 'position') ?? null,
  };
}
