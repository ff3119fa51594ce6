/**
 * Owns a transactional id: one producer id and epoch, the sequence numbers, one transaction at a time. Exactly-once
 * rests on three rules. Before the first record is sent, the producer retries what may succeed later. After that it
 * retries nothing: any error and any missing or unexpected answer ends this producer for good. A transaction is
 * committed when, and only when, the coordinator has confirmed it.
 *
 * A transaction may be written in several steps. Between two of them everything that was sent is answered, so before the
 * first record of a step the producer may retry again: to find a broker, or to add partitions that are not part of the
 * transaction yet. If Kafka has aborted it because of its timeout, it has raised the epoch too, and refuses all that.
 *
 * Between two transactions the producer follows the cluster from one transaction protocol to the other. All rules hold
 * in both; protocol 2 (KIP-890) also makes Kafka refuse whatever belongs to an earlier transaction.
 *
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { kafkaError } from '../../connect/kafka.ts';
import { RelayError } from '../../errors.ts';
import { orExpired } from '../failed-transaction.ts';
import { decodeFeatures, decodeInitProducerId4 } from '../wire/flexible-answers.ts';
import { type Broker, decodeAddPartitions, type ProduceAnswer, supports } from '../wire/kafkajs-internals.ts';
import { checkConnected, Wire, type WireRequest } from '../wire/kafkajs-wire.ts';
import { nameOf, type Place } from '../wire/questions.ts';
import { type Obstacle, obstacleOf, retryPauseMs } from '../wire/retry.ts';
import {
  checkAdded,
  checkAssigned,
  checkCommitted,
  checkProduced,
  isAllBusy,
  notAssigned,
  uncertain,
} from './answers.ts';
import type { PartitionBatches } from './batch-builder.ts';
import { type Asking, Markers, type MarkersOptions } from './markers.ts';
import { groupByTopic, type Placed, planRequests } from './produce-plan.ts';
import { checkSuitable, type Protocol, protocols } from './protocols.ts';
import {
  addPartitionsRequest,
  apis,
  apiVersionsRequest,
  type Producer,
  raiseEpochRequest,
} from './requests.ts';
import { Sequences } from './sequences.ts';
import {
  type AllowedVersion,
  addsFirst,
  chooseVersion,
  latestLevel,
  noFeature,
} from './transaction-version.ts';

export type ProducerOptions = {
  readonly transactionalId: string;
  /** How long the coordinator keeps a transaction open before it aborts it. */
  readonly transactionTimeoutMs: number;
  /** How long to retry before the first record is sent, and how long to wait for each answer. */
  readonly requestTimeoutMs: number;
  /** Of the progress. */
  readonly topic: string;
  readonly transactionVersion: AllowedVersion;
  readonly isClaim?: MarkersOptions['isClaim'];
  readonly wasCommitted?: MarkersOptions['wasCommitted'];
  /** Sequence number of the first record in each partition. Only tests of the wraparound set it. */
  readonly firstSequence?: number;
  /** Only tests that move the feature set it. */
  readonly featureMaxAgeMs?: number;
  /** Only measurements set it. */
  readonly addsFirst?: typeof addsFirst;
};

