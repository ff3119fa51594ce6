/** Progress records for tests, as a relay of the slot `outbox_relay` writes them. */
import type { Progress } from '../../../relay/model/progress.ts';

export const writer = { instance: 'me', time: '2026-01-02T03:04:05.678Z', timeline: 3 };

export const progress = (more: Partial<Progress> = {}): Progress => ({
  slot: 'outbox_relay',
  systemIdentifier: '7000000000000000001',
  endLsn: 1_000n,
  partial: null,
  beat: 5,
  eventCount: 10,
  ...writer,
  ...more,
});
