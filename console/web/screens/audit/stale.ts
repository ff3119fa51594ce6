/** Whether the standing audit has ended without anybody saying so. Pure. */

type LastRun = { readonly lastRunAt: string | null; readonly lastErrorAt: string | null };

/** As the alert OutboxAuditStale: an audit runs every 5 minutes by default, and one run may take some of them. */
const staleAfterMinutes = 60;

/** @param everyMinutes `audit.everyMinutes` as the console knows it; 0 where no relay runs the audit */
export function isAuditStale(
  { lastRunAt, lastErrorAt }: LastRun,
  everyMinutes: number,
  nowMs: number,
): boolean {
  const ends = [lastRunAt, lastErrorAt].filter((at) => at !== null).map((at) => Date.parse(at));
  if (ends.length === 0) return false;
  return nowMs - Math.max(...ends) > Math.max(staleAfterMinutes, 2 * everyMinutes) * 60_000;
}
