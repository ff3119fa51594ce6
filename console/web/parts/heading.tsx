/**
 * The title of a screen. It takes the focus when the screen opens, so that the keyboard and screen readers go on from there;
 * not in a page that was only just loaded, where they start at its top.
 */
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { useTitle } from '../data/title.ts';
import { visit } from '../data/visit.ts';

export function Heading({
  trail = [],
  children,
  aside,
}: {
  /** What it is below: the title and path of each. */
  trail?: readonly (readonly [title: string, path: string])[];
  children: ReactNode;
  aside?: ReactNode;
}) {
  const ref = useRef<HTMLHeadingElement>(null);
  const [text, setText] = useState('');
  useEffect(() => setText(ref.current?.textContent ?? ''));
  useTitle('heading', text);
  useEffect(() => {
    const { activeElement } = document;
    const isFree = activeElement === null || activeElement === document.body;
    if (isFree && visit.hasMoved) ref.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header className="heading">
      {trail.length > 0 && (
        <nav aria-label="Where this is">
          {trail.map(([title, path]) => (
            <span key={path}>
              <Link href={path}>{title}</Link> <span aria-hidden="true">/</span>{' '}
            </span>
          ))}
        </nav>
      )}
      <div className="row">
        <h1 ref={ref} tabIndex={-1}>
          {children}
        </h1>
        {aside}
      </div>
    </header>
  );
}
