/**
 * Pages of a list that is read forwards: which one this is, and the way on and back. Every way is always there, so that none
 * moves, and none takes the focus along when it ends.
 */
import { type RefObject, useRef } from 'react';
import { count } from '../data/format.ts';
import { Button } from './basics.tsx';

/** Beginnings of the pages before this one, as far as they were seen. */
export type PagesBefore = RefObject<(string | null)[]>;

export type PagerProps = {
  /** Exact; null where the screen says itself what is known of it. */
  readonly total: number | null;
  readonly shown: number;
  /** Where this page begins; null for the first. */
  readonly after: string | null;
  readonly next: string | null;
  readonly onGo: (after: string | null) => void;
  /** For a screen that takes the pager away while it reads a page. */
  readonly before?: PagesBefore;
};

export function Pager({ total, shown, after, next, onGo, before }: PagerProps) {
  const own: PagesBefore = useRef([]);
  const pages = before ?? own;
  const isOnly = after === null && next === null;
  if (total === 0 || (total === null && isOnly)) return null;
  const isFirst = after === null ? 'This is the first page.' : null;
  return (
    <nav className="pager" aria-label="Pages">
      <span role="status">
        {total !== null &&
          (isOnly
            ? `All ${count(total)}`
            : `${count(shown)} of ${count(total)}${after === null ? '' : ', on a later page'}`)}
      </span>
      {!isOnly && (
        <span className="buttons">
          <Button
            why={isFirst}
            onClick={() => {
              pages.current = [];
              onGo(null);
            }}
          >
            First page
          </Button>
          <Button
            // Of a page that an address led to, nobody knows the one before.
            why={
              isFirst ??
              (pages.current.length === 0 ? 'Go to the first page: this one came by a link.' : null)
            }
            onClick={() => onGo(pages.current.pop() ?? null)}
          >
            Previous page
          </Button>
          <Button
            why={next === null ? 'This is the last page.' : null}
            onClick={() => {
              pages.current.push(after);
              onGo(next);
            }}
          >
            Next page
          </Button>
        </span>
      )}
    </nav>
  );
}
