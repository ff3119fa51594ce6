/**
 * Owns all that is used of kafkajs beneath its public surface: connections with TLS, SASL, reauthentication, throttling
 * and request timeouts; cluster metadata; decoders of answers. kafkajs is pinned to the exact release this was read in,
 * and a test says when something of it is not there.
 *
 * A wire lives once: whatever happens to one of its connections, kafkajs must not reconnect it, for it keeps the rest of
 * a half-read answer and would take it for the beginning of the next. Whoever gets an error makes a new wire.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Kafka } from 'kafkajs';
import { RelayError } from '../../errors.ts';
import '../../connect/compression/codecs.ts';

const kafkajs = createRequire(import.meta.url);

// Node does not see it among the named exports of a CommonJS module.
const { KafkaJSConnectionError } = internal<typeof import('kafkajs')>('kafkajs');

type Connection = {
  readonly clientId: string;
  readonly sasl: unknown;
  readonly socket: Socket | undefined;
  readonly requestQueue: {
    push(request: {
      readonly entry: RequestName & {
        readonly correlationId: number;
        readonly resolve: (answer: { readonly payload: Buffer }) => void;
        readonly reject: (error: Error) => void;
      };
      readonly expectResponse: true;
      readonly requestTimeout: null;
      readonly sendRequest: () => void;
    }): void;
    maybeThrottle(throttleMs: number): void;
  };
  isConnected(): boolean;
  isAuthenticated(): boolean;
  authenticate(): Promise<void>;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
};

/** A connected broker, as kafkajs keeps it. */
export type Broker = {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;
  readonly connectionPool: { readonly pool: readonly [Connection, Connection] };
  metadata(topics: readonly string[]): Promise<unknown>;
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{
    coordinator: { nodeId: number };
  }>;
  listOffsets(request: {
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[];
  }): Promise<{
    responses: { partitions: { offset: string }[] }[];
  }>;
  initProducerId(request: { transactionalId: string; transactionTimeout: number }): Promise<{
    producerId: string;
    producerEpoch: number;
  }>;
};

type Cluster = {
  readonly brokerPool: {
    readonly seedBroker: Broker | undefined;
    readonly brokers: Readonly<Record<string, Broker>>;
    findConnectedBroker(): Promise<Broker>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  findBroker(which: { nodeId: number }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): readonly { partitionId: number; leader: number }[];
};

type RequestName = { readonly apiKey: number; readonly apiName: string; readonly apiVersion: number };

/** A request of our own; `body` is what follows the request header, written without a copy. */
export type WireRequest = RequestName & { readonly body: readonly Buffer[] };

export type Throttled = { readonly clientSideThrottleTime?: number };
type Decode<T> = (payload: Buffer) => Promise<T>;

export type ProduceAnswer = Throttled & {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly { partition: number; errorCode: number; baseOffset: string }[];
  }[];
};
export type AddPartitionsAnswer = Throttled & {
  readonly errors: readonly {
    readonly topic: string;
    readonly partitionErrors: readonly { partition: number; errorCode: number }[];
  }[];
};
export type EndTxnAnswer = Throttled & { readonly errorCode: number };

const protocol = 'kafkajs/src/protocol';
const decoderOf = <T>(api: string): Decode<T> =>
  internal<{ decode: Decode<T> }>(`${protocol}/requests/${api}/response`).decode;

/** The answers as kafkajs reads them, before it turns the first error code into an exception. */
export const decodeProduce = decoderOf<ProduceAnswer>('produce/v7');
export const decodeAddPartitions = decoderOf<AddPartitionsAnswer>('addPartitionsToTxn/v1');
export const decodeEndTxn = decoderOf<EndTxnAnswer>('endTxn/v1');

/** As kafkajs reads the protocol's plain types. */
export type Decoder = {
  readonly offset: number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string | null;
  /** Of the length that stands before them. */
  readBytes(): Buffer | null;
  readArray<T>(read: () => T): T[];
};
export const Decoder = internal<new (bytes: Buffer) => Decoder>(`${protocol}/decoder`);

const { createErrorFromCode } = internal<{ createErrorFromCode: (code: number) => Error }>(
  `${protocol}/error`,
);

/** The part of a connection's queue of requests that is changed. */
export type RequestQueue = {
  readonly pending: readonly unknown[];
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  scheduleCheckPendingRequests(): void;
};

