/**
 * The part of kafkajs that the relay uses, on top of the model of the cluster: an admin and, beneath the public interface,
 * brokers and connections that take requests as bytes.
 */
import kafkajs, { type Kafka } from 'kafkajs';
import { protocolError } from '../../relay/publish/wire/kafkajs-internals.ts';
import type { RequestKind } from '../faults.ts';
import type { Link, Network, Served, Server } from '../network.ts';
import type { Machine } from '../scheduler.ts';
import type { KafkaCluster } from './cluster.ts';
import {
  type DecodedRequest,
  decodeRequest,
  encodeAddPartitionsAnswer,
  encodeEndTxnAnswer,
  encodeFetchAnswer,
  encodeProduceAnswer,
} from './codec.ts';

const { KafkaJSConnectionError, KafkaJSRequestTimeoutError } = kafkajs;

export type ClientOptions = {
  readonly network: Network;
  readonly cluster: KafkaCluster;
  readonly machine: Machine;
  readonly requestTimeoutMs: number;
};

/** A client for the relay's code. */
export function modelKafka(options: ClientOptions): Kafka {
  const kafka = {
    admin: () => new ModelAdmin(options),
    [Symbol('private:Kafka:createCluster')]: () => new ModelClient(options),
  };
  return kafka as unknown as Kafka;
}

const refusal = () => new KafkaJSConnectionError('connection refused');

type Exchange = { readonly kind: RequestKind; readonly what: string };

/** A connection to one broker. */
class Connection {
  readonly clientId = 'model';
  readonly sasl = undefined;
  readonly link: Link;
  readonly #options: ClientOptions;
  readonly #pending = new Set<(error: Error) => void>();
  #written: Buffer[] = [];
  #correlationId = 0;

  constructor(options: ClientOptions, link: Link) {
    this.#options = options;
    this.link = link;
    link.onBreak = () => this.rejectRequests(new KafkaJSConnectionError('connection reset'));
  }

  readonly socket = {
    cork: () => {},
    uncork: () => {},
    write: (bytes: Buffer) => void this.#written.push(Buffer.from(bytes)),
    destroy: () => this.link.close(),
  };

  readonly requestQueue = {
    push: ({ entry, sendRequest }: PushedRequest): void => {
      sendRequest();
      const request = decodeRequest(Buffer.concat(this.#written.splice(0)));
      const kind = request.api;
      const serve = (answer: (payload: Buffer) => void) => serveRequest(this.#options, request, answer);
      this.exchange({ kind, what: describe(request) }, serve).then(
        (payload) => entry.resolve({ payload }),
        entry.reject,
      );
    },
    maybeThrottle: () => {},
  };

  isConnected(): boolean {
    return this.link.isOpen;
  }

  isAuthenticated(): boolean {
    return true;
  }

  nextCorrelationId(): number {
    return this.#correlationId++;
  }

  rejectRequests(error: Error): void {
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
  }

  exchange<T>({ kind, what }: Exchange, serve: Served<T>): Promise<T> {
    const { network, machine, requestTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      if (!this.link.isOpen) return reject(new KafkaJSConnectionError('not connected'));
      const timer = network.scheduler.after(
        requestTimeoutMs,
        () => {
          if (!this.#pending.delete(reject)) return;
          network.trace(machine.name, `${what}: no answer in time`);
          reject(new KafkaJSRequestTimeoutError('no answer in time'));
        },
        machine,
      );
      this.#pending.add(reject);
      this.link.request(kind, what, serve, (value) => {
        timer.isCancelled = true;
        if (this.#pending.delete(reject)) resolve(value);
      });
    });
  }
}

type PushedRequest = {
  readonly entry: {
    readonly resolve: (answer: { readonly payload: Buffer }) => void;
    readonly reject: (error: Error) => void;
  };
  readonly sendRequest: () => void;
};

function describe(request: DecodedRequest): string {
  if (request.api === 'Produce') {
    const [batch] = request.batches;
    const places = request.batches.map(
      ({ topic, partition, records }) => `${topic}/${partition}×${records.length}`,
    );
    return `Produce epoch ${batch?.epoch ?? '?'} ${places.join(' ')}`;
  }
  if (request.api === 'Fetch') return `Fetch ${request.topic} from ${request.fromOffset}`;
  if (request.api === 'EndTxn')
    return `EndTxn epoch ${request.epoch} ${request.isCommit ? 'commit' : 'abort'}`;
  return `AddPartitionsToTxn epoch ${request.epoch} ×${request.partitions.length}`;
}

function serveRequest(
  { cluster, network }: ClientOptions,
  request: DecodedRequest,
  answer: (payload: Buffer) => void,
): void {
  if (request.api === 'Fetch') serveFetch(cluster, network, request, answer);
  else answer(serveAtOnce(cluster, request));
}

function serveAtOnce(cluster: KafkaCluster, request: Exclude<DecodedRequest, { api: 'Fetch' }>): Buffer {
  const { transactionalId } = request;
  switch (request.api) {
    case 'Produce':
      return encodeProduceAnswer(
        request.batches.map((batch) => ({ ...batch, ...cluster.produce(transactionalId, batch) })),
      );
    case 'AddPartitionsToTxn': {
      const { producerId, epoch, partitions } = request;
      const error = cluster.addPartitions(transactionalId, producerId, epoch, partitions);
      return encodeAddPartitionsAnswer(partitions, error);
    }
    case 'EndTxn': {
      const { producerId, epoch, isCommit } = request;
      return encodeEndTxnAnswer(cluster.endTxn(transactionalId, producerId, epoch, isCommit));
    }
  }
}

/** Answers when there is something to read, or when the wait is over. */
function serveFetch(
  cluster: KafkaCluster,
  { scheduler }: Network,
  { topic, partition, fromOffset, maxWaitMs }: Extract<DecodedRequest, { api: 'Fetch' }>,
  answer: (payload: Buffer) => void,
): void {
  const log = cluster.partitions(topic)?.[partition];
  if (log === undefined) throw new Error(`there is no ${topic}/${partition}`);
  const reply = () => {
    log.listeners.delete(look);
    answer(encodeFetchAnswer(log.fetch(fromOffset)));
  };
  const look = () => {
    if (log.fetch(fromOffset).batches.length === 0) return;
    end.isCancelled = true;
    reply();
  };
  const end = scheduler.after(maxWaitMs, reply);
  log.listeners.add(look);
  look();
}

const version = { minVersion: 0, maxVersion: 99 };

class ModelBroker {
  readonly versions = { 0: version, 1: version, 24: version, 26: version };
  readonly connectionPool: { readonly pool: readonly [Connection, Connection] };
  readonly #options: ClientOptions;
  readonly #connection: Connection;

  constructor(options: ClientOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.connectionPool = { pool: [connection, connection] };
  }

  findGroupCoordinator(): Promise<{ coordinator: { nodeId: number } }> {
    const { cluster } = this.#options;
    const nodeId = cluster.brokers.indexOf(cluster.coordinator);
    return this.#connection.exchange({ kind: 'Metadata', what: 'FindCoordinator' }, (answer) =>
      answer({ coordinator: { nodeId } }),
    );
  }

  async initProducerId({
    transactionalId,
    transactionTimeout,
  }: {
    transactionalId: string;
    transactionTimeout: number;
  }) {
    const { cluster } = this.#options;
    const answer = await this.#connection.exchange<ReturnType<KafkaCluster['initProducerId']>>(
      { kind: 'InitProducerId', what: `InitProducerId ${transactionalId}` },
      (reply) => reply(cluster.initProducerId(transactionalId, transactionTimeout)),
    );
    if (typeof answer === 'number') throw protocolError(answer);
    return { producerId: String(answer.producerId), producerEpoch: answer.epoch };
  }
}

/** The connections of one producer, which kafkajs calls a cluster. */
class ModelClient {
  readonly #options: ClientOptions;
  readonly #brokers: Record<string, ModelBroker> = {};
  readonly brokerPool: {
    seedBroker: ModelBroker | undefined;
    brokers: Record<string, ModelBroker>;
    findConnectedBroker: () => Promise<ModelBroker>;
  };
  #isClosed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.brokerPool = {
      seedBroker: undefined,
      brokers: this.#brokers,
      findConnectedBroker: () => this.#broker(0),
    };
  }

