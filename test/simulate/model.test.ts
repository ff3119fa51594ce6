/** The model of Kafka's coordinator answers as the real one does: the same short scripts, on both, with the relay's own client. */
import type { Kafka } from 'kafkajs';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Config } from '../../relay/config.ts';
import { asRelayError } from '../../relay/errors.ts';
import { createKafka } from '../../relay/kafka.ts';
import { type Progress, serializeProgress } from '../../relay/progress.ts';
import { BufferPool } from '../../relay/publish/lean/buffer-pool.ts';
import { LeanPublisher } from '../../relay/publish/lean/lean-publisher.ts';
import { RecordBatch, recordBound } from '../../relay/publish/lean/record-batch.ts';
import { TransactionalProducer } from '../../relay/publish/lean/transactional-producer.ts';
import { ensureProgressTopic, ProgressTail } from '../../relay/publish/progress-topic.ts';
import { Faults } from '../../simulate/faults.ts';
import { modelKafka } from '../../simulate/kafka/client.ts';
import { KafkaCluster } from '../../simulate/kafka/cluster.ts';
import { Network } from '../../simulate/network.ts';
import { Random } from '../../simulate/random.ts';
import { Machine, Scheduler } from '../../simulate/scheduler.ts';
import { configOf } from '../relay/settings.ts';
import { withAdmin } from '../support/kafka.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

type Side = { readonly kafka: Kafka; readonly config: Config; readonly end: () => void };

async function real(): Promise<Side> {
  const { brokers } = await servers();
  const settings = { SLOT: unique('slot').replaceAll('-', '_'), KAFKA_PROGRESS_TOPIC: unique('progress') };
  const config = configOf(settings, { brokers });
  await withAdmin((admin) => ensureProgressTopic(admin, config.kafka.progressTopic));
  return { kafka: createKafka(config, pino({ level: 'silent' })), config, end: () => {} };
}

/** The model in real time: each step is taken when it is due. */
async function model(): Promise<Side> {
  const scheduler = new Scheduler();
  const random = new Random(1);
  const faults = new Faults(random);
  faults.isOver = true;
  const cluster = new KafkaCluster({ scheduler, random });
  const config = configOf({ SLOT: 'model' });
  cluster.createTopic(config.kafka.progressTopic, 1);
  const network = new Network(scheduler, random, faults, () => {});
  const { requestTimeoutMs } = config.kafka;
  const options = { network, cluster, machine: new Machine('test'), requestTimeoutMs };
  const begunMs = performance.now();
  let isEnded = false;
  const pump = () => {
    const nowMs = performance.now() - begunMs;
    while (scheduler.nextMs <= nowMs) scheduler.step();
    scheduler.nowMs = Math.max(scheduler.nowMs, nowMs);
    if (!isEnded) setImmediate(pump);
  };
  pump();
  const end = () => {
    isEnded = true;
  };
  return { kafka: modelKafka(options), config, end };
}

const progressOf = ({ slot }: Config, eventCount: number): Progress => ({
  slot,
  systemIdentifier: '1',
  timeline: 1,
  endLsn: BigInt(eventCount),
  partial: null,
  beat: 0,
  eventCount,
  instance: 'test',
  time: '2026-01-01T00:00:00.000Z',
});

function batchOf(key: string, text: string): RecordBatch {
  const record = { key, value: Buffer.from(text), headers: {}, timestampMs: Date.now() };
  const batch = new RecordBatch(new BufferPool(), 0, recordBound(record));
  batch.append(record, recordBound(record));
  return batch;
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error) => asRelayError(error).code,
  );

async function withTail<T>(side: Side, work: (tail: ProgressTail) => Promise<T>): Promise<T> {
  const { kafka, config } = side;
  const tail = new ProgressTail(kafka, { topic: config.kafka.progressTopic, slot: config.slot });
  await tail.start();
  try {
    return await work(tail);
  } finally {
    await tail.stop();
    side.end();
  }
}

/** What each step came to, in order: the same on both sides. */
const scripts: Record<string, (side: Side) => Promise<unknown[]>> = {
  'a producer whose successor has begun is refused, and what it had committed is found': (side) =>
    withTail(side, async (tail) => {
      const { kafka, config } = side;
      const first = await LeanPublisher.fence(kafka, config);
      const nothing = await first.claim(tail);
      const committed = await codeOf(first.commit(first.newBatch(), progressOf(config, 1)));
      const second = await LeanPublisher.fence(kafka, config);
      const refused = await codeOf(first.commit(first.newBatch(), progressOf(config, 2)));
      const found = await second.claim(tail);
      await Promise.all([first.close(), second.close()]);
      return [nothing, committed, refused, found?.eventCount];
    }),
  'a transaction left open is aborted by the next InitProducerId, and its late commit refused': (side) =>
    withTail(side, async (tail) => {
      const { kafka, config } = side;
      const first = await LeanPublisher.fence(kafka, config);
      await first.claim(tail);
      await first.commit(first.newBatch(), progressOf(config, 1));
      await first.close();
      const { transactionalIdPrefix, progressTopic, transactionTimeoutMs, requestTimeoutMs } = config.kafka;
      const transactionalId = `${transactionalIdPrefix}.${config.slot}`;
      const settings = { transactionalId, transactionTimeoutMs, requestTimeoutMs, topic: progressTopic };
      const open = await TransactionalProducer.open(kafka, settings);
      const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
      const { promise: later, resolve: goOn } = Promise.withResolvers<void>();
      const batches = [batchOf(config.slot, serializeProgress(progressOf(config, 2)))];
      const late = codeOf(
        open.commit([{ topic: progressTopic, partition: 0, batches }], {
          sent: () => {
            isSent();
            return later;
          },
        }),
      );
      await sent;
      const second = await LeanPublisher.fence(kafka, config);
      goOn();
      const refused = await late;
      const found = await second.claim(tail);
      await Promise.all([open.close(), second.close()]);
      return [refused, found?.eventCount];
    }),
};

it.each(Object.entries(scripts))('%s', async (_, script) => {
  const [ofModel, ofBroker] = [await script(await model()), await script(await real())];
  expect(ofModel).toEqual(ofBroker);
});
