/** What an event is judged by: the parts that have its id, and what else is known. */
import type { KafkaTransaction } from '../recent-transactions.ts';
import type {
  FoundFinding,
  FoundLetter,
  FoundRecord,
  FoundRemoval,
  FoundReplay,
  FoundRow,
  Looked,
} from './found.ts';
import type { Holding } from './reasons.ts';

export type EventParts = {
  readonly id: string | null;
  readonly rows: readonly FoundRow[];
  readonly letters: readonly FoundLetter[];
  readonly records: readonly FoundRecord[];
  /** What was read of the partitions that its records can be in. */
  readonly looked: readonly Looked[];
};

/** What else belongs to it, once its parts are known. */
export type EventExtras = {
  readonly findings: readonly FoundFinding[];
  readonly replays: readonly FoundReplay[];
  /** Only of an event whose row is gone. */
  readonly removal: FoundRemoval | null;
};

export type Context = Holding & {
  /** Whether the rows of the event could be looked for. */
  readonly areRowsRead: boolean;
  /** Whether what cleanup removed could be read. */
  readonly areRemovalsRead: boolean;
  /** Whether Kafka could be read. */
  readonly isKafkaRead: boolean;
  readonly auditedAt: string | null;
  /** Kafka transactions of the last moments, the latest first. */
  readonly transactions: readonly KafkaTransaction[];
};
