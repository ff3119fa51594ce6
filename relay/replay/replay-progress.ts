/**
 * How far a replay is: the record in Kafka that is in the same transaction as the events. Either both are visible or neither
 * is, so a replay that died continues exactly where consumers see it end. Pure.
 */
import { RelayError } from '../errors.ts';
import type { ReplayCounts } from '../ledger/replays.ts';

/** Events that stand at one place of the order; see `placeColumns`. Numbers as text. */
export type Place = { readonly us: string; readonly xid: string };

export type ReplayProgress = ReplayCounts & {
  readonly replay: string;
  /** Everything up to here, inclusive, is done; null at the start. */
  readonly after: Place | null;
  /** The next place, if its first rows are done: how many, and a digest of which ones. */
  readonly part: (Place & { readonly rows: number; readonly digest: string }) | null;
  readonly isDone: boolean;
  /** Name of the process that wrote it. */
  readonly instance: string;
  /** ISO time at which it was written. */
  readonly time: string;
};

const version = 1;

export function startOf(replay: string, instance: string): ReplayProgress {
  const counts = { published: 0, refused: 0, gone: 0 };
  return { replay, ...counts, after: null, part: null, isDone: false, instance, time: '' };
}

export function serializeReplay(progress: ReplayProgress): string {
  return JSON.stringify({ version, ...progress });
}

/** @throws RelayError PROGRESS_UNREADABLE for a newer version or another replay: guessing could double events */
export function parseReplay(text: string, replay: string): ReplayProgress {
  try {
    const raw = JSON.parse(text) as ReplayProgress & { version: number };
    if (raw.version !== version || raw.replay !== replay) throw new TypeError(`version ${raw.version}`);
    const { version: _, ...progress } = raw;
    for (const count of [progress.published, progress.refused, progress.gone])
      if (!Number.isSafeInteger(count) || count < 0) throw new TypeError('not a count');
    if (typeof progress.isDone !== 'boolean') throw new TypeError('not a state');
    return { ...progress, after: placeOf(progress.after), part: partOf(progress.part) };
  } catch (cause) {
    throw new RelayError('PROGRESS_UNREADABLE', `the progress of replay ${replay} cannot be read`, { cause });
  }
}

function placeOf(place: Place | null): Place | null {
  if (place === null) return null;
  return { us: String(BigInt(place.us)), xid: String(BigInt(place.xid)) };
}

function partOf(part: ReplayProgress['part']): ReplayProgress['part'] {
  if (part === null) return null;
  if (!Number.isSafeInteger(part.rows) || part.rows < 1 || !/^[0-9a-f]{64}$/.test(part.digest))
    throw new TypeError('not a part');
  return { ...placeOf(part)!, rows: part.rows, digest: part.digest };
}
