/** Waits until everything that was committed before a position is published. */
import { readControl } from '../../ledger/control.ts';
import { activePauses, type Control } from '../../model/control.ts';
import { formatLsn, type Lsn } from '../../model/position.ts';
import { awaitProgress, isAt } from '../await-progress.ts';
import type { Producers } from '../producers.ts';
import { stallMsOf } from '../read-topics.ts';
import type { WindowMeans } from './window-means.ts';

/** A relay that is no further behind publishes this within a second or two, or waits for its next heartbeat. */
const nearBytes = 64n * 1024n * 1024n;

/** Of the progress topic: more than a relay writes between two looks. */
const progressTail = 20_000n;

/** Nothing can be verified now. The next run tries again. */
export type HeldBack = { readonly verdict: 'held back'; readonly why: string };

/** undefined once the progress is near the end of the WAL, or has reached `lsn`. */
export function approach(means: WindowMeans, lsn: Lsn): Promise<HeldBack | undefined> {
  return reach(means, lsn > nearBytes ? lsn - nearBytes : 0n);
}

/**
 * undefined once the progress is there.
 * @param into takes the producers of the progress
 */
export async function reach(
  means: WindowMeans,
  lsn: Lsn,
  into?: { readonly producers: Producers; readonly siblings: ReadonlySet<string> },
): Promise<HeldBack | undefined> {
  const { config, kafka, admin, systemIdentifier, waitMs, pace } = means;
  const progress = await awaitProgress({
    kafka,
    admin,
    stallMs: stallMsOf(config),
    topic: config.kafka.progressTopic,
    slot: config.slot.name,
    systemIdentifier,
    reach: lsn,
    waitMs,
    signal: pace.signal,
    tailOffsets: progressTail,
    ...(into === undefined
      ? {}
      : {
          siblings: into.siblings,
          onProducer: (producerId, writer) => into.producers.addProgress(producerId, writer),
        }),
  });
  if (progress === null) return { verdict: 'held back', why: 'nothing was published for this slot so far' };
  if (progress.systemIdentifier !== systemIdentifier)
    return { verdict: 'held back', why: 'the progress belongs to another Postgres cluster' };
  if (!isAt(progress, { reach: lsn, systemIdentifier }))
    return {
      verdict: 'held back',
      why: `the progress is at ${formatLsn(progress.endLsn)} and has not reached ${formatLsn(lsn)}: ${whyBehind(await readControl(means.now, config.slot.name))}`,
    };
  return undefined;
}

/** A relay that obeys a pause streams, and publishes nothing. */
export function whyBehind(control: Pick<Control, 'pauses'>): string {
  const held = activePauses(control).filter(({ mode }) => mode === 'hold');
  const hold = held.find(({ topic }) => topic === null) ?? held[0];
  if (hold === undefined) return 'is a relay streaming?';
  const { topic, person, reason } = hold;
  return topic === null
    ? `everything is paused by ${person}: ${reason}`
    : `topic ${topic} is paused by ${person}, and everything behind its first event waits: ${reason}`;
}
