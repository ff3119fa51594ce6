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
  encodeEndTxnAnswer,
  encodeProduceAnswer,
} from '../../../../simulate/kafka/codec.ts';

/** What this client is sent as bytes. */
type Sent = Extract<DecodedRequest, { api: 'Produce' | 'AddPartitionsToTxn' | 'EndTxn' }>;
export type Api = 'InitProducerId' | Sent['api'];

/**
 * An error code for everything in the request; `lost`: the connection is lost before the answer; `silence`: no answer; a
 * function that encodes an answer to Produce.
 */
export type Reply = number | 'lost' | 'silence' | ((batches: readonly DecodedBatch[]) => Buffer);

export type Asked = { readonly api: Api; readonly broker: number; readonly request?: DecodedRequest };

export type ScriptOptions = {
  /** The broker that leads a partition. Broker 0 is the coordinator. */
  readonly leaderOf?: (topic: string, partition: number) => number;
  /** Greatest version of Produce that the brokers support. */
  readonly produceVersion?: number;
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

  constructor(options: ScriptOptions = {}) {
    this.options = options;
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

  /** Appends as a broker does: the offsets of each partition increase. */
  append(batches: readonly DecodedBatch[], error: number): Buffer {
    return encodeProduceAnswer(
      batches.map(({ topic, partition, records }) => {
        const name = `${topic}/${partition}`;
        const offset = this.#ends.get(name) ?? 0;
        if (error === 0) this.#ends.set(name, offset + records.length);
        return { topic, partition, error, offset: error === 0 ? offset : -1 };
      }),
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
    this.versions = { 0: produce, 24: version, 26: version };
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
      if (request.api === 'Fetch' || request.api === 'ApiVersions' || request.api === 'InitProducerId')
        throw new Error(`a producer sends no ${request.api} here`);
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

  #answer(request: Sent, reply: Exclude<Reply, 'lost' | 'silence'>): Buffer {
    if (request.api === 'Produce')
      return typeof reply === 'number' ? this.#kafka.append(request.batches, reply) : reply(request.batches);
    if (typeof reply !== 'number') throw new Error(`${request.api} is answered with a code`);
    return request.api === 'EndTxn'
      ? encodeEndTxnAnswer(reply)
      : encodeAddPartitionsAnswer(request.partitions, reply);
  }

  #reject(error: Error): void {
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}

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
  async refreshMetadata(): Promise<void> {}

  async findBroker({ nodeId }: { nodeId: number }): Promise<ScriptedBroker> {
    const known = this.#brokers[nodeId];
    if (known !== undefined) return known;
    const broker = new ScriptedBroker(this.#kafka, nodeId);
    this.#brokers[nodeId] = broker;
    this.#kafka.brokers.push(broker);
    return broker;
  }

  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[] {
    const leaderOf = this.#kafka.options.leaderOf ?? (() => 0);
    return [0, 1, 2, 3].map((partitionId) => ({ partitionId, leader: leaderOf(topic, partitionId) }));
  }
}
