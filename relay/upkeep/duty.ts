/** One thing that the active relay does every so often, beside the stream. The list of all is in `upkeep.ts`. */
import type { ErrorCode } from '../errors.ts';

export type Duty = {
  /** For the log and a label of a metric, as in `slot_health`. */
  readonly name: string;
  /** From the end of one run to the beginning of the next. */
  readonly everyMs: number;
  /** The pause after a failure, doubled with each further one up to `everyMs`. By default `everyMs`. */
  readonly retryMs?: number;
  /** Share of the time that runs may take: the pause after a long run is longer than `everyMs`. */
  readonly shareMax?: number;
  /** How long the last run that succeeded kept the server busy, as that says, for `shareMax`. By default what the run took. */
  readonly busyMs?: () => number;
  /** What ends the stream if this duty finds it, beside the codes that always end it (`errors.ts`). */
  readonly endsStreamOn?: readonly ErrorCode[];
  /** Begins nothing more once the signal is aborted. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};
