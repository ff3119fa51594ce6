/**
 * Owns the rule that a transaction adds a partition only if no earlier transaction of this producer is unfinished there.
 *
 * Kafka ends a transaction with a marker in each partition, and a marker decides about everything of its producer that
 * has none yet. Kafka 4.3 leaves a marker out if the partition has no leader at that moment (KAFKA-20734). Whatever the
 * transaction had there then shares the fate of the next one: an abort loses events that were committed, a commit
 * doubles events that were aborted, and in the progress topic either makes the progress say what is not so. So the
 * producer looks before it adds a partition, finds out how the unfinished transaction ended, and has the coordinator
 * write that marker, in a transaction without records.
 *
 * A partition is sure while its leader answers on the same connection. A leader is lost for the controller when it is
 * silent for `broker.session.timeout.ms`, 9 s by default, and an outage that is visible breaks the connection.
 */
import type { Kafka } from 'kafkajs';
import { kafkaErrorType } from '../../connect/kafka.ts';
import { RelayError } from '../../errors.ts';
import { codes } from '../wire/error-codes.ts';
import type { FetchedRecord } from '../wire/fetch.ts';
import { type Broker, protocolError, supports } from '../wire/kafkajs-internals.ts';
import type { Wire } from '../wire/kafkajs-wire.ts';
import {
  decodeProducers,
  decodeTransaction,
  nameOf,
  type Place,
  producersRequest,
  questions,
  type TransactionAnswer,
  transactionRequest,
} from '../wire/questions.ts';
import { obstacleOf } from '../wire/retry.ts';
import { uncertain } from './answers.ts';
import { type Fate, isMendOpen, isMendUndone, lastFate, withNote } from './marker-fate.ts';
import { type Memory, memoryOf } from './marker-memory.ts';
import { commitFor, Mending, type MendingMeans } from './mending.ts';
import type { Placed } from './produce-plan.ts';
import type { Producer } from './requests.ts';
import type { Sequences } from './sequences.ts';
import { firstRecords, partitionsBehind, type Route } from './unfinished.ts';

export type MarkersOptions = {
  readonly transactionalId: string;
  /** The partition of the progress, which is in every transaction. */
  readonly progress: Place;
  readonly isClaim?: ((record: FetchedRecord) => boolean) | undefined;
  /** Whether a transaction of an earlier session was, with this record of an event; undefined if that cannot be told. */
  readonly wasCommitted?: ((record: FetchedRecord) => boolean | undefined) | undefined;
};

/** Whom to ask, and in whose name. */
export type Asking = MendingMeans;

type Unfinished = Place & {
  readonly broker: Broker;
  readonly firstOffset: bigint | undefined;
  /** If it is known already. */
  readonly fate?: Fate;
};

/** A marker that was missing: found after the fact, written now, or the wrong one: then the topic may be empty. */
export type MarkerFound = Place & { readonly did: Fate | 'noticed' | 'undone' | 'untold' };

const listeners = new Set<(found: MarkerFound) => void>();

