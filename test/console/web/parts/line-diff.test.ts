import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineDiff } from '../../../../console/web/parts/line-diff.ts';

test('shows what was removed and added, with lines around and the number of the others', () => {
  const before = ['{', '1', '2', '3', '4', 'old', '5', '6', '7', '8', '}'];
  const after = before.map((line) => (line === 'old' ? 'new' : line));
  expect(lineDiff(before.join('\n'), after.join('\n'), 1)).toEqual([
    { kind: 'gap', lines: 4 },
    { kind: 'same', text: '4' },
    { kind: 'removed', text: 'old' },
    { kind: 'added', text: 'new' },
    { kind: 'same', text: '5' },
    { kind: 'gap', lines: 4 },
  ]);
});

test('shows nothing where nothing differs', () => {
  expect(lineDiff('a\nb', 'a\nb')).toEqual([]);
});

test('makes the second text of the first', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = lineDiff(before.join('\n'), after.join('\n'), 100);
      const side = (kind: string) =>
        lines.flatMap((line) =>
          line.kind === 'same' || line.kind === kind ? [(line as { text: string }).text] : [],
        );
      if (before.join('\n') === after.join('\n')) return;
      expect(side('removed')).toEqual(before);
      expect(side('added')).toEqual(after);
    }),
  );
});
