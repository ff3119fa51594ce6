/**
 * How far the timestamp of a commit may be from the time at which its record reaches the WAL. A commit takes its
 * timestamp before it writes its record, and becomes visible after that. The difference is usually far below a
 * millisecond, unless the commit waits for a synchronous standby.
 */
export const commitToleranceMs = 60_000;
