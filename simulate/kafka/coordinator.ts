/**
 * A model of the transaction coordinator: its log, what it has of it in memory, the markers that it has written to the
 * partitions, and its move to another broker. `transaction.ts` has the rules. Model of TransactionCoordinator,
 * TransactionStateManager and TransactionMarkerChannelManager in Kafka 4.3.
 */
import type { Random } from '../../harness/random.ts';
import type { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import { type Identified, unidentified } from './codec.ts';
import { codes } from './codes.ts';
import type { Marker, Partition } from './partition.ts';
import {
  canPersist,
  completed,
  type Ending,
  ended,
  type Initialising,
  isOver,
  isPrepared,
  judgeEnd,
  judgeInit,
  type Pending,
  persisted,
  refusesPartitions,
  refusesVerification,
  type Transaction,
} from './transaction.ts';
import type { Between } from './verification.ts';

export type Answer = (error: number, identified?: Identified) => void;

/** A transactional id in the memory of the coordinator. */
type Cached = { readonly id: string; transaction: Transaction; pending: Pending };

/** A record on its way to the log and to the replicas. */
type Write = { readonly id: string; readonly transaction: Transaction };

export type CoordinatorOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly server: Server;
  /** The finalized level of the feature, or 0. */
  readonly transactionVersion: () => number;
  readonly between: Between;
  /** Epoch of a transactional id that nobody has used; 0 in a new cluster. */
  readonly firstEpoch: number;
  /** Called when the log holds the decision to commit: from then on the transaction's events are fixed. */
  readonly onDecided: (transaction: Transaction) => void;
  /** Share of the markers that are left out at each attempt to write them to a partition without a leader. */
  readonly skippedMarkerShare: number;
  /** Called when the log holds that a transaction has a partition where an earlier one of its producer has no marker. */
  readonly onMendBegun: () => void;
  readonly count: (what: string) => void;
};

