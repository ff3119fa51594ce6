import { expect, test } from 'vitest';
import { type Beginning, beginningBefore, pagesWith } from '../../../../console/web/parts/pages.ts';

test('the way back leads through the pages of the way there', () => {
  let pages: readonly Beginning[] = [];
  expect(beginningBefore(pages, null)).toBeUndefined();
  pages = pagesWith(pages, null, 'b');
  pages = pagesWith(pages, 'b', 'c');
  expect(beginningBefore(pages, 'c')).toBe('b');
  expect(beginningBefore(pages, 'b')).toBeNull();
  expect(beginningBefore(pages, null)).toBeUndefined();
  // On from the middle.
  expect(pagesWith(pages, null, 'x')).toEqual([null, 'x']);
});

test('of a page that an address led to, the one before is not known, but those behind it lead back to it', () => {
  expect(beginningBefore([null, 'b'], 'far')).toBeUndefined();
  expect(beginningBefore(pagesWith([null, 'b'], 'far', 'further'), 'further')).toBe('far');
});

test('a way that is pressed again while its page comes leads to the same page', () => {
  const once = pagesWith([], null, 'b');
  expect(pagesWith(once, null, 'b')).toEqual(once);
});
