import { expect, test } from 'vitest';
import { page, rowsOf } from '../../mutants/page.ts';

const first = { name: 'the limit is a | b', promise: 'no loss' } as const;
const second = { name: 'a retry is counted', promise: 'no silence' } as const;
const all = [first, second];

test('rows of mutants that were not tried stay, in the order of the list', () => {
  const before = page(all, [{ mutant: second, caughtBy: 'I8: it stops' }], new Map());
  const after = page(all, [{ mutant: first, caughtBy: 'a | b' }], rowsOf(before));
  expect([...rowsOf(after).keys()]).toEqual([first.name, second.name]);
  expect(after).toContain(
    '| the limit is a \\| b | no loss | a \\| b |\n| a retry is counted | no silence | I8: it stops |',
  );
});

test('a survivor is shown, a later run replaces its row, and a mutant that is gone has none', () => {
  const before = page(
    all,
    all.map((mutant) => ({ mutant, caughtBy: undefined })),
    new Map(),
  );
  expect(before.match(/\*\*survived\*\*/g)).toHaveLength(2);
  const after = page([second], [{ mutant: second, caughtBy: 'I2' }], rowsOf(before));
  expect([...rowsOf(after).values()]).toEqual(['| a retry is counted | no silence | I2 |']);
});
