/** A report as Markdown, for the terminal and docs/evidence/benchmark.md. Pure. */
import { type Growth, growthTargets, judgeGrowth } from './growth.ts';
import { type Competitor, competitors, type Report } from './report.ts';

const number = (value: number | null | undefined) =>
  value === null || value === undefined
    ? '–'
    : (value >= 1_000 ? Math.round(value) : value).toLocaleString('en-US');

type Column<Row> = readonly [title: string, align: '--' | '--:', cell: (row: Row) => string];

function table<Row>(heading: string, columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `## ${heading}`,
    '',
    line(columns.map(([title]) => title)).replace('|  |', '| |'),
    line(columns.map(([, align]) => (align === '--' ? '---' : '--:'))),
    ...rows.map((row) => line(columns.map(([, , cell]) => cell(row)))),
    '',
  ];
}

export function tables(report: Report): string {
  return [
    ...drainTable(report),
    ...liveTable(report),
    ...growthTable(report.growth),
    '## In words',
    '',
    ...facts(report).map((fact) => `- ${fact}`),
  ].join('\n');
}

function drainTable({ drain }: Report): string[] {
  const rows = competitors.flatMap((name) => (drain[name] ? [{ name, ...drain[name] }] : []));
  return table(
    'Draining a backlog',
    [
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      [
        'events/s: median (min–max)',
        '--:',
        ({ eventsPerSecond: { median, min, max } }) => `${number(median)} (${number(min)}–${number(max)})`,
      ],
      ['from start', '--:', (row) => number(row.eventsPerSecondFromStart.median)],
      ['CPU, µs per event', '--:', (row) => number(row.cpuMicrosPerEvent?.median)],
      ['CPU with start', '--:', (row) => number(row.cpuMicrosPerEventFromStart?.median)],
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
    'Latency under load',
    [
      ['events/s offered', '--:', ({ offered }) => number(offered)],
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      ['written', '--:', ({ written }) => number(written)],
      ['p50 ms', '--:', ({ p50Ms }) => number(p50Ms)],
      ['p95 ms', '--:', ({ p95Ms }) => number(p95Ms)],
      ['p99 ms', '--:', ({ p99Ms }) => number(p99Ms)],
      ['max ms', '--:', ({ maxMs }) => number(maxMs)],
      ['CPU, µs per event', '--:', ({ cpuMicrosPerEvent }) => number(cpuMicrosPerEvent)],
    ],
    rows,
  );
}

function growthTable(growth: readonly Growth[]): string[] {
  return table(
    'How the cost grows',
    [
      ['backlog', '--:', ({ events }) => number(events)],
      ['per transaction', '--:', ({ perTransaction }) => number(perTransaction)],
      ['partitions', '--:', ({ partitions }) => number(partitions)],
      ['bytes of JSON', '--:', ({ rowBytes }) => number(rowBytes)],
      ['events/s', '--:', ({ eventsPerSecond }) => number(eventsPerSecond)],
      ['CPU, µs per event', '--:', ({ cpuMicrosPerEvent }) => number(cpuMicrosPerEvent)],
      ['peak memory, MB', '--:', ({ peakMemoryMb }) => number(peakMemoryMb)],
    ],
    growth,
  );
}

function facts(report: Report): string[] {
  const { ratios, idleCpuPercent, lost, duplicates, machine, drain } = report;
  const said: string[] = [];
  if (ratios.limit !== null)
    said.push(`The relay drains a backlog at ${ratios.limit} times the speed of the slower limit.`);
  if (ratios.debezium !== null)
    said.push(`The relay drains a backlog ${ratios.debezium} times as fast as Debezium.`);
  for (const { offered, p50, p99, cpu } of ratios.live)
    said.push(
      `At ${number(offered)} events/s, the relay takes ${p50} times the p50 latency of Debezium, ${p99} times its p99 latency and ${cpu} times its CPU.`,
    );
  const { debeziumWarmUp: first } = report;
  if (first !== null)
    said.push(
      `Debezium published its first ${number(first.events)} events, before its JVM was warm, at ${number(first.eventsPerSecond)} events/s and ${number(first.cpuMicrosPerEvent)} µs of CPU each.`,
    );
  said.push(`${lost} events were lost and ${duplicates} duplicated.`);
  if (idleCpuPercent !== null) said.push(`An idle relay takes ${idleCpuPercent} % of a core.`);
  if (drain.pg_recvlogical && machine.slotReader)
    said.push(`The slot of the limit was read by ${machine.slotReader}.`);
  const verdict = judgeGrowth(report.growth);
  if (verdict !== undefined) {
    const { peakMemoryMb, memoryHolds, costSpreadPercent, costHolds } = verdict;
    said.push(
      `As the backlog grows, memory peaks at ${peakMemoryMb} MB (limit ${growthTargets.peakMemoryMb}: ${memoryHolds ? 'held' : 'EXCEEDED'}), and an event costs at most ${costSpreadPercent} % more CPU than in the smallest backlog (limit ${growthTargets.costSpreadPercent} %: ${costHolds ? 'held' : 'EXCEEDED'}).`,
    );
  }
  return said;
}
