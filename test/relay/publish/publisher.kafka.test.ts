import { randomBytes } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BrokerConnection, fetchRecords } from '../../../harness/kafka-wire.ts';
import type { Settings } from '../../../harness/relay-process.ts';
import type { Config } from '../../../relay/config/config.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import type { OutboundRecord } from '../../../relay/encode/record.ts';
import { exactRecordBytes, recordBytes } from '../../../relay/encode/record-size.ts';
import { RelayError } from '../../../relay/errors.ts';
import { type Progress, serializeProgress } from '../../../relay/model/progress.ts';
import { fencePublisher } from '../../../relay/publish/fence.ts';
import { claimKey, ensureProgressTopic, ProgressTail } from '../../../relay/publish/progress-topic.ts';
import type { Publisher } from '../../../relay/publish/publisher.ts';
import { relayWriter } from '../../../relay/publish/writer.ts';
import {
  createProgressTopic,
  createTopic,
  createTopics,
  kafkaClient,
  readCommitted,
  withAdmin,
} from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';
import { recordOf } from './records.ts';

const silent = pino({ level: 'silent' });
let brokers: readonly string[];
beforeAll(async () => {
  brokers = (await servers()).brokers;
});

/** One relay's connections to Kafka, and a way to end them. */
type Relay = { readonly config: Config; readonly kafka: Kafka; readonly tail: ProgressTail };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function slotOf(producer: string, settings: Settings = {}): Promise<Config> {
  const config = configOf(
    {
      SLOT: unique('slot'),
      KAFKA_PROGRESS_TOPIC: unique('progress'),
      PUBLISH_PRODUCER: producer,
      ...settings,
    },
    { brokers },
  );
  await createProgressTopic(config.kafka.progressTopic);
  return config;
}

/** A relay process about to take over the slot: following the progress, nothing fenced yet. */
async function newRelay(config: Config): Promise<Relay> {
  const kafka = createKafka(config, silent);
  const tail = new ProgressTail(kafka, { topic: config.kafka.progressTopic, slot: config.slot.name });
  closing.push(() => tail.stop());
  await tail.start();
  return { config, kafka, tail };
}

async function fence({ kafka, config }: Relay): Promise<Publisher> {
  const publisher = await fencePublisher(kafka, config);
  closing.push(() => publisher.close());
  return publisher;
}

const progressAt = ({ slot: { name: slot } }: Config, endLsn: bigint): Progress => ({
  slot,
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  endLsn,
  partial: null,
  beat: 0,
  eventCount: Number(endLsn),
  instance: 'test',
  time: '2026-01-02T03:04:05.678Z',
});

async function commit(
  publisher: Publisher,
  progress: Progress,
  ...records: readonly Partial<OutboundRecord>[]
) {
  const batch = publisher.newBatch();
  for (const record of records) batch.append(recordOf(record));
  return publisher.commit(batch, progress);
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no failure',
    (error: unknown) => (error instanceof RelayError ? error.code : String(error)),
  );

async function committed(...topics: string[]) {
  const records = await readCommitted({ topics });
  return records.map(({ key, value }) => ({ key, value: value?.toString() }));
}

const keysOf = (records: readonly { key: string | null }[]) => records.map(({ key }) => key);

