/**
 * Owns a transactional id: one producer id and epoch, the sequence numbers, one transaction at a time. Exactly-once
 * rests on three rules. Before the first record is sent, the producer retries what may succeed later. After that it
 * retries nothing: any error and any missing or unexpected answer ends this producer for good. A transaction is
 * committed when, and only when, the coordinator has confirmed it.
 *
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { kafkaError } from '../../connect/kafka.ts';
import { RelayError } from '../../errors.ts';
import { type Broker, decodeAddPartitions, decodeEndTxn, decodeProduce } from '../wire/kafkajs-internals.ts';
import { checkConnected, Wire } from '../wire/kafkajs-wire.ts';
import { type Obstacle, obstacleOf, retryPauseMs } from '../wire/retry.ts';
import { checkAdded, checkCommitted, checkProduced, uncertain } from './answers.ts';
import type { PartitionBatches } from './batch-builder.ts';
import { groupByTopic, type Placed, planRequests } from './produce-plan.ts';
import { addPartitionsRequest, apis, commitRequest, type Producer, produceRequest } from './requests.ts';
import { Sequences } from './sequences.ts';

export type ProducerOptions = {
  readonly transactionalId: string;
  /** How long the coordinator keeps a transaction open before it aborts it. */
  readonly transactionTimeoutMs: number;
  /** How long to retry before the first record is sent, and how long to wait for each answer. */
  readonly requestTimeoutMs: number;
  /** A topic that is known to exist. */
  readonly topic: string;
  /** Sequence number of the first record in each partition. Only tests of the wraparound set it. */
  readonly firstSequence?: number;
};

/** Places in a transaction where a test can make the process die or hang. */
export type CrashPoints = {
  /** The coordinator knows the partitions; no record is sent yet. */
  readonly begun?: () => Promise<void> | undefined;
  /** A Produce request was answered. */
  readonly answered?: () => Promise<void> | undefined;
  /** Every record is sent; the commit is not. */
  readonly sent?: () => Promise<void> | undefined;
  /** The commit is sent; its answer is not here yet. */
  readonly ending?: () => Promise<void> | undefined;
};

/** The batches for one broker. */
type Route = { readonly broker: Broker; readonly parts: PartitionBatches[] };

export class TransactionalProducer {
  readonly #kafka: Kafka;
  readonly #options: ProducerOptions;
  readonly #sequences: Sequences;
  #producer: Producer;
  #wire: Wire | undefined;
  #coordinator: Broker | undefined;
  #isBusy = false;
  #isClosed = false;
  #failure: RelayError | undefined;

  private constructor(kafka: Kafka, options: ProducerOptions) {
    this.#kafka = kafka;
    this.#options = options;
    this.#sequences = new Sequences(options.firstSequence);
    this.#producer = { transactionalId: options.transactionalId, producerId: -1n, producerEpoch: -1 };
  }

  /**
   * Takes over the transactional id: aborts the open transaction of a predecessor, if any, and fences the predecessor.
   * @throws RelayError KAFKA_*
   */
  static async open(kafka: Kafka, options: ProducerOptions): Promise<TransactionalProducer> {
    const producer = new TransactionalProducer(kafka, options);
    try {
      await producer.#untilDone(() => producer.#initialise());
      return producer;
    } catch (error) {
      await producer.close();
      throw kafkaError(error, 'taking the transactional id');
    }
  }

