/**
 * Owns all that is used of kafkajs beneath its public surface: its cluster and brokers, its decoders of answers, and two
 * changes to its queue of requests. kafkajs is pinned to the exact release this was read in, and a test says when
 * something of it is not there.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Kafka } from 'kafkajs';
import { RelayError } from '../../errors.ts';
import '../../connect/compression/codecs.ts';

const kafkajs = createRequire(import.meta.url);

// Node does not see it among the named exports of a CommonJS module.
export const { KafkaJSConnectionError } = internal<typeof import('kafkajs')>('kafkajs');

export type Connection = {
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

export type Cluster = {
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

export type RequestName = { readonly apiKey: number; readonly apiName: string; readonly apiVersion: number };

export type Throttled = { readonly clientSideThrottleTime?: number };
export type Decode<T> = (payload: Buffer) => Promise<T>;

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

/**
 * A cluster with exactly the settings of the client. kafkajs keeps its maker under a symbol of its own.
 * @throws RelayError INTERNAL when this is not the kafkajs it was written for.
 */
export function clusterOf(kafka: Kafka): Cluster {
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
