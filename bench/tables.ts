/** A report as Markdown, for the terminal and docs/evidence/benchmark.md. Pure. */
import {
  connectorSettings,
  type DebeziumVariant,
  debeziumVariants,
  type Setting,
  workerSettings,
} from './debezium/settings.ts';
import {
  type Dimension,
  dimensions,
  type Growth,
  growthTargets,
  judgeGrowth,
  tableOf,
  valueIn,
} from './growth-cells.ts';
import type { Live } from './live.ts';
import { commonRates } from './plan.ts';
import {
  competitors,
  contenders,
  isContender,
  type Report,
  type Spread,
  type Summary,
  titles,
} from './report.ts';

export const number = (value: number | string | null | undefined): string =>
  value === null || value === undefined
    ? '–'
    : typeof value === 'string'
      ? value
      : (value >= 1_000 ? Math.round(value) : value).toLocaleString('en-US');

const withSpread = (value: Spread | null): string =>
  value === null ? '–' : `${number(value.median)} (${number(value.min)}–${number(value.max)})`;

type Column<Row> = readonly [title: string, align: '--' | '--:', cell: (row: Row) => string];

function table<Row>(heading: readonly string[], columns: readonly Column<Row>[], rows: readonly Row[]) {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    ...heading.flatMap((paragraph) => [paragraph, '']),
    line(columns.map(([title]) => title)).replace('|  |', '| |'),
    line(columns.map(([, align]) => (align === '--' ? '---' : '--:'))),
    ...rows.map((row) => line(columns.map(([, , cell]) => cell(row)))),
    '',
  ];
}

export function tables(report: Report): string {
  return [
    ...failures(report),
    ...mainTable(report),
    ...words(report),
    ...liveTable(report),
    ...dimensions.flatMap((dimension) => growthTable(report.growth, dimension)),
  ].join('\n');
}

function failures({ failures: failed }: Report): string[] {
  return failed.length === 0 ? [] : ['## FAILED', '', ...failed.map((one) => `- ${one}`), ''];
}

/** The one load that every contender is in, for the main table. */
const comparedRate = commonRates[0];

function mainTable({ drain, live }: Report): string[] {
  type Row = { readonly name: string; readonly live: Live | undefined } & Summary;
  const rows = competitors.flatMap((name): Row[] => {
    const own = drain[name];
    const atRate = isContender(name)
      ? live[name]?.find(({ offered }) => offered === comparedRate)
      : undefined;
    return own === undefined ? [] : [{ ...own, name: titles[name], live: atRate }];
  });
  return table<Row>(
    ['## The comparison'],
    [
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      ['events/s: median (min–max)', '--:', ({ eventsPerSecond }) => withSpread(eventsPerSecond)],
      ['whole CPU, µs per event', '--:', ({ cost }) => withSpread(cost.whole)],
      ['its own', '--:', ({ cost }) => number(cost.own?.median)],
      ['walsender', '--:', ({ cost }) => number(cost.walsender?.median)],
      ['broker', '--:', ({ cost }) => number(cost.broker?.median)],
      [`p50 ms at ${number(comparedRate)}/s`, '--:', ({ live: one }) => number(one?.p50Ms)],
      ['p99 ms', '--:', ({ live: one }) => number(one?.p99Ms)],
      ['peak memory, MB', '--:', ({ peakMemoryMb }) => number(peakMemoryMb?.median)],
    ],
    rows,
  );
}

function liveTable({ live }: Report): string[] {
  const rows = contenders
    .flatMap((name) => (live[name] ?? []).map((one) => ({ name: titles[name], ...one })))
    .sort((a, b) => a.offered - b.offered);
  return table(
    ['## Latency under load'],
    [
      ['events/s offered', '--:', ({ offered }) => number(offered)],
      ['', '--', ({ name, lost, duplicates }) => (lost + duplicates > 0 ? `${name} (void)` : name)],
      ['written', '--:', ({ written }) => number(written)],
      ['p50 ms', '--:', ({ p50Ms }) => number(p50Ms)],
      ['p95 ms', '--:', ({ p95Ms }) => number(p95Ms)],
      ['p99 ms', '--:', ({ p99Ms }) => number(p99Ms)],
      ['max ms', '--:', ({ maxMs }) => number(maxMs)],
      ['its own CPU, µs per event', '--:', ({ cpuMicrosPerEvent }) => number(cpuMicrosPerEvent)],
    ],
    rows,
  );
}

const growthTitles: Readonly<Record<Dimension, readonly [title: string, column: string]>> = {
  rows: ['Backlog', 'rows'],
  partitions: ['Partitions', 'partitions'],
  perTransaction: ['Events of a transaction', 'events'],
  rowBytes: ['Size of the payload', 'bytes of JSON'],
  compression: ['Compression', 'codec'],
};

