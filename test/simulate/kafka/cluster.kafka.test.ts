/** The model of Kafka's coordinator answers like the real one: the same short scripts on both, with the relay's own client. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import type { Config } from '../../../relay/config/config.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { asRelayError } from '../../../relay/errors.ts';
import { type Progress, serializeProgress } from '../../../relay/model/progress.ts';
import { BufferPool } from '../../../relay/publish/lean/buffer-pool.ts';
import { LeanPublisher } from '../../../relay/publish/lean/lean-publisher.ts';
import { RecordBatch, recordBound } from '../../../relay/publish/lean/record-batch.ts';
import { TransactionalProducer } from '../../../relay/publish/lean/transactional-producer.ts';
import { ProgressTail } from '../../../relay/publish/progress-topic.ts';
import { type Fate, Faults } from '../../../simulate/faults.ts';
import { modelKafka } from '../../../simulate/kafka/client.ts';
import { KafkaCluster } from '../../../simulate/kafka/cluster.ts';
import { Network } from '../../../simulate/network.ts';
import { Machine, Scheduler } from '../../../simulate/scheduler.ts';
import { configOf } from '../../relay/settings.ts';
import { createProgressTopic } from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { pump } from '../pump.ts';

type Side = {
  readonly kafka: Kafka;
  /** Another client, whose commits can be lost or delayed on the way to the broker. */
  readonly unlucky: Kafka;
  readonly config: Config;
  /** Breaks the connection after the next commit is served, before its answer. */
  loseAnswer(): void;
  /** Delays the next commit until `deliver` is called, which resolves on its arrival. The sender must not await the commit. */
  holdCommit(): { readonly isUnderWay: Promise<void>; deliver(): Promise<void> };
  readonly end: () => void;
};

async function real(): Promise<Side> {
  const { brokers } = await servers();
  const settings = { SLOT: unique('slot').replaceAll('-', '_'), KAFKA_PROGRESS_TOPIC: unique('progress') };
  const config = configOf(settings, { brokers });
  await createProgressTopic(config.kafka.progressTopic);
  // The broker advertises its own address, so the client's socket factory connects to the proxy instead.
  const proxy = await TcpProxy.open(Number(brokers[0]!.split(':')[1]), true);
  let onAnswer = () => {};
  proxy.listen = () => ({ fromClient: () => {}, fromServer: () => onAnswer() });
  const unlucky = new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    socketFactory: ({ onConnect }) => connect({ host: '127.0.0.1', port: proxy.port }, onConnect),
  });
  return {
    kafka: createKafka(config, pino({ level: 'silent' })),
    unlucky,
    config,
    loseAnswer() {
      const held = proxy.hold('EndTxn');
      void held.met.then(() => {
        onAnswer = () => proxy.reset();
        held.release();
      });
    },
    holdCommit() {
      const held = proxy.hold('EndTxn');
      const answered = Promise.withResolvers<void>();
      return {
        isUnderWay: held.met.then(() => {
          onAnswer = answered.resolve;
        }),
        deliver() {
          held.release();
          return answered.promise;
        },
      };
    },
    end: () => proxy.close(),
  };
}

/** The model in real time: each step runs when it is due. */
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
  const kafka = modelKafka(options);
  const nextCommit = (fate: Fate, onMet: () => void = () => {}) => {
    faults.fate = (kind) => {
      if (kind !== 'EndTxn') return 'delivered';
      faults.fate = () => 'delivered';
      setImmediate(onMet);
      return fate;
    };
  };
  return {
    kafka,
    unlucky: kafka,
    config,
    loseAnswer: () => nextCommit('answer lost'),
    holdCommit() {
      // The model cannot wait for a call: half a second is enough for the steps of the script in between.
      random.pick = (lateMs) => lateMs[2]!;
      const met = Promise.withResolvers<void>();
      nextCommit('request late', met.resolve);
      const isDelivered = async () => {
        while (scheduler.nowMs <= network.lastLateMs) await delay(5);
      };
      return { isUnderWay: met.promise, deliver: isDelivered };
    },
    end: pump(scheduler),
  };
}

const progressOf = ({ slot: { name: slot } }: Config, eventCount: number): Progress => ({
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
  const tail = new ProgressTail(kafka, { topic: config.kafka.progressTopic, slot: config.slot.name });
  await tail.start();
  try {
    return await work(tail);
  } finally {
    await tail.stop();
    side.end();
  }
}

/** The result of each step, in order: the same on both sides. */
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
      const transactionalId = `${transactionalIdPrefix}.${config.slot.name}`;
      const { transactionVersion } = config.publish;
      const settings = {
        ...{ transactionalId, transactionTimeoutMs, requestTimeoutMs, transactionVersion },
        topic: progressTopic,
      };
      const open = await TransactionalProducer.open(kafka, settings);
      const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
      const { promise: later, resolve: goOn } = Promise.withResolvers<void>();
      const batches = [batchOf(config.slot.name, serializeProgress(progressOf(config, 2)))];
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
  'a commit that is done and not answered is found by the next session': (side) =>
    withTail(side, async (tail) => {
      const { kafka, unlucky, config } = side;
      const first = await LeanPublisher.fence(unlucky, config);
      await first.claim(tail);
      await first.commit(first.newBatch(), progressOf(config, 1));
      side.loseAnswer();
      const doubtful = await codeOf(first.commit(first.newBatch(), progressOf(config, 2)));
      const second = await LeanPublisher.fence(kafka, config);
      const found = await second.claim(tail);
      await Promise.all([first.close(), second.close()]);
      expect(found?.eventCount).toBe(2);
      return [doubtful, found?.eventCount];
    }),
  'a commit that arrives when its sender is given up and fenced does not count any more': (side) =>
    withTail(side, async (tail) => {
      const { kafka, unlucky, config } = side;
      const first = await LeanPublisher.fence(unlucky, config);
      await first.claim(tail);
      await first.commit(first.newBatch(), progressOf(config, 1));
      const held = side.holdCommit();
      const doubtful = codeOf(first.commit(first.newBatch(), progressOf(config, 2)));
      await held.isUnderWay;
      await first.close();
      const second = await LeanPublisher.fence(kafka, config);
      await held.deliver();
      const found = await second.claim(tail);
      await second.close();
      expect(found?.eventCount).toBe(1);
      return [await doubtful, found?.eventCount];
    }),
};

it.each(Object.entries(scripts))('%s', async (_, script) => {
  const [ofModel, ofBroker] = [await script(await model()), await script(await real())];
  expect(ofModel).toEqual(ofBroker);
});
