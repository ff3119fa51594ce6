/**
 * Tables of dead letters, whose cells come from rows and may be long: whole for a program that reads them, cut for a person
 * at a terminal, the last column to the width of it.
 */
import { printable, shortened } from '../../observe/printable.ts';
import { columnWidths, formatTable } from '../format.ts';

/** Columns of the terminal; undefined where another program reads. */
export const screenNow = (): number | undefined =>
  process.stdout.isTTY === true ? process.stdout.columns : undefined;

/** Cells up to this length are padded: one long key must not fill every line with spaces. */
const paddedMost = 60;
/** Where the other columns fill the line, it wraps. */
const leastRoom = 40;
/** Between columns. */
const gap = 2;

export function cellOf(value: string, screen: number | undefined): string {
  return screen === undefined ? printable(value) : shortened(value);
}

/** Widths of the columns, and no narrower than `least`. The last column has none. */
export function widthsOf(rows: readonly (readonly string[])[], least: readonly number[] = []): number[] {
  const padded = rows.map((row) => row.slice(0, -1).map((cell) => cell.slice(0, paddedMost)));
  return columnWidths(padded, least);
}

export function tableOf(
  rows: readonly (readonly string[])[],
  screen: number | undefined,
  widths: readonly number[] = widthsOf(rows),
): string {
  const taken = widths.reduce((sum, width) => sum + width + gap, 0);
  const room = screen === undefined ? undefined : Math.max(leastRoom, screen - taken);
  const last = (cell: string) => (room === undefined ? printable(cell) : shortened(cell, room));
  return formatTable(
    rows.map((row) => [...row.slice(0, -1), last(row.at(-1) ?? '')]),
    [...widths],
  );
}
