/**
 * Pages of a list that is read forwards: which one this is, and the way on and back. Every way is always there, so that none
 * moves, and none takes the focus along when it ends.
 */
import { type RefObject, useRef } from 'react';
import { count } from '../data/format.ts';
import { Button } from './basics.tsx';
import { type Beginning, beginningBefore, pagesWith } from './pages.ts';

export type PagesSeen = RefObject<readonly Beginning[]>;

export type PagerProps = {
  /** Exact; null where the screen says itself what is known of it. */
  readonly total: number | null;
  readonly shown: number;
  /** Where the page that is shown begins; while another is read, that is not what the address says. */
  readonly after: Beginning;
  readonly next: Beginning;
  readonly onGo: (after: Beginning) => void;
  /** For a screen that takes the pager away while it reads a page. */
  readonly seen?: PagesSeen;
};

export function Pager({ total, shown, after, next, onGo, seen }: PagerProps) {
  const own: PagesSeen = useRef([]);
  const pages = seen ?? own;
  const isOnly = after === null && next === null;
  if (total === 0 || (total === null && isOnly)) return null;
  const isFirst = after === null ? 'This is the first page.' : null;
  const before = beginningBefore(pages.current, after);
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
          <Button why={isFirst} onClick={() => onGo(null)}>
            First page
          </Button>
          <Button
            why={isFirst ?? (before === undefined ? 'Go to the first page: this one came by a link.' : null)}
            onClick={() => onGo(before ?? null)}
          >
            Previous page
          </Button>
          <Button
            why={next === null ? 'This is the last page.' : null}
            onClick={() => {
              pages.current = pagesWith(pages.current, after, next);
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
