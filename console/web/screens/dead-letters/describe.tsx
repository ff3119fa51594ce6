/** What came of a job, in sentences, and what to do next. */
import { Link } from 'wouter';
import type { ManyFixed, Trial } from '../../../../relay/operations/dead-letters/fix-many.ts';
import type { RefusedGroup } from '../../../../relay/operations/dead-letters/refused-groups.ts';
import type { Closed } from '../../../../relay/operations/dead-letters/resubmit-discard.ts';
import type { ManyUndone } from '../../../../relay/operations/dead-letters/undo-many.ts';
import { api, ask } from '../../data/api.ts';
import { agree, count, counted } from '../../data/format.ts';
import { Act } from '../../parts/act.tsx';
import type { JobView } from '../../parts/job.tsx';
import { NextStep } from './outlook.tsx';
import type { Selected } from './selection.ts';

/**
 * @param onStarted where what it offers next is a job too
 * @param selected what the page is about
 */
export const describeJob = (onStarted: (jobId: string) => void, selected: Selected) => (job: JobView) => {
  if (job.result === null) return <p>It was cancelled before anything was changed.</p>;
  switch (job.kind) {
    case 'try-letters':
      return <TrialResult trial={job.result as Trial} />;
    case 'patch-letters':
      return <FixResult fixed={job.result as ManyFixed} {...{ onStarted, selected }} />;
    case 'undo-letters':
      return <UndoResult undone={job.result as ManyUndone} />;
    case 'resubmit-letters':
      return <ClosedResult closed={job.result as Closed} isResubmission />;
    case 'discard-letters':
      return <ClosedResult closed={job.result as Closed} isResubmission={false} />;
    default:
      return <p>It is done.</p>;
  }
};

const Incomplete = ({ seen }: { seen: number }) => (
  <p className="quiet">It was ended early: the numbers are those of the first {count(seen)}.</p>
);

export function TrialResult({ trial: { tried, wouldPublish, refused, isComplete } }: { trial: Trial }) {
  return (
    <>
      <p>
        <b>
          {count(wouldPublish)} of {count(tried)}
        </b>{' '}
        would be published now. Nothing was published or changed.
      </p>
      {!isComplete && <Incomplete seen={tried} />}
      <Reasons refused={refused} title="The relay would refuse" />
    </>
  );
}

function FixResult({
  fixed: { seen, fixed, unchanged, conflicts, refused, isComplete, run },
  onStarted,
  selected,
}: {
  fixed: ManyFixed;
  onStarted: (jobId: string) => void;
  selected: Selected;
}) {
  return (
    <>
      <p>
        <b>
          {count(fixed)} of {count(seen)}
        </b>{' '}
        {agree(fixed, 'was', 'were')} fixed.
        {unchanged > 0 && ` The patch changes nothing in ${count(unchanged)}.`}
        {conflicts > 0 &&
          ` ${counted(conflicts, 'dead letter')} changed or closed by somebody else in the meantime ${agree(conflicts, 'was left as it is', 'were left as they are')}.`}
      </p>
      {!isComplete && <Incomplete seen={seen} />}
      <Reasons refused={refused} title="Not stored, because the relay would still refuse" />
      {fixed > 0 && (
        <>
          <p>{fixed === 1 ? 'It keeps its' : 'They keep their'} place in this list until published.</p>
          <NextStep selected={selected} />
          <div>
            <Act
              label="Undo these fixes"
              title={`Undo ${count(fixed)} ${fixed === 1 ? 'fix' : 'fixes'}`}
              act={(reason) => ask(api['dead-letters'].jobs.undo.$post({ json: { run, reason } }))}
              onDone={({ jobId }) => onStarted(jobId)}
            >
              <p>
                The earlier payloads come back, where nothing else has happened to the dead letter since. The
                audit trail keeps both.
              </p>
            </Act>
          </div>
        </>
      )}
    </>
  );
}

function UndoResult({ undone: { seen, undone, left, isComplete } }: { undone: ManyUndone }) {
  return (
    <>
      <p>
        <b>
          {count(undone)} of {count(seen)}
        </b>{' '}
        {agree(
          undone,
          'was undone: it has its earlier payload.',
          'were undone: they have their earlier payloads.',
        )}
        {left > 0 &&
          ` ${count(left)} ${agree(left, 'was closed, fixed again or released since, and stays as it is', 'were closed, fixed again or released since, and stay as they are')}.`}
      </p>
      {!isComplete && <Incomplete seen={seen} />}
    </>
  );
}

/** Of events that the table does not accept. */
const namedMax = 10;

function ClosedResult({ closed, isResubmission }: { closed: Closed; isResubmission: boolean }) {
  const { done, open, notAccepted, unsettled, leftOut, withoutId, ofParkedKeys, beingReleased } = closed;
  return (
    <>
      <p>
        <b>
          {count(done)} of {count(open)}
        </b>{' '}
        {agree(done, 'was', 'were')}{' '}
        {isResubmission
          ? `resubmitted. The relay publishes ${agree(done, 'it', 'them')} now; what it refuses again comes back as a new dead letter.`
          : 'discarded.'}{' '}
        {isResubmission && done > 0 && <Link href="/audit">Verify that every event is published once</Link>}
      </p>
      <ul className="reasons">
        {unsettled > 0 && (
          <li>
            {count(unsettled)} {agree(unsettled, 'is', 'are')} not settled yet: a running relay does that
            within seconds. Try again then.
          </li>
        )}
        {isResubmission && ofParkedKeys > 0 && (
          <li>
            {count(ofParkedKeys)} {agree(ofParkedKeys, 'belongs', 'belong')} to parked keys.{' '}
            <Link href="/parked-keys">Release the keys</Link> instead, which keeps their order.
          </li>
        )}
        {isResubmission && leftOut > 0 && (
          <li>
            {count(leftOut)} {agree(leftOut, 'lacks its', 'lack their')} payload or headers, because the row
            is too large. Discard {agree(leftOut, 'it', 'them')}, and write{' '}
            {agree(leftOut, 'the event', 'the events')} again.
          </li>
        )}
        {isResubmission && withoutId > 0 && (
          <li>
            {count(withoutId)} {agree(withoutId, 'has', 'have')} no event id, and can only be discarded.
          </li>
        )}
        {notAccepted.slice(0, namedMax).map(({ position, why }) => (
          <li key={position}>
            <Link href={`/dead-letters/${position}`}>
              <code>{position}</code>
            </Link>{' '}
            stays open: the outbox table does not accept its row ({why}).
          </li>
        ))}
        {notAccepted.length > namedMax && (
          <li>
            {count(notAccepted.length - namedMax)} more{' '}
            {agree(notAccepted.length - namedMax, 'stays', 'stay')} open for such reasons.
          </li>
        )}
        {beingReleased > 0 && (
          <li>
            {count(beingReleased)} {agree(beingReleased, 'is', 'are')} being released.
          </li>
        )}
      </ul>
    </>
  );
}

function Reasons({ refused, title }: { refused: readonly RefusedGroup[]; title: string }) {
  if (refused.length === 0) return null;
  return (
    <>
      <p>{title}:</p>
      <ul className="reasons">
        {refused.map(({ code, path, message, count: many }) => (
          <li key={JSON.stringify([code, path, message])}>
            <b>{count(many)}</b> {code !== null && <code>{code}</code>} {message}
            {path !== null && !message.includes(path) && (
              <>
                {' '}
                at <code>{path}</code>
              </>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
