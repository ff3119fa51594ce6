/** Facts as a relay says them, for the tests of listeners. */

import type { Progress } from '../../../relay/model/progress.ts';
import type { CommittedBatch, Facts, SlotHealth } from '../../../relay/observe/facts.ts';

export const progressSample: Progress = {
  slot: 'slot',
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  endLsn: 0x16_0000_0000n,
  partial: null,
  beat: 0,
  eventCount: 12,
  instance: 'test',
  time: '2026-01-02T03:04:05.678Z',
};

export const sampledSample = (rest: Partial<Facts['sampled']> = {}): Facts['sampled'] => ({
  state: 'streaming',
  inFlightBytes: 0,
  inFlightEvents: 0,
  inFlightBytesMax: 1,
  stream: { progressLsn: 100n, serverLsn: 100n, oldestMs: 0, isReadingOn: true },
  caches: [],
  ...rest,
});

export const slotSample = (rest: Partial<SlotHealth> = {}): SlotHealth => ({
  retainedBytes: 0,
  walStatus: 'reserved',
  safeWalBytes: null,
  writtenLsn: 100n,
  ...rest,
});

export const committedSample = (rest: Partial<CommittedBatch> = {}): CommittedBatch => ({
  progress: progressSample,
  events: 0,
  eventsByTopic: new Map(),
  eventsByPartition: [],
  bytes: 0,
  sentBytes: undefined,
  deadLetters: 0,
  committedAtMs: [],
  waypoints: [],
  begunMs: 1_000,
  writtenMs: 1_001,
  confirmedMs: 1_002,
  ...rest,
});
