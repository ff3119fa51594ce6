/** What a person decides about a recovery in advance, and what they see of it while it runs. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { RecoveryStage } from '../observe/facts.ts';

export type RecoverOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly isDryRun: boolean;
  /** Compare although nothing is found to be wrong. */
  readonly isForced: boolean;
  /** Recover although Kafka holds events that this database has lost. */
  readonly acceptsRewound: boolean;
  /** Publish in the order of writing if the order of the commits is not known. */
  readonly acceptsWritingOrder: boolean;
  /** Make a dead letter of each row that Postgres cannot convert to text. */
  readonly skipsUnreadable: boolean;
  /** What happens to events of which nobody can tell whether they were published. */
  readonly unjudged: 'refuse' | 'publish' | 'skip';
  readonly onStage: (stage: RecoverStage) => void;
  /** A relay recovers by itself: only from a slot that is lost. Left out where a person asked for it. */
  readonly isUnattended?: boolean;
  /** Ends the recovery with the reason of the abort, as a failure would. */
  readonly signal?: AbortSignal;
};

export type RecoverStage = RecoveryStage;
