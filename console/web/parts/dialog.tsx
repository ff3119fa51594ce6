/** A dialog of the browser itself: it keeps the focus, Escape closes it, and the focus returns to the button that opened it. */
import { type ReactNode, type RefObject, useLayoutEffect, useRef } from 'react';
import { useTitle } from '../data/title.ts';

export function Dialog({
  title,
  opener,
  onClose,
  children,
}: {
  title: string;
  opener: RefObject<HTMLElement | null>;
  onClose: () => void;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useTitle('dialog', title);
  // Before it leaves the page, which would take the focus along.
  useLayoutEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => {
      dialog.close();
      // Where a link opened it, nothing had the focus before.
      opener.current?.focus();
    };
  }, [opener]);
  return (
    // Of Escape the browser does not always say that it cancels: not before the person has done anything else.
    <dialog ref={ref} className="dialog" aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
