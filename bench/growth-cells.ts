/** What is varied to see how the cost of an event grows, one thing at a time, and what is judged of it. Pure. */
import type { Drain } from './drain.ts';
import { defaultRowBytes } from './workload.ts';
import type { Rows } from './world.ts';

export const dimensions = ['rows', 'partitions', 'perTransaction', 'rowBytes', 'compression'] as const;
export type Dimension = (typeof dimensions)[number];

/** Whose growth is measured. */
export const growing = ['relay', 'debezium'] as const;
export type Growing = (typeof growing)[number];

export type Cell = Rows & {
  /** What it varies; `usual` is the one that all others are compared with. */
  readonly dimension: Dimension | 'usual';
  readonly partitions: number;
  readonly compression: string;
};

export type Grown = Drain & {
  /** Of the record batches in the topic; measured where compression is varied. */
  readonly bytesPerEvent: number | null;
};

export type Growth = { readonly cell: Cell; readonly results: Partial<Record<Growing, Grown>> };

/** Of JSON in one cell, so that it stays one of 10 to 20 s. */
const cellBytesMax = 200_000_000;
/** Debezium's share of the largest backlog would be minutes, and say nothing that the one of a million does not. */
const debeziumRowsMax = 1_000_000;

/** @param varied what is varied beside the usual cell */
export function growthCells(
  maxRows: number,
  events = 100_000,
  varied: readonly Dimension[] = dimensions,
): Cell[] {
  const usual: Cell = {
    dimension: 'usual',
    events: Math.min(events, maxRows),
    perTransaction: 5,
    rowBytes: defaultRowBytes,
    partitions: 3,
    compression: 'none',
  };
  const vary = <Key extends Exclude<Dimension, 'rows'>>(dimension: Key, values: readonly Cell[Key][]) =>
    values.map((value) => ({ ...usual, dimension, [dimension]: value }));
  const all = [
    usual,
    ...[1_000_000, 10_000_000]
      .filter((rows) => rows <= maxRows)
      .map((rows): Cell => ({ ...usual, dimension: 'rows', events: rows })),
    ...vary('partitions', [1, 10, 100]),
    ...vary('perTransaction', [1, 100, 10_000, 100_000]),
    ...vary('rowBytes', [100, 1_000, 10_000, 100_000]).map((cell) => ({
      ...cell,
      events: Math.min(cell.events, cellBytesMax / cell.rowBytes),
    })),
    ...vary('compression', ['lz4', 'zstd', 'gzip']),
  ];
  return all.filter(({ dimension }) => dimension === 'usual' || varied.includes(dimension));
}

export function isMeasuredFor(name: Growing, cell: Cell): boolean {
  return name === 'relay' || cell.events <= debeziumRowsMax;
}

/** The cells of a table: those that vary the dimension, and the usual one in its place among them. */
export function tableOf(growth: readonly Growth[], dimension: Dimension): Growth[] {
  const varied = growth.filter(({ cell }) => cell.dimension === dimension);
  const usual = growth.filter(({ cell }) => cell.dimension === 'usual');
  if (varied.length === 0) return dimension === 'rows' ? usual : [];
  const all = [...usual, ...varied];
  const sizeOf = ({ cell }: Growth) => Number(valueIn(cell, dimension));
  return dimension === 'compression' ? all : all.sort((a, b) => sizeOf(a) - sizeOf(b));
}

export function valueIn(cell: Cell, dimension: Dimension): number | string {
  return dimension === 'rows' ? cell.events : cell[dimension];
}

export function describe({ events, perTransaction, rowBytes, partitions, compression }: Cell): string {
  return `${events} events of ${rowBytes} bytes in transactions of ${perTransaction}, ${partitions} partitions, compression ${compression}`;
}

export const growthTargets = { peakMemoryMb: 250, costSpreadPercent: 10 } as const;

export type GrowthVerdict = {
  readonly peakMemoryMb: number;
  readonly memoryHolds: boolean;
  /** How much more an event of the most expensive backlog costs the relay than one of the smallest, in percent. */
  readonly costSpreadPercent: number;
  readonly costHolds: boolean;
};

/** Whether the relay's memory stays bounded in every cell, and whether an event costs it the same in every backlog. */
export function judgeGrowth(growth: readonly Growth[]): GrowthVerdict | undefined {
  const backlogs = tableOf(growth, 'rows').flatMap(({ results }) => results.relay ?? []);
  const costs = backlogs.map(({ cost }) => cost.own ?? Number.NaN);
  const smallest = costs[0];
  if (smallest === undefined) return undefined;
  const peaks = growth.flatMap(({ results }) => results.relay?.peakMemoryMb ?? []);
  const peakMemoryMb = Math.max(...peaks);
  const costSpreadPercent = Math.round((Math.max(...costs) / smallest - 1) * 100);
  return {
    peakMemoryMb,
    memoryHolds: peakMemoryMb <= growthTargets.peakMemoryMb,
    costSpreadPercent,
    costHolds: costSpreadPercent <= growthTargets.costSpreadPercent,
  };
}
