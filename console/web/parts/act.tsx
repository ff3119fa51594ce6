/** An action of a person: what it will do, why, and what came of it. Every change of the console goes through here. */
import { type ReactNode, type RefObject, useRef, useState } from 'react';
import { useWhyNot } from '../data/me.ts';
import { Button, Failure } from './basics.tsx';
import { Dialog } from './dialog.tsx';
import { useDialogHistory } from './dialog-history.ts';

export type ActProps<Result> = {
  /** On the button that opens it, and on the one that does it. */
  readonly label: string;
  readonly kind?: 'plain' | 'primary' | 'danger';
  readonly title: string;
  /** What happens, in sentences; further fields too. */
  readonly children: ReactNode;
  /** Why it cannot be done now. */
  readonly why?: string | null;
  /** In the address while the dialog is open, so that a link leads to it. Not where the page alone knows what is meant. */
  readonly name?: string;
  readonly act: (reason: string) => Promise<Result>;
  /** What came of it, for the person; the dialog stays open until it is read. Without it the dialog closes. */
  readonly describe?: (result: Result) => ReactNode;
  readonly onDone?: (result: Result) => void;
};

/** Shown to those who may only look, too, so that they know what is possible. */
export function Act<Result>({
  label,
  kind,
  title,
  children,
  why = null,
  name,
  act,
  describe,
  onDone,
}: ActProps<Result>) {
  const { isOpen, open, close } = useDialogHistory(name);
  const whyNot = useWhyNot() ?? why;
  const opener = useRef<HTMLButtonElement>(null);
  return (
    <>
      <Button ref={opener} kind={kind ?? 'plain'} why={whyNot} onClick={open}>
        {label}
      </Button>
      {isOpen && (whyNot === null || name === undefined) && (
        <ActDialog {...{ label, kind, title, children, act, describe, onDone, opener }} onClose={close} />
      )}
    </>
  );
}

function ActDialog<Result>({
  label,
  kind,
  title,
  children,
  act,
  describe,
  onDone,
  opener,
  onClose,
}: Pick<ActProps<Result>, 'label' | 'title' | 'children' | 'act'> & {
  kind: ActProps<Result>['kind'] | undefined;
  describe: ActProps<Result>['describe'] | undefined;
  onDone: ActProps<Result>['onDone'] | undefined;
  opener: RefObject<HTMLElement | null>;
  onClose: () => Promise<void>;
}) {
  const [reason, setReason] = useState('');
  const [state, setState] = useState<{ busy: boolean; error?: unknown; done?: { result: Result } }>({
    busy: false,
  });
  const run = async () => {
    setState({ busy: true });
    try {
      const result = await act(reason.trim());
      // Before what comes of it leads elsewhere, from the page and not from its dialog.
      if (describe === undefined) await onClose();
      onDone?.(result);
      if (describe === undefined) await onClose();
      else setState({ busy: false, done: { result } });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  const onLeave = () => void onClose();
  if (state.done !== undefined)
    return (
      <Dialog {...{ title, opener }} onClose={onLeave}>
        <div role="status">{describe?.(state.done.result)}</div>
        <footer>
          <Button kind="primary" onClick={onLeave}>
            Close
          </Button>
        </footer>
      </Dialog>
    );
  return (
    <Dialog {...{ title, opener }} onClose={onLeave}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!state.busy && reason.trim() !== '') void run();
        }}
      >
        {children}
        <label className="field">
          <span>Reason</span>
          <input
            value={reason}
            onChange={({ target }) => setReason(target.value)}
            maxLength={2_000}
            required
            placeholder="For the audit trail"
          />
        </label>
        {state.error !== undefined && <Failure error={state.error} />}
        <footer>
          <Button onClick={onLeave}>Cancel</Button>
          <Button
            kind={kind === 'danger' ? 'danger' : 'primary'}
            type="submit"
            disabled={state.busy}
            why={reason.trim() === '' ? 'Give a reason first: it goes into the audit trail.' : null}
          >
            {state.busy ? 'Working…' : label}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
