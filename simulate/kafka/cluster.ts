/**
 * A model of Kafka's transactions: the coordinator of each transactional id, the logs of the partitions with their producers
 * and markers, and what `read_committed` shows of them. test/simulate/kafka/cluster.kafka.test.ts compares it with a real broker.
 */

import type { Random } from '../../harness/random.ts';
import { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import {
  type DecodedBatch,
  type DecodedRecord,
  encodeMarker,
  type FetchedBatches,
  type Place,
  placeBatch,
} from './codec.ts';

/** Codes of the protocol. */
export const codes = {
  none: 0,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  invalidTxnState: 48,
  invalidProducerIdMapping: 49,
  concurrentTransactions: 51,
} as const;

export type Outcome = 'open' | 'committed' | 'aborted';

export type Entry = {
  readonly offset: number;
  readonly producerId: number;
  /** Number of the transaction, over all producers. */
  readonly transaction: number;
  /** Empty in a marker. */
  readonly records: readonly DecodedRecord[];
  readonly bytes: Buffer;
  outcome: Outcome;
};

type ProducerState = {
  epoch: number;
  nextSequence: number;
  last: { sequence: number; count: number; offset: number }[];
};

export class Partition implements Place {
  readonly topic: string;
  readonly partition: number;
  readonly leader: Server;
  readonly entries: Entry[] = [];
  /** Called when more of it can be read. */
  readonly listeners = new Set<() => void>();
  readonly #producers = new Map<number, ProducerState>();
  #end = 0;
  #stable = 0;

  constructor(topic: string, partition: number, leader: Server) {
    this.topic = topic;
    this.partition = partition;
    this.leader = leader;
  }

  /** @param transaction that is open at the coordinator and includes this partition */
  append(
    { producerId, epoch, sequence, records, bytes }: DecodedBatch,
    transaction: number | undefined,
  ): { error: number; offset: number } {
    const producer = this.#producers.get(producerId);
    if (producer !== undefined && epoch < producer.epoch) return refused(codes.invalidProducerEpoch);
    const isSameEpoch = producer?.epoch === epoch;
    const repeated = isSameEpoch
      ? producer.last.find((batch) => batch.sequence === sequence && batch.count === records.length)
      : undefined;
    if (repeated !== undefined) return { error: codes.none, offset: repeated.offset };
    if (sequence !== (isSameEpoch ? producer.nextSequence : 0)) return refused(codes.outOfOrderSequence);
    if (transaction === undefined) return refused(codes.invalidTxnState);
    const offset = this.#end;
    this.#end += records.length;
    const outcome = 'open';
    this.entries.push({
      offset,
      producerId,
      transaction,
      records,
      outcome,
      bytes: placeBatch(bytes, offset),
    });
    const last = isSameEpoch ? producer.last : [];
    this.#producers.set(producerId, {
      epoch,
      nextSequence: sequence + records.length,
      // A broker remembers five batches per producer.
      last: [...last, { sequence, count: records.length, offset }].slice(-5),
    });
    return { error: codes.none, offset };
  }

  /** Whether the producer has written something that no marker has ended. */
  isOpen(producerId: number): boolean {
    for (let index = this.entries.length - 1; index >= this.stableEnd; index--) {
      const entry = this.entries[index]!;
      if (entry.producerId === producerId && entry.outcome === 'open') return true;
    }
    return false;
  }

  /** The end of a transaction, as the coordinator writes it. */
  mark(producerId: number, epoch: number, outcome: Exclude<Outcome, 'open'>): void {
    const offset = this.#end;
    this.#end += 1;
    for (let index = this.stableEnd; index < this.entries.length; index++) {
      const entry = this.entries[index]!;
      if (entry.producerId === producerId && entry.outcome === 'open') entry.outcome = outcome;
    }
    const bytes = placeBatch(encodeMarker(producerId, epoch, outcome === 'committed'), offset);
    this.entries.push({ offset, producerId, transaction: 0, records: [], outcome, bytes });
    const producer = this.#producers.get(producerId);
    if (producer === undefined || producer.epoch < epoch)
      this.#producers.set(producerId, { epoch, nextSequence: 0, last: [] });
    for (const listener of this.listeners) listener();
  }

  /** What a Fetch under `read_committed` returns: batches and markers up to the first open transaction. */
  fetch(fromOffset: number): FetchedBatches {
    const { topic, partition, stableEnd } = this;
    let from = stableEnd;
    while (from > 0 && this.#endOf(from - 1) > fromOffset) from -= 1;
    const fetched = this.entries.slice(from, stableEnd);
    const aborted = fetched
      .filter(({ outcome, records }) => outcome === 'aborted' && records.length > 0)
      .map(({ producerId, offset }) => ({ producerId, firstOffset: offset }));
    const batches = fetched.map(({ bytes }) => bytes);
    return { topic, partition, stableOffset: this.#stableOffset, aborted, batches };
  }

  #endOf(index: number): number {
    return this.entries[index + 1]?.offset ?? this.#end;
  }

  get #stableOffset(): number {
    return this.entries[this.stableEnd]?.offset ?? this.#end;
  }

  /** Index of the first entry that `read_committed` does not return yet. */
  get stableEnd(): number {
    while (this.#stable < this.entries.length && this.entries[this.#stable]!.outcome !== 'open')
      this.#stable += 1;
    return this.#stable;
  }
}

