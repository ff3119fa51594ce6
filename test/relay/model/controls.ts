/** Makes what people have said, as it is stored. */
import { type Control, noControl, type Pause } from '../../../relay/model/control.ts';

export const pauseOf = (more: Partial<Pause> = {}): Pause => ({
  topic: null,
  mode: 'hold',
  person: 'ada',
  reason: 'upgrade',
  since: '2026-01-02T03:04:05.678Z',
  until: null,
  isOver: false,
  isReleasing: false,
  ...more,
});

export const controlOf = (
  pauses: readonly Partial<Pause>[],
  eventsPerSecond: number | null = null,
  revision = 1,
): Control => ({
  ...noControl,
  revision,
  pauses: pauses.map(pauseOf),
  limits: { eventsPerSecond, bytesPerSecond: null },
});
