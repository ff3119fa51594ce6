/** A report as Markdown, for the terminal and docs/evidence/benchmark.md. Pure. */
import { type Growth, growthTargets, judgeGrowth } from './growth.ts';
import { type Competitor, competitors, type Report } from './report.ts';

const number = (value: number | null | undefined) =>
  value === null || value === undefined
    ? '–'
    : (value >= 1_000 ? Math.round(value) : value).toLocaleString('en-US');

type Column<Row> = readonly [title: string, align: '--' | '--:', cell: (row: Row) => string];

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(([title]) => title)).replace('|  |', '| |'),
    line(columns.map(([, align]) => (align === '--' ? '---' : '--:'))),
    ...rows.map((row) => line(columns.map(([, , cell]) => cell(row)))),
    '',
  ];
}

export function tables(report: Report): string {
  return [...drainTable(report), ...liveTable(report), ...growthTable(report.growth), facts(report)].join(
    '\n',
  );
}

function drainTable({ drain }: Report): string[] {
  const rows = competitors.flatMap((name) => (drain[name] ? [{ name, ...drain[name] }] : []));
  return table(
    [
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      [
        'drain, events/s: median (min–max)',
        '--:',
        ({ eventsPerSecond: { median, min, max } }) => `${number(median)} (${number(min)}–${number(max)})`,
      ],
      ['from start', '--:', (row) => number(row.eventsPerSecondFromStart.median)],
      ['CPU, µs an event', '--:', (row) => number(row.cpuMicrosPerEvent?.median)],
      ['with its start', '--:', (row) => number(row.cpuMicrosPerEventFromStart?.median)],
      ['peak memory, MB', '--:', (row) => number(row.peakMemoryMb?.median)],
    ],
    rows,
  );
}

function liveTable({ live }: Report): string[] {
  const measured: Competitor[] = competitors.filter((name) => (live[name]?.length ?? 0) > 0);
  const rows = measured
    .flatMap((name) => live[name]!.map((one) => ({ name, ...one })))
    .sort((a, b) => a.offered - b.offered);
  return table(
    [
      ['events/s offered', '--:', ({ offered }) => number(offered)],
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      ['written', '--:', ({ written }) => number(written)],
      ['p50 ms', '--:', ({ p50Ms }) => number(p50Ms)],
      ['p95 ms', '--:', ({ p95Ms }) => number(p95Ms)],
      ['p99 ms', '--:', ({ p99Ms }) => number(p99Ms)],
      ['max ms', '--:', ({ maxMs }) => number(maxMs)],
      ['CPU, µs an event', '--:', ({ cpuMicrosPerEvent }) => number(cpuMicrosPerEvent)],
    ],
    rows,
  );
}

function growthTable(growth: readonly Growth[]): string[] {
  return table(
    [
      ['backlog', '--:', ({ events }) => number(events)],
      ['in a transaction', '--:', ({ perTransaction }) => number(perTransaction)],
      ['partitions', '--:', ({ partitions }) => number(partitions)],
      ['bytes of JSON', '--:', ({ rowBytes }) => number(rowBytes)],
      ['events/s', '--:', ({ eventsPerSecond }) => number(eventsPerSecond)],
      ['CPU, µs an event', '--:', ({ cpuMicrosPerEvent }) => number(cpuMicrosPerEvent)],
      ['peak memory, MB', '--:', ({ peakMemoryMb }) => number(peakMemoryMb)],
    ],
    growth,
  );
}

function facts(report: Report): string {
  const { ratios, idleCpuPercent, lost, duplicates, machine, drain } = report;
  const said: string[] = [];
  if (ratios.limit !== null) said.push(`The relay drains ${ratios.limit} times the lower limit.`);
  if (ratios.debezium !== null) said.push(`The relay drains ${ratios.debezium} times as fast as Debezium.`);
  for (const { offered, p50, p99, cpu } of ratios.live)
    said.push(
      `At ${number(offered)} events/s its p50 is ${p50}, its p99 ${p99} and its CPU ${cpu} of Debezium's.`,
    );
  const { debeziumWarmUp: first } = report;
  if (first !== null)
    said.push(
      `Debezium's first ${number(first.events)} events, while its JVM compiled itself, went at ${number(first.eventsPerSecond)} events/s for ${number(first.cpuMicrosPerEvent)} µs each.`,
    );
  said.push(`Lost ${lost}, duplicates ${duplicates}.`);
  if (idleCpuPercent !== null) said.push(`Idle, the relay takes ${idleCpuPercent} % of a core.`);
  if (drain.pg_recvlogical && machine.slotReader)
    said.push(`The slot of pg_recvlogical was read by ${machine.slotReader}.`);
  const verdict = judgeGrowth(report.growth);
  if (verdict !== undefined) {
    const { peakMemoryMb, memoryHolds, costSpreadPercent, costHolds } = verdict;
    said.push(
      `Growth: at most ${peakMemoryMb} MB (${growthTargets.peakMemoryMb} ${memoryHolds ? 'hold' : 'DO NOT HOLD'}); an event costs at most ${costSpreadPercent} % more than in the smallest backlog (${growthTargets.costSpreadPercent} % ${costHolds ? 'hold' : 'DO NOT HOLD'}).`,
    );
  }
  return said.join(' ');
}