function refused(error: number): { error: number; offset: number } {
  return { error, offset: -1 };
}

type State = 'empty' | 'ongoing' | 'ending';

type Coordinated = {
  readonly transactionalId: string;
  readonly producerId: number;
  epoch: number;
  state: State;
  transaction: number;
  partitions: Set<Partition>;
  beganMs: number;
  timeoutMs: number;
  last: Exclude<Outcome, 'open'> | undefined;
};

export type ClusterOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Called for each transaction when the coordinator has decided to commit it: from then on its events are fixed. */
  readonly onDecided?: (entries: readonly (Place & { readonly entry: Entry })[]) => void;
  readonly count?: (what: string) => void;
};

export const usualMarkerMs = 0.3;

export class KafkaCluster {
  readonly brokers: readonly Server[] = [new Server('broker 0'), new Server('broker 1')];
  /** How long it takes to write a marker, ms. */
  markerMs = usualMarkerMs;
  readonly #options: ClusterOptions;
  readonly #topics = new Map<string, Partition[]>();
  readonly #coordinated = new Map<string, Coordinated>();
  #nextProducerId = 1000;
  #nextTransaction = 1;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  createTopic(topic: string, partitions: number): void {
    const leader = (partition: number) => this.brokers[partition % this.brokers.length]!;
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, (_, index) => new Partition(topic, index, leader(index))),
    );
  }

  partitions(topic: string): readonly Partition[] | undefined {
    return this.#topics.get(topic);
  }

  /** Whether no transaction is open or ending. */
  get isSettled(): boolean {
    return [...this.#coordinated.values()].every(({ state }) => state === 'empty');
  }

  get coordinator(): Server {
    return this.brokers[0]!;
  }

  /** @returns an error code, or the producer's identity. */
  initProducerId(transactionalId: string, timeoutMs: number): number | { producerId: number; epoch: number } {
    const known = this.#coordinated.get(transactionalId);
    if (known === undefined) {
      const producerId = this.#nextProducerId++;
      this.#coordinated.set(transactionalId, {
        transactionalId,
        producerId,
        epoch: 0,
        state: 'empty',
        transaction: 0,
        partitions: new Set(),
        beganMs: 0,
        timeoutMs,
        last: undefined,
      });
      return { producerId, epoch: 0 };
    }
    if (known.state === 'ending') return codes.concurrentTransactions;
    if (known.state === 'ongoing') {
      this.#options.count?.('a predecessor’s transaction aborted by InitProducerId');
      this.#abortFenced(known);
      return codes.concurrentTransactions;
    }
    known.epoch += 1;
    known.timeoutMs = timeoutMs;
    known.last = undefined;
    return { producerId: known.producerId, epoch: known.epoch };
  }

  addPartitions(
    transactionalId: string,
    producerId: number,
    epoch: number,
    places: readonly Place[],
  ): number {
    const known = this.#check(transactionalId, producerId, epoch);
    if (typeof known === 'number') return known;
    if (known.state === 'ending') return codes.concurrentTransactions;
    if (known.state === 'empty') {
      known.state = 'ongoing';
      known.transaction = this.#nextTransaction++;
      known.partitions = new Set();
      known.beganMs = this.#options.scheduler.nowMs;
      this.#watchTimeout(known, known.transaction);
    }
    for (const { topic, partition } of places) known.partitions.add(this.#partition(topic, partition));
    return codes.none;
  }

  produce(transactionalId: string, batch: DecodedBatch): { error: number; offset: number } {
    const partition = this.#partition(batch.topic, batch.partition);
    const known = this.#coordinated.get(transactionalId);
    // The broker asks the coordinator before the first batch of a transaction (KIP-890).
    const isOpen =
      known?.state === 'ongoing' &&
      known.producerId === batch.producerId &&
      known.epoch === batch.epoch &&
      known.partitions.has(partition);
    // The batches of a transaction that is ending are in the log, and its marker is not yet.
    const isUnmarked = partition.isOpen(batch.producerId);
    const transaction = isOpen || isUnmarked ? known?.transaction : undefined;
    const answer = partition.append(batch, transaction);
    if (answer.error === codes.invalidProducerEpoch) this.#options.count?.('Produce of an old epoch refused');
    if (answer.error === codes.invalidTxnState)
      this.#options.count?.('Produce outside a transaction refused');
    return answer;
  }

  endTxn(transactionalId: string, producerId: number, epoch: number, isCommit: boolean): number {
    const known = this.#check(transactionalId, producerId, epoch);
    if (typeof known === 'number') {
      this.#options.count?.('EndTxn of an old epoch refused');
      return known;
    }
    const outcome = isCommit ? 'committed' : 'aborted';
    if (known.state === 'ending') return codes.concurrentTransactions;
    if (known.state === 'empty') return known.last === outcome ? codes.none : codes.invalidTxnState;
    if (isCommit) this.#decided(known);
    this.#end(known, outcome);
    return codes.none;
  }

  #check(transactionalId: string, producerId: number, epoch: number): Coordinated | number {
    const known = this.#coordinated.get(transactionalId);
    if (known === undefined || known.producerId !== producerId) return codes.invalidProducerIdMapping;
    return known.epoch === epoch ? known : codes.invalidProducerEpoch;
  }

  #partition(topic: string, partition: number): Partition {
    const found = this.#topics.get(topic)?.[partition];
    if (found === undefined) throw new Error(`there is no ${topic}/${partition}`);
    return found;
  }

  #decided({ transaction, partitions }: Coordinated): void {
    const entries = [...partitions].flatMap((place) =>
      place.entries
        .filter((entry) => entry.transaction === transaction && entry.outcome === 'open')
        .map((entry) => ({ topic: place.topic, partition: place.partition, entry })),
    );
    this.#options.onDecided?.(entries);
  }

  /** Aborts for a new producer or after the timeout. The previous producer is fenced from now on. */
  #abortFenced(known: Coordinated): void {
    known.epoch += 1;
    this.#end(known, 'aborted');
  }

  /** After the decision, the markers reach the partitions one by one. */
  #end(known: Coordinated, outcome: Exclude<Outcome, 'open'>): void {
    const { scheduler, random } = this.#options;
    known.state = 'ending';
    known.last = outcome;
    const { epoch, producerId } = known;
    let left = known.partitions.size;
    for (const partition of known.partitions)
      scheduler.after(random.around(this.markerMs), () => {
        partition.mark(producerId, epoch, outcome);
        left -= 1;
        if (left === 0) known.state = 'empty';
      });
    if (left === 0) known.state = 'empty';
  }

  #watchTimeout(known: Coordinated, transaction: number): void {
    this.#options.scheduler.after(known.timeoutMs, () => {
      if (known.state !== 'ongoing' || known.transaction !== transaction) return;
      this.#options.count?.('transaction aborted after its timeout');
      this.#abortFenced(known);
    });
  }
}