/** Calls the listener for each missing marker of any producer in this process. @returns a function that removes it */
export function onMarkerFound(listener: (found: MarkerFound) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** For all partitions together where consumers stand. */
const standingLookMs = 1_000;
/** Less than the time after which the controller takes a silent broker for lost, and its last heartbeat may be 2 s old. */
const freshMs = 5_000;

export class Markers {
  readonly #options: MarkersOptions;
  readonly #memory: Memory;
  /** Nothing is unfinished there, as far as this connection knows. */
  readonly #sure = new Set<string>();
  /** When each broker last answered. */
  readonly #answeredAtMs = new WeakMap<Broker, number>();
  /** Behind what this session has written. All of its transactions but the open one are committed. */
  readonly #ends = new Map<string, bigint>();
  /** In the open transaction. */
  readonly #written = new Set<string>();
  readonly #mending = new Mending();
  /** Where it wrote a marker, and has not seen since that nothing is unfinished. */
  readonly #mended = new Map<string, Place>();
  /** The progress is known from here on, and with it how transactions with events ended. */
  #isClaimed = false;
  /** The predecessor's open transaction, which InitProducerId aborts. */
  #aborted: Set<string> | undefined;
  /** Of the last transaction before this session. */
  #lastFate: Fate | undefined;

  constructor(kafka: Kafka, options: MarkersOptions) {
    this.#options = options;
    this.#memory = memoryOf(kafka, options.transactionalId);
  }

  /** The connections are lost. */
  forget(): void {
    this.#sure.clear();
  }

  /**
   * Notes how the last transaction ends, before InitProducerId makes the coordinator forget it. The timeout that this
   * returns keeps it for a successor, if this session ends before it has looked at the partition of the progress.
   */
  async beforeTakeover(asking: Pick<Asking, 'wire' | 'coordinator'>, timeoutMs: number): Promise<number> {
    const { wire, coordinator } = asking;
    if (!supports(coordinator, questions.describeTransactions)) return timeoutMs;
    const { progress, transactionalId } = this.#options;
    // Without a leader there the session cannot begin, and the marker of the abort would be left out.
    await this.#ask(wire, {
      broker: await wire.leader(progress.topic, progress.partition),
      parts: [progress],
    });
    const described = await this.#describe(asking);
    if (described?.errorCode !== 0) return timeoutMs;
    const { state, epoch, places } = described;
    if (isMendUndone(described)) this.#reportUndone(described);
    if (isMendOpen(described)) await commitFor(asking, transactionalId, described);
    if (state === 'Ongoing') await this.#untilLed(wire, places);
    this.#aborted ??= new Set(this.#memory.epoch === epoch ? this.#memory.aborted : []);
    if (state === 'Ongoing' || state === 'PrepareAbort')
      for (const place of places) this.#aborted.add(nameOf(place));
    this.#lastFate = lastFate(described);
    return withNote(timeoutMs, this.#lastFate);
  }

  /**
   * Where a partition of the open transaction has no leader, the marker of the abort would be left out. The coordinator
   * aborts the transaction after its timeout, so this ends.
   */
  async #untilLed(wire: Wire, places: readonly Place[]): Promise<void> {
    for (const { topic, partition } of places)
      try {
        await wire.leader(topic, partition);
      } catch (error) {
        if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
      }
  }

  /** Once for each. */
  #reportUndone({ epoch, places }: TransactionAnswer): void {
    if (this.#memory.undoneEpoch === epoch) return;
    this.#memory.undoneEpoch = epoch;
    const found = places.length > 0 ? places : [{ topic: '', partition: -1 }];
    for (const place of found) report({ ...place, did: 'undone' });
  }

  /** The transactional id is ours. Nothing else may come before the partition of the progress is sure. */
  async afterTakeover(asking: Asking): Promise<void> {
    this.#mending.begin();
    this.#mended.clear();
    this.#memory.epoch = asking.producer.producerEpoch;
    this.#memory.aborted = this.#aborted ?? new Set();
    if (!supports(asking.coordinator, questions.describeTransactions)) return;
    const { progress } = this.#options;
    const broker = await asking.wire.leader(progress.topic, progress.partition);
    await this.ensure(asking, [{ broker, parts: [progress] }], false);
  }

  /**
   * Resolves if nothing is unfinished in any of the partitions.
   * @param isBegun whether a transaction is open, so that nothing can be ended first
   * @throws the client's errors: also one that has everything looked up again, after a marker was written
   */
  async ensure(asking: Asking, routes: readonly Route[], isBegun: boolean): Promise<void> {
    const unfinished: Unfinished[] = [];
    for (const route of isBegun ? routes : await this.#withOthers(asking, routes)) {
      const parts = route.parts.filter((place) => !this.#isSure(route.broker, place));
      if (parts.length === 0) continue;
      unfinished.push(...(await this.#look(asking, { ...route, parts })));
    }
    if (unfinished.length === 0 && !isBegun) unfinished.push(...(await this.#lookAtStanding(asking)));
    if (unfinished.length === 0) {
      await this.#mending.leave(this.#remembering(asking));
      return;
    }
    if (isBegun) {
      for (const { topic, partition } of unfinished)
        this.#memory.found.set(nameOf({ topic, partition }), { topic, partition });
      throw uncertain(
        `an earlier transaction is unfinished in ${unfinished.map(nameOf).join(', ')}; the next session ends it`,
      );
    }
    await this.#untilEnded(asking);
    const fate = await Promise.all(unfinished.map((one) => one.fate ?? this.#fateOf(asking, one)));
    const having = (wanted: Fate) => unfinished.filter((_, at) => fate[at] === wanted);
    // What is committed comes first, and what is aborted not before it is finished: the coordinator keeps the last fate.
    const committed = having('commit');
    const [ended, did] =
      committed.length > 0 ? [committed, 'commit' as const] : [having('abort'), 'abort' as const];
    for (const { topic, partition } of ended)
      this.#mended.set(nameOf({ topic, partition }), { topic, partition });
    await this.#mending.mend(this.#remembering(asking), ended, did);
    for (const { topic, partition } of ended) report({ topic, partition, did });
    throw protocolError(codes.leaderNotAvailable);
  }

  #remembering(asking: Asking): Asking {
    const raise: Asking['raise'] = async (timeoutMs) => {
      const raised = await asking.raise(timeoutMs);
      this.#memory.epoch = raised.producerEpoch;
      return raised;
    };
    return { ...asking, raise };
  }

  /**
   * A coordinator that is asked to raise an epoch aborts what is open, even if the producer has a successor. It may be what
   * that finishes.
   */
  async beforeRaise(asking: Pick<Asking, 'wire' | 'coordinator' | 'producer'>): Promise<void> {
    const described = await this.#describe(asking);
    if (described === undefined) return;
    // A coordinator that has forgotten the id would give another one, and know no transaction of this one any more.
    if (described.errorCode !== 0) throw protocolError(described.errorCode);
    const { producerId, producerEpoch } = asking.producer;
    const isOwn = described.producerId === producerId && described.epoch === producerEpoch;
    if (described.state === 'Ongoing' && !isOwn) throw protocolError(codes.invalidProducerEpoch);
  }

  /** Notes the answer to Produce. If nothing lies between two transactions in a partition, not even a marker, one is missing. */
  produced(broker: Broker, placed: readonly Placed[], sequences: Sequences): void {
    this.#answeredAtMs.set(broker, performance.now());
    for (const { topic, partition, batch } of placed) {
      const name = nameOf({ topic, partition });
      const end = sequences.endOf(name);
      const isNext = end - BigInt(batch.count) === this.#ends.get(name);
      if (isNext && !this.#written.has(name)) report({ topic, partition, did: 'noticed' });
      this.#written.add(name);
      this.#ends.set(name, end);
    }
  }

  /** The transaction is committed, for all that the coordinator says. @param next who the producer is from now on */
  committed(next: Producer): void {
    for (const name of this.#written) this.#sure.add(name);
    this.#written.clear();
    this.#isClaimed = true;
    this.#memory.epoch = next.producerEpoch;
  }

  #isSure(broker: Broker, place: Place): boolean {
    const answeredMs = this.#answeredAtMs.get(broker) ?? Number.NEGATIVE_INFINITY;
    return this.#sure.has(nameOf(place)) && performance.now() - answeredMs < freshMs;
  }

  async #withOthers({ wire }: Asking, routes: readonly Route[]): Promise<Route[]> {
    const { progress } = this.#options;
    const all = [...routes];
    // Always: what a transaction without a progress is like says nothing about the progress of the one before.
    // A claim has nothing else, and before it is read nobody can tell how a transaction with events ended.
    const hasEvents = routes.some(({ parts }) => parts.some((part) => nameOf(part) !== nameOf(progress)));
    const found = [...this.#mended, ...(hasEvents ? this.#memory.found : [])];
    for (const [name, place] of [[nameOf(progress), progress] as const, ...found]) {
      if (all.some(({ parts }) => parts.some((part) => nameOf(part) === name))) continue;
      try {
        all.push({ broker: await wire.leader(place.topic, place.partition), parts: [place] });
      } catch (error) {
        if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
        this.#memory.found.delete(name);
        this.#mended.delete(name);
      }
    }
    return all;
  }

  /** Where consumers stand before a transaction of this producer, and how that ended. Each is looked at once. */
  async #lookAtStanding(asking: Asking): Promise<Unfinished[]> {
    const places = this.#memory.standing;
    if (!this.#isClaimed || places.length === 0) return [];
    // Nothing can be mended before. What is named must not be forgotten for it: under load it is so at each look.
    await this.#untilEnded(asking);
    this.#memory.standing = [];
    const found: Unfinished[] = [];
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, standingLookMs, 'late');
    });
    try {
      for (const place of places) {
        const looked = await Promise.race([this.#lookAndTell(asking, place), late]);
        if (looked === 'late') {
          asking.wire.forgetLeader(place);
          break;
        }
        found.push(...looked);
      }
      return found;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A partition without a leader, or of a topic that was deleted, delays neither a transaction nor the looks at others. */
  async #lookAndTell(asking: Asking, place: Place): Promise<Unfinished[]> {
    const name = nameOf(place);
    try {
      const broker = await asking.wire.leader(place.topic, place.partition);
      const looked = await this.#look(asking, { broker, parts: [place] });
      const told = looked.map(async (one) => ({ ...one, fate: await this.#fateOf(asking, one) }));
      return await Promise.all(told);
    } catch (error) {
      if (error instanceof RelayError) {
        if (!this.#memory.untold.has(name)) report({ ...place, did: 'untold' });
        this.#memory.untold.add(name);
        return [];
      }
      // A connection is lost: the transaction needs others.
      if (kafkaErrorType(error) === undefined && obstacleOf(error) === 'moved') throw error;
      // Where nothing is published, no failed Produce has these connections replaced.
      asking.wire.forgetLeader(place);
      return [];
    }
  }

  /** Of one leader. A transaction that another producer has open there is none of ours. */
  async #look({ wire, coordinator, producer }: Asking, { broker, parts }: Route): Promise<Unfinished[]> {
    const isAble =
      supports(broker, questions.listOffsets) && supports(coordinator, questions.describeTransactions);
    const behind = isAble ? await this.#ask(wire, { broker, parts }) : [];
    const unfinished: Unfinished[] = [];
    for (const { stableOffset, ...place } of behind) {
      const { errorCode, openSince } = await wire.send(broker, producersRequest(place), decodeProducers);
      const end = this.#ends.get(nameOf(place));
      if (errorCode === codes.topicAuthorizationFailed && end !== undefined) {
        if (stableOffset < end) unfinished.push({ ...place, broker, firstOffset: undefined });
      } else if (errorCode === codes.topicAuthorizationFailed)
        throw untold(place, 'the relay may not read the topic');
      else if (errorCode !== 0) throw protocolError(codes.leaderNotAvailable);
      else if (openSince.has(producer.producerId))
        unfinished.push({ ...place, broker, firstOffset: openSince.get(producer.producerId) });
    }
    const names = new Set(unfinished.map(nameOf));
    for (const place of parts) {
      const name = nameOf(place);
      if (names.has(name)) continue;
      this.#sure.add(name);
      this.#memory.found.delete(name);
      this.#mended.delete(name);
      this.#aborted?.delete(name);
    }
    return unfinished;
  }

  /** Which of the partitions hold a transaction without a marker, of any producer. */
  async #ask(wire: Wire, route: Route): Promise<(Place & { readonly stableOffset: bigint })[]> {
    if (!supports(route.broker, questions.listOffsets)) return [];
    const behind = await partitionsBehind(wire, route);
    this.#answeredAtMs.set(route.broker, performance.now());
    return behind;
  }

  /** The markers of this session's last transaction may be on their way still. */
  async #untilEnded(asking: Asking): Promise<void> {
    const described = await this.#describe(asking);
    if (described?.state.startsWith('Prepare') === true) throw protocolError(codes.concurrentTransactions);
  }

  /** The last transaction, or that the coordinator does not know the id; undefined if it is too old to be asked. */
  async #describe({
    wire,
    coordinator,
  }: Pick<Asking, 'wire' | 'coordinator'>): Promise<TransactionAnswer | undefined> {
    if (!supports(coordinator, questions.describeTransactions)) return undefined;
    const request = transactionRequest(this.#options.transactionalId);
    const described = await wire.send(coordinator, request, decodeTransaction);
    const isKnown = described.errorCode !== codes.transactionalIdNotFound;
    if (described.errorCode !== 0 && isKnown) throw protocolError(described.errorCode);
    return described;
  }

  async #fateOf({ wire, producer }: Asking, { broker, firstOffset, ...place }: Unfinished): Promise<Fate> {
    const name = nameOf(place);
    if (this.#ends.has(name)) return 'commit';
    const isProgress = name === nameOf(this.#options.progress);
    if (isProgress && this.#lastFate !== undefined) return this.#lastFate;
    // Of a release in protocol 1, nothing else tells it.
    if (!isProgress && this.#aborted?.has(name) === true) return 'abort';
    const records = await firstRecords(wire, broker, place, producer, firstOffset ?? 0n);
    if (isProgress) {
      // It is alone in its transaction, and nobody can have read it and gone on.
      if (records.length > 0 && records.every((each) => this.#options.isClaim?.(each))) return 'abort';
      throw untold(place, 'its coordinator does not know it any more');
    }
    const [record] = records;
    const wasCommitted = record && this.#options.wasCommitted?.(record);
    if (wasCommitted === undefined) throw untold(place, 'no claim after it says what was committed');
    return wasCommitted ? 'commit' : 'abort';
  }
}

function untold(place: Place, why: string): RelayError {
  return new RelayError(
    'KAFKA_UNAVAILABLE',
    `a transaction is unfinished in partition ${nameOf(place)}, and whether it was committed is not known: ${why}. Nothing is published there before it is; see docs/guides/kafka.md`,
    { context: { topic: place.topic, partition: place.partition } },
  );
}

function report(found: MarkerFound): void {
  for (const listener of listeners) listener(found);
}
