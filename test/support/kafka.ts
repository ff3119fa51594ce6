/** Owns a test's view of Kafka: topics of its own, and a `read_committed` reader independent of the relay. */
import type { Admin, IHeaders, ITopicConfig, Kafka } from 'kafkajs';
import { expect, vi } from 'vitest';
import * as harness from '../../harness/kafka.ts';
import { TopicReader } from '../../harness/topic-reader.ts';
import { extendToHighWatermarks } from '../../relay/audit/high-watermarks.ts';
import { type PartitionRange, stableRanges } from '../../relay/audit/read-topics.ts';
import { ensureProgressTopic } from '../../relay/publish/progress-topic.ts';
import { type EndTxnAnswer, protocolError } from '../../relay/publish/wire/kafkajs-internals.ts';
import { Wire } from '../../relay/publish/wire/kafkajs-wire.ts';
import { servers } from './servers.ts';
import { unique } from './unique.ts';

export type ReadRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  readonly value: Buffer | null;
  /** Decoded as UTF-8; of a header that occurs twice, the last. */
  readonly headers: Readonly<Record<string, string>>;
};

export type ReadOptions = {
  readonly topics: readonly string[];
  /**
   * Called after each record with everything read so far, in the order of each partition; reading ends when it says
   * true. Look at what is new only: going through all of it each time is quadratic.
   */
  readonly until: (records: readonly ReadRecord[]) => boolean;
  /** How long to wait for that; 30 s by default. */
  readonly timeoutMs?: number;
  /** Other brokers than the shared ones. */
  readonly brokers?: readonly string[];
};

/** A client of the shared brokers, or of others, that logs nothing. */
export async function kafkaClient(brokers?: readonly string[]): Promise<Kafka> {
  return harness.kafkaClient(brokers ?? (await servers()).brokers, 'test');
}

/** Runs `work` with an admin connection and closes it. */
export async function withAdmin<T>(
  work: (admin: Admin) => Promise<T>,
  brokers?: readonly string[],
): Promise<T> {
  return harness.withAdmin(await kafkaClient(brokers), work);
}

/** Creates a topic of a unique name that starts with `name`, and returns that name. */
export async function createTopic(
  name: string,
  partitions = 1,
  brokers?: readonly string[],
): Promise<string> {
  const topic = unique(name);
  await createTopics([{ topic, numPartitions: partitions }], brokers);
  return topic;
}

/** Creates topics that may be written to at once. */
export async function createTopics(
  topics: readonly ITopicConfig[],
  brokers?: readonly string[],
): Promise<void> {
  await harness.createTopics(await kafkaClient(brokers), topics);
}

/**
 * Removes what a partition holds before an offset, as retention does: everything by default, which the broker itself
 * measures. The ends that kafkajs gives are those under `read_committed`: right after a commit, before the records.
 */
export async function removeRecords(
  topic: string,
  { partition = 0, before = '-1' }: { readonly partition?: number; readonly before?: string } = {},
): Promise<void> {
  await withAdmin(async (admin) => {
    await admin.fetchTopicOffsets(topic); // deleteTopicRecords needs the metadata and does not load it
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: before }] });
  });
}

/** The ends of a topic, once no transaction is open in it and all that have ended have written their markers. */
export async function settledEnds(topic: string): Promise<readonly PartitionRange[]> {
  const kafka = await kafkaClient();
  const look = async () => {
    const stable = await withAdmin((admin) => stableRanges(admin, [topic]));
    const whole = await extendToHighWatermarks(kafka, stable, 30_000);
    expect(whole).toEqual(stable);
    return whole;
  };
  return vi.waitFor(look, { timeout: 30_000, interval: 20 });
}

/** Creates the progress topic of a slot, as a relay does; it can be written to at once. */
export async function createProgressTopic(topic: string, brokers?: readonly string[]): Promise<void> {
  const ensure = () => withAdmin((admin) => ensureProgressTopic(admin, topic), brokers);
  await vi.waitFor(ensure, { timeout: 30_000, interval: 100 });
  await harness.untilLed(await kafkaClient(brokers), topic);
}

/**
 * Reads the topics from their beginning, committed records only, until `until` says true.
 * @throws after `timeoutMs`, saying how many records were read of each topic.
 */
