/**
 * Owns how the marker of a transaction is written after the fact: in a transaction without records that ends as the
 * unfinished one ended. It takes two requests, and whatever comes between them makes the coordinator abort what the first
 * one began: a takeover, or the timeout. What finishes a committed transaction must never be aborted, so it has an epoch of
 * its own, with a timeout that says so. A successor that finds such a transaction open commits it before it takes over.
 *
 * A request of this epoch that arrives late, or a second time, is refused when the next ordinary transaction begins, since
 * that has another epoch again. Until then it begins or ends only what has the same outcome.
 */
import { kafkaErrorType } from '../../connect/kafka.ts';
import { codes } from '../wire/error-codes.ts';
import { type Broker, decodeAddPartitions, decodeEndTxn, protocolError } from '../wire/kafkajs-internals.ts';
import type { Wire } from '../wire/kafkajs-wire.ts';
import type { Place, TransactionAnswer } from '../wire/questions.ts';
import { checkAdded, checkCommitted } from './answers.ts';
import { type Fate, withNote } from './marker-fate.ts';
import { groupByTopic } from './produce-plan.ts';
import { addPartitionsRequest, endRequest, type Producer } from './requests.ts';

export type MendingMeans = {
  readonly wire: Wire;
  readonly coordinator: Broker;
  readonly producer: Producer;
  /** Of the producer's ordinary transactions. */
  readonly timeoutMs: number;
  /** Called before a transaction of protocol 1 begins. */
  readonly onUse: () => void;
  /** Gives the producer another epoch and another timeout. No transaction of it may be open that must not be aborted. */
  readonly raise: (timeoutMs: number) => Promise<Producer>;
};

/** What a broker allows by default (`transaction.max.timeout.ms`): a successor has so long to come. */
const longestTimeoutMs = 900_000;
/** A client has no greater one: the coordinator then assigns another producer id, which can finish nothing of this one. */
const lastEpoch = 32_766;
/** Codes of a coordinator that has no such transaction open, or gives it to another producer. */
const endedCodes: ReadonlySet<number> = new Set([
  0,
  codes.invalidProducerEpoch,
  codes.invalidTxnState,
  codes.invalidProducerIdMapping,
  codes.producerFenced,
]);

export class Mending {
  /** Of the transactions that this epoch has had, or undefined if they were ordinary. */
  #fate: Fate | undefined;

  /** The producer has another epoch. */
  begin(): void {
    this.#fate = undefined;
  }

  /** Has the coordinator write markers. Afterwards the partitions must be looked at again. */
  async mend(means: MendingMeans, places: readonly Place[], fate: Fate): Promise<void> {
    const producer = await this.#enter(means, fate);
    const { wire, coordinator, onUse } = means;
    const topics = [...groupByTopic(places)].map(([topic, group]) => ({
      topic,
      partitions: group.map(({ partition }) => partition),
    }));
    onUse();
    // They leave together, so that the death of this process rarely comes between them.
    const [added, ended] = await Promise.all([
      wire.send(coordinator, addPartitionsRequest(producer, topics), decodeAddPartitions),
      wire.send(coordinator, endRequest(producer, fate === 'commit'), decodeEndTxn),
    ]);
    checkAdded(added);
    checkCommitted(ended);
  }

  /** Everything is finished: ordinary transactions may begin. */
  async leave({ raise, timeoutMs }: MendingMeans): Promise<void> {
    if (this.#fate === undefined) return;
    await raise(timeoutMs);
    this.#fate = undefined;
  }

  /** What is committed is finished before anything that is aborted, so an epoch is left only when that is done. */
  async #enter({ producer, raise, timeoutMs }: MendingMeans, fate: Fate): Promise<Producer> {
    if (this.#fate === fate) return producer;
    const isLast = producer.producerEpoch >= lastEpoch;
    const isRaised = fate === 'commit' ? !isLast : this.#fate === 'commit';
    const entered = isRaised ? await raiseFor(fate, raise, timeoutMs) : producer;
    this.#fate = fate;
    return entered;
  }
}

async function raiseFor(fate: Fate, raise: MendingMeans['raise'], timeoutMs: number): Promise<Producer> {
  if (fate === 'abort') return raise(timeoutMs);
  try {
    return await raise(withNote(Math.max(timeoutMs, longestTimeoutMs), 'mending'));
  } catch (error) {
    if (kafkaErrorType(error) !== 'INVALID_TRANSACTION_TIMEOUT') throw error;
    return raise(withNote(timeoutMs, 'mending'));
  }
}

/** Commits what a predecessor has begun. @throws the client's error: everything must be asked again after it */
export async function commitFor(
  { wire, coordinator }: Pick<MendingMeans, 'wire' | 'coordinator'>,
  transactionalId: string,
  { producerId, epoch }: TransactionAnswer,
): Promise<never> {
  const request = endRequest({ transactionalId, producerId, producerEpoch: epoch }, true);
  const answer = await wire.send(coordinator, request, decodeEndTxn);
  if (!endedCodes.has(answer.errorCode)) checkCommitted(answer);
  throw protocolError(codes.concurrentTransactions);
}
