/**
 * A model of a partition's log: its batches, the state of each producer that has written to it, and the verification that
 * keeps a batch out that belongs to no open transaction. The rules are those of UnifiedLog, ProducerAppendInfo,
 * ProducerStateEntry and VerificationStateEntry in Kafka 4.3.
 */
import type { Server } from '../network.ts';
import {
  type DecodedBatch,
  type DecodedRecord,
  encodeMarker,
  type FetchedBatches,
  type Place,
  placeBatch,
} from './batches.ts';
import { codes } from './codes.ts';

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

type Appended = { readonly sequence: number; readonly lastSequence: number; readonly offset: number };

type ProducerState = {
  readonly epoch: number;
  /** The last five batches of this epoch; empty after a marker that has raised the epoch. */
  readonly batches: readonly Appended[];
  readonly isOpen: boolean;
  readonly coordinatorEpoch: number;
};

const noState: ProducerState = { epoch: -1, batches: [], isOpen: false, coordinatorEpoch: -1 };

/** A number that no other verification has. */
export type Guard = number;

type Verification = { readonly guard: Guard; readonly adds: boolean; epoch: number; lowestSequence: number };

/** One entry of WriteTxnMarkers. */
export type Marker = {
  readonly producerId: number;
  readonly epoch: number;
  readonly coordinatorEpoch: number;
  /** Of the client that ended the transaction: 0 or 2. */
  readonly transactionVersion: number;
  readonly outcome: Exclude<Outcome, 'open'>;
};

/** A broker remembers five batches per producer. */
const batchesRemembered = 5;
const sequences = 2 ** 31;
/** An epoch that no client has. */
const lastEpoch = 32_767;

let guards = 0;

export class Partition implements Place {
  readonly topic: string;
  readonly partition: number;
  readonly leader: Server;
  /** Whether its leader has come back, and the controller has not made it the leader again. */
  isFenced = false;
  readonly entries: Entry[] = [];
  /** Called when more of it can be read. */
  readonly listeners = new Set<() => void>();
  readonly #producers = new Map<number, ProducerState>();
  readonly #verifications = new Map<number, Verification>();
  #end = 0;
  #stable = 0;

  constructor(topic: string, partition: number, leader: Server) {
    this.topic = topic;
    this.partition = partition;
    this.leader = leader;
  }

  /**
   * Begins to ask the coordinator about a batch, unless its transaction is already open here.
   * UnifiedLog.maybeStartTransactionVerification, ProducerStateManager.maybeCreateVerificationStateEntry.
   * @param adds whether the request also adds the partition: Produce from version 12 on
   * @returns an error code, or what `append` must get; undefined if there is nothing to ask
   */
  verify(
    { producerId, epoch, sequence }: DecodedBatch,
    adds: boolean,
  ): { readonly error: number; readonly guard?: Guard } {
    const state = this.#producers.get(producerId) ?? noState;
    if (epoch < state.epoch) return { error: codes.invalidProducerEpoch };
    if (state.isOpen && state.epoch === epoch) return { error: codes.none };
    let verification = this.#verifications.get(producerId);
    if (verification === undefined) {
      verification = { guard: ++guards, adds, epoch, lowestSequence: sequence };
      this.#verifications.set(producerId, verification);
    }
    if (epoch === verification.epoch)
      verification.lowestSequence = Math.min(verification.lowestSequence, sequence);
    if (epoch > verification.epoch) Object.assign(verification, { epoch, lowestSequence: sequence });
    return { error: codes.none, guard: verification.guard };
  }

  /**
   * UnifiedLog.analyzeAndValidateProducerState, for a batch of a client.
   * @param transaction number of the producer's transaction
   */
  append(
    batch: DecodedBatch,
    guard: Guard | undefined,
    transaction: number,
  ): { readonly error: number; readonly offset: number } {
    const { producerId, epoch, sequence, records, bytes } = batch;
    const state = this.#producers.get(producerId) ?? noState;
    const lastSequence = (sequence + records.length - 1) % sequences;
    const repeated =
      state.epoch === epoch
        ? state.batches.find((one) => one.sequence === sequence && one.lastSequence === lastSequence)
        : undefined;
    if (repeated !== undefined) return { error: codes.none, offset: repeated.offset };
    const error = this.#refusal(batch, guard, state);
    if (error !== codes.none) return { error, offset: -1 };
    const offset = this.#end;
    this.#end += records.length;
    this.entries.push({
      offset,
      producerId,
      transaction,
      records,
      outcome: 'open',
      bytes: placeBatch(Buffer.from(bytes), offset),
    });
    const before = state.epoch === epoch ? state.batches : [];
    const batches = [...before, { sequence, lastSequence, offset }].slice(-batchesRemembered);
    this.#producers.set(producerId, { ...state, epoch, batches, isOpen: true });
    // UnifiedLog.updateProducers
    this.#verifications.delete(producerId);
    return { error: codes.none, offset };
  }

