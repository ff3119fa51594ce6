/**
 * A Kafka client for tests of the producer, without a broker. The next reply in the script answers a request; without one
 * the request succeeds. The client records every request, decoded from its bytes.
 */
import kafkajs, { type Kafka } from 'kafkajs';
import { protocolError } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import type { DecodedBatch } from '../../../../simulate/kafka/batches.ts';
import {
  type DecodedRequest,
  decodeRequest,
  encodeAddPartitionsAnswer,
  encodeApiVersionsAnswer,
  encodeEndTxnAnswer,
  encodeInitAnswer,
  encodeMetadataAnswer,
  encodeProduceAnswer,
  type Identified,
} from '../../../../simulate/kafka/codec.ts';

/** What this client is sent as bytes, and the script answers. */
type Sent = Exclude<DecodedRequest, { api: Unknown | 'Metadata' }>;
/** What these brokers do not support, or a producer does not send them. */
type Unknown = 'Fetch' | 'ListOffsets' | 'DescribeProducers' | 'DescribeTransactions';
const unknown: ReadonlySet<string> = new Set<Unknown>([
  'Fetch',
  'ListOffsets',
  'DescribeProducers',
  'DescribeTransactions',
]);
export type Api = Sent['api'];

/**
 * An error code for everything in the request; `lost`: the connection is lost before the answer; `silence`: no answer; a
 * function that encodes an answer to Produce; an identity that EndTxn assigns.
 */
export type Reply = number | 'lost' | 'silence' | Identified | ((batches: readonly DecodedBatch[]) => Buffer);

export type Asked = { readonly api: Api; readonly broker: number; readonly request?: DecodedRequest };

export type ScriptOptions = {
  /** The broker that leads a partition. Broker 0 is the coordinator. */
  readonly leaderOf?: (topic: string, partition: number) => number;
  /** Greatest version of Produce that the brokers support. */
  readonly produceVersion?: number;
  /** The finalized level of `transaction.version`; undefined in a cluster that does not know features. */
  readonly transactionVersion?: number | undefined;
};

const producerId = 4_711;
export const epoch = 3;

export class ScriptedKafka {
  readonly asked: Asked[] = [];
  /** How many connections to the cluster were opened, and how many closed. */
  opened = 0;
  closed = 0;
  /** Called before a connection to the cluster is established. */
  onConnect: () => Promise<void> | void = () => {};
  readonly client: Kafka;
  readonly options: ScriptOptions;
  readonly #replies = new Map<Api, Reply[]>();
  readonly #ends = new Map<string, number>();
  readonly brokers: ScriptedBroker[] = [];
  /** What the coordinator has assigned last. */
  #identity: Identified = { producerId, epoch };
  #featuresEpoch = 1;
  #transactionVersion: number | undefined;

  constructor(options: ScriptOptions = {}) {
    this.options = options;
    this.#transactionVersion = options.transactionVersion;
    const client = { [Symbol('private:Kafka:createCluster')]: () => new ScriptedCluster(this) };
    this.client = client as unknown as Kafka;
  }

  reply(api: Api, ...replies: readonly Reply[]): void {
    this.#replies.set(api, [...(this.#replies.get(api) ?? []), ...replies]);
  }

  count(api: Api): number {
    return this.asked.filter((one) => one.api === api).length;
  }

  /** Names of the requests so far, in order. */
  get apis(): Api[] {
    return this.asked.map(({ api }) => api);
  }

  loseConnections(id: number): void {
    for (const broker of this.brokers) if (broker.id === id) broker.lose();
  }

  next(asked: Asked): Reply {
    this.asked.push(asked);
    return this.#replies.get(asked.api)?.shift() ?? 0;
  }

  /** Moves the feature, which the producer learns when it asks again. */
  finalize(level: number): void {
    this.#transactionVersion = level;
    this.#featuresEpoch += 1;
  }

