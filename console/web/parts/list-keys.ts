/**
 * The keyboard in lists: `j` and `k`, or the arrows, go through the elements with `data-item`, `/` to the one with
 * `data-filter`, and Escape leads up. Enter is the element's own: it is a link or a button.
 */
import { useEffect } from 'react';
import { useLocation } from 'wouter';

/** The item last in focus, by path: who comes back goes on from there. */
const last = new Map<string, string>();

/** @param up where Escape leads; @param isReady once the items are there */
export function useListKeys({ up, isReady = true }: { up?: string; isReady?: boolean }): void {
  const [path, navigate] = useLocation();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof HTMLElement ? event.target : document.body;
      if (target.closest('dialog, [contenteditable]:not([aria-readonly="true"])') !== null) return;
      const isTyping = target.closest('input:not([type="checkbox"]), textarea, select') !== null;
      if (event.key === 'Escape') {
        if (isTyping) target.blur();
        else if (up !== undefined) navigate(up);
        return;
      }
      if (isTyping) return;
      if (event.key === '/') {
        const filter = document.querySelector<HTMLElement>('[data-filter]');
        if (filter === null) return;
        event.preventDefault();
        filter.focus();
        return;
      }
      const isArrow = event.key === 'ArrowDown' || event.key === 'ArrowUp';
      const step = ['j', 'ArrowDown'].includes(event.key) ? 1 : ['k', 'ArrowUp'].includes(event.key) ? -1 : 0;
      const items = [...document.querySelectorAll<HTMLElement>('[data-item]')];
      const at = items.findIndex((item) => item === target || item.closest('[data-row]')?.contains(target));
      // Where no item is in focus, the arrows scroll.
      if (step === 0 || items.length === 0 || (isArrow && at < 0)) return;
      event.preventDefault();
      items[at < 0 ? 0 : Math.min(items.length - 1, Math.max(0, at + step))]!.focus();
    };
    const onFocus = ({ target }: FocusEvent) => {
      const item = target instanceof HTMLElement ? target.dataset.item : undefined;
      if (item !== undefined) last.set(path, item);
    };
    document.addEventListener('keydown', onKey);
    document.addEventListener('focusin', onFocus);
    return () => {
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('focusin', onFocus);
    };
  }, [path, up, navigate]);
  useEffect(() => {
    const item = last.get(path);
    const isFree = document.activeElement === document.body || document.activeElement?.tagName === 'H1';
    if (isReady && item !== undefined && isFree)
      document.querySelector<HTMLElement>(`[data-item="${CSS.escape(item)}"]`)?.focus();
  }, [path, isReady]);
}