  async connect(): Promise<void> {
    await this.#broker(0);
  }

  async disconnect(): Promise<void> {
    this.#isClosed = true;
    for (const broker of Object.values(this.#brokers)) broker.connectionPool.pool[0].link.close();
  }

  async addMultipleTargetTopics(): Promise<void> {}
  async refreshMetadata(): Promise<void> {}

  findBroker({ nodeId }: { nodeId: number }): Promise<ModelBroker> {
    return this.#broker(nodeId);
  }

  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[] {
    const { cluster } = this.#options;
    return (cluster.partitions(topic) ?? []).map(({ partition, leader }) => ({
      partitionId: partition,
      leader: cluster.brokers.indexOf(leader),
    }));
  }

  async #broker(nodeId: number): Promise<ModelBroker> {
    const known = this.#brokers[nodeId];
    if (known !== undefined) return known;
    const { network, cluster, machine } = this.#options;
    const link = await network.connect(machine, cluster.brokers[nodeId]!, refusal);
    if (this.#isClosed) link.close();
    const made = new ModelBroker(this.#options, new Connection(this.#options, link));
    this.#brokers[nodeId] ??= made;
    return this.#brokers[nodeId];
  }
}

/** Short requests, on a connection that is opened when needed. */
class ModelAdmin {
  readonly #options: ClientOptions;
  #connection: Connection | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    await this.#connected();
  }

  async disconnect(): Promise<void> {
    this.#connection?.link.close();
  }

  fetchTopicMetadata({ topics }: { topics: string[] }) {
    return this.#ask('Metadata', () => ({
      topics: topics.map((name) => ({ name, partitions: this.#options.cluster.partitions(name) ?? [] })),
    }));
  }

  describeConfigs() {
    return this.#ask('DescribeConfigs', () => ({
      resources: [{ configEntries: [{ configName: 'max.message.bytes', configValue: '1048588' }] }],
    }));
  }

  async #ask<T>(what: string, value: () => T): Promise<T> {
    const connection = await this.#connected();
    return connection.exchange({ kind: 'Metadata', what }, (answer) => answer(value()));
  }

  async #connected(): Promise<Connection> {
    if (this.#connection?.isConnected() === true) return this.#connection;
    const { network, machine, cluster } = this.#options;
    const link = await network.connect(machine, network.random.pick<Server>(cluster.brokers), refusal);
    this.#connection = new Connection(this.#options, link);
    return this.#connection;
  }
}
