/**
 * How a broker asks the coordinator whether partitions are in a transaction, or to add them: one request at a time, and one
 * transaction of each transactional id in the next one. Model of AddPartitionsToTxnManager in Kafka 4.3.
 */

import type { Identified } from './codec.ts';
import { codes } from './codes.ts';
import type { Coordinator } from './coordinator.ts';
import type { Partition } from './partition.ts';

export type Question = {
  readonly transactionalId: string;
  readonly identified: Identified;
  readonly partitions: readonly Partition[];
  /** Of the Produce request: from 12 on it adds the partitions. */
  readonly version: number;
  readonly answer: (errors: ReadonlyMap<Partition, number>) => void;
};

export const addsFrom = 12;
/** The first version of Produce whose client knows TRANSACTION_ABORTABLE. */
const abortableFrom = 11;

/** Has something happen when a message from one broker to another, or to itself, arrives. */
export type Between = (what: 'verification' | 'marker', arrive: () => void) => void;

export class Verification {
  readonly #coordinator: Coordinator;
  readonly #between: Between;
  readonly #queued = new Map<string, Question>();
  #isAsking = false;

  constructor(coordinator: Coordinator, between: Between) {
    this.#coordinator = coordinator;
    this.#between = between;
  }

  ask(question: Question): void {
    const { transactionalId, identified } = question;
    const queued = this.#queued.get(transactionalId);
    if (queued !== undefined && queued.identified.epoch > identified.epoch) {
      refuse(question, codes.invalidProducerEpoch);
      return;
    }
    this.#queued.set(transactionalId, question);
    if (queued !== undefined) {
      const isFenced = queued.identified.epoch < identified.epoch;
      refuse(queued, isFenced ? codes.invalidProducerEpoch : codes.networkException);
    }
    this.#send();
  }

  #send(): void {
    if (this.#isAsking || this.#queued.size === 0) return;
    const questions = [...this.#queued.values()];
    this.#queued.clear();
    this.#isAsking = true;
    let left = questions.length;
    const answered = () => {
      left -= 1;
      if (left > 0) return;
      this.#isAsking = false;
      this.#send();
    };
    for (const question of questions)
      this.#between('verification', () =>
        this.#serve(question, (errors) =>
          this.#between('verification', () => {
            question.answer(errors);
            answered();
          }),
        ),
      );
  }

  #serve({ transactionalId, identified, partitions, version }: Question, answer: Question['answer']): void {
    const coordinator = this.#coordinator;
    const { server } = coordinator;
    if (!server.isUp) {
      answer(all(partitions, codes.networkException));
      return;
    }
    const toProducer = (errors: ReadonlyMap<Partition, number>) =>
      answer(new Map([...errors].map(([partition, error]) => [partition, errorOf(error, version)])));
    if (version < addsFrom)
      coordinator.verifyPartitions(transactionalId, identified, partitions, server, toProducer);
    else
      coordinator.addPartitions(transactionalId, identified, partitions, 2, server, (error) =>
        toProducer(all(partitions, error)),
      );
  }
}

const all = (partitions: readonly Partition[], error: number) =>
  new Map(partitions.map((partition) => [partition, error]));

const refuse = ({ partitions, answer }: Question, error: number) => answer(all(partitions, error));

/** Producers expect the older code, and older producers do not know the newer one. */
function errorOf(error: number, version: number): number {
  if (error === codes.producerFenced) return codes.invalidProducerEpoch;
  if (error === codes.transactionAbortable && version < abortableFrom) return codes.invalidTxnState;
  return error;
}
