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
import { type DecodedRequest, decodeRequest, type Identified, unidentified } from './codec.ts';
import { serveRequest } from './serve.ts';

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
  readonly #queue: ((done: () => void) => void)[] = [];
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
      const kind = kindOf(request.api);
      const { cluster, network } = this.#options;
      const at = { cluster, scheduler: network.scheduler, server: this.link.server };
      const serve = (answer: (payload: Buffer) => void) =>
        this.#inTurn((done) =>
          serveRequest(at, request, (payload) => {
            answer(payload);
            done();
          }),
        );
      this.exchange({ kind, what: describe(request) }, serve).then(
        (payload) => entry.resolve({ payload }),
        entry.reject,
      );
    },
    maybeThrottle: () => {},
  };

  /** A broker takes the next request of a connection when it has answered the last one. */
  #inTurn(serve: (done: () => void) => void): void {
    this.#queue.push(serve);
    if (this.#queue.length === 1) this.#serveNext();
  }

  #serveNext(): void {
    let isDone = false;
    this.#queue[0]?.(() => {
      if (isDone) return;
      isDone = true;
      this.#queue.shift();
      this.#serveNext();
    });
  }

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

const questions: ReadonlySet<string> = new Set([
  'ApiVersions',
  'Metadata',
  'ListOffsets',
  'DescribeProducers',
  'DescribeTransactions',
]);
const kindOf = (api: DecodedRequest['api']) => (questions.has(api) ? 'Metadata' : api) as RequestKind;

function describe(request: DecodedRequest): string {
  const name = `${request.api} v${request.version}`;
  switch (request.api) {
    case 'Produce': {
      const [batch] = request.batches;
      const places = request.batches.map(
        ({ topic, partition, sequence, records }) => `${topic}/${partition}@${sequence}×${records.length}`,
      );
      return `${name} epoch ${batch?.epoch ?? '?'} ${places.join(' ')}`;
    }
    case 'Fetch':
      return `Fetch ${request.topic} from ${request.fromOffset}`;
    case 'EndTxn':
      return `${name} epoch ${request.epoch} ${request.isCommit ? 'commit' : 'abort'}`;
    case 'AddPartitionsToTxn':
      return `${name} epoch ${request.epoch} ×${request.partitions.length}`;
    case 'InitProducerId':
      return `${name} ${request.transactionalId}`;
    case 'ListOffsets':
    case 'DescribeProducers':
      return `${name} ×${request.partitions.length}`;
    case 'Metadata':
      return `${name} ${request.topics.join(' ')}`;
    case 'ApiVersions':
    case 'DescribeTransactions':
      return name;
  }
}

class ModelBroker {
  readonly versions;
  readonly connectionPool: { readonly pool: readonly [Connection, Connection] };
  readonly #options: ClientOptions;
  readonly #connection: Connection;

  constructor(options: ClientOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.versions = options.cluster.supported.versions;
    this.connectionPool = { pool: [connection, connection] };
  }

  findGroupCoordinator(): Promise<{ coordinator: { nodeId: number } }> {
    const { cluster } = this.#options;
    return this.#connection.exchange({ kind: 'Metadata', what: 'FindCoordinator' }, (answer) =>
      answer({ coordinator: { nodeId: cluster.brokers.indexOf(cluster.coordinator.server) } }),
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
    const { server } = this.#connection.link;
    const { error, producerId, epoch } = await this.#connection.exchange<
      Identified & { readonly error: number }
    >({ kind: 'InitProducerId', what: `InitProducerId ${transactionalId}` }, (reply) =>
      cluster.coordinator.initProducerId(
        transactionalId,
        { timeoutMs: transactionTimeout, expected: undefined },
        server,
        (code, identified = unidentified) => reply({ error: code, ...identified }),
      ),
    );
    if (error !== 0) throw protocolError(error);
    return { producerId: String(producerId), producerEpoch: epoch };
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

  findBroker({ nodeId }: { nodeId: number }): Promise<ModelBroker> {
    return this.#broker(nodeId);
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
