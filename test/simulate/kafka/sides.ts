/** The two sides of a script: a broker of our own, whose messages to itself can be held, and the model in virtual time. */
import { connect } from 'node:net';
import { Kafka as KafkaClient, logLevel, Partitioners } from 'kafkajs';
import { Random } from '../../../harness/random.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { waitFor } from '../../../harness/wait.ts';
import { Reader, Writer } from '../../../simulate/kafka/bytes.ts';
import { KafkaCluster } from '../../../simulate/kafka/cluster.ts';
import { decodeRequest } from '../../../simulate/kafka/codec.ts';
import { serveRequest } from '../../../simulate/kafka/serve.ts';
import { Scheduler } from '../../../simulate/scheduler.ts';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { frame, type Side } from './script.ts';

const interBroker = { marker: 'WriteTxnMarkers', verification: 'AddPartitionsToTxn' } as const;

const patienceMs = 20_000;

export type RealSide = Side &
  AsyncDisposable & {
    readonly kafka: Kafka;
    /** Writes into the transaction log that the id has an epoch; it counts after `reload`. */
    useUpEpochs(transactionalId: string, epoch: number): Promise<void>;
  };

/** @param ids transactional ids that the scripts use; their topics have the same names */
export async function realSide(ids: readonly string[]): Promise<RealSide> {
  // The broker reaches itself through the proxy, the scripts do not.
  const proxy = await TcpProxy.open(0, true);
  const kafka = await startKafka({
    quickStart: true,
    nodeSettings: ({ port }) => {
      proxy.targetPort = port;
      return { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
    },
  });
  const port = proxy.targetPort;
  const send = (request: Buffer) => exchange(port, request);
  const isLoaded = () => waitFor(() => hasCoordinators(send, ids), 'the coordinators', patienceMs);
  await isLoaded();
  return {
    kafka,
    send,
    settle: (transactionalId) =>
      waitFor(
        async () => !(await describe(send, transactionalId)).state.startsWith('Prepare'),
        'the markers',
        patienceMs,
      ),
    hold(what) {
      const held = proxy.hold(interBroker[what]);
      return { met: () => held.met, release: async () => held.release() };
    },
    finalize: (level) => finalize(send, level),
    async reload() {
      const [broker] = kafka.nodes;
      // Kafka 4.3 leaves out markers if it begins with its old leaders, and loads the decided transactions in the moment in
      // which the controller has just taken them away (KAFKA-20734). They go before the kill, so that it begins without.
      broker!.kill('SIGTERM');
      const areLed = () => Promise.all(ids.map((id) => isLed(send, id)));
      const noneLed = () => areLed().then((led) => !led.includes(true));
      await waitFor(() => noneLed().catch(() => true), 'the broker to lead nothing', patienceMs);
      // A clean stop would wait for what is held.
      broker!.kill('SIGKILL');
      proxy.reset();
      await broker!.restart();
      await isLoaded();
    },
    useUpEpochs: (transactionalId, epoch) => writeEpoch(kafka, transactionalId, epoch),
    async [Symbol.asyncDispose]() {
      await kafka.stop();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Whether ListOffsets of both partitions succeeds. */
async function isLed(send: Side['send'], topic: string): Promise<boolean> {
  const latest = -1;
  const writer = new Writer().int32(-1).byte(0);
  writer.list([topic], (name) =>
    writer.string(name).list([0, 1], (partition) => writer.int32(partition).int64(latest)),
  );
  const reader = new Reader(await send(frame(2, 2, writer.bytes, false)));
  reader.int32();
  const topics = reader.list(() => {
    reader.string();
    return reader.list(() => {
      reader.int32();
      const error = reader.int16();
      reader.take(16);
      return error;
    });
  });
  return topics.flat().every((error) => error === 0);
}

/** One request on a connection of its own. */
function exchange(port: number, request: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => socket.write(request));
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) return;
    socket.destroy();
    resolve(bytes.subarray(8));
  });
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the broker closed the connection')));
  return promise;
}

/** The first question for a coordinator creates the transaction log, whose partitions are loaded one by one then. */
async function hasCoordinators(send: Side['send'], ids: readonly string[]): Promise<boolean> {
  const transaction = 1;
  const writer = new Writer().string('script').byte(transaction);
  const reader = new Reader(await send(frame(10, 1, writer.bytes, false)));
  reader.int32();
  if (reader.int16() !== 0) return false;
  const found = await Promise.all(ids.map((id) => describe(send, id)));
  return found.every(({ error }) => error === 0 || error === notFound) && (await hasIds(send));
}

/** A coordinator that has just begun has no producer ids to give yet. */
async function hasIds(send: Side['send']): Promise<boolean> {
  const writer = new Writer().noString().int32(60_000);
  const reader = new Reader(await send(frame(22, 1, writer.bytes, false)));
  reader.int32();
  return reader.int16() === 0;
}

const notFound = 105;

