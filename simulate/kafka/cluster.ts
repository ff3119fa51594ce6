/**
 * A model of Kafka's transactions: the brokers, the topics, the features of the cluster, and what a broker does with
 * Produce. `coordinator.ts` and `partition.ts` have the rest. test/simulate/kafka compares it with a real broker.
 */

import type { Random } from '../../harness/random.ts';
import { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import type { DecodedBatch, Place } from './batches.ts';
import type { Produced, Supported } from './codec.ts';
import { codes } from './codes.ts';
import { Coordinator } from './coordinator.ts';
import { type Entry, type Guard, Partition } from './partition.ts';
import type { Transaction } from './transaction.ts';
import { addsFrom, type Between, Verification } from './verification.ts';

export type { Entry, Outcome, Partition } from './partition.ts';

export type ClusterOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Called for each transaction when the coordinator has decided to commit it: from then on its events are fixed. */
  readonly onDecided?: (entries: readonly (Place & { readonly entry: Entry })[]) => void;
  readonly count?: (what: string) => void;
  /** The finalized level of `transaction.version`; undefined for a cluster before 4.0. */
  readonly transactionVersion?: number | undefined;
  /** Epoch with which the coordinator begins. */
  readonly firstEpoch?: number;
  /** When a message between brokers arrives; by chance otherwise. */
  readonly between?: Between;
  /** Of partitions without a leader. */
  readonly skippedMarkerShare?: number;
  readonly onMendBegun?: () => void;
};

export type ProduceRequest = {
  readonly version: number;
  readonly transactionalId: string;
  readonly batches: readonly DecodedBatch[];
};

export const usualMarkerMs = 0.3;

/** How long a question takes from one broker to another, ms. */
const hopMs = 0.2;

/** `add.partitions.to.txn.retry.backoff.ms` and `.max.ms` */
const addRetryMs = 20;
const addRetryMaxMs = 100;

/** Of the requests that matter here, as the brokers name them. */
const versionsOf40: Supported['versions'] = {
  0: { minVersion: 0, maxVersion: 13 },
  1: { minVersion: 4, maxVersion: 18 },
  2: { minVersion: 1, maxVersion: 11 },
  3: { minVersion: 0, maxVersion: 13 },
  18: { minVersion: 0, maxVersion: 4 },
  22: { minVersion: 0, maxVersion: 5 },
  24: { minVersion: 0, maxVersion: 5 },
  26: { minVersion: 0, maxVersion: 5 },
  61: { minVersion: 0, maxVersion: 0 },
  65: { minVersion: 0, maxVersion: 0 },
};
const versionsOf39: Supported['versions'] = {
  ...versionsOf40,
  0: { minVersion: 0, maxVersion: 11 },
  26: { minVersion: 0, maxVersion: 4 },
};