  /**
   * Commits the batches in one transaction. Once this resolves, their buffers may be reused; after a failure, never.
   * @throws RelayError KAFKA_UNAVAILABLE if nothing was sent; PUBLISH_UNCERTAIN if the outcome is not known;
   * PRODUCER_FENCED; KAFKA_UNAUTHORIZED; PUBLISH_REFUSED. After any of them this producer must not be used again.
   */
  async commit(parts: readonly PartitionBatches[], places: CrashPoints = {}): Promise<void> {
    if (this.#failure !== undefined || this.#isBusy)
      throw new RelayError(
        'INTERNAL',
        'the producer was used after a failure, or by two transactions at the same time',
        { cause: this.#failure },
      );
    this.#isBusy = true;
    let isSent = false;
    try {
      const routes = await this.#untilDone(() => this.#prepare(parts));
      await places.begun?.();
      isSent = true;
      await Promise.all(routes.map((route) => this.#produce(route, places)));
      await places.sent?.();
      await this.#end(places);
    } catch (error) {
      this.#failure = kafkaError(error, 'publishing', isSent ? 'PUBLISH_UNCERTAIN' : 'KAFKA_UNAVAILABLE');
      throw this.#failure;
    } finally {
      this.#isBusy = false;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#disconnect();
  }

  async #initialise(): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#options;
    const coordinator = await this.#findCoordinator();
    const identity = await coordinator.initProducerId({
      transactionalId,
      transactionTimeout: transactionTimeoutMs,
    });
    this.#producer = {
      transactionalId,
      producerId: BigInt(identity.producerId),
      producerEpoch: identity.producerEpoch,
    };
  }

  /** Finds and connects every broker that takes part, and begins the transaction. */
  async #prepare(parts: readonly PartitionBatches[]): Promise<Route[]> {
    const coordinator = await this.#findCoordinator();
    const routes = await this.#route(parts);
    const topics = [...groupByTopic(parts)].map(([topic, group]) => ({
      topic,
      partitions: group.map(({ partition }) => partition),
    }));
    const request = addPartitionsRequest(this.#producer, topics);
    checkAdded(await this.#open.send(coordinator, request, decodeAddPartitions));
    return routes;
  }

  async #findCoordinator(): Promise<Broker> {
    this.#wire ??= await this.#openWire();
    this.#coordinator ??= await this.#wire.coordinator(this.#options.transactionalId);
    return this.#coordinator;
  }

  async #openWire(): Promise<Wire> {
    const wire = await Wire.open(this.#kafka, [this.#options.topic]);
    if (!this.#isClosed) return wire;
    await wire.close();
    throw new RelayError('KAFKA_UNAVAILABLE', 'the producer was closed while it connected');
  }

  async #route(parts: readonly PartitionBatches[]): Promise<Route[]> {
    const routes = new Map<Broker, Route>();
    for (const part of parts) {
      const broker = await this.#open.leader(part.topic, part.partition);
      const route = routes.get(broker);
      if (route === undefined) routes.set(broker, { broker, parts: [part] });
      else route.parts.push(part);
    }
    // Better to find a lost connection now than after half of the records are sent.
    for (const broker of routes.keys()) checkSuitable(broker);
    return [...routes.values()];
  }

  get #open(): Wire {
    if (this.#wire === undefined) throw new RelayError('INTERNAL', 'the producer is closed');
    return this.#wire;
  }

  async #produce({ broker, parts }: Route, places: CrashPoints): Promise<void> {
    for (const placed of planRequests(parts)) {
      // The transaction may already have failed at another broker: send no more of it.
      if (!this.#isBusy) return;
      const { transactionalId, requestTimeoutMs } = this.#options;
      const topics = [...groupByTopic(placed)].map(([topic, group]) => ({
        topic,
        frames: group.map((one) => this.#seal(one)),
      }));
      const request = produceRequest(transactionalId, requestTimeoutMs, topics);
      const answer = await this.#open.send(broker, request, decodeProduce);
      checkProduced(placed, answer, this.#sequences);
      await places.answered?.();
    }
  }

  #seal({ topic, partition, batch }: Placed): Buffer {
    const { producerId, producerEpoch } = this.#producer;
    const baseSequence = this.#sequences.take(`${topic}/${partition}`, batch.count);
    return batch.seal({ producerId, producerEpoch, baseSequence });
  }

  async #end(places: CrashPoints): Promise<void> {
    if (this.#coordinator === undefined) throw uncertain('the producer was closed');
    const answered = this.#open.send(this.#coordinator, commitRequest(this.#producer), decodeEndTxn);
    answered.catch(() => {}); // awaited below, after the failpoint
    await places.ending?.();
    checkCommitted(await answered);
  }

  /** Retries, within the request timeout, what is safe to retry because no record is sent yet. */
  async #untilDone<T>(work: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + this.#options.requestTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const obstacle: Obstacle = obstacleOf(error);
        const pauseMs = retryPauseMs(obstacle, attempt);
        if (obstacle === 'final' || this.#isClosed || performance.now() + pauseMs > deadlineMs) throw error;
        if (obstacle === 'moved') await this.#disconnect();
        await delay(pauseMs);
      }
    }
  }

  async #disconnect(): Promise<void> {
    const wire = this.#wire;
    this.#wire = undefined;
    this.#coordinator = undefined;
    await wire?.close();
  }
}

/** @throws RelayError KAFKA_UNSUITABLE if the broker does not support our API versions; the client's errors */
function checkSuitable(broker: Broker): void {
  checkConnected(broker);
  const { versions } = broker;
  for (const { apiKey, apiName, apiVersion } of Object.values(apis)) {
    const range = versions[apiKey];
    if (range === undefined || range.minVersion > apiVersion || range.maxVersion < apiVersion)
      throw new RelayError(
        'KAFKA_UNSUITABLE',
        `the broker does not support ${apiName} version ${apiVersion}`,
      );
  }
}
