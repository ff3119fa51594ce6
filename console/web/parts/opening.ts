/** A screen of several parts, each with an answer of its own, is shown when all of them are there: then nothing moves. */
import { useEffect, useState } from 'react';

/** Beyond it, what is there is shown without the rest: a server that is away must not hide the others. */
const togetherMs = 3_000;

/** @param isPending whether a first answer is missing; @returns whether to show none of them yet */
export function useOpening(isPending: boolean): boolean {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    if (!isPending) setIsOver(true);
    const timer = setTimeout(() => setIsOver(true), togetherMs);
    return () => clearTimeout(timer);
  }, [isPending]);
  return isPending && !isOver;
}
