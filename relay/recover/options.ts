/** What a person decides about a recovery in advance, and what they see of it while it runs. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Control } from '../model/control.ts';
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
  /** Who signs the progress; left out, a name of its own. */
  readonly instance?: string;
  /** Called with what people say, once it is obeyed. */
  readonly onControl?: (control: Control) => void;
  /** Ends the recovery, as a failure would. What was committed counts, and another recovery continues from there. */
  readonly signal?: AbortSignal;
};

export type RecoverStage = RecoveryStage;