export async function readTopics(options: ReadOptions): Promise<ReadRecord[]> {
  const { topics, until, timeoutMs = 30_000 } = options;
  const records: ReadRecord[] = [];
  let complete = until(records);
  if (complete) return records;
  const end = Promise.withResolvers<void>();
  const reader = new TopicReader({
    kafka: await kafkaClient(options.brokers),
    topics,
    onRecord: (topic, partition, { key, value, offset, headers }) => {
      if (complete) return;
      records.push({
        topic,
        partition,
        offset: BigInt(offset),
        key: key === null ? null : key.toString('utf8'),
        value,
        headers: textHeaders(headers),
      });
      complete = until(records);
      if (complete) end.resolve();
    },
  });
  const timer = setTimeout(() => {
    const counts = topics.map(
      (topic) => `${topic}: ${records.filter((record) => record.topic === topic).length}`,
    );
    end.reject(new Error(`not complete after ${timeoutMs} ms; records read of ${counts.join(', ')}`));
  }, timeoutMs);
  end.promise.catch(() => {}); // it may time out while the reader starts
  try {
    await reader.start();
    await Promise.race([end.promise, reader.failed]);
    return records;
  } finally {
    clearTimeout(timer);
    await reader.stop();
  }
}

/**
 * Everything that is committed in the topics at this moment, nothing more and nothing less: writes a marker behind it
 * in each partition and reads up to those. A transaction that is still open holds it up, as it does every reader.
 * The markers stay in the topics (no value, header `test-marker`).
 */
export async function readCommitted(options: Omit<ReadOptions, 'until'>): Promise<ReadRecord[]> {
  const marker = unique('marker');
  const expected = await writeMarkers(options.topics, marker, options.brokers);
  const isOwn = (record: ReadRecord) => record.headers[markerHeader] === marker;
  let seen = 0;
  let found = 0;
  const records = await readTopics({
    ...options,
    until: (read) => {
      for (; seen < read.length; seen++) if (isOwn(read[seen]!)) found += 1;
      return found === expected;
    },
  });
  return records.filter((record) => record.headers[markerHeader] === undefined);
}

/**
 * Commits offsets as a consumer of the group that has none running. kafkajs's `setOffsets` does too, but waits for a fetch
 * of five seconds.
 */
export async function commitOffsets(
  groupId: string,
  topic: string,
  partitions: readonly { readonly partition: number; readonly offset: string }[],
): Promise<void> {
  const consumer = (await kafkaClient()).consumer({ groupId, maxWaitTimeInMs: 50 });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  try {
    await consumer.subscribe({ topic });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
    consumer.pause([{ topic }]);
    await joined;
    await consumer.commitOffsets(partitions.map((each) => ({ topic, ...each })));
  } finally {
    await consumer.disconnect();
  }
}

const markerHeader = 'test-marker';

async function writeMarkers(
  topics: readonly string[],
  marker: string,
  brokers: readonly string[] | undefined,
): Promise<number> {
  const metadata = await withAdmin((admin) => admin.fetchTopicMetadata({ topics: [...topics] }), brokers);
  const producer = (await kafkaClient(brokers)).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    const topicMessages = metadata.topics.map(({ name, partitions }) => ({
      topic: name,
      messages: partitions.map(({ partitionId }) => ({
        partition: partitionId,
        value: null,
        headers: { [markerHeader]: marker },
      })),
    }));
    await producer.sendBatch({ acks: -1, topicMessages });
    return topicMessages.reduce((sum, { messages }) => sum + messages.length, 0);
  } finally {
    await producer.disconnect();
  }
}

function textHeaders(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name,
      String(Array.isArray(value) ? value.at(-1) : value),
    ]),
  );
}

/** Limits what a client id may write, in bytes a second; `undefined` takes the limit away. kafkajs has no such request. */
export async function limitWriting(clientId: string, bytesPerSecond: number | undefined): Promise<void> {
  const entity = [...int32(1), ...text('client-id'), ...text(clientId)];
  const value = Buffer.alloc(8);
  value.writeDoubleBE(bytesPerSecond ?? 0);
  const change = [...int32(1), ...text('producer_byte_rate'), ...value, bytesPerSecond === undefined ? 1 : 0];
  const body = [Buffer.from([...int32(1), ...entity, ...change, 0])];
  const wire = await Wire.open(await kafkaClient(), []);
  try {
    const request = { apiKey: 49, apiName: 'AlterClientQuotas', apiVersion: 0, body };
    const errorCode = async (payload: Buffer): Promise<EndTxnAnswer> => ({
      errorCode: payload.readInt16BE(8),
    });
    const answer = await wire.send(await wire.broker(wire.someBrokerIds(1)[0]!), request, errorCode);
    if (answer.errorCode !== 0) throw protocolError(answer.errorCode);
  } finally {
    await wire.close();
  }
}

function int32(value: number): number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return [...bytes];
}

function text(value: string): number[] {
  return [...int32(value.length).slice(2), ...Buffer.from(value)];
}
