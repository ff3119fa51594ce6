/** The figures of a run, as they are saved as JSON. Pure. */
import { debeziumVariants } from './debezium/settings.ts';
import type { Drain } from './drain.ts';
import type { Growth } from './growth-cells.ts';
import type { Live } from './live.ts';
import type { Form } from './reader.ts';

/** Who publishes the rows, exactly once. */
export const contenders = ['relay', 'relay-json', ...debeziumVariants] as const;
export type ContenderName = (typeof contenders)[number];
/** Programs that do half of it: what they reach, nobody passes. */
export const limits = ['perf-client', 'pg_recvlogical'] as const;
export const competitors = [...contenders, ...limits] as const;
export type Competitor = (typeof competitors)[number];

/** For people. */
export const titles: Readonly<Record<Competitor, string>> = {
  relay: 'relay, Avro',
  'relay-json': 'relay, JSON',
  debezium: 'Debezium tuned, JSON',
  'debezium-avro': 'Debezium tuned, Avro',
  'debezium-default': 'Debezium by default, JSON',
  'perf-client': 'perf-client (limit)',
  pg_recvlogical: 'pg_recvlogical (limit)',
};

/** What each writes as the value. */
export const formOf = (name: ContenderName): Form =>
  name === 'relay' || name === 'debezium-avro' ? 'avro' : 'json';

export const isContender = (name: Competitor): name is ContenderName =>
  contenders.some((each) => each === name);

export type Spread = { readonly min: number; readonly median: number; readonly max: number };
export type CostSpread = Readonly<Record<'own' | 'walsender' | 'broker' | 'whole', Spread | null>>;

export type Summary = {
  readonly eventsPerSecond: Spread;
  /** µs of CPU per event. */
  readonly cost: CostSpread;
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
  /** How many times the tuned Debezium that passes JSON through; null where either is void or not run. */
  readonly debezium: number | null;
  /** The whole cost of an event as a share of that Debezium's. */
  readonly cost: number | null;
  readonly live: readonly LiveRatio[];
};

export type Report = Measured & {
  readonly ratios: Ratios;
  readonly lost: number;
  readonly duplicates: number;
  /** Not exactly once, or a part of it failed: no figure holds. */
  readonly void: boolean;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly workload: Readonly<Record<string, number>>;
  readonly drain: Partial<Record<Competitor, Summary>>;
};

/** What a run has found, before it is compared. */
export type Measured = {
  readonly rounds: Partial<Record<Competitor, readonly Drain[]>>;
  /** The first events of each, before its code was compiled; in no other figure. */
  readonly warmUp: Partial<Record<Competitor, Drain>>;
  readonly live: Partial<Record<ContenderName, readonly Live[]>>;
  readonly idleCpuPercent: number | null;
  readonly growth: readonly Growth[];
  /** What failed, by its name, and why. */
  readonly failures: readonly string[];
};

/** Each round from another one on, in turn forwards and backwards: what changes on the machine affects all alike. */
export function orderOf<Name>(names: readonly Name[], round: number): Name[] {
  const count = names.length;
  const step = round % 2 === 0 ? 1 : count - 1;
  return names.map((_, turn) => names[(round + turn * step) % count]!);
}

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
  const cost = (part: keyof CostSpread) => spread(rounds.map((round) => round.cost[part]));
  return {
    eventsPerSecond: spread(rounds.map((round) => round.eventsPerSecond))!,
    cost: {
      own: cost('own'),
      walsender: cost('walsender'),
      broker: cost('broker'),
      whole: cost('whole'),
    },
    peakMemoryMb: spread(rounds.map((round) => round.peakMemoryMb)),
    lost: lostOf(rounds),
    duplicates: doubledOf(rounds),
    rounds,
  };
}

export function report(measured: Measured, machine: Report['machine'], workload: Report['workload']): Report {
  const { rounds, warmUp, live, growth, failures } = measured;
  const drain: Partial<Record<Competitor, Summary>> = {};
  for (const name of competitors) {
    const own = rounds[name] ?? [];
    if (own.length > 0) drain[name] = summarise(own);
  }
  const checked: Checked[] = [
    ...competitors.flatMap((name) => rounds[name] ?? []),
    ...competitors.flatMap((name) => warmUp[name] ?? []),
    ...contenders.flatMap((name) => live[name] ?? []),
    ...growth.flatMap(({ results }) => Object.values(results)),
  ];
  const isVoid = !isExact(checked) || failures.length > 0;
  return {
    ...measured,
    ratios: isVoid ? { limit: null, debezium: null, cost: null, live: [] } : ratios(drain, live),
    lost: lostOf(checked),
    duplicates: doubledOf(checked),
    void: isVoid,
    machine,
    workload,
    drain,
  };
}

function ratios(drain: Report['drain'], live: Report['live']): Ratios {
  const times = (others: readonly (Summary | undefined)[]) => {
    const speeds = others.flatMap((each) => (each === undefined ? [] : [each.eventsPerSecond.median]));
    const own = drain.relay?.eventsPerSecond.median;
    return own === undefined || speeds.length === 0 ? null : hundredths(own / Math.min(...speeds));
  };
  const [own, other] = [drain.relay?.cost.whole?.median, drain.debezium?.cost.whole?.median];
  return {
    limit: times([drain['perf-client'], drain.pg_recvlogical]),
    debezium: times([drain.debezium]),
    cost: own === undefined || other === undefined ? null : hundredths(own / other),
    live: (live.relay ?? []).flatMap((one) => {
      const against = live.debezium?.find(({ offered }) => offered === one.offered);
      if (against === undefined) return [];
      return {
        offered: one.offered,
        p50: hundredths(one.p50Ms / against.p50Ms),
        p99: hundredths(one.p99Ms / against.p99Ms),
        cpu: hundredths(one.cpuMicrosPerEvent / against.cpuMicrosPerEvent),
      };
    }),
  };
}

const hundredths = (value: number) => Math.round(value * 100) / 100;