/** Places in a transaction where a test can make the process die or hang. */
export type CrashPoints = {
  /** No record is sent yet. Unless the leaders add the partitions, the coordinator knows them. */
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

/**
 * How long what the coordinator said about the cluster's features counts, as a part of the request timeout: 10 s by
 * default. The Java client asks at each new connection only; a relay keeps its connections for months.
 */
const featureMaxAgePart = 2 / 3;

export class TransactionalProducer {
  readonly #kafka: Kafka;
  readonly #options: ProducerOptions;
  readonly #sequences: Sequences;
  readonly #markers: Markers;
  #producer: Producer;
  #wire: Wire | undefined;
  #coordinator: Broker | undefined;
  #protocol: Protocol = protocols[1];
  /** Whether a transaction of protocol 1 has had this epoch. */
  #isUsed = false;
  /** Whether anything of the current transaction is sent. */
  #isBegun = false;
  /** Whether records of the current transaction are sent: nobody may begin another. */
  #isWritten = false;
  /** Before the coordinator can have heard of it. */
  #begunAtMs = Number.POSITIVE_INFINITY;
  /** Partitions that are part of it. */
  readonly #members = new Set<string>();
  /** Of the last transaction. */
  #endedAtMs = Number.NEGATIVE_INFINITY;
  #feature = noFeature;
  #featureAskedAtMs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  #isClosed = false;
  #failure: RelayError | undefined;

  private constructor(kafka: Kafka, options: ProducerOptions) {
    this.#kafka = kafka;
    this.#options = options;
    this.#sequences = new Sequences(options.firstSequence);
    this.#markers = new Markers(kafka, { ...options, progress: { topic: options.topic, partition: 0 } });
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
   * PRODUCER_FENCED; TRANSACTION_EXPIRED; KAFKA_UNAUTHORIZED; PUBLISH_REFUSED. After any of them this producer must not be
   * used again.
   */
  commit(parts: readonly PartitionBatches[], places: CrashPoints = {}): Promise<void> {
    return this.#alone(async () => {
      await this.#write(parts, places);
      await places.sent?.();
      await this.#end(places);
    });
  }

  /**
   * Writes the batches into the open transaction, and begins one if none is open. Once this resolves, their buffers may be
   * reused. @throws RelayError as `commit` does
   */
  write(parts: readonly PartitionBatches[], places: CrashPoints = {}): Promise<void> {
    return this.#alone(() => this.#write(parts, places));
  }

  /** Aborts the open transaction, as far as that can be done quickly. The producer must not be used again. */
  async abandon(): Promise<void> {
    if (!this.#isWritten || this.#isBusy || this.#failure !== undefined) return;
    this.#failure = new RelayError('INTERNAL', 'its transaction was abandoned');
    if (this.#coordinator === undefined || this.#wire === undefined) return;
    const { endRequest, decodeEndTxn } = this.#protocol;
    const request = endRequest(this.#producer, false);
    // The next producer with this transactional id aborts the transaction too, and so does Kafka after its timeout.
    await this.#wire.send(this.#coordinator, request, decodeEndTxn).catch(() => {});
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined || this.#isBusy)
      throw new RelayError(
        'INTERNAL',
        'the producer was used after a failure, or by two transactions at the same time',
        { cause: this.#failure },
      );
    this.#isBusy = true;
    try {
      await work();
    } catch (error) {
      const code = this.#isWritten ? 'PUBLISH_UNCERTAIN' : 'KAFKA_UNAVAILABLE';
      const failure = kafkaError(error, 'publishing', code);
      const elapsedMs = performance.now() - this.#begunAtMs;
      this.#failure = orExpired(failure, elapsedMs, this.#options.transactionTimeoutMs);
      throw this.#failure;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Of the latest transaction. */
  get transactionVersion(): 1 | 2 {
    return this.#protocol.version;
  }

  async #write(parts: readonly PartitionBatches[], places: CrashPoints): Promise<void> {
    if (!this.#isWritten) {
      this.#begunAtMs = performance.now();
      this.#isBegun = false;
      this.#members.clear();
    }
    const routes = await this.#untilDone(() => this.#prepare(parts));
    await places.begun?.();
    this.#isWritten = true;
    await Promise.all(routes.map((route) => this.#produce(route, places)));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#disconnect();
  }

  async #initialise(): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#options;
    const coordinator = await this.#findCoordinator();
    const asking = { wire: this.#open, coordinator };
    const transactionTimeout = await this.#markers.beforeTakeover(asking, transactionTimeoutMs);
    const identity = await coordinator
      .initProducerId({ transactionalId, transactionTimeout })
      .catch((error: unknown) => {
        throw notAssigned(error);
      });
    this.#producer = {
      transactionalId,
      producerId: BigInt(identity.producerId),
      producerEpoch: identity.producerEpoch,
    };
    await this.#markers.afterTakeover(this.#asking);
  }

  /** Finds and connects every broker that takes part, and begins the transaction, or extends it. */
  async #prepare(parts: readonly PartitionBatches[]): Promise<Route[]> {
    const coordinator = await this.#findCoordinator();
    const routes = await this.#route(parts);
    const brokers = [coordinator, ...routes.map(({ broker }) => broker)];
    // Better to find a lost connection now than after half of the records are sent.
    for (const broker of brokers) checkConnected(broker);
    const added = routes.map(({ broker, parts }) => ({
      broker,
      parts: parts.filter((part) => !this.#members.has(nameOf(part))),
    }));
    await this.#markers.ensure(this.#asking, added, this.#isBegun);
    if (!this.#isBegun) await this.#agree(coordinator, brokers);
    for (const broker of brokers) checkSuitable(broker, this.#protocol);
    const others = parts.filter((part) => !this.#members.has(nameOf(part)));
    if (others.length > 0 && (this.#isBegun || this.#addsFirst(routes.length)))
      await this.#add(coordinator, others);
    return routes;
  }

  #addsFirst(leaders: number): boolean {
    const decide = this.#options.addsFirst ?? addsFirst;
    return decide(this.#protocol.version, leaders, performance.now() - this.#endedAtMs);
  }

  /** Adds all partitions. Nothing of them is written yet, so this can be repeated. */
  async #add(coordinator: Broker, parts: readonly Place[]): Promise<void> {
    const topics = [...groupByTopic(parts)].map(([topic, group]) => ({
      topic,
      partitions: group.map(({ partition }) => partition),
    }));
    const request = addPartitionsRequest(this.#producer, topics);
    this.#isBegun = true;
    this.#isUsed ||= this.#protocol.version === 1;
    checkAdded(await this.#open.send(coordinator, request, decodeAddPartitions));
    for (const part of parts) this.#members.add(nameOf(part));
  }

  /** Chooses the protocol of the next transaction. */
  async #agree(coordinator: Broker, brokers: readonly Broker[]): Promise<void> {
    const { transactionVersion } = this.#options;
    if (transactionVersion !== '1') await this.#askFeature(coordinator);
    const areAble = brokers.every((broker) => protocols[2].apis.every((api) => supports(broker, api)));
    const version = chooseVersion(transactionVersion, this.#feature, areAble);
    if (version === 2 && this.#isUsed) await this.#raiseEpoch(coordinator);
    this.#protocol = protocols[version];
  }

  async #askFeature(coordinator: Broker): Promise<void> {
    const { requestTimeoutMs, featureMaxAgeMs = requestTimeoutMs * featureMaxAgePart } = this.#options;
    if (performance.now() - this.#featureAskedAtMs < featureMaxAgeMs) return;
    if (supports(coordinator, apis.apiVersions)) {
      const features = await this.#open.send(coordinator, apiVersionsRequest(), decodeFeatures);
      this.#feature = latestLevel(this.#feature, features);
    }
    this.#featureAskedAtMs = performance.now();
  }

  /**
   * Protocol 2 begins with an epoch that no transaction of protocol 1 has had, as in the Java client. If the answer is
   * lost, the coordinator recognizes the repeated request and assigns the same epoch.
   */
  async #raiseEpoch(coordinator: Broker, timeoutMs = this.#options.transactionTimeoutMs): Promise<void> {
    await this.#markers.beforeRaise({ wire: this.#open, coordinator, producer: this.#producer });
    const request = raiseEpochRequest(this.#producer, timeoutMs);
    const answer = await this.#open.send(coordinator, request, decodeInitProducerId4);
    this.#become(checkAssigned(this.#producer, answer));
  }

  /** Sequence numbers belong to an identity. */
  #become(producer: Producer): void {
    if (producer === this.#producer) return;
    this.#producer = producer;
    this.#isUsed = false;
    this.#sequences.restart();
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
    return [...routes.values()];
  }

  get #asking(): Asking {
    const onUse = () => {
      this.#isUsed = true;
    };
    const coordinator = this.#connectedCoordinator;
    const raise = async (timeoutMs: number) => {
      await this.#raiseEpoch(coordinator, timeoutMs);
      return this.#producer;
    };
    const { transactionTimeoutMs: timeoutMs } = this.#options;
    return { wire: this.#open, coordinator, producer: this.#producer, timeoutMs, onUse, raise };
  }

  get #open(): Wire {
    if (this.#wire === undefined) throw new RelayError('INTERNAL', 'the producer is closed');
    return this.#wire;
  }

  async #produce({ broker, parts }: Route, places: CrashPoints): Promise<void> {
    for (const placed of planRequests(parts)) {
      // The transaction may already have failed at another broker: send no more of it.
      if (!this.#isBusy) return;
      const request = this.#produceRequest(placed);
      const answer = await this.#append(broker, request, placed);
      checkProduced(placed, answer, this.#sequences);
      this.#markers.produced(broker, placed, this.#sequences);
      for (const one of placed) this.#members.add(nameOf(one));
      await places.answered?.();
    }
  }

  #produceRequest(placed: readonly Placed[]): WireRequest {
    const { transactionalId, requestTimeoutMs } = this.#options;
    const topics = [...groupByTopic(placed)].map(([topic, group]) => ({
      topic,
      frames: group.map((one) => this.#seal(one)),
    }));
    return this.#protocol.produceRequest(transactionalId, requestTimeoutMs, topics);
  }

  /**
   * If the leader is to begin the transaction, and refuses all of it because the previous one has not ended, the
   * producer adds the partitions itself, which waits more precisely, and sends the same bytes again.
   */
  async #append(broker: Broker, request: WireRequest, placed: readonly Placed[]): Promise<ProduceAnswer> {
    const send = () => this.#open.send(broker, request, this.#protocol.decodeProduce);
    const canBegin = !this.#isBegun;
    this.#isBegun = true;
    const answer = await send();
    if (!canBegin || !isAllBusy(placed, answer)) return answer;
    await this.#untilDone(async () => this.#add(this.#connectedCoordinator, placed), ['busy']);
    return await send();
  }

  #seal({ topic, partition, batch }: Placed): Buffer {
    const { producerId, producerEpoch } = this.#producer;
    const baseSequence = this.#sequences.take(nameOf({ topic, partition }), batch.count);
    return batch.seal({ producerId, producerEpoch, baseSequence }, this.#protocol.framing);
  }

  async #end(places: CrashPoints): Promise<void> {
    const coordinator = this.#connectedCoordinator;
    const { endRequest, decodeEndTxn, next } = this.#protocol;
    const answered = this.#open.send(coordinator, endRequest(this.#producer, true), decodeEndTxn);
    answered.catch(() => {}); // awaited below, after the failpoint
    await places.ending?.();
    const answer = await answered;
    checkCommitted(answer);
    this.#become(next(this.#producer, answer));
    this.#markers.committed(this.#producer);
    this.#isWritten = false;
    this.#endedAtMs = performance.now();
  }

  get #connectedCoordinator(): Broker {
    if (this.#coordinator === undefined) throw uncertain('the producer was closed');
    return this.#coordinator;
  }

  /** Retries, within the request timeout, what is safe to retry because no record is sent yet. */
  async #untilDone<T>(work: () => Promise<T>, retried: readonly Obstacle[] = ['busy', 'moved']): Promise<T> {
    const deadlineMs = performance.now() + this.#options.requestTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const obstacle = obstacleOf(error);
        const pauseMs = retryPauseMs(obstacle, attempt);
        const isLate = performance.now() + pauseMs > deadlineMs;
        if (!retried.includes(obstacle) || this.#isClosed || isLate) throw error;
        if (obstacle === 'moved') await this.#disconnect();
        await delay(pauseMs);
      }
    }
  }

  async #disconnect(): Promise<void> {
    const wire = this.#wire;
    this.#wire = undefined;
    this.#coordinator = undefined;
    this.#markers.forget();
    this.#featureAskedAtMs = Number.NEGATIVE_INFINITY;
    await wire?.close();
  }
}