  features(versions: ScriptedBroker['versions'], version: number): Buffer {
    const transactionVersion = this.#transactionVersion;
    return encodeApiVersionsAnswer(
      { versions, transactionVersion, featuresEpoch: this.#featuresEpoch },
      version,
    );
  }

  /** As protocol 2 does at the end of a transaction, and InitProducerId. */
  raise(next = { ...this.#identity, epoch: this.#identity.epoch + 1 }): Identified {
    this.#identity = next;
    return next;
  }

  /** Appends as a broker does: the offsets of each partition increase. */
  append(batches: readonly DecodedBatch[], error: number, version: number): Buffer {
    return encodeProduceAnswer(
      batches.map(({ topic, partition, records }) => {
        const name = `${topic}/${partition}`;
        const offset = this.#ends.get(name) ?? 0;
        if (error === 0) this.#ends.set(name, offset + records.length);
        return { topic, partition, error, offset: error === 0 ? offset : -1 };
      }),
      version,
    );
  }
}

const version = { minVersion: 0, maxVersion: 99 };

class ScriptedBroker {
  readonly versions;
  readonly connectionPool;
  readonly #kafka: ScriptedKafka;
  readonly id: number;
  readonly #waiting = new Set<(error: Error) => void>();
  isConnected = true;

  constructor(kafka: ScriptedKafka, id: number) {
    this.#kafka = kafka;
    this.id = id;
    const produce = { minVersion: 0, maxVersion: kafka.options.produceVersion ?? 99 };
    const features = kafka.options.transactionVersion === undefined ? {} : { 18: version };
    this.versions = { 0: produce, 22: version, 24: version, 26: version, ...features };
    const connection = this.#connection();
    this.connectionPool = { pool: [connection, connection] };
  }

  #connection() {
    let written: Buffer[] = [];
    const socket = {
      cork: () => {},
      uncork: () => {},
      write: (bytes: Buffer) => void written.push(Buffer.from(bytes)),
      destroy: () => {},
    };
    const push = ({ entry, sendRequest }: PushedRequest) => {
      written = [];
      sendRequest();
      const request = decodeRequest(Buffer.concat(written));
      if (request.api === 'Metadata') {
        entry.resolve({ payload: this.#leaders(request.topics) });
        return;
      }
      if (!isSent(request)) throw new Error(`unexpected request ${request.api}`);
      this.#waiting.add(entry.reject);
      const reply = this.#kafka.next({ api: request.api, broker: this.id, request });
      if (reply === 'silence') return;
      if (reply === 'lost') return this.lose();
      entry.resolve({ payload: this.#answer(request, reply) });
    };
    return {
      clientId: 'scripted',
      sasl: undefined,
      socket,
      requestQueue: { push, maybeThrottle: () => {} },
      isConnected: () => this.isConnected,
      nextCorrelationId: () => 0,
      rejectRequests: (error: Error) => this.#reject(error),
    };
  }

  lose(): void {
    this.isConnected = false;
    this.#reject(new kafkajs.KafkaJSConnectionError('connection reset'));
  }

  async findGroupCoordinator() {
    return { coordinator: { nodeId: 0 } };
  }

  async initProducerId() {
    const reply = this.#kafka.next({ api: 'InitProducerId', broker: this.id });
    if (reply === 'lost') throw new kafkajs.KafkaJSConnectionError('connection reset');
    if (typeof reply === 'number' && reply !== 0) throw protocolError(reply);
    return { producerId: String(producerId), producerEpoch: epoch };
  }

  #leaders(topics: readonly string[]): Buffer {
    const leaderOf = this.#kafka.options.leaderOf ?? (() => 0);
    const partitions = (topic: string) =>
      [0, 1, 2, 3].map((partition) => ({ partition, leader: leaderOf(topic, partition) }));
    return encodeMetadataAnswer(topics.map((topic) => ({ topic, error: 0, partitions: partitions(topic) })));
  }

  #answer(request: Sent, reply: Exclude<Reply, 'lost' | 'silence'>): Buffer {
    const { version } = request;
    if (typeof reply === 'function') {
      if (request.api !== 'Produce') throw new Error(`${request.api} is answered with a code`);
      return reply(request.batches);
    }
    const error = typeof reply === 'number' ? reply : 0;
    const assigned = () => this.#kafka.raise(typeof reply === 'number' ? undefined : reply);
    switch (request.api) {
      case 'Produce':
        return this.#kafka.append(request.batches, error, version);
      case 'AddPartitionsToTxn':
        return encodeAddPartitionsAnswer(request.partitions, error, version);
      case 'EndTxn':
        return error !== 0 || version < 5
          ? encodeEndTxnAnswer(error, version)
          : encodeEndTxnAnswer(0, version, assigned());
      case 'InitProducerId':
        return error !== 0 ? encodeInitAnswer(error, version) : encodeInitAnswer(0, version, assigned());
      case 'ApiVersions':
        return error !== 0 ? encodeUnknownVersion(error) : this.#kafka.features(this.versions, version);
    }
  }

  #reject(error: Error): void {
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}

/** In version 0: an error, and which versions the broker knows. */
function encodeUnknownVersion(error: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeInt16BE(error);
  return bytes;
}

const isSent = (request: DecodedRequest): request is Sent => !unknown.has(request.api);

type PushedRequest = {
  readonly entry: {
    readonly resolve: (answer: { readonly payload: Buffer }) => void;
    readonly reject: (error: Error) => void;
  };
  readonly sendRequest: () => void;
};

/** What kafkajs calls a cluster: the connections of one client. */
class ScriptedCluster {
  readonly brokerPool;
  readonly #kafka: ScriptedKafka;
  readonly #brokers: Record<string, ScriptedBroker> = {};

  constructor(kafka: ScriptedKafka) {
    this.#kafka = kafka;
    this.brokerPool = {
      seedBroker: undefined,
      brokers: this.#brokers,
      findConnectedBroker: () => this.findBroker({ nodeId: 0 }),
    };
  }

  async connect(): Promise<void> {
    await this.#kafka.onConnect();
    this.#kafka.opened += 1;
  }

  async disconnect(): Promise<void> {
    this.#kafka.closed += 1;
    for (const broker of Object.values(this.#brokers)) broker.isConnected = false;
  }

  async addMultipleTargetTopics(): Promise<void> {}

  async findBroker({ nodeId }: { nodeId: number }): Promise<ScriptedBroker> {
    const known = this.#brokers[nodeId];
    if (known !== undefined) return known;
    const broker = new ScriptedBroker(this.#kafka, nodeId);
    this.#brokers[nodeId] = broker;
    this.#kafka.brokers.push(broker);
    return broker;
  }
}