/**
 * Once it has had an answer, a queue of kafkajs looks every millisecond, for ever, whether a request waits; its timer is
 * due in the past, which Node warns of. On the connections of an idle relay that took more than half of its CPU time. A
 * request that does have to wait sets the timer itself, so there is nothing to look for while none does.
 */
function lookOnlyForWhatWaits(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  if (typeof schedule !== 'function') throw notThere('RequestQueue.scheduleCheckPendingRequests');
  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
}
lookOnlyForWhatWaits(internal<{ prototype: RequestQueue }>('kafkajs/src/network/requestQueue').prototype);

/** What a broker says of a client that is over its quota: for so long it will read nothing of it. */
export type Throttle = { readonly clientId: string; readonly broker: string; readonly throttleMs: number };

type ThrottledQueue = {
  readonly clientId: string;
  readonly broker: string;
  maybeThrottle(throttleMs: number | null | undefined): void;
};

const throttleListeners = new Set<(throttle: Throttle) => void>();

/** Calls the listener for each answer that throttles, of any client in this process. @returns what ends that */
export function onThrottle(listener: (throttle: Throttle) => void): () => void {
  throttleListeners.add(listener);
  return () => throttleListeners.delete(listener);
}

/** kafkajs obeys a throttle and keeps it to itself. */
function tellOfThrottles(queue: ThrottledQueue): void {
  const obey = queue.maybeThrottle;
  if (typeof obey !== 'function') throw notThere('RequestQueue.maybeThrottle');
  queue.maybeThrottle = function (throttleMs) {
    obey.call(this, throttleMs);
    if (!(Number(throttleMs) > 0)) return;
    const { clientId, broker } = this;
    for (const listener of throttleListeners) listener({ clientId, broker, throttleMs: Number(throttleMs) });
  };
}
tellOfThrottles(internal<{ prototype: ThrottledQueue }>('kafkajs/src/network/requestQueue').prototype);

/** Codes that came after the ones kafkajs knows, and that decide something here. */
const newerTypes: Readonly<Record<number, string>> = {
  90: 'PRODUCER_FENCED',
  120: 'TRANSACTION_ABORTABLE',
};

/** The error that a code of the protocol stands for; its `type` is what `kafkaErrorType` finds. */
export function protocolError(code: number): Error {
  const type = newerTypes[code];
  return type === undefined ? createErrorFromCode(code) : Object.assign(new Error(type), { type });
}

/** Stands for a time in ListOffsets. */
const earliest = -2;

/** Of the two kinds of coordinator; the other, 0, is of groups. */
const transactionCoordinator = 1;

export class Wire {
  readonly #cluster: Cluster;
  readonly #leaders = new Map<string, Broker>();

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * A wire with the settings of `kafka`, connected and with the metadata of the topics.
   * @throws the client's errors
   */
  static async open(kafka: Kafka, topics: readonly string[]): Promise<Wire> {
    const wire = new Wire(clusterOf(kafka));
    try {
      await wire.#cluster.connect();
      await wire.#cluster.addMultipleTargetTopics(topics);
      return wire;
    } catch (error) {
      await wire.close();
      throw error;
    }
  }