  #refusal(
    { producerId, epoch, sequence }: DecodedBatch,
    guard: Guard | undefined,
    state: ProducerState,
  ): number {
    if (epoch < state.epoch) return codes.invalidProducerEpoch;
    const verification = this.#verifications.get(producerId);
    const isOpen = state.isOpen && state.epoch === epoch;
    if (!isOpen && (guard === undefined || verification?.guard !== guard)) return codes.invalidTxnState;
    // ProducerAppendInfo.checkSequence
    if (verification?.adds === true && sequence !== 0 && state.batches.length === 0)
      return codes.outOfOrderSequence;
    if (verification !== undefined && sequence > verification.lowestSequence) return codes.outOfOrderSequence;
    // A producer that the partition has never seen may begin with any number.
    if (state.epoch === -1) return codes.none;
    const last = state.epoch === epoch ? (state.batches.at(-1)?.lastSequence ?? -1) : -1;
    return sequence === (last + 1) % sequences ? codes.none : codes.outOfOrderSequence;
  }

  /**
   * The end of a transaction, as the coordinator has it written: ProducerAppendInfo.appendEndTxnMarker.
   * @returns an error code
   */
  mark({ producerId, epoch, coordinatorEpoch, transactionVersion, outcome }: Marker): number {
    const state = this.#producers.get(producerId) ?? noState;
    const isRepeated = transactionVersion >= 2 && epoch === state.epoch;
    if (epoch < state.epoch || (isRepeated && state.isOpen && epoch !== lastEpoch))
      return codes.invalidProducerEpoch;
    if (coordinatorEpoch < state.coordinatorEpoch) return codes.coordinatorFenced;
    const offset = this.#end;
    this.#end += 1;
    for (let index = this.stableEnd; index < this.entries.length; index++) {
      const entry = this.entries[index]!;
      if (entry.producerId === producerId && entry.outcome === 'open') entry.outcome = outcome;
    }
    const bytes = placeBatch(encodeMarker(producerId, epoch, outcome === 'committed'), offset);
    this.entries.push({ offset, producerId, transaction: 0, records: [], outcome, bytes });
    const batches = state.epoch === epoch ? state.batches : [];
    this.#producers.set(producerId, { epoch, batches, isOpen: false, coordinatorEpoch });
    // UnifiedLog.updateProducers: what the next transaction of version 2 has begun to ask stays.
    const verification = this.#verifications.get(producerId);
    if (!(verification?.adds === true && verification.epoch === epoch))
      this.#verifications.delete(producerId);
    for (const listener of this.listeners) listener();
    return codes.none;
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
    return { topic, partition, stableOffset: this.stableOffset, aborted, batches };
  }

  #endOf(index: number): number {
    return this.entries[index + 1]?.offset ?? this.#end;
  }

  get hasLeader(): boolean {
    return this.leader.isUp && !this.isFenced;
  }

  /** Offset of the next batch. */
  get end(): number {
    return this.#end;
  }

  /** The first transaction that is open here, as the leader knows it. */
  get firstOpen(): { readonly producerId: number; readonly firstOffset: number } | undefined {
    const entry = this.entries[this.stableEnd];
    return entry && { producerId: entry.producerId, firstOffset: entry.offset };
  }

  /** What a Fetch under `read_uncommitted` returns: the batch at this offset. */
  fetchOpen(fromOffset: number): FetchedBatches {
    const { topic, partition, stableOffset } = this;
    const found = this.entries.find((_, index) => this.#endOf(index) > fromOffset);
    return { topic, partition, stableOffset, aborted: [], batches: found === undefined ? [] : [found.bytes] };
  }

  get stableOffset(): number {
    return this.entries[this.stableEnd]?.offset ?? this.#end;
  }

  /** Index of the first entry that `read_committed` does not return yet. */
  get stableEnd(): number {
    while (this.#stable < this.entries.length && this.entries[this.#stable]!.outcome !== 'open')
      this.#stable += 1;
    return this.#stable;
  }
}