/** A record in the log of one broker, or on all replicas, ms. */
const logMs = 0.2;
/** Until a new coordinator has read the log, ms. */
const loadMs = 60;
/** How long the coordinator waits before it writes to a leader that is down, ms. */
const markerRetryMs = 50;
/** How often the coordinator looks for transactions that are open too long, ms. */
const timeoutCheckMs = 500;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  server: Server;
  /** Called while the end of a transaction is on its way to the log. */
  onEnding: (() => void) | undefined;
  readonly #log = new Map<string, Transaction>();
  readonly #cache = new Map<string, Cached>();
  readonly #writes = new Set<Write>();
  #epoch = 0;
  #isLoading = false;
  #nextProducerId = 1000;
  #nextTransaction = 1;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.server = options.server;
  }

  get isSettled(): boolean {
    if (this.#isLoading || this.#writes.size > 0) return false;
    return [...this.#cache.values()].every(
      ({ transaction, pending }) => pending === undefined && isOver(transaction.state),
    );
  }

  /** The number of the transaction in which a producer writes now. */
  transactionOf(transactionalId: string): number {
    const known = this.#cache.get(transactionalId)?.transaction ?? this.#log.get(transactionalId);
    return known?.transaction ?? 0;
  }

  initProducerId(transactionalId: string, initialising: Initialising, at: Server, answer: Answer): void {
    const refusal = this.#refuses(at);
    if (refusal !== codes.none) {
      answer(refusal);
      return;
    }
    const cached = this.#cache.get(transactionalId);
    const { transaction, pending } = cached ?? {};
    const verdict = judgeInit(transaction, pending, initialising, this.#newProducerId);
    if (verdict === 'fence') {
      this.#options.count('a predecessor’s transaction aborted by InitProducerId');
      this.#fence(cached!, (error) => answer(error || codes.concurrentTransactions));
      return;
    }
    if ('error' in verdict) {
      answer(verdict.error);
      return;
    }
    const next = transaction === undefined ? { ...verdict, epoch: this.#options.firstEpoch } : verdict;
    if (transaction !== undefined && next.producerId !== transaction.producerId)
      this.#options.count('a new producer id after the last epoch: InitProducerId');
    const entry = cached ?? { id: transactionalId, transaction: next, pending: undefined };
    this.#cache.set(transactionalId, entry);
    this.#append(entry, next, (error) => answer(error, error === codes.none ? next : unidentified));
  }

  /** TransactionCoordinator.handleDescribeTransactions */
  describe(
    transactionalId: string,
    at: Server,
  ): { readonly error: number; readonly transaction?: Transaction } {
    const found = this.#find(transactionalId, at);
    if (typeof found !== 'number') return { error: codes.none, transaction: found.transaction };
    return { error: found === codes.invalidProducerIdMapping ? codes.transactionalIdNotFound : found };
  }

  /** @param transactionVersion 2 if a Produce request adds them */
  addPartitions(
    transactionalId: string,
    identified: Identified,
    partitions: readonly Partition[],
    transactionVersion: number,
    at: Server,
    answer: Answer,
  ): void {
    const found = this.#find(transactionalId, at);
    if (typeof found === 'number') {
      answer(found);
      return;
    }
    const { transaction, pending } = found;
    const error = refusesPartitions(transaction, pending, identified);
    if (error !== codes.none) {
      answer(error);
      return;
    }
    const isOpen = transaction.state === 'Ongoing';
    if (isOpen && partitions.every((one) => transaction.partitions.has(one))) {
      answer(codes.none);
      return;
    }
    const next: Transaction = {
      ...transaction,
      previousProducerId: transaction.producerId,
      state: 'Ongoing',
      partitions: new Set([...transaction.partitions, ...partitions]),
      transaction: isOpen ? transaction.transaction : this.#nextTransaction++,
      transactionVersion,
    };
    if (!isOpen) this.#watchTimeout(transactionalId, next);
    const { producerId } = transaction;
    const isMend = partitions.some((one) => one.firstOpen?.producerId === producerId);
    this.#append(found, next, (error) => {
      if (isMend && !isOpen && error === codes.none) this.#options.onMendBegun();
      answer(error);
    });
  }

  /** @param answer gets the error of each partition that is not in the transaction */
  verifyPartitions(
    transactionalId: string,
    identified: Identified,
    partitions: readonly Partition[],
    at: Server,
    answer: (errors: ReadonlyMap<Partition, number>) => void,
  ): void {
    const found = this.#find(transactionalId, at);
    const error = typeof found === 'number' ? found : refusesVerification(found.transaction, identified);
    const has = (one: Partition) => typeof found !== 'number' && found.transaction.partitions.has(one);
    const errorOf = (one: Partition) => error || (has(one) ? codes.none : codes.transactionAbortable);
    answer(new Map(partitions.map((one) => [one, errorOf(one)])));
  }

  endTxn(transactionalId: string, ending: Ending, at: Server, answer: Answer): void {
    const found = this.#find(transactionalId, at);
    if (typeof found === 'number') {
      answer(found);
      return;
    }
    this.#end(found, ending, answer);
  }

  #end(cached: Cached, ending: Ending, answer: Answer): void {
    const { transaction, pending } = cached;
    const verdict = judgeEnd(transaction, pending, ending);
    const isBump = ending.transactionVersion >= 2;
    if (verdict !== 'ends') {
      const { error } = verdict;
      if (error === codes.producerFenced) this.#options.count('EndTxn of an old epoch refused');
      if (error === codes.invalidTxnState) this.#options.count('EndTxn without a transaction refused');
      if (error === codes.none) this.#options.count('EndTxn answered a second time');
      answer(error, error === codes.none && isBump ? transaction : unidentified);
      return;
    }
    cached.pending = undefined;
    const next = ended(transaction, ending, this.#newProducerId);
    if (next.nextProducerId !== -1) this.#options.count('a new producer id after the last epoch: EndTxn');
    this.#append(cached, next, (error) => {
      if (error !== codes.none) {
        answer(error);
        return;
      }
      answer(codes.none, isBump ? completed(next) : unidentified);
      this.#complete(cached);
    });
  }

  /** Aborts for a successor or after the timeout: TransactionMetadata.prepareFenceProducerEpoch. */
  #fence(cached: Cached, answer: Answer): void {
    const { producerId, epoch } = cached.transaction;
    cached.pending = 'fence';
    const transactionVersion = this.#options.transactionVersion();
    const ending = { producerId, epoch: epoch + 1, isCommit: false, transactionVersion, isFromClient: false };
    this.#end(cached, ending, answer);
  }

  /** Has the markers written to the partitions one by one, and the end of the transaction to the log then. */
  #complete(cached: Cached): void {
    const { producerId, epoch, state, partitions, transactionVersion } = cached.transaction;
    const next = completed(cached.transaction);
    cached.pending = next.state;
    const outcome = state === 'PrepareCommit' ? 'committed' : 'aborted';
    const coordinatorEpoch = this.#epoch;
    const marker = { producerId, epoch, coordinatorEpoch, transactionVersion, outcome } as const;
    const unmarked = new Set(partitions);
    const finish = () => {
      if (unmarked.size > 0 || this.#epoch !== coordinatorEpoch) return;
      cached.pending = undefined;
      this.#append(cached, next, () => {});
    };
    for (const partition of partitions)
      this.#mark(partition, marker, () => {
        unmarked.delete(partition);
        finish();
      });
    finish();
  }

  /** TransactionMarkerRequestCompletionHandler. A marker that is on its way arrives even if the coordinator moves. */
  #mark(partition: Partition, marker: Marker, onMarked: () => void): void {
    const { scheduler, random, between, skippedMarkerShare, count } = this.#options;
    const write = () => {
      if (!partition.hasLeader) {
        // TransactionMarkerChannelManager.addTxnMarkersToBrokerQueue takes the partition for a deleted one.
        if (this.#epoch === marker.coordinatorEpoch && random.chance(skippedMarkerShare)) {
          count(`marker left out: ${marker.outcome}`);
          onMarked();
        } else if (this.#epoch === marker.coordinatorEpoch) scheduler.after(markerRetryMs, write);
        return;
      }
      const error = partition.mark(marker);
      if (error === codes.none) onMarked();
      // The coordinator gives the transaction up: it stays as it is until another coordinator loads it.
      else
        count(error === codes.coordinatorFenced ? 'marker of an old coordinator refused' : 'marker refused');
    };
    between('marker', write);
  }

  /** TransactionStateManager.appendTransactionToLog */
  #append(cached: Cached, transaction: Transaction, answer: Answer): void {
    const { scheduler, random } = this.#options;
    cached.pending = transaction.state;
    if (!canPersist(transaction, this.#options.transactionVersion())) {
      // The broker fails with an exception, and the transition stays pending until another coordinator loads the log.
      this.#options.count('a transactional id blocked by a downgrade to level 0');
      answer(codes.unsupportedVersion);
      return;
    }
    const epoch = this.#epoch;
    const write = { id: cached.id, transaction };
    this.#writes.add(write);
    if (isPrepared(transaction.state) && this.onEnding !== undefined) scheduler.after(0, this.onEnding);
    scheduler.after(random.around(logMs), () => {
      // Whether it has reached the log is decided, and its client does not learn it.
      if (this.#epoch !== epoch) {
        answer(codes.notCoordinator);
        return;
      }
      this.#writes.delete(write);
      this.#persist(write);
      cached.transaction = transaction;
      cached.pending = undefined;
      answer(codes.none);
    });
  }

  #persist({ id, transaction }: Write): void {
    if (transaction.state === 'PrepareCommit') this.#options.onDecided(transaction);
    this.#log.set(id, persisted(transaction, this.#options.transactionVersion()));
  }

  /** Another broker becomes the coordinator. It has what was replicated in time of what was being written. */
  moveTo(server: Server): void {
    const { scheduler, random, count } = this.#options;
    for (const write of this.#writes) {
      const isPrepare = isPrepared(write.transaction.state);
      const isThere = random.chance(0.5);
      if (isPrepare) count(`EndTxn ${isThere ? 'done' : 'lost'} while its coordinator moved`);
      if (isThere) this.#persist(write);
    }
    this.#writes.clear();
    this.#cache.clear();
    this.#epoch += 1;
    this.server = server;
    this.#isLoading = true;
    const epoch = this.#epoch;
    scheduler.after(random.around(loadMs), () => {
      if (this.#epoch === epoch) this.#load();
    });
  }

  /** TransactionStateManager.loadTransactionsForTxnTopicPartition */
  #load(): void {
    this.#isLoading = false;
    for (const [id, transaction] of this.#log) {
      const cached: Cached = { id, transaction, pending: undefined };
      this.#cache.set(id, cached);
      if (isPrepared(transaction.state)) this.#complete(cached);
    }
  }

  #refuses(at: Server): number {
    if (at !== this.server) return codes.notCoordinator;
    return this.#isLoading ? codes.coordinatorLoadInProgress : codes.none;
  }

  #find(transactionalId: string, at: Server): Cached | number {
    const error = this.#refuses(at);
    return error || (this.#cache.get(transactionalId) ?? codes.invalidProducerIdMapping);
  }

  readonly #newProducerId = (): number => this.#nextProducerId++;

  #watchTimeout(id: string, { transaction: number, timeoutMs }: Transaction): void {
    const { scheduler, count } = this.#options;
    const look = () => {
      const cached = this.#cache.get(id);
      if (this.#isLoading || (cached?.pending !== undefined && cached.transaction.transaction === number))
        return scheduler.after(timeoutCheckMs, look);
      if (cached?.transaction.state !== 'Ongoing' || cached.transaction.transaction !== number) return;
      count('transaction aborted after its timeout');
      this.#fence(cached, () => {});
    };
    scheduler.after(timeoutMs, look);
  }
}
