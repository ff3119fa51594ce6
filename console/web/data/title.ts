/** The title of the page: what is open, so that tabs and the history of a browser tell states apart. */
import { useEffect } from 'react';
import { type Level, titleOf } from './title-text.ts';

const titles: Record<Level, string> = { slot: '', screen: '', heading: '', dialog: '' };

function set(level: Level, text: string): void {
  titles[level] = text;
  document.title = titleOf(titles);
}

export function useTitle(level: Level, text: string): void {
  useEffect(() => {
    set(level, text);
    return () => {
      // The next screen has set it already.
      if (titles[level] === text) set(level, '');
    };
  }, [level, text]);
}
