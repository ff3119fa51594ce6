/** Made-up figures, for tests of what is made of figures. */
import type { Drain } from '../../bench/drain.ts';
import { type Cell, type Growth, growthCells } from '../../bench/growth-cells.ts';
import type { Live } from '../../bench/live.ts';
import type { Measured } from '../../bench/report.ts';

export const drainOf = (eventsPerSecond: number, lost = 0): Drain => ({
  events: 1_000,
  eventsPerSecond,
  cost: { own: 10, walsender: 4, broker: 2, whole: 16 },
  peakMemoryMb: 100,
  lost,
  duplicates: 0,
});

export const liveOf = (p50Ms: number, lost = 0): Live => ({
  offered: 1_000,
  written: 1_000,
  p50Ms,
  p95Ms: 2 * p50Ms,
  p99Ms: 3 * p50Ms,
  maxMs: 4 * p50Ms,
  cpuMicrosPerEvent: 100,
  lost,
  duplicates: 0,
});

/** A cell in which the relay took so much CPU and memory. */
export const grownOf = (own: number, peakMemoryMb: number, cell: Partial<Cell> = {}): Growth => ({
  cell: { ...growthCells(10_000)[0]!, ...cell },
  results: {
    relay: {
      ...drainOf(1),
      cost: { own, walsender: 1, broker: 1, whole: own + 2 },
      peakMemoryMb,
      bytesPerEvent: null,
    },
  },
});

export const measured = (relay: Drain, debezium: Drain = drainOf(20)): Measured => ({
  rounds: {
    relay: [relay],
    debezium: [debezium],
    'perf-client': [drainOf(200)],
    pg_recvlogical: [drainOf(100)],
  },
  warmUp: {},
  live: { relay: [liveOf(5)], debezium: [liveOf(20)] },
  idleCpuPercent: null,
  growth: [],
  failures: [],
});
