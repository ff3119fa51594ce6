/**
 * Looks how far consumers under `read_committed` get in the topics that the relay writes to, and whose transaction it is
 * that stops them. It writes nothing. A look takes a request for the metadata, and two for each broker.
 *
 * Promise: whose a transaction is follows from what Kafka says. What Kafka does not say is unknown: an operator aborts the
 * transaction of somebody else, and would lose events if it were the relay's.
 */

import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { kafkaErrorType } from '../connect/kafka.ts';
import { groupBy } from '../model/builtins.ts';
import type { TransactionOwner } from '../model/hanging-transaction.ts';
import { parsePosition } from '../model/position.ts';
import type { LookedAt } from './standing-partitions.ts';
import { transactionalIdOf } from './transactional-id.ts';
import { codes } from './wire/error-codes.ts';
import { decodeFetch, fetchRequest } from './wire/fetch.ts';
import { type Broker, protocolError, supports } from './wire/kafkajs-internals.ts';
import { Wire } from './wire/kafkajs-wire.ts';
import { decodeMetadata, type MetadataAnswer, metadataRequest } from './wire/metadata.ts';
import {
  decodeEnds,
  decodeProducers,
  decodeTransaction,
  endsRequest,
  type Isolation,
  nameOf,
  type Place,
  producersRequest,
  questions,
  transactionRequest,
} from './wire/questions.ts';

export type OpenTransactionsOptions = {
  /** Topics that are looked at first, whatever their names. */
  readonly own: readonly string[];
  readonly isAllowed: (topic: string) => boolean;
  /** Most topics beside the own ones. */
  readonly topicsMax: number;
  /** Of the relay. */
  readonly transactionalId: string;
};

export type Owned = { readonly owner: TransactionOwner; readonly producerId: bigint | undefined };

/** Each takes some 20 bytes of an answer. */
const partitionsMax = 20_000;
/** The names of all topics are read again with each such look: every 5 min by default. */
const looksPerListing = 20;
/** Brokers that are asked for the metadata, one after another, until one answers. */
const askedMax = 3;

const unknown: Owned = { owner: 'unknown', producerId: undefined };

export class OpenTransactions {
  readonly #kafka: Kafka;
  readonly #options: OpenTransactionsOptions;
  #wire: Wire | undefined;
  #topics: readonly string[] = [];
  /** Allowed topics beyond the limit. */
  #beyond = 0;
  #leftOut = 0;
  #looks = 0;
  /** By topic and partition, as of the last look. */
  #leaders = new Map<string, number>();
  /** What ended the last look at a part of the partitions. */
  #failure: unknown;
  /** A request failed: its connection may hold half an answer, and is not used again. */
  #isBroken = false;

  /** In the topics that a relay with these settings writes to. */
  static of(kafka: Kafka, config: Config, topicsMax: number): OpenTransactions {
    const { progressTopic } = config.kafka;
    const allowed = allowList(config.topics.allow, progressTopic);
    const { topic } = config.deadLetters;
    return new OpenTransactions(kafka, {
      own: [progressTopic, ...(topic === undefined ? [] : [topic])],
      isAllowed: (name) => allowed.test(name),
      topicsMax,
      transactionalId: transactionalIdOf(config),
    });
  }

  constructor(kafka: Kafka, options: OpenTransactionsOptions) {
    this.#kafka = kafka;
    this.#options = options;
  }

