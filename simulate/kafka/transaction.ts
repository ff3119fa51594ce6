/**
 * The rules of the transaction coordinator, without effects: what it holds of a transactional id, which requests it accepts
 * then, and what follows. They are those of TransactionCoordinator and TransactionMetadata in Kafka 4.3.
 */

import type { Identified } from './codec.ts';
import { codes } from './codes.ts';
import type { Partition } from './partition.ts';

export type State =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort';

/** What the transaction log holds of a transactional id. */
export type Transaction = {
  readonly producerId: number;
  readonly epoch: number;
  /** Before the client's last request raised it; -1 otherwise. Not in the log. */
  readonly lastEpoch: number;
  /** Of the transaction before; -1 if it had the same. */
  readonly previousProducerId: number;
  /** The epochs of `producerId` are used up: the next transaction has this one. Otherwise -1. */
  readonly nextProducerId: number;
  readonly timeoutMs: number;
  readonly state: State;
  readonly partitions: ReadonlySet<Partition>;
  /** Number of the transaction, over all producers. */
  readonly transaction: number;
  /** Of the client that began or ended it: 0 or 2. */
  readonly transactionVersion: number;
};

/** A transition is on its way to the log; `fence` is the one that has not begun yet. */
export type Pending = State | 'fence' | undefined;

/** No client has this one, so that every client can be fenced. */
const greatestEpoch = 32_767;

/** TransactionMetadata.isEpochExhausted */
export const isExhausted = (epoch: number): boolean => epoch >= greatestEpoch - 1;

export const isPrepared = (state: State): boolean => state === 'PrepareCommit' || state === 'PrepareAbort';

export const isOver = (state: State): boolean => state !== 'Ongoing' && !isPrepared(state);

export type Initialising = {
  readonly timeoutMs: number;
  /** The identity that the client has, if it goes on after an error or with another version. */
  readonly expected: Identified | undefined;
};

/** An error code, the transaction that is open and must be aborted first, or what follows. */
export type InitVerdict = { readonly error: number } | 'fence' | Transaction;

/** TransactionCoordinator.prepareInitProducerIdTransit. @param known what the log has of the transactional id */
export function judgeInit(
  known: Transaction | undefined,
  pending: Pending,
  initialising: Initialising,
  newProducerId: () => number,
): InitVerdict {
  const { expected } = initialising;
  if (pending !== undefined) return concurrent;
  if (known === undefined) return created(initialising, newProducerId());
  if (expected !== undefined && !isOwn(known, expected)) return { error: codes.producerFenced };
  if (isPrepared(known.state)) return concurrent;
  if (known.state === 'Ongoing') return 'fence';
  const { producerId: previousProducerId, epoch } = known;
  const next = { ...known, ...fresh(initialising), previousProducerId };
  if (isExhausted(epoch) && (expected === undefined || expected.epoch === epoch)) {
    const lastEpoch = expected === undefined ? -1 : epoch;
    return { ...next, producerId: newProducerId(), epoch: 0, lastEpoch };
  }
  // The broker fails with an exception here.
  if (isExhausted(epoch)) return { error: codes.unknownServerError };
  if (expected === undefined) return { ...next, epoch: epoch + 1, lastEpoch: -1 };
  if (expected.epoch === epoch) return { ...next, epoch: epoch + 1, lastEpoch: epoch };
  return expected.epoch === known.lastEpoch ? next : { error: codes.producerFenced };
}

const fresh = ({ timeoutMs }: Initialising) =>
  ({ timeoutMs, state: 'Empty', partitions: new Set<Partition>(), nextProducerId: -1 }) as const;

function created(initialising: Initialising, producerId: number): Transaction {
  const none = { previousProducerId: -1, lastEpoch: -1, transaction: 0, transactionVersion: 0 };
  return { ...fresh(initialising), ...none, producerId, epoch: 0 };
}

function isOwn(known: Transaction, { producerId, epoch }: Identified): boolean {
  return producerId === known.producerId || (producerId === known.previousProducerId && isExhausted(epoch));
}

/** TransactionCoordinator.handleAddPartitionsToTransaction. @returns an error code */
export function refusesPartitions(
  known: Transaction,
  pending: Pending,
  { producerId, epoch }: Identified,
): number {
  if (pending !== undefined) return codes.concurrentTransactions;
  return refusesVerification(known, { producerId, epoch });
}

/** TransactionCoordinator.handleVerifyPartitionsInTransaction. @returns an error code for all partitions */
export function refusesVerification(known: Transaction, { producerId, epoch }: Identified): number {
  if (known.producerId !== producerId) return codes.invalidProducerIdMapping;
  if (known.epoch !== epoch) return codes.producerFenced;
  return isPrepared(known.state) ? codes.concurrentTransactions : codes.none;
}

export type Ending = Identified & {
  readonly isCommit: boolean;
  /** 2 if the request bumps the epoch: EndTxn from version 5 on. */
  readonly transactionVersion: number;
  /** Otherwise the coordinator ends it, for a successor or after the timeout. */
  readonly isFromClient: boolean;
};

