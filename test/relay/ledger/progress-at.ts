/** The progress of a slot that covers everything before `endLsn`, in the cluster `1`. */
import type { Progress } from '../../../relay/model/progress.ts';

export function progressAt(slot: string, endLsn: bigint, partial: Progress['partial'] = null): Progress {
  return {
    slot,
    systemIdentifier: '1',
    timeline: 1,
    endLsn,
    partial,
    beat: 0,
    eventCount: 0,
    instance: 'test',
    time: '2026-01-02T03:04:05Z',
  };
}
