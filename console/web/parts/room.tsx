/**
 * Room for an answer that comes later than what stands below it. Its height stays as it was while the answer was awaited, so
 * that nothing moves under the eyes of a reader; of an answer that is longer the rest opens with a button.
 */
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Button } from './basics.tsx';

/**
 * @param isWaiting whether `children` stand for the answer, at about its length
 * @param isFixed false where the answer may take what room it needs, as a failure
 */
export function Room({
  isWaiting,
  isFixed = true,
  children,
}: {
  isWaiting: boolean;
  isFixed?: boolean;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDivElement>(null);
  /** null where nothing was awaited, and where the window has changed since. */
  const [heightPx, setHeightPx] = useState<number | null>(null);
  const [isCut, setIsCut] = useState(false);
  const isLimited = !isWaiting && isFixed && heightPx !== null;
  // After each change of what it holds.
  useLayoutEffect(() => {
    const room = ref.current!;
    if (isWaiting) setHeightPx(room.getBoundingClientRect().height);
    // A line that is a pixel too high is not cut.
    else setIsCut(isLimited && room.scrollHeight > room.clientHeight + 1);
  });
  useEffect(() => {
    // Other widths break other lines.
    const onResize = () => setHeightPx(null);
    addEventListener('resize', onResize);
    return () => removeEventListener('resize', onResize);
  }, []);
  const style =
    heightPx === null || isWaiting ? {} : isLimited ? { blockSize: heightPx } : { minBlockSize: heightPx };
  return (
    <div className={isCut ? 'room cut' : 'room'} ref={ref} style={style}>
      {children}
      {isCut && <Button onClick={() => setHeightPx(null)}>Show all of it</Button>}
    </div>
  );
}

/** Lines of the answer's shape while it is awaited. @param lines without words: nothing in them is known */
export const Expected = ({ lines }: { lines: readonly string[] }) => (
  <div className="waiting" role="status" aria-label="Loading">
    <ul className="reasons expected">
      {lines.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they have no other name
        <li key={index} aria-hidden="true">
          <b>
            <i>{line}</i>
          </b>
        </li>
      ))}
    </ul>
  </div>
);
