/**
 * The beginnings of the pages that a person came by, in their order; null is that of the first. A page that is still on its
 * way leaves the one before it on the screen: a way that is pressed twice leads to the same page then.
 */
export type Beginning = string | null;

/** @returns undefined where nobody knows it: an address led to this page */
export function beginningBefore(pages: readonly Beginning[], after: Beginning): Beginning | undefined {
  const place = pages.indexOf(after);
  return place < 1 ? undefined : pages[place - 1];
}

/** What is known once the way from the page at `after` to the one at `next` was taken. */
export function pagesWith(pages: readonly Beginning[], after: Beginning, next: Beginning): Beginning[] {
  const place = pages.indexOf(after);
  return [...(place < 0 ? [after] : pages.slice(0, place + 1)), next];
}
