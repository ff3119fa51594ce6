/**
 * Owns what the audit concludes from records that a replay wrote. They repeat events on purpose, so they neither are
 * duplicates of the stream's records nor stand in for one that is missing. Within one replay each event occurs once.
 */
import type { StoredReplay } from '../ledger/replays.ts';
import { lengthened } from './lengthened.ts';

export type KnownReplay = Pick<StoredReplay, 'id' | 'isFirst' | 'topic'>;

const initialCapacity = 1_024;

export class Replays {
  readonly #known = new Map<string, KnownReplay>();
  /** By replay: how many records of each event, by its number in the index; stops counting at 255. */
  readonly #seen = new Map<string, Uint8Array>();

  setKnown(replays: readonly KnownReplay[]): void {
    for (const replay of replays) this.#known.set(replay.id, replay);
  }

  find(id: string): KnownReplay | undefined {
    return this.#known.get(id);
  }

  /** Counts a record. @returns whether the replay published the event more often than the table has rows of it */
  isSurplus(replayId: string, slot: number, rows: number): boolean {
    let seen = this.#seen.get(replayId) ?? new Uint8Array(initialCapacity);
    if (slot >= seen.length) seen = lengthened(seen, Math.max(2 * seen.length, slot + 1));
    this.#seen.set(replayId, seen);
    seen[slot] = Math.min(255, seen[slot]! + 1);
    return seen[slot]! > Math.max(1, rows);
  }
}
