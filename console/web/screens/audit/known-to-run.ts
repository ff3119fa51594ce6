/** Whether the standing audit still runs. No process announces one: its last runs tell. Pure. */

type Runs = {
  readonly lastRunAt: string | null;
  readonly lastErrorAt: string | null;
  readonly lastRunMs: number | null;
  readonly runs: readonly { readonly at: string }[];
};

/** Where nobody sets another. */
const defaultMinutes = 5;
/** A longer pause is an end: as the alert OutboxAuditStale. */
const pauseMostMinutes = 60;
/** How long a run waits for the progress to reach its snapshot, as `auditWaitMs`. */
const waitMs = 60_000;
/** So many tell how often an audit runs that is a process of its own. */
const recentRuns = 6;

/** @param everyMinutes `audit.everyMinutes` as the console knows it; 0 where no relay runs the audit */
export function isAuditKnownToRun(
  { lastRunAt, lastErrorAt, lastRunMs, runs }: Runs,
  everyMinutes: number,
  nowMs: number,
): boolean {
  const ends = [lastRunAt, lastErrorAt].filter((at) => at !== null).map((at) => Date.parse(at));
  if (ends.length === 0) return false;
  const seenMs = Math.min(pauseMostMinutes * 60_000, usualPauseMs(runs.map(({ at }) => Date.parse(at))));
  const pauseMs = Math.max(60_000 * Math.max(defaultMinutes, everyMinutes), seenMs);
  // The run after the pause may take longer than the last one did.
  return nowMs - Math.max(...ends) <= pauseMs + waitMs + 2 * (lastRunMs ?? 0);
}

/** The middle one, which one outage does not change. */
function usualPauseMs(at: readonly number[]): number {
  const latest = at.toSorted((a, b) => a - b).slice(-recentRuns);
  const pauses = latest.slice(1).map((each, index) => each - latest[index]!);
  return pauses.toSorted((a, b) => a - b)[Math.floor(pauses.length / 2)] ?? 0;
}
