/**
 * Watches the slot, and how fast WAL is written, for as long as the process lives. Promise: during an outage of Kafka, when
 * no session begins, the relay still says how much WAL the slot retains and for how long that can go on. It only observes:
 * what keeps it from looking changes nothing but what is known.
 */
import type pg from 'pg';
import { observeSlot } from '../capture/observe-slot.ts';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { asRelayError } from '../errors.ts';
import { readWalDirectory, readWalSamples, storeWalSample } from '../ledger/wal-samples.ts';
import { walRates } from '../model/wal-rate.ts';
import type { RelayObserver } from '../observe/observer.ts';

/**
 * Often enough to see a slot that is about to be lost before it is: Postgres gives up WAL at checkpoints only, and between
 * two looks it writes 1 % of a limit of 100 GB at 200 MB/s. Each look costs an idle relay a tenth of its CPU if it comes
 * every second.
 */
export const lookEveryMs = 5_000;

/** A sample is kept for each minute of a day. */
const measureEveryMs = 60_000;

export type SlotWatchMeans = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  /** Whether a duty looks at the slot anyway. */
  readonly isWatched: () => boolean;
};

/** Resolves once the signal is aborted and nothing runs any more. Never rejects. */
export async function watchSlot(means: SlotWatchMeans, signal: AbortSignal): Promise<void> {
  let dueMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    if (!means.isWatched()) await look(means);
    if (performance.now() >= dueMs) {
      dueMs = performance.now() + measureEveryMs;
      await measure(means);
    }
    await pause(lookEveryMs, signal);
  }
}

/** What was seen longer ago is not known any more. */
const staleMs = 3_000;

/** Whether the slot is lost or gone is for the relay to find, which then acts on it. */
async function look({ config, pool, observer }: SlotWatchMeans): Promise<void> {
  const late = setTimeout(() => observer.slotUnknown?.({}), staleMs);
  try {
    if ((await observeSlot(pool, config.slot.name, observer)) === undefined) observer.slotUnknown?.({});
  } catch (error) {
    if (asRelayError(error).code !== 'SLOT_INVALIDATED') observer.slotUnknown?.({});
  } finally {
    clearTimeout(late);
  }
}

async function measure({ config, pool, observer }: SlotWatchMeans): Promise<void> {
  try {
    await storeWalSample(pool);
    const rates = walRates(await readWalSamples(pool));
    const directoryBytes = await readWalDirectory(pool);
    observer.walMeasured?.({ ...rates, directoryBytes, diskBytes: config.slot.walDiskBytes });
  } catch (error) {
    observer.walUnmeasured?.({ failure: asRelayError(error), retryInMs: measureEveryMs });
  }
}
