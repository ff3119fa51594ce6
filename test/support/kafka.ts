/** Owns a test's own view of Kafka: topics nobody else uses, and a `read_committed` reader apart from the relay. */
import { type Admin, type IHeaders, type ITopicConfig, Kafka, logLevel } from 'kafkajs';
import { vi } from 'vitest';
import { ensureProgressTopic } from '../../relay/publish/progress-topic.ts';
import { type EndTxnAnswer, protocolError, Wire } from '../../relay/publish/wire/kafkajs-wire.ts';
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
  return new Kafka({
    clientId: 'test',
    brokers: [...(brokers ?? (await servers()).brokers)],
    logLevel: logLevel.NOTHING,
  });
}

/** Runs `work` with an admin connection and closes it. */
export async function withAdmin<T>(
  work: (admin: Admin) => Promise<T>,
  brokers?: readonly string[],
): Promise<T> {
  const admin = (await kafkaClient(brokers)).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
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

/**
 * Creates topics that may be written to at once. Where a broker does not know of them yet, kafkajs's `waitForLeaders`
 * gives up.
 */
export async function createTopics(
  topics: readonly ITopicConfig[],
  brokers?: readonly string[],
): Promise<void> {
  await withAdmin((admin) => admin.createTopics({ topics: [...topics], waitForLeaders: false }), brokers);
  for (const { topic } of topics) await untilLed(topic, brokers);
}

/**
 * The metadata names the leader of a new partition before that leader, under load, knows of it: this asks the leader until
 * it answers.
 */
async function untilLed(topic: string, brokers?: readonly string[]): Promise<void> {
  const ask = () => withAdmin((admin) => admin.fetchTopicOffsets(topic), brokers);
  await vi.waitFor(ask, { timeout: 30_000, interval: 100 });
}

/** The progress topic of a slot, as a relay makes it; for whoever writes to it without a relay's patience. */
export async function createProgressTopic(topic: string, brokers?: readonly string[]): Promise<void> {
  const ensure = () => withAdmin((admin) => ensureProgressTopic(admin, topic), brokers);
  await vi.waitFor(ensure, { timeout: 30_000, interval: 100 });
  await untilLed(topic, brokers);
}

/**
 * Reads the topics from their beginning, committed records only, until `until` says true.
 * @throws after `timeoutMs`, saying how many records were read of each topic.
 */
export async function readTopics(options: ReadOptions): Promise<ReadRecord[]> {
  const { topics, until, timeoutMs = 30_000 } = options;
  const client = await kafkaClient(options.brokers);
  const consumer = client.consumer({
    groupId: unique('reader'),
    readUncommitted: false,
    maxWaitTimeInMs: 50,
  });
  const records: ReadRecord[] = [];
  let complete = until(records);
  const end = Promise.withResolvers<void>();
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) end.reject(payload.error);
  });
  const timer = setTimeout(() => {
    const counts = topics.map(
      (topic) => `${topic}: ${records.filter((record) => record.topic === topic).length}`,
    );
    end.reject(new Error(`not complete after ${timeoutMs} ms; records read of ${counts.join(', ')}`));
  }, timeoutMs);
  try {
    if (complete) return records;
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      async eachMessage({ topic, partition, message }) {
        if (complete) return;
        const { key, value, offset, headers } = message;
        const text = key === null ? null : key.toString('utf8');
        records.push({
          topic,
          partition,
          offset: BigInt(offset),
          key: text,
          value,
          headers: textHeaders(headers),
        });
        complete = until(records);
        if (complete) end.resolve();
      },
    });
    await end.promise;
    return records;
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
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
