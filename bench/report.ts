/** The figures of a run: what is saved as JSON, and the table for people. Pure. */
import type { Drain } from './drain.ts';
import type { Live } from './live.ts';

export const competitors = ['relay', 'perf-client', 'pg_recvlogical'] as const;
export type Competitor = (typeof competitors)[number];

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export type Summary = {
  readonly eventsPerSecond: Spread;
  readonly eventsPerSecondFromStart: Spread;
  readonly cpuMicrosPerEvent: Spread | null;
  readonly cpuMicrosPerEventFromStart: Spread | null;
  readonly peakMemoryMb: Spread | null;
  readonly rounds: readonly Drain[];
};

export type Report = {
  /** `limit`: the relay by the lower of the limits that were run; null where void or not run. */
  readonly ratios: { readonly limit: number | null; readonly debezium: number | null };
  readonly cpuMicrosPerEvent: number | null;
  readonly lost: number;
  readonly duplicates: number;
  /** Not exactly once: no figure of the relay holds. */
  readonly void: boolean;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly workload: Readonly<Record<string, number>>;
  readonly drain: Partial<Record<Competitor, Summary>>;
  readonly live: readonly Live[];
  readonly idleCpuPercent: number | null;
};

export function spread(values: readonly (number | null)[]): Spread | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const between = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const median = Math.round(between * 10) / 10;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

export function summarise(rounds: readonly Drain[]): Summary {
  return {
    eventsPerSecond: spread(rounds.map((round) => round.eventsPerSecond))!,
    eventsPerSecondFromStart: spread(rounds.map((round) => round.eventsPerSecondFromStart))!,
    cpuMicrosPerEvent: spread(rounds.map((round) => round.cpuMicrosPerEvent)),
    cpuMicrosPerEventFromStart: spread(rounds.map((round) => round.cpuMicrosPerEventFromStart)),
    peakMemoryMb: spread(rounds.map((round) => round.peakMemoryMb)),
    rounds,
  };
}

export type Measured = {
  readonly rounds: ReadonlyMap<Competitor, readonly Drain[]>;
  readonly live: readonly Live[];
  readonly idleCpuPercent: number | null;
};

export function report(
  { rounds, live, idleCpuPercent }: Measured,
  machine: Report['machine'],
  workload: Report['workload'],
): Report {
  const drain: Partial<Record<Competitor, Summary>> = {};
  for (const [name, of] of rounds) if (of.length > 0) drain[name] = summarise(of);
  const checked = [...(rounds.get('relay') ?? []), ...live];
  const lost = checked.reduce((sum, one) => sum + one.lost, 0);
  const duplicates = checked.reduce((sum, one) => sum + one.duplicates, 0);
  const isVoid = lost + duplicates > 0;
  const limits = [drain['perf-client'], drain.pg_recvlogical].flatMap((each) =>
    each === undefined ? [] : [each.eventsPerSecond.median],
  );
  const speed = isVoid ? undefined : drain.relay?.eventsPerSecond.median;
  const limit =
    speed === undefined || limits.length === 0 ? null : Math.round((speed * 100) / Math.min(...limits)) / 100;
  return {
    ratios: { limit, debezium: null },
    cpuMicrosPerEvent: isVoid ? null : (drain.relay?.cpuMicrosPerEvent?.median ?? null),
    lost,
    duplicates,
    void: isVoid,
    machine,
    workload,
    drain,
    live,
    idleCpuPercent,
  };
}

const number = (value: number | undefined) =>
  value === undefined ? '–' : (value >= 1_000 ? Math.round(value) : value).toLocaleString('en-US');

/** Markdown. */
export function tables({ drain, live, ratios, idleCpuPercent, lost, duplicates }: Report): string {
  const lines: string[] = [];
  const named = competitors.flatMap((name) => (drain[name] ? [[name, drain[name]] as const] : []));
  if (named.length > 0) {
    lines.push(
      '| | drain, events/s: median (min–max) | from start | CPU, µs an event | with its start | peak memory, MB |',
    );
    lines.push('| --- | --: | --: | --: | --: | --: |');
    for (const [name, { eventsPerSecond: speed, ...rest }] of named)
      lines.push(
        `| ${name} | ${number(speed.median)} (${number(speed.min)}–${number(speed.max)}) | ${number(rest.eventsPerSecondFromStart.median)} | ${number(rest.cpuMicrosPerEvent?.median)} | ${number(rest.cpuMicrosPerEventFromStart?.median)} | ${number(rest.peakMemoryMb?.median)} |`,
      );
    lines.push('');
  }
  if (live.length > 0) {
    lines.push(
      '| events/s offered | written | p50 ms | p95 ms | p99 ms | max ms | CPU of the relay, µs an event |',
    );
    lines.push('| --: | --: | --: | --: | --: | --: | --: |');
    for (const one of live)
      lines.push(
        `| ${number(one.offered)} | ${number(one.written)} | ${one.p50Ms} | ${one.p95Ms} | ${one.p99Ms} | ${one.maxMs} | ${one.cpuMicrosPerEvent} |`,
      );
    lines.push('');
  }
  const facts = [`Lost ${lost}, duplicates ${duplicates}.`];
  if (ratios.limit !== null) facts.unshift(`${ratios.limit} of the lower limit.`);
  if (idleCpuPercent !== null) facts.push(`Idle, the relay takes ${idleCpuPercent} % of a core.`);
  return [...lines, facts.join(' ')].join('\n');
}
