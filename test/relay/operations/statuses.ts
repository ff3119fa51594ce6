/** Makes what `status` reads, for the tests of its verdict and of its words. */
import type { KnownRelay, StatusFacts } from '../../../relay/operations/status.ts';
import { controlOf } from '../model/controls.ts';

/** Two minutes after the pauses of the samples began. */
export const at = '2026-01-02T03:06:05.678Z';

export const relayOf = (
  more: Partial<KnownRelay> = {},
  facts: Partial<KnownRelay['facts']> = {},
): KnownRelay => ({
  instance: 'pod-a/7/1a2b3c4d',
  host: 'pod-a',
  version: '1.2.0',
  startedAt: '2026-01-02T01:00:00.000Z',
  state: 'streaming',
  stateSince: '2026-01-02T01:06:05.678Z',
  seenAt: at,
  unseenSeconds: 1,
  isGone: false,
  httpAddress: '10.0.0.7:9465',
  revision: 0,
  ...more,
  facts: {
    isReady: true,
    reason: 'streaming: publishing events',
    eventsPerSecond: 1_204.2,
    lagMs: 12.4,
    lagBytes: 100,
    isStanding: false,
    isLimited: false,
    isRecovering: false,
    error: null,
    ...facts,
  },
});

export const standby = (facts: Partial<KnownRelay['facts']> = {}) =>
  relayOf(
    { instance: 'pod-b/9/5e6f7a8b', host: 'pod-b', state: 'standby', revision: null },
    {
      reason: 'standby: another relay is active',
      eventsPerSecond: null,
      lagMs: null,
      lagBytes: null,
      ...facts,
    },
  );

export const failure = (isOver = false) => ({
  code: 'KAFKA_UNAVAILABLE',
  message: 'connecting to Kafka: no broker answered',
  hint: 'Check KAFKA_BROKERS.',
  since: '2026-01-02T03:02:05.678Z',
  isOver,
});

export const slot = {
  state: 'active',
  activePid: 7,
  readSince: null,
  confirmedLsn: '16/B374D000',
  lagBytes: 1_536,
  retainedBytes: 16_777_216,
  walStatus: 'reserved',
  safeWalBytes: 1_000_000_000,
  untilLimitSeconds: 61 * 3_600,
  untilDiskSeconds: null,
} as const;

export const inactive = { ...slot, state: 'inactive', activePid: null, readSince: null } as const;

export const factsOf = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  at,
  slotName: 'shop',
  progressTopic: 'outbox-relay.progress.shop',
  slot,
  otherSlots: [],
  relays: [relayOf(), standby()],
  control: controlOf([], null, 0),
  limits: { eventsPerSecond: 0, bytesPerSecond: 0 },
  setAside: [],
  progress: {
    endLsn: '16/B374D848',
    isPartial: false,
    eventCount: 42,
    instance: 'pod-a/7/1a2b3c4d',
    publishedAt: '2026-01-02T03:04:35.678Z',
    ageSeconds: 95,
  },
  deadLetters: [],
  dealtWith: null,
  parked: { keys: 0, events: 0 },
  audit: null,
  recovery: null,
  cleanup: null,
  ...more,
});