/** An error code, or nothing if the transaction ends now. */
export type EndVerdict = { readonly error: number } | 'ends';

const invalid = { error: codes.invalidTxnState };
const concurrent = { error: codes.concurrentTransactions };
const done = { error: codes.none };

export function judgeEnd(known: Transaction, pending: Pending, ending: Ending): EndVerdict {
  return ending.transactionVersion >= 2
    ? judgeEndV2(known, pending, ending)
    : judgeEndV1(known, pending, ending);
}

/** TransactionCoordinator.endTransactionWithTV1 */
function judgeEndV1({ state, producerId, epoch }: Transaction, pending: Pending, ending: Ending): EndVerdict {
  if (producerId !== ending.producerId) return { error: codes.invalidProducerIdMapping };
  if ((ending.isFromClient && ending.epoch !== epoch) || ending.epoch < epoch)
    return { error: codes.producerFenced };
  if (pending !== undefined && pending !== 'fence') return concurrent;
  switch (state) {
    case 'Ongoing':
      return 'ends';
    case 'Empty':
      return invalid;
    case 'CompleteCommit':
      return ending.isCommit ? done : invalid;
    case 'CompleteAbort':
      return ending.isCommit ? invalid : done;
    case 'PrepareCommit':
      return ending.isCommit ? concurrent : invalid;
    case 'PrepareAbort':
      return ending.isCommit ? invalid : concurrent;
  }
}

/** TransactionCoordinator.endTransaction, with the table above it. */
function judgeEndV2(known: Transaction, pending: Pending, ending: Ending): EndVerdict {
  const { state, producerId, epoch } = known;
  const { isCommit } = ending;
  const isFence = pending === 'fence';
  const isAfterOverflow =
    !isFence &&
    known.previousProducerId === ending.producerId &&
    ending.epoch === greatestEpoch - 1 &&
    epoch === 0;
  const isAfterBump = !isFence && epoch === ending.epoch + 1;
  const isRepeated = isAfterBump || isAfterOverflow;
  if (pending !== undefined && !isFence) return concurrent;
  if (producerId !== ending.producerId && !isAfterOverflow) return { error: codes.invalidProducerIdMapping };
  const isCurrent = ending.epoch === epoch;
  const isValid = isFence
    ? (!ending.isFromClient || isCurrent) && ending.epoch >= epoch
    : isPrepared(state)
      ? isAfterBump
      : isCurrent || (isRepeated && state !== 'Ongoing' && state !== 'Empty');
  if (!isValid) return { error: codes.producerFenced };
  switch (state) {
    case 'Ongoing':
      return 'ends';
    case 'Empty':
      return isCommit ? invalid : 'ends';
    case 'CompleteCommit':
      return isCommit === isRepeated ? (isCommit ? done : 'ends') : invalid;
    case 'CompleteAbort':
      if (isCommit) return invalid;
      return isRepeated ? done : 'ends';
    case 'PrepareCommit':
      return isCommit ? concurrent : invalid;
    case 'PrepareAbort':
      return isCommit ? invalid : concurrent;
  }
}

/** TransactionMetadata.prepareAbortOrCommit. A fence of version 1 has already raised the epoch. */
export function ended(known: Transaction, ending: Ending, newProducerId: () => number): Transaction {
  const { isCommit, transactionVersion } = ending;
  const previousProducerId = known.producerId;
  const state = isCommit ? 'PrepareCommit' : 'PrepareAbort';
  if (transactionVersion < 2)
    return {
      ...known,
      state,
      previousProducerId,
      transactionVersion,
      nextProducerId: -1,
      epoch: ending.epoch,
      lastEpoch: ending.isFromClient ? known.lastEpoch : -1,
    };
  const nextProducerId = isExhausted(known.epoch) ? newProducerId() : -1;
  const epoch = Math.min(known.epoch + 1, greatestEpoch);
  const lastEpoch = known.epoch;
  return { ...known, state, previousProducerId, transactionVersion, nextProducerId, epoch, lastEpoch };
}

/** TransactionMetadata.prepareComplete */
export function completed(known: Transaction): Transaction {
  const isNew = known.transactionVersion >= 2 && known.nextProducerId !== -1;
  return {
    ...known,
    state: known.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: new Set(),
    previousProducerId: known.producerId,
    nextProducerId: -1,
    ...(isNew ? { producerId: known.nextProducerId, epoch: 0 } : {}),
  };
}

/**
 * Whether the coordinator can write it to its log. Below level 1 of the feature a record has no place for the version of a
 * client that raises the epoch: TransactionLog.valueToBytes throws then, in 4.3.1.
 */
export function canPersist({ transactionVersion }: Transaction, level: number): boolean {
  return level >= 1 || transactionVersion < 2;
}

/** What is left of it when it is loaded from the log. */
export function persisted(transaction: Transaction, level: number): Transaction {
  const loaded = { ...transaction, lastEpoch: -1 };
  return level >= 1 ? loaded : { ...loaded, previousProducerId: -1, nextProducerId: -1 };
}
