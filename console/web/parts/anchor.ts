/** A part of a screen to which an address leads: `#check`. The browser looks for it before it is there. */
import { type RefObject, useEffect } from 'react';

/** A link to a part of the screen that is shown already. wouter says when `pushState` was called. */
const events = ['pushState', 'hashchange'] as const;

export function useAnchor(id: string | undefined, ref: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (id === undefined) return;
    const look = () => {
      if (location.hash === `#${id}`) ref.current?.scrollIntoView();
    };
    look();
    for (const event of events) addEventListener(event, look);
    return () => {
      for (const event of events) removeEventListener(event, look);
    };
  }, [id, ref]);
}