export class KafkaCluster {
  readonly brokers: readonly Server[] = [new Server('broker 0'), new Server('broker 1')];
  readonly coordinator: Coordinator;
  /** How long it takes to write a marker, ms. */
  markerMs = usualMarkerMs;
  /** Share of the requests that a broker refuses with TRANSACTION_ABORTABLE, as it may for anything it cannot know. */
  abortableShare = 0;
  readonly #options: ClusterOptions;
  readonly #topics = new Map<string, Partition[]>();
  readonly #verifications: ReadonlyMap<Server, Verification>;
  #transactionVersion: number | undefined;
  #featuresEpoch = 1;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { scheduler, random } = options;
    this.#transactionVersion = options.transactionVersion;
    const between: Between =
      options.between ??
      ((what, arrive) => scheduler.after(random.around(what === 'marker' ? this.markerMs : hopMs), arrive));
    this.coordinator = new Coordinator({
      scheduler,
      random,
      server: this.brokers[0]!,
      transactionVersion: () => this.#transactionVersion ?? 0,
      between,
      firstEpoch: options.firstEpoch ?? 0,
      onDecided: (transaction) => this.#decided(transaction),
      skippedMarkerShare: options.skippedMarkerShare ?? 0,
      onMendBegun: options.onMendBegun ?? (() => {}),
      count: (what) => this.#count(what),
    });
    this.#verifications = new Map(
      this.brokers.map((server) => [server, new Verification(this.coordinator, between)]),
    );
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
    return this.coordinator.isSettled;
  }

  /** What a broker says of itself. Brokers take a request of any version, whatever the finalized level of the feature. */
  get supported(): Supported {
    const transactionVersion = this.#transactionVersion;
    const versions = transactionVersion === undefined ? versionsOf39 : versionsOf40;
    return { versions, transactionVersion, featuresEpoch: this.#featuresEpoch };
  }

  /** As `kafka-features upgrade` or `downgrade`. */
  set transactionVersion(level: number) {
    this.#transactionVersion = level;
    this.#featuresEpoch += 1;
  }

  /** The coordinator moves to the other broker. @returns false if that one is down */
  moveCoordinator(): boolean {
    const other = this.brokers.find((server) => server !== this.coordinator.server && server.isUp);
    if (other !== undefined) this.coordinator.moveTo(other);
    return other !== undefined;
  }

  /** A broker goes down while the coordinator writes the next end of a transaction to its log. */
  stopAtNextEnd(stop: () => void): void {
    this.coordinator.onEnding = () => {
      this.coordinator.onEnding = undefined;
      stop();
    };
  }

  /** The coordinator moves while it writes the next end of a transaction to its log. */
  moveAtNextEnd(): void {
    this.coordinator.onEnding = () => {
      this.coordinator.onEnding = undefined;
      this.moveCoordinator();
    };
  }

  /** Whether a broker refuses a request of a client that knows TRANSACTION_ABORTABLE. It has done nothing then. */
  refusesAbortable(): boolean {
    if (this.abortableShare === 0 || !this.#options.random.chance(this.abortableShare)) return false;
    this.#count('TRANSACTION_ABORTABLE');
    return true;
  }

  place({ topic, partition }: Place): Partition {
    const found = this.#topics.get(topic)?.[partition];
    if (found === undefined) throw new Error(`there is no ${topic}/${partition}`);
    return found;
  }

  /** ReplicaManager.handleProduceAppend. All batches go to partitions that one broker leads. */
  produce(request: ProduceRequest, answer: (produced: readonly Produced[]) => void): void {
    const { scheduler } = this.#options;
    const begunMs = scheduler.nowMs;
    const adds = request.version >= addsFrom;
    const attempt = () =>
      this.#verify(request, adds, (errors, guards) => {
        const isBusy = [...errors.values()].includes(codes.concurrentTransactions);
        if (adds && isBusy && scheduler.nowMs - begunMs < addRetryMaxMs) {
          this.#count('Produce waits for the end of the last transaction');
          scheduler.after(addRetryMs, attempt);
        } else answer(request.batches.map((batch) => this.#append(request, batch, { adds, errors, guards })));
      });
    attempt();
  }

  /** ReplicaManager.maybeSendPartitionsToTransactionCoordinator */
  #verify(
    { version, transactionalId, batches }: ProduceRequest,
    adds: boolean,
    answer: (errors: ReadonlyMap<Partition, number>, guards: ReadonlyMap<Partition, Guard>) => void,
  ): void {
    const errors = new Map<Partition, number>();
    const guards = new Map<Partition, Guard>();
    for (const batch of batches) {
      const partition = this.place(batch);
      const { error, guard } = partition.verify(batch, adds);
      if (error !== codes.none) errors.set(partition, error);
      if (guard !== undefined) guards.set(partition, guard);
    }
    const [first] = batches;
    if (guards.size === 0 || first === undefined) {
      answer(errors, guards);
      return;
    }
    const { producerId, epoch } = first;
    this.#verifications.get(this.place(first).leader)!.ask({
      transactionalId,
      identified: { producerId, epoch },
      partitions: [...guards.keys()],
      version,
      answer: (found) => {
        const refused = [...found].filter(([, error]) => error !== codes.none);
        answer(new Map([...errors, ...refused]), guards);
      },
    });
  }

  #append(
    { transactionalId }: ProduceRequest,
    batch: DecodedBatch,
    {
      adds,
      errors,
      guards,
    }: {
      readonly adds: boolean;
      readonly errors: ReadonlyMap<Partition, number>;
      readonly guards: ReadonlyMap<Partition, Guard>;
    },
  ): Produced {
    const { topic, partition: index } = batch;
    const partition = this.place(batch);
    const found = errors.get(partition);
    const { error, offset } =
      found === undefined
        ? partition.append(batch, guards.get(partition), this.coordinator.transactionOf(transactionalId))
        : { error: errorOfProduce(found, adds), offset: -1 };
    const what = countedAs[error];
    if (what !== undefined) this.#count(what);
    return { topic, partition: index, error, offset };
  }

  #decided({ producerId, transaction, partitions }: Transaction): void {
    const entries = [...partitions].flatMap((place) =>
      place.entries
        .filter(
          (entry) =>
            entry.producerId === producerId && entry.transaction === transaction && entry.outcome === 'open',
        )
        .map((entry) => ({ topic: place.topic, partition: place.partition, entry })),
    );
    this.#options.onDecided?.(entries);
  }

  #count(what: string): void {
    this.#options.count?.(what);
  }
}

const countedAs: Readonly<Record<number, string>> = {
  [codes.invalidProducerEpoch]: 'Produce of an old epoch refused',
  [codes.invalidTxnState]: 'Produce outside a transaction refused',
  [codes.outOfOrderSequence]: 'Produce out of sequence refused',
  [codes.concurrentTransactions]: 'Produce refused: CONCURRENT_TRANSACTIONS',
  [codes.notEnoughReplicas]: 'Produce refused: the coordinator was not reached',
  [codes.invalidProducerIdMapping]: 'Produce of an old producer id refused',
};

const unreached: ReadonlySet<number> = new Set([
  codes.networkException,
  codes.coordinatorLoadInProgress,
  codes.notCoordinator,
]);

/** The errors of the coordinator as Produce gives them: ReplicaManager.handleProduceAppend. */
function errorOfProduce(error: number, adds: boolean): number {
  if (unreached.has(error)) return codes.notEnoughReplicas;
  return error === codes.concurrentTransactions && !adds ? codes.notEnoughReplicas : error;
}