function growthTable(growth: readonly Growth[], dimension: Dimension): string[] {
  const rows = tableOf(growth, dimension);
  const [title, first] = growthTitles[dimension];
  const hasDebezium = rows.some(({ results }) => results.debezium !== undefined);
  const columns: Column<Growth>[] = [[first, '--:', ({ cell }) => number(valueIn(cell, dimension))]];
  if (dimension === 'rowBytes') columns.push(['rows', '--:', ({ cell }) => number(cell.events)]);
  for (const name of hasDebezium ? (['relay', 'debezium'] as const) : (['relay'] as const)) {
    const who = titles[name].split(',')[0]!;
    columns.push(
      [`${who}: events/s`, '--:', ({ results }) => number(results[name]?.eventsPerSecond)],
      ['whole CPU, µs', '--:', ({ results }) => number(results[name]?.cost.whole)],
      ['its own', '--:', ({ results }) => number(results[name]?.cost.own)],
    );
    if (dimension === 'compression')
      columns.push(['bytes per event', '--:', ({ results }) => number(results[name]?.bytesPerEvent)]);
    if (name === 'relay')
      columns.push(['peak MB', '--:', ({ results }) => number(results.relay?.peakMemoryMb)]);
  }
  return table([`## ${title}`], columns, rows);
}

function words(report: Report): string[] {
  return ['In words:', '', ...facts(report).map((fact) => `- ${fact}`), ''];
}

function facts(report: Report): string[] {
  const { ratios, idleCpuPercent, lost, duplicates, machine, drain, warmUp } = report;
  const said: string[] = [];
  if (ratios.limit !== null)
    said.push(`The relay drains a backlog at ${ratios.limit} times the speed of the slower limit.`);
  if (ratios.debezium !== null)
    said.push(`The relay drains a backlog ${ratios.debezium} times as fast as the tuned Debezium.`);
  if (ratios.cost !== null)
    said.push(
      `An event costs ${ratios.cost} times the CPU, in relay, walsender and broker together, that it costs with the tuned Debezium.`,
    );
  for (const { offered, p50, p99, cpu } of ratios.live)
    said.push(
      `At ${number(offered)} events/s, the relay takes ${p50} times the p50 latency of the tuned Debezium, ${p99} times its p99 latency and ${cpu} times its own CPU.`,
    );
  for (const name of contenders) {
    const first = warmUp[name];
    if (first !== undefined)
      said.push(
        `${titles[name]}: the first ${number(first.events)} events, before its code was compiled, at ${number(first.eventsPerSecond)} events/s and ${number(first.cost.whole)} µs of CPU each.`,
      );
  }
  said.push(`${lost} events were lost and ${duplicates} duplicated.`);
  if (idleCpuPercent !== null) said.push(`An idle relay takes ${idleCpuPercent} % of a core.`);
  if (drain.pg_recvlogical && machine.slotReader)
    said.push(`The slot of the limit was read by ${machine.slotReader}.`);
  const verdict = judgeGrowth(report.growth);
  if (verdict !== undefined) {
    const { peakMemoryMb, memoryHolds, costSpreadPercent, costHolds } = verdict;
    said.push(
      `As the backlog grows, memory peaks at ${peakMemoryMb} MB (limit ${growthTargets.peakMemoryMb}: ${memoryHolds ? 'held' : 'EXCEEDED'}), and an event costs the relay at most ${costSpreadPercent} % more CPU than in the smallest backlog (limit ${growthTargets.costSpreadPercent} %: ${costHolds ? 'held' : 'EXCEEDED'}).`,
    );
  }
  return said;
}

/** Every setting of every Debezium that was measured, with its reason. */
export function settingsTables({ drain }: Report): string {
  const measured = debeziumVariants.filter((variant) => drain[variant] !== undefined);
  if (measured.length === 0) return '';
  const known = new Map<string, { readonly setting: Setting; readonly variants: DebeziumVariant[] }>();
  for (const variant of measured)
    for (const setting of connectorSettings(variant, 'http://registry', {})) {
      const { name, value, why } = setting;
      // Those that name a topic differ by that only.
      const key = name.includes('topic.replacement') ? name : JSON.stringify([name, value, why]);
      const entry = known.get(key) ?? { setting, variants: [] };
      known.set(key, entry);
      entry.variants.push(variant);
    }
  const who = (variants: readonly DebeziumVariant[]) =>
    variants.length === measured.length ? 'all' : variants.map((name) => titles[name]).join('; ');
  const rows = [...known.values()].map(({ setting: { name, value, why }, variants }) => ({
    name: `\`${name}\``,
    value: `\`${String(value).replaceAll('|', '\\|')}\``,
    who: who(variants),
    why,
  }));
  const workers = measured.map((variant) => {
    const { jvm, why } = workerSettings(variant);
    return { name: 'JVM of the worker', value: `\`${jvm.join(' ')}\``, who: titles[variant], why };
  });
  return table(
    [
      '## The settings of Debezium',
      "Beside addresses and names. Debezium's documentation has no guide to speed; what is tuned follows what it says of each property.",
    ],
    [
      ['setting', '--', ({ name }) => name],
      ['value', '--', ({ value }) => value],
      ['where', '--', ({ who: whom }) => whom],
      ['why', '--', ({ why }) => why],
    ],
    [...rows, ...workers],
  ).join('\n');
}
