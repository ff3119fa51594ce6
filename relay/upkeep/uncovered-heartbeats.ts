/**
 * The heartbeats of a session whose snapshots do not count yet (`ledger/snapshots.ts`): the progress in Kafka does not
 * cover them, or the publication was not read since they were written.
 */
import type { Heartbeat } from '../ledger/heartbeat.ts';

/** Heartbeats remembered: an hour of them at the default of 10 s. While a relay lags by more, it remembers no new ones. */
const heartbeatsMax = 360;

export class UncoveredHeartbeats {
  #waiting: { readonly heartbeat: Heartbeat; isOfSamePublication: boolean }[] = [];
  #latestBeat = 0;

  /** Number of the last heartbeat that was written. Take it before you read the publication. */
  get latestBeat(): number {
    return this.#latestBeat;
  }

  add(heartbeat: Heartbeat): void {
    this.#latestBeat = heartbeat.beat;
    if (this.#waiting.length < heartbeatsMax) this.#waiting.push({ heartbeat, isOfSamePublication: false });
  }

  /**
   * The publication is still the one of the session, so it was when these heartbeats were written.
   * @param latestBeat as it was before the publication was read: a later heartbeat may be of a changed one
   */
  publicationWasSame(latestBeat: number): void {
    for (const each of this.#waiting) if (each.heartbeat.beat <= latestBeat) each.isOfSamePublication = true;
  }

  /** The latest one that counts now, once. undefined where none does. */
  covered(beat: number): Heartbeat | undefined {
    const counts = this.#waiting.filter(
      ({ heartbeat, isOfSamePublication }) => isOfSamePublication && heartbeat.beat <= beat,
    );
    const latest = counts.at(-1)?.heartbeat;
    if (latest !== undefined)
      this.#waiting = this.#waiting.filter(({ heartbeat }) => heartbeat.beat > latest.beat);
    return latest;
  }
}