  /** At most `count` of the cluster's brokers, by chance. */
  someBrokerIds(count: number): number[] {
    const ids = Object.keys(this.#cluster.brokerPool.brokers).map(Number);
    for (let i = ids.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [ids[i], ids[j]] = [ids[j]!, ids[i]!];
    }
    return ids.slice(0, count);
  }

  /** Connected. @throws the client's errors */
  broker(nodeId: number): Promise<Broker> {
    return this.#cluster.findBroker({ nodeId });
  }

  async coordinator(transactionalId: string): Promise<Broker> {
    const any = await this.#cluster.brokerPool.findConnectedBroker();
    const { coordinator } = await any.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: transactionCoordinator,
    });
    return this.#cluster.findBroker({ nodeId: coordinator.nodeId });
  }

  /** The leader of a partition, connected. */
  async leader(topic: string, partition: number): Promise<Broker> {
    const name = `${topic}/${partition}`;
    const known = this.#leaders.get(name);
    if (known !== undefined) return known;
    const leader = await this.#cluster.findBroker({ nodeId: await this.#leaderId(topic, partition) });
    this.#leaders.set(name, leader);
    return leader;
  }

  /** kafkajs drops what is for a partition it does not know; here that is an error. */
  async #leaderId(topic: string, partition: number): Promise<number> {
    await this.#cluster.addMultipleTargetTopics([topic]);
    const find = () =>
      this.#cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition);
    if (find() === undefined) await this.#cluster.refreshMetadata();
    const leader = find()?.leader;
    if (leader === undefined) throw protocolError(unknownTopicOrPartition);
    if (leader < 0) throw protocolError(leaderNotAvailable);
    return leader;
  }

  /** @throws the client's errors: a lost connection, no answer in time */
  async send<T extends Throttled>(broker: Broker, request: WireRequest, decode: Decode<T>): Promise<T> {
    const connection = checkConnected(broker);
    if (connection.sasl && !connection.isAuthenticated()) await connection.authenticate();
    const { payload } = await exchange(connection, request);
    const answer = await decode(payload);
    connection.requestQueue.maybeThrottle(answer.clientSideThrottleTime ?? 0);
    return answer;
  }

  /** Where the log of a partition begins. @throws the client's errors */
  async earliestOffset(topic: string, partition: number): Promise<bigint> {
    const leader = await this.leader(topic, partition);
    const partitions = [{ partition, timestamp: earliest }];
    const { responses } = await leader.listOffsets({ topics: [{ topic, partitions }] });
    return BigInt(responses[0]?.partitions[0]?.offset ?? 0);
  }

  /** At once: what is still unanswered is rejected, not waited for. */
  async close(): Promise<void> {
    const { seedBroker, brokers } = this.#cluster.brokerPool;
    const all = new Set([...(seedBroker === undefined ? [] : [seedBroker]), ...Object.values(brokers)]);
    const connections = [...all].flatMap((broker) => broker.connectionPool.pool);
    for (const connection of connections) connection.rejectRequests(new KafkaJSConnectionError('Closed'));
    await this.#cluster.disconnect().catch(() => {});
    for (const { socket } of connections) socket?.destroy();
  }
}

/** The connection for everything but fetching. @throws KafkaJSConnectionError once it is lost; it is not made again. */
export function checkConnected({ connectionPool }: Broker): Connection {
  const [connection] = connectionPool.pool;
  if (!connection.isConnected()) throw new KafkaJSConnectionError('Not connected');
  return connection;
}

const unknownTopicOrPartition = 3;
const leaderNotAvailable = 5;

function exchange(connection: Connection, request: WireRequest): Promise<{ payload: Buffer }> {
  const { apiKey, apiName, apiVersion, body } = request;
  const correlationId = connection.nextCorrelationId();
  const head = encodeHead(request, correlationId, connection.clientId);
  return new Promise((resolve, reject) => {
    connection.requestQueue.push({
      entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: null,
      sendRequest: () => {
        const { socket } = connection;
        if (socket === undefined) throw new KafkaJSConnectionError('Not connected');
        socket.cork();
        socket.write(head);
        for (const part of body) socket.write(part);
        socket.uncork();
      },
    });
  });
}

/** Size and request header, version 1. @see https://kafka.apache.org/protocol#protocol_messages */
function encodeHead(request: WireRequest, correlationId: number, clientId: string): Buffer {
  const clientBytes = Buffer.byteLength(clientId);
  const head = Buffer.allocUnsafe(14 + clientBytes);
  const size = request.body.reduce((sum, part) => sum + part.length, head.length - 4);
  head.writeInt32BE(size, 0);
  head.writeInt16BE(request.apiKey, 4);
  head.writeInt16BE(request.apiVersion, 6);
  head.writeInt32BE(correlationId, 8);
  head.writeInt16BE(clientBytes, 12);
  head.write(clientId, 14);
  return head;
}

/**
 * A cluster with exactly the settings of the client. kafkajs keeps its maker under a symbol of its own.
 * @throws RelayError INTERNAL when this is not the kafkajs it was written for.
 */
function clusterOf(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol === undefined ? undefined : Reflect.get(kafka, symbol);
  if (typeof create !== 'function') throw notThere('Kafka.createCluster');
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, maxInFlightRequests: null });
}

function internal<T>(module: string): T {
  try {
    return kafkajs(module) as T;
  } catch (cause) {
    throw notThere(module, cause);
  }
}

function notThere(what: string, cause?: unknown): RelayError {
  return new RelayError('INTERNAL', `${what} is not there: this needs kafkajs 2.2.4 exactly`, { cause });
}
