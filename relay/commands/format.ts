/** Text for terminals: numbers, ages, and plain tables whose columns `awk` can read too. A cell never begins a line. */
import { printableText } from '../observe/printable.ts';
import { describeSeconds } from '../operations/status-words.ts';

export { count, counted } from '../model/counted.ts';

/** @param widths of the columns, where the rows are only some of a table's */
export function formatTable(rows: readonly (readonly string[])[], widths = columnWidths(rows)): string {
  return rows
    .map((row) =>
      row
        .map((cell, column) => cleaned(cell).padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Characters that each column takes. @param least of each */
export function columnWidths(rows: readonly (readonly string[])[], least: readonly number[] = []): number[] {
  const widths = [...least];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return widths;
}

/** Colours of ours stay; ends of lines are those of rows. */
function cleaned(cell: string): string {
  return printableText(cell).replace(/[\n\t]/g, '·');
}

/** A duration to come, rounded up to what people count in. */
export function describeDuration(durationMs: number): string {
  return describeSeconds(Math.ceil(durationMs / 1_000));
}

/** Breaks at spaces; a word that is longer than a line stays whole. */
export function wrap(text: string, width: number | undefined, indent = ''): string[] {
  if (width === undefined || text.length <= width) return [text.trimEnd()];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S)(?= )/)) {
    if (line !== '' && line.length + word.length > width) {
      lines.push(line.trimEnd());
      line = indent + word.trimStart();
    } else line += word;
  }
  lines.push(line.trimEnd());
  return lines;
}
