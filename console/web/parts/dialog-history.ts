/**
 * An open dialog is an entry of the browser's history: Back closes it and stays on the page. One that has a name stands in
 * the address too, so that a link leads to it.
 */
import { useEffect, useId, useState } from 'react';
import { useSearchParams } from 'wouter';

export type DialogHistory = {
  readonly isOpen: boolean;
  readonly open: () => void;
  /** Resolves once the address is that of the page again. */
  readonly close: () => Promise<void>;
};

export function useDialogHistory(name: string | undefined): DialogHistory {
  const id = useId();
  const marker = name ?? id;
  const [isOwn, setIsOwn] = useState(false);
  const [query, setQuery] = useSearchParams();
  useEffect(() => {
    if (!isOwn) return;
    const onBack = () => {
      if (!isEntryOf(marker)) setIsOwn(false);
    };
    addEventListener('popstate', onBack);
    return () => removeEventListener('popstate', onBack);
  }, [isOwn, marker]);
  const open = () => {
    const state = { dialog: marker };
    if (name === undefined) {
      setIsOwn(true);
      history.pushState(state, '', location.href);
      return;
    }
    const next = new URLSearchParams(location.search);
    next.set('open', name);
    setQuery(next, { state });
  };
  const close = async () => {
    await leave(marker);
    setIsOwn(false);
    // A link led to it, or what came of the dialog has changed the address since this was drawn.
    const next = new URLSearchParams(location.search);
    if (name === undefined || next.get('open') !== name) return;
    next.delete('open');
    setQuery(next, { replace: true });
  };
  return { isOpen: name === undefined ? isOwn : query.get('open') === name, open, close };
}

const isEntryOf = (marker: string): boolean =>
  (history.state as { dialog?: string } | null)?.dialog === marker;

/** Told twice, as by Escape and by what the dialog does then, it goes back once. */
let leaving: Promise<void> | undefined;

function leave(marker: string): Promise<void> {
  if (leaving !== undefined) return leaving;
  if (!isEntryOf(marker)) return Promise.resolve();
  leaving = new Promise<void>((resolve) => {
    addEventListener('popstate', () => resolve(), { once: true });
    history.back();
  }).finally(() => {
    leaving = undefined;
  });
  return leaving;
}
