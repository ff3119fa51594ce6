/** What a person decides about a take-over from Debezium in advance, and what they see of it while it runs. */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ConnectorProperties } from './connector-properties.ts';

export type Choice = 'refuse' | 'publish' | 'skip';

export type TakeOverOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly isDryRun: boolean;
  /** The connector's `slot.name`. */
  readonly slot: string;
  /** The connector's `publication.name`. */
  readonly publication: string;
  /** What happens to events of which nobody can tell whether the connector published them. */
  readonly unjudged: Choice;
  /** What happens to missing events of a key of which the connector has published later ones. */
  readonly overtaken: Choice;
  /** Go on although records of the connector have another topic or key than those of the relay. */
  readonly acceptsOtherKeys: boolean;
  /** Go on although records of the connector have headers that those of the relay will not have. */
  readonly acceptsOtherHeaders: boolean;
  /** The configuration of the connector; undefined if nobody has given it. */
  readonly properties?: ConnectorProperties;
  /** Drop the slot of the connector at the end. */
  readonly dropsSlot: boolean;
  readonly onStage: (stage: TakeOverStage) => void;
  /** Ends the take-over, as a failure would. What was committed counts, and another one continues from there. */
  readonly signal?: AbortSignal;
};

export type TakeOverStage = {
  readonly stage: 'connector' | 'slot' | 'tail' | 'topics' | 'publishing';
  readonly done: number;
  readonly total?: number;
  /** Until the stage ends, at its pace so far; left out while that is not known. */
  readonly leftMs?: number;
};
