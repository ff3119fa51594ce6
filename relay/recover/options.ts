/** What a person decides about a recovery beforehand, and what they see of it while it runs. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';

export type RecoverOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly isDryRun: boolean;
  /** Go on also where nothing is found to be wrong. */
  readonly isForced: boolean;
  /** Go on although Kafka holds events that this database has lost. */
  readonly acceptsRewound: boolean;
  /** Publish in the order of writing where that of the commits is not known. */
  readonly acceptsWritingOrder: boolean;
  /** Make a dead letter of each row that Postgres cannot give as text. */
  readonly skipsUnreadable: boolean;
  /** What to do with events that may have been published and removed from Kafka since. */
  readonly unjudged: 'refuse' | 'publish' | 'skip';
  readonly onProgress: (progress: RecoverProgress) => void;
};

export type RecoverProgress = {
  readonly stage: 'slot' | 'topics' | 'table' | 'rows' | 'publishing';
  readonly done: number;
  /** undefined where it is not known beforehand. */
  readonly total?: number;
};
