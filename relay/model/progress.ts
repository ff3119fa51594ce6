/**
 * The progress, and the two decisions that exactly-once rests on: which events are published already, and what the next
 * progress says. Pure: no sockets, and tests need none. Whether a database is the one that a progress belongs to is
 * decided in `session/lineage.ts`.
 *
 * A Postgres transaction is published iff its commit LSN lies below `endLsn`. Equality is a new transaction: the end LSN
 * of one commit record is the first byte that the next may start at, and in 3 % of commits it does.
 */
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn, type Position, parseLsn } from './position.ts';

/** The position up to which everything is published: the last record of every Kafka transaction. */
export type Progress = {
  readonly slot: string;
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** End LSN of the last Postgres transaction that is published as a whole. */
  readonly endLsn: Lsn;
  /** A transaction over the limit that is published in part: its events below `ordinal` are in Kafka. */
  readonly partial: Position | null;
  /** The last transaction of the stream that it covers, as a whole or in part; none if no stream led to it. */
  readonly last?: Landmark | undefined;
  /** What `adopt database` replaced by this; the next progress has it no more. */
  readonly givenUp?: GivenUp | undefined;
  /** The slot of a connector whose events before ours are not all published yet: `adopt debezium` has begun, not ended. */
  readonly adopting?: string | undefined;
  /** Number of the last heartbeat seen in the stream; 0 before the first. */
  readonly beat: number;
  /** Events published under this slot since its first start. */
  readonly eventCount: number;
  /** Name of the process that wrote it. */
  readonly instance: string;
  /** ISO time at which it was written. */
  readonly time: string;
};

/**
 * Identifies a transaction across histories of the database: in another history, the transaction whose commit record has
 * the same place was committed at another time.
 */
export type Landmark = {
  readonly commitLsn: Lsn;
  /** Commit time, ms since 1970. */
  readonly committedAtMs: number;
};

/** The end of another history. Its dead letters, parked keys and releases are still in the database. */
export type GivenUp = Pick<Progress, 'systemIdentifier' | 'endLsn'> & {
  /** Names the adoption. */
  readonly id: string;
};

const progressVersion = 1;

/** The value of a progress record: JSON, LSNs as Postgres prints them. */
export function serializeProgress(progress: Progress): string {
  const { endLsn, partial, last, givenUp, ...rest } = progress;
  return JSON.stringify({
    version: progressVersion,
    ...rest,
    endLsn: formatLsn(endLsn),
    partial: partial === null ? null : { commitLsn: formatLsn(partial.commitLsn), ordinal: partial.ordinal },
    ...(last === undefined ? {} : { last: { ...last, commitLsn: formatLsn(last.commitLsn) } }),
    ...(givenUp === undefined ? {} : { givenUp: { ...givenUp, endLsn: formatLsn(givenUp.endLsn) } }),
  });
}

/** @throws RelayError PROGRESS_UNREADABLE for a newer version or a malformed record: guessing could lose events */
export function parseProgress(text: string): Progress {
  try {
    const raw = JSON.parse(text) as Record<string, unknown>;
    if (raw.version !== progressVersion) throw new TypeError(`version ${String(raw.version)}`);
    const partial = raw.partial as { commitLsn: unknown; ordinal: unknown } | null;
    const last = raw.last as { commitLsn: unknown; committedAtMs: unknown } | undefined;
    const givenUp = raw.givenUp as { id: unknown; systemIdentifier: unknown; endLsn: unknown } | undefined;
    return {
      slot: string(raw.slot),
      systemIdentifier: string(raw.systemIdentifier),
      timeline: count(raw.timeline),
      endLsn: parseLsn(string(raw.endLsn)),
      partial:
        partial === null
          ? null
          : { commitLsn: parseLsn(string(partial.commitLsn)), ordinal: count(partial.ordinal) },
      // Early releases wrote none.
      last:
        last === undefined
          ? undefined
          : { commitLsn: parseLsn(string(last.commitLsn)), committedAtMs: count(last.committedAtMs) },
      givenUp:
        givenUp === undefined
          ? undefined
          : {
              id: string(givenUp.id),
              systemIdentifier: string(givenUp.systemIdentifier),
              endLsn: parseLsn(string(givenUp.endLsn)),
            },
      adopting: raw.adopting === undefined ? undefined : string(raw.adopting),
      beat: count(raw.beat),
      eventCount: count(raw.eventCount),
      instance: string(raw.instance),
      time: string(raw.time),
    };
  } catch (cause) {
    throw new RelayError('PROGRESS_UNREADABLE', 'a progress record cannot be read', { cause });
  }
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a string');
  return value;
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new TypeError('not a count');
  return value;
}

/**
 * How many leading events of a transaction are already published: all (`Infinity`), none (0), or those below the ordinal
 * that a partial progress names.
 */
export function publishedEvents(progress: Progress, commitLsn: Lsn): number {
  if (commitLsn < progress.endLsn) return Number.POSITIVE_INFINITY;
  if (progress.partial !== null && progress.partial.commitLsn === commitLsn) return progress.partial.ordinal;
  return 0;
}

/** How far a batch covers the stream. */
export type Covered = {
  /** End LSN of the last transaction that ends in the batch; null if none does. */
  readonly endLsn: Lsn | null;
  /** The first position after the batch, if it ends within a transaction. */
  readonly partial: Position | null;
  /** The transaction that the batch ends with, or ends in. */
  readonly last?: Landmark | undefined;
  /** Last heartbeat number seen, if any. */
  readonly beat?: number | undefined;
};

/**
 * The progress after a batch of `events` events.
 * @throws RelayError INTERNAL if it would not lie beyond the present one: a progress that goes back causes duplicates
 */
export function advance(
  progress: Progress,
  covered: Covered,
  events: number,
  writer: { readonly instance: string; readonly time: string; readonly timeline: number },
): Progress {
  const endLsn = covered.endLsn ?? progress.endLsn;
  if (!isBeyond(progress, endLsn, covered.partial))
    throw new RelayError(
      'INTERNAL',
      `the progress would not go forward: from ${describe(progress.endLsn, progress.partial)} to ${describe(endLsn, covered.partial)}`,
    );
  return {
    ...progress,
    ...writer,
    endLsn,
    partial: covered.partial,
    last: covered.last,
    givenUp: undefined,
    beat: Math.max(progress.beat, covered.beat ?? 0),
    eventCount: progress.eventCount + events,
  };
}

function describe(endLsn: Lsn, partial: Position | null): string {
  return partial === null
    ? formatLsn(endLsn)
    : `${formatLsn(endLsn)} + ${formatLsn(partial.commitLsn)}.${partial.ordinal}`;
}

function isBeyond(before: Progress, endLsn: Lsn, partial: Position | null): boolean {
  const from = frontier(before.endLsn, before.partial);
  const to = frontier(endLsn, partial);
  return to.commitLsn > from.commitLsn || (to.commitLsn === from.commitLsn && to.ordinal > from.ordinal);
}

/** The least position that is not published yet. */
function frontier(endLsn: Lsn, partial: Position | null): Position {
  return partial ?? { commitLsn: endLsn, ordinal: 0 };
}

/**
 * Whether a part is one of `recover`. Its commit LSN is the byte before a position, and commit records start at multiples
 * of eight.
 */
export function isOfRecovery(partial: Position | null): partial is Position {
  return partial !== null && partial.commitLsn % 8n === 7n;
}