/** DescribeTransactions */
async function describe(send: Side['send'], transactionalId: string) {
  const writer = new Writer(true);
  writer.list([transactionalId], (id) => writer.string(id)).tags();
  const reader = new Reader(await send(frame(65, 0, writer.bytes, true)), true);
  reader.tags();
  reader.int32();
  reader.uvarint();
  const error = reader.int16();
  reader.string();
  return { error, state: reader.string() };
}

/** A record of the transaction log, version 0: common/message/TransactionLogKey.json, TransactionLogValue.json. */
async function writeEpoch(kafka: Kafka, transactionalId: string, epoch: number): Promise<void> {
  const topic = '__transaction_state';
  const key = new Writer().int16(0).string(transactionalId).bytes;
  const empty = 0;
  const nobodysId = 900_000 + epoch;
  const value = new Writer().int16(0).int64(nobodysId).int16(epoch).int32(60_000).byte(empty).int32(-1);
  value.int64(Date.now()).int64(-1);
  // The only client that a broker lets write to an internal topic.
  const client = new KafkaClient({
    clientId: '__admin_client',
    brokers: kafka.brokers,
    logLevel: logLevel.NOTHING,
  });
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const partition = Math.abs(javaHash(transactionalId)) % logPartitions;
  await producer.send({ topic, messages: [{ partition, key, value: value.bytes }] });
  await producer.disconnect();
}

/** As stack/kafka.ts sets it. */
const logPartitions = 5;

function javaHash(text: string): number {
  let hash = 0;
  for (const char of text) hash = (Math.imul(31, hash) + char.charCodeAt(0)) | 0;
  return hash;
}

/** UpdateFeatures: any level that the cluster supports, up or down. */
async function finalize(send: Side['send'], level: number): Promise<void> {
  const unsafeDowngrade = 3;
  const before = await finalizedLevel(send);
  const kind = level < before ? unsafeDowngrade : 1;
  const writer = new Writer(true).int32(30_000);
  writer.list(['transaction.version'], (name) => writer.string(name).int16(level).byte(kind).tags());
  writer.byte(0).tags();
  const reader = new Reader(await send(frame(57, 1, writer.bytes, true)), true);
  reader.tags();
  reader.int32();
  const error = reader.int16();
  if (error !== 0) throw new Error(`UpdateFeatures answered ${error}: ${reader.string()}`);
  await waitFor(async () => (await finalizedLevel(send)) === level, 'the feature', patienceMs);
}

/** What ApiVersions says: 0 for a feature that is not finalized. */
export async function finalizedLevel(send: Side['send']): Promise<number> {
  const writer = new Writer(true).string('script').string('1').tags();
  const reader = new Reader(await send(frame(18, 3, writer.bytes, true)), true);
  reader.int16();
  reader.list(() => {
    reader.take(6);
    reader.tags();
  });
  reader.int32();
  let level = 0;
  const finalizedTag = 2;
  for (let left = reader.uvarint(); left > 0; left--) {
    const tag = reader.uvarint();
    const bytes = reader.uvarint();
    const end = reader.at + bytes;
    if (tag === finalizedTag)
      reader.list(() => {
        const name = reader.string();
        const highest = reader.int16();
        reader.int16();
        reader.tags();
        if (name === 'transaction.version') level = highest;
      });
    reader.at = end;
  }
  return level;
}

/** How far the model looks ahead for an answer, ms of virtual time: shorter than the timeout of a transaction. */
const aheadMs = 5_000;

/** @param firstEpoch with which each transactional id begins */
export function modelSide(topics: readonly string[], firstEpoch = 0): Side {
  const scheduler = new Scheduler();
  const held = new Map<'marker' | 'verification', (() => void)[]>();
  const cluster = new KafkaCluster({
    scheduler,
    random: new Random(1),
    transactionVersion: 2,
    firstEpoch,
    between: (what, arrive) => {
      const waiting = held.get(what);
      if (waiting === undefined) scheduler.after(0.2, arrive);
      else waiting.push(arrive);
    },
  });
  for (const topic of topics) cluster.createTopic(topic, 2);
  const runUntil = (isReached: () => boolean) => {
    const limitMs = scheduler.nowMs + aheadMs;
    while (!isReached() && scheduler.nextMs <= limitMs) scheduler.step();
  };
  return {
    send(bytes) {
      const request = decodeRequest(bytes);
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      let isAnswered = false;
      const served = { cluster, scheduler, server: cluster.coordinator.server };
      serveRequest(served, request, (payload) => {
        isAnswered = true;
        resolve(payload);
      });
      // What the script does without waiting for the answer comes first.
      setImmediate(() => runUntil(() => isAnswered));
      return promise;
    },
    async settle() {
      runUntil(() => cluster.isSettled);
    },
    hold(what) {
      const waiting: (() => void)[] = [];
      held.set(what, waiting);
      return {
        met: async () => runUntil(() => waiting.length > 0),
        async release() {
          held.delete(what);
          for (const arrive of waiting) arrive();
          runUntil(() => false);
        },
      };
    },
    async finalize(level) {
      cluster.transactionVersion = level;
    },
    async reload() {
      // What the old one has on its way is lost with its connections.
      held.clear();
      cluster.moveCoordinator();
      runUntil(() => cluster.isSettled);
    },
  };
}
