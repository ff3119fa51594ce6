/** Whether what a page shows is up to date, and if not, why and how old it is. Pure. */
import type { Fault } from '../../server/fault.ts';
import { sentence } from './sentence.ts';

export type Heard = {
  readonly connection: 'opening' | 'open' | 'lost';
  /** When the page began to listen, again or for the first time. */
  readonly openedMs: number;
  /** Of when the status is, by this browser's clock; null before the first. */
  readonly statusMs: number | null;
  /** Why the server has no newer status. */
  readonly failure: Fault | null;
};

export type Staleness = {
  readonly tone: 'warn' | 'bad';
  readonly text: string;
  /** Of when that is what one sees; null where one sees nothing yet. */
  readonly sinceMs: number | null;
};

/** The server reads the status every 2 s. A busy machine is not mistaken for one that does not answer. */
const lateMs = 10_000;
/** A page that was hidden shows what it showed then, until the first answer a moment later. */
const openingMs = 2_000;

/** @returns undefined where it is up to date */
export function stalenessOf(
  { connection, openedMs, statusMs, failure }: Heard,
  nowMs: number,
): Staleness | undefined {
  const stale = (tone: Staleness['tone'], text: string) => ({ tone, text, sinceMs: statusMs });
  if (connection === 'lost')
    return stale('bad', 'The console does not answer; the page tries again by itself.');
  if (failure !== null) return stale('warn', `${sentence(failure.message)} ${failure.hint ?? ''}`);
  const isOpening = nowMs - openedMs < openingMs;
  if (!isOpening && statusMs !== null && nowMs - statusMs > lateMs)
    return stale('warn', 'The next status is late; the console may be waiting for Postgres.');
  return undefined;
}