describe.each(['lean', 'kafkajs'])('with the %s producer', (producer) => {
  const newSlot = (settings?: Settings) => slotOf(producer, settings);

  describe('a take-over', () => {
    test('of a new slot finds no progress', async () => {
      const relay = await newRelay(await newSlot());
      const publisher = await fence(relay);
      expect(await publisher.claim(relay.tail)).toBeNull();
    });

    test('finds the last progress that the predecessor committed', async () => {
      const config = await newSlot();
      const topic = await createTopic('events');
      const first = await newRelay(config);
      const publisher = await fence(first);
      await publisher.claim(first.tail);
      for (const lsn of [10n, 20n, 30n])
        await commit(publisher, progressAt(config, lsn), { topic, key: `${lsn}` });
      const second = await newRelay(config);
      expect(await (await fence(second)).claim(second.tail)).toEqual(progressAt(config, 30n));
    });

    test('by a standby finds what was committed a moment ago', async () => {
      const config = await newSlot();
      const [first, standby] = [await newRelay(config), await newRelay(config)];
      const publisher = await fence(first);
      await publisher.claim(first.tail);
      for (let lsn = 1n; lsn <= 50n; lsn++) await commit(publisher, progressAt(config, lsn));
      expect(await (await fence(standby)).claim(standby.tail)).toEqual(progressAt(config, 50n));
    });

    test('reads the last of thousands of progress records, and skips those of other slots', async () => {
      const config = await newSlot();
      const producer = (await kafkaClient()).producer({ allowAutoTopicCreation: false });
      await producer.connect();
      const other = { ...progressAt(config, 9_999n), slot: 'another' };
      for (let round = 0; round < 5; round++)
        await producer.send({
          topic: config.kafka.progressTopic,
          messages: Array.from({ length: 1_000 }, (_, index) => [
            {
              key: config.slot.name,
              value: serializeProgress(progressAt(config, BigInt(round * 1_000 + index))),
            },
            { key: 'another', value: serializeProgress(other) },
            { key: claimKey(config.slot.name), value: 'an old claim' },
            { key: claimKey('another'), value: 'a claim of another' },
          ]).flat(),
        });
      await producer.disconnect();
      const relay = await newRelay(config);
      expect(await (await fence(relay)).claim(relay.tail)).toEqual(progressAt(config, 4_999n));
    });

    test('aborts the open transaction of a predecessor that died, and nothing of it is ever visible', async () => {
      const config = await newSlot();
      const topic = await createTopic('events');
      const first = await newRelay(config);
      const publisher = await fence(first);
      await publisher.claim(first.tail);
      await commit(publisher, progressAt(config, 10n), { topic, key: 'committed' });
      // A producer with the same id, as a relay leaves it when the power fails during a transaction.
      const dying = first.kafka.producer({
        transactionalId: `${config.kafka.transactionalIdPrefix}.${config.slot.name}`,
        maxInFlightRequests: 1,
      });
      await dying.connect();
      closing.push(() => dying.disconnect());
      const open = await dying.transaction();
      await open.send({ topic, messages: [{ key: 'torn', value: 'x' }] });
      const torn = serializeProgress(progressAt(config, 20n));
      await open.send({
        topic: config.kafka.progressTopic,
        messages: [{ key: config.slot.name, value: torn }],
      });
      const second = await newRelay(config);
      const successor = await fence(second);
      expect(await successor.claim(second.tail)).toEqual(progressAt(config, 10n));
      await commit(successor, progressAt(config, 20n), { topic, key: 'again' });
      expect(keysOf(await committed(topic))).toEqual(['committed', 'again']);
    });

    test('aborts it too where the timeout reads like a note that the transaction must be committed', async () => {
      const config = await newSlot({ KAFKA_TRANSACTION_TIMEOUT_MS: 60_993 });
      const topic = await createTopic('events');
      const first = await newRelay(config);
      const dying = await fence(first);
      await dying.claim(first.tail);
      const part = dying.newBatch();
      part.append(recordOf({ topic, key: 'torn' }));
      await dying.write(part);
      const second = await newRelay(config);
      const successor = await fencePublisher(second.kafka, {
        ...config,
        publish: { ...config.publish, producer: 'lean' },
      });
      closing.push(() => successor.close());
      expect(await successor.claim(second.tail)).toBeNull();
      await commit(successor, progressAt(config, 10n), { topic, key: 'again' });
      expect(keysOf(await committed(topic))).toEqual(['again']);
    });

    test('fences the predecessor: its next commit fails and is not visible', async () => {
      const config = await newSlot();
      const topic = await createTopic('events');
      const first = await newRelay(config);
      const paused = await fence(first);
      await paused.claim(first.tail);
      await commit(paused, progressAt(config, 10n), { topic, key: 'before' });
      const second = await newRelay(config);
      const successor = await fence(second);
      await successor.claim(second.tail);
      expect(await codeOf(commit(paused, progressAt(config, 20n), { topic, key: 'fenced' }))).toBe(
        'PRODUCER_FENCED',
      );
      await commit(successor, progressAt(config, 20n), { topic, key: 'after' });
      expect(keysOf(await committed(topic))).toEqual(['before', 'after']);
      const third = await newRelay(config);
      expect((await (await fence(third)).claim(third.tail))?.endLsn).toBe(20n);
    });

    test('finds a transaction that is older than its timeout expired, and not taken over', async () => {
      const config = await newSlot();
      const relay = await newRelay(config);
      const old = await fencePublisher(relay.kafka, config, {
        ...relayWriter(config),
        transactionTimeoutMs: 1,
      });
      closing.push(() => old.close());
      const batch = old.newBatch();
      batch.append(recordOf({ topic: await createTopic('old'), key: 'old' }));
      await old.write(batch);
      // The broker looks for old transactions every 10 s and ends them the same way.
      await fence(relay);
      expect(await codeOf(commit(old, progressAt(config, 10n)))).toBe('TRANSACTION_EXPIRED');
    });

    test('fails if the progress cannot be read, and does not start from scratch', async () => {
      const config = await newSlot();
      const producer = (await kafkaClient()).producer({ allowAutoTopicCreation: false });
      await producer.connect();
      await producer.send({
        topic: config.kafka.progressTopic,
        messages: [{ key: config.slot.name, value: '{"version":2}' }],
      });
      await producer.disconnect();
      const relay = await newRelay(config);
      expect(await codeOf((await fence(relay)).claim(relay.tail))).toBe('PROGRESS_UNREADABLE');
    });

    test('may happen twice in the same process, with the same tail', async () => {
      const config = await newSlot();
      const relay = await newRelay(config);
      for (const lsn of [10n, 20n, 30n]) {
        const publisher = await fence(relay);
        const found = await publisher.claim(relay.tail);
        expect(found?.endLsn ?? null).toBe(lsn === 10n ? null : lsn - 10n);
        await commit(publisher, progressAt(config, lsn));
        await publisher.close();
      }
    });
  });

  describe('a commit', () => {
    test('makes events of many partitions and topics and the progress visible together', async () => {
      const config = await newSlot();
      const [a, b] = [await createTopic('a', 3), await createTopic('b', 2)];
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const records = Array.from({ length: 600 }, (_, index) => ({
        topic: index % 5 < 3 ? a : b,
        partition: index % 5 < 3 ? index % 5 : (index % 5) - 3,
        key: String(index),
        headers: { id: `i${index}`, type: 't', position: 'p' },
      }));
      await commit(publisher, progressAt(config, 10n), ...records);
      const seen = await readCommitted({ topics: [a, b] });
      for (const [index, { topic, partition }] of records.slice(0, 5).entries()) {
        const ofPartition = seen.filter((one) => one.topic === topic && one.partition === partition);
        expect(keysOf(ofPartition)).toEqual(
          Array.from({ length: 120 }, (_, round) => String(round * 5 + index)),
        );
        expect(ofPartition[1]?.headers).toEqual({ id: `i${5 + index}`, type: 't', position: 'p' });
      }
      const second = await newRelay(config);
      expect(await (await fence(second)).claim(second.tail)).toEqual(progressAt(config, 10n));
    });

    test('makes visible what was written before it, to other partitions too, and not one record earlier', async () => {
      const config = await newSlot();
      const topic = await createTopic('parts', 3);
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const write = async (...keys: string[]) => {
        const batch = publisher.newBatch();
        for (const key of keys) batch.append(recordOf({ topic, key, partition: Number(key) % 3 }));
        await publisher.write(batch);
      };
      await write('0', '1', '3', '4');
      await write('6');
      await write('7', '2', '5');
      // The ends up to which a consumer under `read_committed` gets anything.
      const admin = (await kafkaClient()).admin();
      await admin.connect();
      closing.push(() => admin.disconnect());
      const ends = async () => (await admin.fetchTopicOffsets(topic)).map(({ high }) => high);
      expect(await ends()).toEqual(['0', '0', '0']);
      await commit(publisher, progressAt(config, 10n), { topic, key: '8', partition: 2 });
      expect(keysOf(await committed(topic)).toSorted()).toEqual(Array.from({ length: 9 }, (_, n) => `${n}`));
      // The next transaction is one of its own.
      await write('9');
      await commit(publisher, progressAt(config, 20n));
      const second = await newRelay(config);
      expect(await (await fence(second)).claim(second.tail)).toEqual(progressAt(config, 20n));
      expect((await committed(topic)).length).toBe(10);
    });

    test('that never comes: what was written is aborted at once, and does not hold up the next reader', async () => {
      const config = await newSlot({ KAFKA_TRANSACTION_TIMEOUT_MS: 600_000 });
      const topic = await createTopic('abandoned');
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const batch = publisher.newBatch();
      batch.append(recordOf({ topic, key: 'abandoned' }));
      await publisher.write(batch);
      await publisher.abandon();
      const plain = (await kafkaClient()).producer({ allowAutoTopicCreation: false });
      await plain.connect();
      closing.push(() => plain.disconnect());
      await plain.send({ topic, messages: [{ key: 'of another', value: 'x' }] });
      // With an open transaction before it, nobody could read it.
      expect(keysOf(await committed(topic))).toEqual(['of another']);
      expect(await codeOf(commit(publisher, progressAt(config, 10n)))).toBe('INTERNAL');
    });

    test('that is larger than a record batch, and than a send, keeps its order', async () => {
      const config = await newSlot();
      const topic = await createTopic('large');
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const value = Buffer.alloc(1_000);
      const records = Array.from({ length: 5_000 }, (_, index) => ({
        topic,
        key: String(index),
        value,
        bytes: 1_100,
      }));
      await commit(publisher, progressAt(config, 10n), ...records);
      expect(keysOf(await committed(topic))).toEqual(records.map(({ key }) => key));
    });

    test('fits into the record batches that the topic allows, however small', async () => {
      const config = await newSlot();
      const topic = unique('small');
      const configEntries = [{ name: 'max.message.bytes', value: '20000' }];
      await createTopics([{ topic, numPartitions: 1, configEntries }]);
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const value = Buffer.alloc(1_000);
      const records = Array.from({ length: 50 }, (_, index) => ({
        topic,
        key: String(index),
        value,
        bytes: 1_100,
        maxBatchBytes: 19_939,
      }));
      await commit(publisher, progressAt(config, 10n), ...records);
      expect(keysOf(await committed(topic))).toEqual(records.map(({ key }) => key));
    });

    test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
      'compressed with %s is stored so, and reads the same; what fits the topic to the byte fits',
      async (codec) => {
        const config = await newSlot({ PUBLISH_COMPRESSION: codec });
        const topic = unique(`compressed-${codec}`);
        const maxMessageBytes = 20_000;
        const configEntries = [{ name: 'max.message.bytes', value: String(maxMessageBytes) }];
        await createTopics([{ topic, numPartitions: 1, configEntries }]);
        const relay = await newRelay(config);
        const publisher = await fence(relay);
        await publisher.claim(relay.tail);
        const maxBatchBytes = maxMessageBytes - 61;
        const headers = { id: 'i' };
        const sized = (key: string, value: Buffer): Partial<OutboundRecord> => {
          return { topic, key, value, headers, maxBatchBytes, bytes: recordBytes(key, value, headers) };
        };
        const most = maxBatchBytes - exactRecordBytes('k0', Buffer.alloc(19_000), headers) + 19_000;
        const records = [
          sized('k0', randomBytes(most)),
          sized('k1', Buffer.alloc(most)),
          ...Array.from({ length: 30 }, (_, n) => sized(`k${n + 2}`, Buffer.from(`again ${n} `.repeat(20)))),
        ];
        await commit(publisher, progressAt(config, 10n), ...records);
        const connection = await BrokerConnection.open(brokers[0]!, 5_000);
        closing.push(async () => connection.close());
        const part = { topic, partition: 0, offset: 0n };
        const [{ batches } = { batches: [] }] = await fetchRecords(connection, [part], 1_000, 5_000);
        const read = batches.flatMap((batch) => batch.records);
        expect(read.map(({ key, value }) => ({ key, value: value?.toString('hex') }))).toEqual(
          records.map(({ key, value }) => ({ key, value: value?.toString('hex') })),
        );
        const stored = batches.filter(({ marker }) => marker === undefined).map((batch) => batch.codec);
        // Of kafkajs's producer, a batch that might not fit compressed is sent as it is.
        expect(stored).toEqual(producer === 'lean' ? ['none', codec, codec] : ['none', 'none', codec]);
        const second = await newRelay(config);
        expect(await (await fence(second)).claim(second.tail)).toEqual(progressAt(config, 10n));
      },
    );

    test('follows another quickly: of a hundred, 20 take less than 0.05 s each, 80 less than 0.25 s', async () => {
      const config = await newSlot();
      const topic = await createTopic('many', 4);
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const tookMs: number[] = [];
      for (let i = 1; i <= 100; i++) {
        const begunMs = performance.now();
        await commit(
          publisher,
          progressAt(config, BigInt(i)),
          { topic, partition: i % 4 },
          { topic, partition: (i + 1) % 4 },
        );
        tookMs.push(performance.now() - begunMs);
      }
      // Not their sum, which a busy machine makes five times as long.
      tookMs.sort((a, b) => a - b);
      expect(tookMs[19]).toBeLessThan(50);
      // While the broker ends the transaction before, kafkajs by itself would wait 300 ms.
      expect(tookMs[79]).toBeLessThan(250);
      expect(await committed(topic)).toHaveLength(200);
    });

    test('may hold the progress alone', async () => {
      const config = await newSlot();
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      await commit(publisher, progressAt(config, 77n));
      const second = await newRelay(config);
      expect((await (await fence(second)).claim(second.tail))?.endLsn).toBe(77n);
    });
  });

  describe('a commit that fails', () => {
    // The lean producer looks for a partition for this long, and then knows that nothing was sent.
    const impatient = { KAFKA_REQUEST_TIMEOUT_MS: 2_000 };
    const missing = producer === 'lean' ? 'KAFKA_UNAVAILABLE' : 'PUBLISH_UNCERTAIN';

    test.each([
      ['for a partition that does not exist', 7],
      ['for one partition among good ones', 3],
    ])('%s is not taken for done, and nothing of it is seen', async (_, partition) => {
      const config = await newSlot(impatient);
      const topic = await createTopic('events', 2);
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const failing = commit(
        publisher,
        progressAt(config, 10n),
        { topic, partition: 0, key: 'good' },
        { topic, partition, key: 'bad' },
      );
      expect(await codeOf(failing)).toBe(missing);
      const second = await newRelay(config);
      expect(await (await fence(second)).claim(second.tail)).toBeNull();
      expect(await committed(topic)).toEqual([]);
    });

    test('for a topic that does not exist is not reported as done', async () => {
      const config = await newSlot(impatient);
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      expect(await codeOf(commit(publisher, progressAt(config, 10n), { topic: unique('nobody') }))).toBe(
        missing,
      );
    });

    test('leaves a publisher that must not be used again', async () => {
      const config = await newSlot(impatient);
      const topic = await createTopic('events');
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      await codeOf(commit(publisher, progressAt(config, 10n), { topic, partition: 5 }));
      expect(await codeOf(commit(publisher, progressAt(config, 20n), { topic, key: 'no' }))).toBe('INTERNAL');
      const second = await newRelay(config);
      await (await fence(second)).claim(second.tail);
      expect(await committed(topic)).toEqual([]);
    });

    test('for a record without a partition is a bug, and nothing of it is visible', async () => {
      const config = await newSlot(impatient);
      const topic = await createTopic('events');
      const relay = await newRelay(config);
      const publisher = await fence(relay);
      await publisher.claim(relay.tail);
      const lost = { topic, partition: undefined as unknown as number };
      expect(await codeOf(commit(publisher, progressAt(config, 10n), lost))).not.toBe('no failure');
    });
  });
});

describe('the progress topic', () => {
  test('is created compacted with one partition, and left unchanged if it exists', async () => {
    const topic = unique('progress');
    await withAdmin(async (admin) => {
      await ensureProgressTopic(admin, topic);
      await ensureProgressTopic(admin, topic);
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      expect(topics[0]?.partitions).toHaveLength(1);
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: 2, name: topic, configNames: ['cleanup.policy'] }],
      });
      expect(resources[0]?.configEntries[0]?.configValue).toBe('compact');
    });
  });
});
