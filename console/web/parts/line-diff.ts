/** What differs between two texts, line by line, with some lines around. Pure. */
import { diffArrays } from 'diff';

export type DiffLine =
  | { readonly kind: 'same' | 'removed' | 'added'; readonly text: string }
  /** Lines that are the same on both sides. */
  | { readonly kind: 'gap'; readonly lines: number };

/** Two large texts that have little in common take minutes; then all of one and all of the other is shown. */
const timeoutMs = 500;

export function lineDiff(before: string, after: string, around = 2): DiffLine[] {
  const [old, now] = [before.split('\n'), after.split('\n')];
  const changes = diffArrays(old, now, { timeout: timeoutMs }) ?? [
    { value: old, removed: true, added: false },
    { value: now, removed: false, added: true },
  ];
  if (changes.every(({ added, removed }) => !added && !removed)) return [];
  return changes.flatMap(({ added, removed, value }, index): DiffLine[] => {
    const kind = added ? 'added' : removed ? 'removed' : 'same';
    if (kind !== 'same') return value.map((text) => ({ kind, text }));
    return shortened(value, index === 0 ? 0 : around, index === changes.length - 1 ? 0 : around);
  });
}

/** The first `head` of the lines, the last `tail`, and how many are between; a gap of one line shows that line. */
function shortened(lines: readonly string[], head: number, tail: number): DiffLine[] {
  const same = (some: readonly string[]) => some.map((text): DiffLine => ({ kind: 'same', text }));
  const hidden = lines.length - head - tail;
  if (hidden <= 1) return same(lines);
  return [
    ...same(lines.slice(0, head)),
    { kind: 'gap', lines: hidden },
    ...same(lines.slice(lines.length - tail)),
  ];
}
