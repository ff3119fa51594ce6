/** What a person does with dead letters of a selection: each is a job, with a reason. */
import type { ReactNode } from 'react';
import { api, ask } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { Act } from '../../parts/act.tsx';
import { isUnbounded, type Selected } from './selection.ts';

type ActionProps = {
  readonly selected: Selected;
  /** How many it is about, exactly. */
  readonly total: number;
  /** Why not now. */
  readonly why?: string | null;
  /** Whether the address can say which are meant, so that a link leads to the dialog. */
  readonly isLinked?: boolean;
  /** Whether it is the next thing to do. */
  readonly isNext?: boolean;
  readonly onStarted: (jobId: string) => void;
};

/** Every one of a status is chosen only by saying so. */
export const chosen = (selection: Selected) => ({
  selection,
  ...(isUnbounded(selection) && { all: true as const }),
});

const none = 'No dead letter is like that.';

export function ResubmitAct({
  selected,
  total,
  why = null,
  isNext = false,
  isLinked = false,
  onStarted,
}: ActionProps) {
  return (
    <Act
      label="Resubmit"
      kind={isNext ? 'primary' : 'plain'}
      {...(isLinked && { name: 'resubmit' })}
      title={`Resubmit ${counted(total, 'dead letter')}`}
      why={total === 0 ? none : why}
      act={(reason) =>
        ask(api['dead-letters'].jobs.resubmit.$post({ json: { ...chosen(selected), reason } }))
      }
      onDone={({ jobId }) => onStarted(jobId)}
    >
      <p>
        {total === 1
          ? 'The event is inserted into the outbox table again, under its id. It is sent once, even if somebody else does the same.'
          : 'The events are inserted into the outbox table again, under their ids and in the order of their positions, in one transaction. Each is sent once, even if somebody else does the same.'}
      </p>
      <p>
        {total === 1
          ? 'Later events of its key may already be published. If the relay refuses it again, it comes back as a new dead letter.'
          : 'Later events of the same keys may already be published. Those whose key is parked are left out: release the key instead. What the relay refuses again comes back as a new dead letter.'}
      </p>
    </Act>
  );
}

export function DiscardAct({ selected, total, why = null, isLinked = false, onStarted }: ActionProps) {
  return (
    <Act
      label="Discard"
      kind="danger"
      {...(isLinked && { name: 'discard' })}
      title={`Discard ${counted(total, 'dead letter')}`}
      why={total === 0 ? none : why}
      act={(reason) => ask(api['dead-letters'].jobs.discard.$post({ json: { ...chosen(selected), reason } }))}
      onDone={({ jobId }) => onStarted(jobId)}
    >
      <p>
        <b>
          {total === 1
            ? 'It is closed for good and never published.'
            : 'They are closed for good and never published.'}
        </b>{' '}
        {total === 1 ? 'Its payload stays' : 'Their payloads stay'} in the table until closed dead letters are
        removed, and the audit trail keeps your reason.
      </p>
      <p>
        Events that wait behind {total === 1 ? 'it stay parked until its' : 'them stay parked until their'}{' '}
        key is released.
      </p>
    </Act>
  );
}

export const Actions = ({ children }: { children: ReactNode }) => (
  <fieldset className="buttons" aria-label="Actions">
    {children}
  </fieldset>
);
