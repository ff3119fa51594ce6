/** What an event is judged by: the parts that have its id, and what else is known. */
import type { KafkaTransaction } from '../recent-transactions.ts';
import type { Verdict } from '../status-verdict.ts';
import type { FoundLetter, FoundRecord, FoundRow, Looked } from './found.ts';

export type EventParts = {
  readonly id: string | null;
  readonly rows: readonly FoundRow[];
  readonly letters: readonly FoundLetter[];
  readonly records: readonly FoundRecord[];
  /** What was read of the partitions that its records can be in. */
  readonly looked: readonly Looked[];
};

export type Context = {
  /** null where the status could not be read. */
  readonly verdict: Pick<Verdict, 'text'> | null;
  /** Whether Kafka could be read. */
  readonly isKafkaRead: boolean;
  readonly auditedAt: string | null;
  /** Rows written earlier may have been removed, ms since 1970. */
  readonly removedBeforeMs: number | null;
  /** Kafka transactions of the last moments, the latest first. */
  readonly transactions: readonly KafkaTransaction[];
};
