/** Owns what the producers of a transactional id remember of unfinished transactions from one session of the process to the next. */
import type { Kafka } from 'kafkajs';
import type { Place } from '../wire/questions.ts';

/** What outlives a session of this process, as long as nobody else has used the transactional id. */
export type Memory = {
  epoch: number;
  /** In the transaction that a takeover aborted. */
  aborted: ReadonlySet<string>;
  /** Found unfinished within a transaction, so before the next one they are looked at first. */
  readonly found: Map<string, Place>;
  /** Where consumers stand. */
  standing: readonly Place[];
  /** Those of them of which nobody can tell how the transaction ended. */
  readonly untold: Set<string>;
  /** Of a transaction that was to finish a committed one, and was aborted. */
  undoneEpoch?: number;
};
const memories = new WeakMap<Kafka, Map<string, Memory>>();

export function memoryOf(kafka: Kafka, transactionalId: string): Memory {
  const known = memories.get(kafka) ?? new Map<string, Memory>();
  memories.set(kafka, known);
  const memory = known.get(transactionalId) ?? newMemory();
  known.set(transactionalId, memory);
  return memory;
}

const newMemory = (): Memory => ({
  epoch: -1,
  aborted: new Set(),
  found: new Map(),
  standing: [],
  untold: new Set(),
});

/**
 * Has the producer look at these partitions once before its next transaction, and finish what it has unfinished there.
 * Whatever prevents that delays no transaction.
 */
export function nameStanding(kafka: Kafka, transactionalId: string, places: readonly Place[]): void {
  memoryOf(kafka, transactionalId).standing = places;
}
