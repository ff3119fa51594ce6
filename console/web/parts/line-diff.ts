/** What differs between two texts, line by line, with some lines around. Pure. */
import { Chunk } from '@codemirror/merge';
import { Text } from '@codemirror/state';

export type DiffLine =
  | { readonly kind: 'same' | 'removed' | 'added'; readonly text: string }
  /** Lines that are the same on both sides. */
  | { readonly kind: 'gap'; readonly lines: number };

export function lineDiff(before: string, after: string, around = 2): DiffLine[] {
  const [old, now] = [Text.of(before.split('\n')), Text.of(after.split('\n'))];
  const lines: DiffLine[] = [];
  /** The next line of `old` that is not written yet, from 1. */
  let next = 1;
  const chunks = Chunk.build(old, now);
  for (const chunk of chunks) {
    const [removed, added] = [linesOf(old, chunk.fromA, chunk.toA), linesOf(now, chunk.fromB, chunk.toB)];
    writeSame(lines, old, next, removed.from, next === 1 ? 0 : around, around);
    for (let line = removed.from; line < removed.to; line++)
      lines.push({ kind: 'removed', text: old.line(line).text });
    for (let line = added.from; line < added.to; line++)
      lines.push({ kind: 'added', text: now.line(line).text });
    next = removed.to;
  }
  if (chunks.length > 0) writeSame(lines, old, next, old.lines + 1, around, 0);
  return lines;
}

/** From the first line to before the last one. Chunks begin and end at lines, the end one character beyond. */
function linesOf(text: Text, from: number, to: number): { from: number; to: number } {
  if (from > text.length) return { from: text.lines + 1, to: text.lines + 1 };
  const first = text.lineAt(from).number;
  return { from: first, to: to > text.length ? text.lines + 1 : text.lineAt(to).number };
}

/** The lines from `from` to before `to`: the first `head` of them, the last `tail`, and how many are between. */
function writeSame(
  lines: DiffLine[],
  text: Text,
  from: number,
  to: number,
  head: number,
  tail: number,
): void {
  const write = (first: number, end: number) => {
    for (let line = first; line < end; line++) lines.push({ kind: 'same', text: text.line(line).text });
  };
  const hidden = to - from - head - tail;
  if (hidden <= 1) {
    write(from, to);
    return;
  }
  write(from, from + head);
  lines.push({ kind: 'gap', lines: hidden });
  write(to - tail, to);
}
