/** Pages of a list that is read forwards: which one this is, and the way on and back. */
import { useRef } from 'react';
import { count } from '../data/format.ts';
import { Button } from './basics.tsx';

export type PagerProps = {
  /** Exact. */
  readonly total: number;
  readonly shown: number;
  /** Where this page begins; null for the first. */
  readonly after: string | null;
  readonly next: string | null;
  readonly onGo: (after: string | null) => void;
};

export function Pager({ total, shown, after, next, onGo }: PagerProps) {
  /** Beginnings of the pages before this one, as far as they were seen. */
  const before = useRef<(string | null)[]>([]);
  if (total === 0) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <span role="status">
        {after === null && next === null
          ? `All ${count(total)}`
          : `${count(shown)} of ${count(total)}${after === null ? '' : ', further on'}`}
      </span>
      <span className="buttons">
        {after !== null && (
          <Button
            onClick={() => {
              before.current = [];
              onGo(null);
            }}
          >
            First page
          </Button>
        )}
        {after !== null && before.current.length > 0 && (
          <Button onClick={() => onGo(before.current.pop() ?? null)}>Previous page</Button>
        )}
        {next !== null && (
          <Button
            onClick={() => {
              before.current.push(after);
              onGo(next);
            }}
          >
            Next page
          </Button>
        )}
      </span>
    </nav>
  );
}
