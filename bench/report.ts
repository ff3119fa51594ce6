/** The figures of a run: what is saved as JSON, and the tables for people. Pure. */
import type { Drain } from './drain.ts';
import type { Growth } from './growth.ts';
import type { Live } from './live.ts';

export const competitors = ['relay', 'debezium', 'perf-client', 'pg_recvlogical'] as const;
export type Competitor = (typeof competitors)[number];

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export type Summary = {
  readonly eventsPerSecond: Spread;
  readonly eventsPerSecondFromStart: Spread;
  readonly cpuMicrosPerEvent: Spread | null;
  readonly cpuMicrosPerEventFromStart: Spread | null;
  readonly peakMemoryMb: Spread | null;
  readonly lost: number;
  readonly duplicates: number;
  readonly rounds: readonly Drain[];
};

/** The relay's latency as a share of Debezium's, and its CPU likewise: 0.25 is a quarter. */
export type LiveRatio = {
  readonly offered: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
};

export type Ratios = {
  /** How many times the lower of the limits that were run the relay drains; null where void or not run. */
  readonly limit: number | null;
  /** How many times Debezium; null where either is void or not run. */
  readonly debezium: number | null;
  readonly live: readonly LiveRatio[];
};

export type Report = {
  readonly ratios: Ratios;
  readonly cpuMicrosPerEvent: number | null;
  readonly lost: number;
  readonly duplicates: number;
  /** Not exactly once: no figure of the relay holds. */
  readonly void: boolean;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly workload: Readonly<Record<string, number>>;
  readonly drain: Partial<Record<Competitor, Summary>>;
  readonly live: Partial<Record<Competitor, readonly Live[]>>;
  readonly idleCpuPercent: number | null;
  readonly growth: readonly Growth[];
  /** What Debezium did before its JVM had compiled it; in no ratio. */
  readonly debeziumWarmUp: Drain | null;
};

export function spread(values: readonly (number | null)[]): Spread | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const between = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const median = Math.round(between * 10) / 10;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

type Checked = { readonly lost: number; readonly duplicates: number };
const lostOf = (checked: readonly Checked[]) => checked.reduce((sum, one) => sum + one.lost, 0);
const doubledOf = (checked: readonly Checked[]) => checked.reduce((sum, one) => sum + one.duplicates, 0);
const isExact = (checked: readonly Checked[]) => lostOf(checked) + doubledOf(checked) === 0;

export function summarise(rounds: readonly Drain[]): Summary {
  return {
    eventsPerSecond: spread(rounds.map((round) => round.eventsPerSecond))!,
    eventsPerSecondFromStart: spread(rounds.map((round) => round.eventsPerSecondFromStart))!,
    cpuMicrosPerEvent: spread(rounds.map((round) => round.cpuMicrosPerEvent)),
    cpuMicrosPerEventFromStart: spread(rounds.map((round) => round.cpuMicrosPerEventFromStart)),
    peakMemoryMb: spread(rounds.map((round) => round.peakMemoryMb)),
    lost: lostOf(rounds),
    duplicates: doubledOf(rounds),
    rounds,
  };
}

export type Measured = {
  readonly rounds: ReadonlyMap<Competitor, readonly Drain[]>;
  readonly live: Report['live'];
  readonly idleCpuPercent: number | null;
  readonly growth: readonly Growth[];
  readonly debeziumWarmUp: Drain | null;
};

export function report(
  { rounds, live, idleCpuPercent, growth, debeziumWarmUp }: Measured,
  machine: Report['machine'],
  workload: Report['workload'],
): Report {
  const drain: Partial<Record<Competitor, Summary>> = {};
  for (const [name, of] of rounds) if (of.length > 0) drain[name] = summarise(of);
  const checked = [...(rounds.get('relay') ?? []), ...(live.relay ?? []), ...growth];
  const isVoid = !isExact(checked);
  return {
    ratios: isVoid ? { limit: null, debezium: null, live: [] } : ratios(drain, live),
    cpuMicrosPerEvent: isVoid ? null : (drain.relay?.cpuMicrosPerEvent?.median ?? null),
    lost: lostOf(checked),
    duplicates: doubledOf(checked),
    void: isVoid,
    machine,
    workload,
    drain,
    live,
    idleCpuPercent,
    growth,
    debeziumWarmUp,
  };
}

function ratios(drain: Report['drain'], live: Report['live']): Ratios {
  const times = (others: readonly (Summary | undefined)[]) => {
    const speeds = others.flatMap((each) =>
      each !== undefined && isExact([each]) ? [each.eventsPerSecond.median] : [],
    );
    const own = drain.relay?.eventsPerSecond.median;
    return own === undefined || speeds.length === 0 ? null : hundredths(own / Math.min(...speeds));
  };
  return {
    limit: times([drain['perf-client'], drain.pg_recvlogical]),
    debezium: times([drain.debezium]),
    live: (live.relay ?? []).flatMap((own) => {
      const other = live.debezium?.find(({ offered }) => offered === own.offered);
      if (other === undefined || !isExact([other])) return [];
      return {
        offered: own.offered,
        p50: hundredths(own.p50Ms / other.p50Ms),
        p99: hundredths(own.p99Ms / other.p99Ms),
        cpu: hundredths(own.cpuMicrosPerEvent / other.cpuMicrosPerEvent),
      };
    }),
  };
}

const hundredths = (value: number) => Math.round(value * 100) / 100;