  /** Why some brokers could not be asked in the last look; undefined if all could. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Topics that the latest look left out, since there are too many. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** @throws the client's errors if no broker answers */
  async look(): Promise<LookedAt[]> {
    this.#failure = undefined;
    this.#isBroken = false;
    this.#wire ??= await Wire.open(this.#kafka, []);
    try {
      const { topicMetadata } = await this.#askMetadata();
      const places = partitionsOf(topicMetadata, this.#topics);
      this.#leftOut = this.#beyond + this.#topics.length - new Set(places.map(({ topic }) => topic)).size;
      this.#leaders = new Map(places.map((each) => [nameOf(each), each.leader]));
      const ends = await this.#askEnds(places);
      if (this.#isBroken) await this.close();
      return places.map(({ topic, partition }) => ({
        topic,
        partition,
        ends: ends.get(nameOf({ topic, partition })),
      }));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Whose transaction begins at this offset. @returns undefined if none does any more
   * @throws the client's errors
   */
  async ownerOf(place: Place, offset: bigint): Promise<Owned | undefined> {
    try {
      const leader = await this.#leaderOf(place);
      if (!supports(leader, questions.describeProducers)) return unknown;
      const request = producersRequest(place);
      const { errorCode, openSince } = await this.#open.send(leader, request, decodeProducers);
      if (errorCode === codes.topicAuthorizationFailed) return unknown;
      if (errorCode !== 0) throw protocolError(errorCode);
      const [producerId] = [...openSince].find(([, first]) => first === offset) ?? [];
      if (producerId === undefined) return undefined;
      if (producerId === (await this.#ownProducerId())) return { owner: 'relay', producerId };
      return { owner: await this.#writerOf(leader, place, offset), producerId };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const wire = this.#wire;
    this.#wire = undefined;
    await wire?.close();
  }

  get #open(): Wire {
    if (this.#wire === undefined) throw new Error('the connections were closed');
    return this.#wire;
  }

  async #askMetadata(): Promise<MetadataAnswer> {
    const isListing = this.#looks++ % looksPerListing === 0;
    if (!isListing) return this.#askAny(metadataRequest(this.#topics));
    const all = await this.#askAny(metadataRequest(undefined));
    this.#topics = this.#choose(all);
    return all;
  }

  #choose({ topicMetadata }: MetadataAnswer): string[] {
    const { own, isAllowed, topicsMax } = this.#options;
    const names = topicMetadata.map(({ topic }) => topic);
    const others = names.filter((name) => isAllowed(name) && !own.includes(name)).sort();
    this.#beyond = Math.max(0, others.length - topicsMax);
    return [...own.filter((name) => names.includes(name)), ...others.slice(0, topicsMax)];
  }

  async #askAny(request: ReturnType<typeof metadataRequest>): Promise<MetadataAnswer> {
    let failure: unknown = new Error('the cluster lists no broker');
    for (const nodeId of this.#open.someBrokerIds(askedMax))
      try {
        return await this.#open.send(await this.#open.broker(nodeId), request, decodeMetadata);
      } catch (error) {
        failure = error;
        this.#isBroken = true;
      }
    throw failure;
  }

  async #askEnds(
    places: readonly (Place & { readonly leader: number })[],
  ): Promise<Map<string, NonNullable<LookedAt['ends']>>> {
    const found = new Map<string, NonNullable<LookedAt['ends']>>();
    const led = groupBy(
      places.filter(({ leader }) => leader >= 0),
      ({ leader }) => leader,
    );
    const asked = [...led].map(async ([nodeId, own]) => {
      // In this order: an end that was read later would be beyond transactions that began and ended in between.
      const all = await this.#endsAt(nodeId, 'read_uncommitted', own);
      const stable = await this.#endsAt(nodeId, 'read_committed', own);
      for (const [name, offset] of stable) {
        const end = all.get(name);
        if (end !== undefined) found.set(name, { stable: offset, all: end });
      }
    });
    for (const result of await Promise.allSettled(asked))
      if (result.status === 'rejected') {
        this.#failure ??= result.reason;
        this.#isBroken = true;
      }
    if (found.size === 0 && this.#failure !== undefined) throw this.#failure;
    return found;
  }

  async #endsAt(
    nodeId: number,
    isolation: Isolation,
    places: readonly Place[],
  ): Promise<Map<string, bigint>> {
    const broker = await this.#open.broker(nodeId);
    const { ends } = await this.#open.send(broker, endsRequest(isolation, places), decodeEnds);
    // A partition whose leader has moved is seen at the next look.
    return new Map(
      ends.filter(({ errorCode }) => errorCode === 0).map((each) => [nameOf(each), each.offset]),
    );
  }

  async #leaderOf(place: Place): Promise<Broker> {
    const nodeId = this.#leaders.get(nameOf(place)) ?? -1;
    if (nodeId < 0) throw protocolError(codes.leaderNotAvailable);
    return this.#open.broker(nodeId);
  }

  /** Of the present producer of this slot. After thousands of sessions, or a week without one, it changes. */
  async #ownProducerId(): Promise<bigint | undefined> {
    const { transactionalId } = this.#options;
    const coordinator = await this.#open.coordinator(transactionalId);
    if (!supports(coordinator, questions.describeTransactions)) return undefined;
    const request = transactionRequest(transactionalId);
    const { errorCode, producerId } = await this.#open.send(coordinator, request, decodeTransaction);
    return errorCode === 0 ? producerId : undefined;
  }

  /** By its first record: those of relays have a position, whichever slot or producer id they had. */
  async #writerOf(
    leader: Broker,
    { topic, partition }: Place,
    fromOffset: bigint,
  ): Promise<TransactionOwner> {
    const request = fetchRequest({
      ...{ topic, partition, fromOffset },
      maxWaitMs: 0,
      maxBytes: 1,
      isUncommitted: true,
    });
    try {
      const { batches } = await this.#open.send(leader, request, decodeFetch);
      const record = batches.flatMap(({ records }) => records).find(({ offset }) => offset === fromOffset);
      if (record === undefined) return 'unknown';
      const position = record.headers.find(([name]) => name === 'position')?.[1];
      return position != null && parsePosition(String(position)) !== undefined ? 'relay' : 'other';
    } catch (error) {
      if (kafkaErrorType(error) === undefined) throw error;
      return 'unknown';
    }
  }
}

/** Of the topics in their order, as many as there may be. */
function partitionsOf(
  found: MetadataAnswer['topicMetadata'],
  topics: readonly string[],
): (Place & { readonly leader: number })[] {
  const known = new Map(found.map((each) => [each.topic, each]));
  const places: (Place & { readonly leader: number })[] = [];
  for (const topic of topics) {
    const partitions = known.get(topic)?.partitionMetadata ?? [];
    if (places.length + partitions.length > partitionsMax) break;
    places.push(...partitions.map(({ partitionId, leader }) => ({ topic, partition: partitionId, leader })));
  }
  return places;
}
