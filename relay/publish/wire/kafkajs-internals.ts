/**
 * Owns what publishing uses of kafkajs's internals: its cluster and brokers, its decoders of answers, and two patches of its
 * request queue. kafkajs is pinned to one exact release, and a test fails if an internal is missing.
 */

import type { Socket } from 'node:net';
import type { Kafka } from 'kafkajs';
import { internal, missingInternal } from '../../connect/kafkajs-internal.ts';
import { codes } from './error-codes.ts';
import '../../connect/compression/codecs.ts';

// Node does not find this named export of a CommonJS module.
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

/** A connected broker, as kafkajs represents it. */
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
  findBroker(which: { nodeId: number }): Promise<Broker>;
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
export type EndTxnAnswer = Throttled & {
  readonly errorCode: number;
  /** From version 5 on: the identity that the next transaction has. */
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
};

export type MetadataAnswer = Throttled & {
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly isInternal: boolean;
    /** The leader is -1 where there is none. */
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }[];
};

const protocol = 'kafkajs/src/protocol';
const decoderOf = <T>(api: string): Decode<T> =>
  internal<{ decode: Decode<T> }>(`${protocol}/requests/${api}/response`).decode;

/** kafkajs's decoders, without the step that turns the first error code into an exception. */
export const decodeProduce = decoderOf<ProduceAnswer>('produce/v7');
export const decodeAddPartitions = decoderOf<AddPartitionsAnswer>('addPartitionsToTxn/v1');
export const decodeEndTxn = decoderOf<EndTxnAnswer>('endTxn/v1');
export const decodeMetadata = decoderOf<MetadataAnswer>('metadata/v5');

/** kafkajs's reader of the protocol's primitive types. */
export type Decoder = {
  readonly offset: number;
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string | null;
  /** Bytes with their length before them. */
  readBytes(): Buffer | null;
  readArray<T>(read: () => T): T[];
  /** As flexible versions hold them. */
  readUVarInt(): number;
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: () => T): T[] | null;
  forward(bytes: number): void;
};
export const Decoder = internal<new (bytes: Buffer) => Decoder>(`${protocol}/decoder`);

const { createErrorFromCode } = internal<{ createErrorFromCode: (code: number) => Error }>(
  `${protocol}/error`,
);

/** The part of a connection's request queue that is patched. */
export type RequestQueue = {
  readonly pending: readonly unknown[];
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  scheduleCheckPendingRequests(): void;
};

/**
 * After its first answer, a request queue of kafkajs checks every millisecond, forever, whether a request is pending,
 * with a timer that is due in the past, which Node warns about. This took more than half of the CPU time of an idle
 * relay. A request that has to wait sets the timer itself, so the check is not needed while nothing is pending.
 */
function checkOnlyWhilePending(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  if (typeof schedule !== 'function') throw missingInternal('RequestQueue.scheduleCheckPendingRequests');
  queue.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
}
checkOnlyWhilePending(internal<{ prototype: RequestQueue }>('kafkajs/src/network/requestQueue').prototype);

/** The part that looks for requests that were not answered in time. */
export type TimedQueue = {
  readonly enforceRequestTimeout: boolean;
  readonly requestTimeout: number;
  /** What is sent and not answered. */
  readonly inflight: ReadonlyMap<
    number,
    { readonly sentAt: number; readonly requestTimeout: number; timeoutRequest(): void }
  >;
  isConnected(): boolean;
  sendSocketRequest(request: unknown): void;
  scheduleRequestTimeoutCheck(): void;
  destroy(): void;
};

/** As in kafkajs: a request times out at most so much too late. */
const timeoutLookMs = 100;

/**
 * A request queue of kafkajs looks ten times a second, for as long as its connection lasts, whether a request has timed
 * out: thirty times for an idle relay. With the looks at its event loop that was a third of its CPU time. This looks only
 * while a request is on its way.
 */
function checkTimeoutsOnlyInFlight(queue: TimedQueue): void {
  const { sendSocketRequest: send, destroy } = queue;
  if (typeof send !== 'function' || typeof destroy !== 'function')
    throw missingInternal('RequestQueue.sendSocketRequest');
  const timers = new WeakMap<TimedQueue, NodeJS.Timeout>();
  const stop = (of: TimedQueue) => {
    clearInterval(timers.get(of));
    timers.delete(of);
  };
  queue.sendSocketRequest = function (request) {
    send.call(this, request);
    this.scheduleRequestTimeoutCheck();
  };
  queue.scheduleRequestTimeoutCheck = function () {
    if (!this.enforceRequestTimeout || this.inflight.size === 0 || timers.has(this)) return;
    const look = () => {
      const nowMs = Date.now();
      for (const request of this.inflight.values())
        if (nowMs - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (this.inflight.size === 0 || !this.isConnected()) stop(this);
    };
    timers.set(this, setInterval(look, Math.min(this.requestTimeout, timeoutLookMs)));
  };
  queue.destroy = function () {
    stop(this);
    destroy.call(this);
  };
}
checkTimeoutsOnlyInFlight(internal<{ prototype: TimedQueue }>('kafkajs/src/network/requestQueue').prototype);

/** Whether the broker has this version of the request. */
export function supports({ versions }: Broker, { apiKey, apiVersion }: RequestName): boolean {
  const range = versions[apiKey];
  return range !== undefined && range.minVersion <= apiVersion && apiVersion <= range.maxVersion;
}

/** A broker's answer to a client over its quota: how long it will read nothing from the client. */
export type Throttle = { readonly clientId: string; readonly broker: string; readonly throttleMs: number };

type ThrottledQueue = {
  readonly clientId: string;
  readonly broker: string;
  maybeThrottle(throttleMs: number | null | undefined): void;
};

const throttleListeners = new Set<(throttle: Throttle) => void>();

/** Calls the listener for each answer that throttles any client in this process. @returns a function that removes it */
export function onThrottle(listener: (throttle: Throttle) => void): () => void {
  throttleListeners.add(listener);
  return () => throttleListeners.delete(listener);
}

/** kafkajs obeys a throttle but does not report it. */
function reportThrottles(queue: ThrottledQueue): void {
  const obey = queue.maybeThrottle;
  if (typeof obey !== 'function') throw missingInternal('RequestQueue.maybeThrottle');
  queue.maybeThrottle = function (throttleMs) {
    obey.call(this, throttleMs);
    if (!(Number(throttleMs) > 0)) return;
    const { clientId, broker } = this;
    for (const listener of throttleListeners) listener({ clientId, broker, throttleMs: Number(throttleMs) });
  };
}
reportThrottles(internal<{ prototype: ThrottledQueue }>('kafkajs/src/network/requestQueue').prototype);

/** Codes that are newer than kafkajs and that matter here. */
const newerTypes: Readonly<Record<number, string>> = {
  [codes.producerFenced]: 'PRODUCER_FENCED',
  [codes.transactionAbortable]: 'TRANSACTION_ABORTABLE',
};

/** The error for a protocol code. `kafkaErrorType` returns its `type`. */
export function protocolError(code: number): Error {
  const type = newerTypes[code];
  return type === undefined ? createErrorFromCode(code) : Object.assign(new Error(type), { type });
}

/**
 * Creates a cluster with exactly the settings of the client. kafkajs hides the factory behind a symbol.
 * @throws RelayError INTERNAL if this is not the supported release of kafkajs
 */
export function clusterOf(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol === undefined ? undefined : Reflect.get(kafka, symbol);
  if (typeof create !== 'function') throw missingInternal('Kafka.createCluster');
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, maxInFlightRequests: null });
}
