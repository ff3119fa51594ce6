/**
 * Sends protocol requests over kafkajs's connections, which provide TLS, SASL, reauthentication, throttling, request
 * timeouts and cluster metadata.
 *
 * A wire is not reconnected. After a lost connection kafkajs keeps the rest of a half-read answer and would read it as
 * the beginning of the next one. After any error the caller opens a new wire.
 */

import type { Kafka } from 'kafkajs';
import { codes } from './error-codes.ts';
import {
  type Broker,
  type Cluster,
  type Connection,
  clusterOf,
  type Decode,
  KafkaJSConnectionError,
  protocolError,
  type RequestName,
  type Throttled,
} from './kafkajs-internals.ts';
import { decodeMetadata, metadataRequest } from './metadata.ts';
import type { Place } from './questions.ts';

/** A request that the relay encodes itself. `body` follows the request header and is written without a copy. */
export type WireRequest = RequestName & {
  /** The version is a flexible one: its request header ends with tagged fields, of which there are none. */
  readonly isFlexible?: boolean;
  readonly body: readonly Buffer[];
};

/** A special timestamp in ListOffsets. */
const earliest = -2;

/** The kind of coordinator; 0 is the group coordinator. */
const transactionCoordinator = 1;

export class Wire {
  readonly #cluster: Cluster;
  readonly #leaders = new Map<string, Broker>();
  /** By topic: who leads each partition, -1 where nobody does. */
  readonly #leaderIds = new Map<string, ReadonlyMap<number, number>>();

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * Opens a wire with the settings of `kafka`, connects it and finds out whether the topics are there.
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

  /** At most `count` of the cluster's brokers, at random. */
  someBrokerIds(count: number): number[] {
    const ids = Object.keys(this.#cluster.brokerPool.brokers).map(Number);
    for (let i = ids.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [ids[i], ids[j]] = [ids[j]!, ids[i]!];
    }
    return ids.slice(0, count);
  }

  /** A connected broker. @throws the client's errors */
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

  /** The connected leader of a partition, as it was when it was asked for first. @throws the client's errors */
  async leader(topic: string, partition: number): Promise<Broker> {
    const name = `${topic}/${partition}`;
    const known = this.#leaders.get(name);
    if (known !== undefined) return known;
    const leader = await this.#cluster.findBroker({ nodeId: await this.#leaderId(topic, partition) });
    this.#leaders.set(name, leader);
    return leader;
  }

  /** Has the leader looked up again. For a caller that goes on with this wire after an error. */
  forgetLeader({ topic, partition }: Place): void {
    this.#leaders.delete(`${topic}/${partition}`);
    this.#leaderIds.delete(topic);
  }

  /** kafkajs silently drops records for a partition that it does not know. Here that is an error. */
  async #leaderId(topic: string, partition: number): Promise<number> {
    const known = this.#leaderIds.get(topic)?.get(partition) ?? -1;
    const leader = known >= 0 ? known : (await this.#askLeaders(topic)).get(partition);
    if (leader === undefined) throw protocolError(codes.unknownTopicOrPartition);
    if (leader < 0) throw protocolError(codes.leaderNotAvailable);
    return leader;
  }

  /**
   * Of one topic alone. kafkajs asks for each topic that it has ever been asked for, and learns nothing about any of them
   * where one was deleted, or, after 4 s of retries, where a partition of one has no leader.
   */
  async #askLeaders(topic: string): Promise<ReadonlyMap<number, number>> {
    const any = await this.#cluster.brokerPool.findConnectedBroker();
    const { topicMetadata } = await this.send(any, metadataRequest([topic]), decodeMetadata);
    const [found] = topicMetadata;
    if (found === undefined) throw protocolError(codes.unknownTopicOrPartition);
    if (found.topicErrorCode !== 0) throw protocolError(found.topicErrorCode);
    const leaders = new Map(found.partitionMetadata.map(({ partitionId, leader }) => [partitionId, leader]));
    this.#leaderIds.set(topic, leaders);
    return leaders;
  }

  /** @throws the client's errors: a lost connection, a request timeout */
  async send<T extends Throttled>(broker: Broker, request: WireRequest, decode: Decode<T>): Promise<T> {
    const connection = checkConnected(broker);
    if (connection.sasl && !connection.isAuthenticated()) await connection.authenticate();
    const { payload } = await exchange(connection, request);
    const answer = await decode(payload);
    connection.requestQueue.maybeThrottle(answer.clientSideThrottleTime ?? 0);
    return answer;
  }

  /** The first offset of a partition. @throws the client's errors */
  async earliestOffset(topic: string, partition: number): Promise<bigint> {
    const leader = await this.leader(topic, partition);
    const partitions = [{ partition, timestamp: earliest }];
    const { responses } = await leader.listOffsets({ topics: [{ topic, partitions }] });
    return BigInt(responses[0]?.partitions[0]?.offset ?? 0);
  }

  /** Closes at once: rejects pending requests and does not wait for their answers. */
  async close(): Promise<void> {
    const { seedBroker, brokers } = this.#cluster.brokerPool;
    const all = new Set([...(seedBroker === undefined ? [] : [seedBroker]), ...Object.values(brokers)]);
    const connections = [...all].flatMap((broker) => broker.connectionPool.pool);
    for (const connection of connections) connection.rejectRequests(new KafkaJSConnectionError('Closed'));
    await this.#cluster.disconnect().catch(() => {});
    for (const { socket } of connections) socket?.destroy();
  }
}

/** The connection for everything but fetching. @throws KafkaJSConnectionError if it is lost; it is not reconnected */
export function checkConnected({ connectionPool }: Broker): Connection {
  const [connection] = connectionPool.pool;
  if (!connection.isConnected()) throw new KafkaJSConnectionError('Not connected');
  return connection;
}

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

/**
 * Encodes size and request header, version 1 or, for a flexible request, 2.
 * @see https://kafka.apache.org/protocol#protocol_messages
 */
export function encodeHead(request: WireRequest, correlationId: number, clientId: string): Buffer {
  const clientBytes = Buffer.byteLength(clientId);
  const head = Buffer.allocUnsafe(14 + clientBytes + (request.isFlexible === true ? 1 : 0));
  const size = request.body.reduce((sum, part) => sum + part.length, head.length - 4);
  head.writeInt32BE(size, 0);
  head.writeInt16BE(request.apiKey, 4);
  head.writeInt16BE(request.apiVersion, 6);
  head.writeInt32BE(correlationId, 8);
  head.writeInt16BE(clientBytes, 12);
  head.write(clientId, 14);
  if (request.isFlexible === true) head[14 + clientBytes] = 0;
  return head;
}
