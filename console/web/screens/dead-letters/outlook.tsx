/** What a person asks about a cause: which values stand there, whether more come, what waits unseen, and what is next. */
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { agree, count, counted } from '../../data/format.ts';
import { Ago, QueryFailure } from '../../parts/basics.tsx';
import { Expected, Room } from '../../parts/room.tsx';
import { CountedValues } from './counted-values.tsx';
import { parkedKeysPath, queryOf, type Selected } from './selection.ts';

const read = (selected: Selected) => ask(api['dead-letters'].outlook.$get({ query: { ...selected } }));
export type Outlook = Awaited<ReturnType<typeof read>>;

export const useOutlook = (selected: Selected, isWanted: boolean) =>
  useQuery({
    queryKey: ['dead-letters', 'outlook', queryOf(selected).toString()],
    queryFn: () => read(selected),
    enabled: isWanted,
  });

type Asked = ReturnType<typeof useOutlook>;

/**
 * What is to be done about a cause, and what is known of it. What comes next stands first, for the last lines may be folded.
 * @param expected the shape of the lines while they are awaited
 */
export function OutlookLines({
  of: asked,
  selected,
  advice,
  expected,
}: {
  of: Asked;
  selected: Selected;
  advice: string | null;
  expected: readonly string[];
}) {
  const { data, isPending, error } = asked;
  return (
    <Room key={queryOf(selected).toString()} isWaiting={isPending} isFixed={error === null}>
      {advice !== null && !(data !== undefined && areAllFixed(data)) && <p className="quiet">{advice}</p>}
      {isPending && <Expected lines={expected} />}
      <QueryFailure of={asked} />
      {data !== undefined && (
        <ul className="reasons">
          <Waits of={data} selected={selected} />
          <OfParkedKeys of={data} selected={selected} />
          {data.lastRefused !== null && (
            <li>
              The last one came <Ago at={data.lastRefused} />.
            </li>
          )}
          <Values of={data} />
          <Behind of={data} />
        </ul>
      )}
    </Room>
  );
}

function OfParkedKeys({ of: outlook, selected }: { of: Outlook; selected: Selected }) {
  const { ofParkedKeys, total } = outlook;
  if (ofParkedKeys === 0 || areAllFixed(outlook)) return null;
  const isAll = ofParkedKeys === total;
  return (
    <li>
      {isAll ? (total === 1 ? 'It' : 'All') : count(ofParkedKeys)} belong{ofParkedKeys === 1 && 's'} to parked
      keys, whose later events wait behind them: fix them here, then{' '}
      <Link href={parkedKeysPath(selected)}>release the keys</Link>, which publishes both in order.
      {!isAll && ' Resubmit leaves them out.'}
    </li>
  );
}

const ofRead = ({ read, total }: Outlook) =>
  read < total ? ` Of the oldest ${count(read)} of ${count(total)}.` : '';

function Values({ of: outlook }: { of: Outlook }) {
  const { values, payloadView } = outlook;
  if (values === null || values.top.length === 0) return null;
  const { different, isMore, top } = values;
  return (
    <li>
      {payloadView === 'full'
        ? `${isMore ? 'More than ' : ''}${counted(different, 'value')} there: `
        : 'There, without the values themselves: '}
      <CountedValues values={top} hasOthers={isMore || different > top.length} />.
      {values.withoutOne > 0 && ` Nothing there in ${count(values.withoutOne)}.`}
      {values.notRead > 0 && ` Not read, because they are large: ${count(values.notRead)}.`}
      {ofRead(outlook)}
    </li>
  );
}

function Behind({ of: { behind } }: { of: Outlook }) {
  const { keys, events, isMore } = behind;
  if (keys === 0 || events === 0) return null;
  return (
    <li>
      {isMore ? 'More than ' : ''}
      {counted(events, 'event')} of {counted(keys, 'key')} {isMore ? 'wait' : agree(events, 'waits', 'wait')}{' '}
      behind them. The relay has not judged these yet: it may refuse some of them, too.
    </li>
  );
}

/** What each waits for, and where that is done. @param selected null where a button leads to the release */
function Waits({ of: outlook, selected }: { of: Outlook; selected: Selected | null }) {
  const { release, resubmit, resume, 'release-under-way': underWay } = outlook.waitsFor;
  return (
    <>
      {release > 0 && (
        <li>
          <b>{count(release)}</b>{' '}
          {agree(release, 'waits for the release of its key', 'wait for the release of their keys')}.{' '}
          {selected !== null && <Link href={parkedKeysPath(selected)}>Release these keys</Link>}
        </li>
      )}
      {resume > 0 && (
        <li>
          <b>{count(resume)}</b> {agree(resume, 'waits', 'wait')} until the topic is resumed.{' '}
          <Link href="/settings">Resume the topic</Link>
        </li>
      )}
      {resubmit > 0 && (
        <li>
          <b>{count(resubmit)}</b>{' '}
          {agree(resubmit, 'is fixed. Next: resubmit it', 'are fixed. Next: resubmit them')}.
        </li>
      )}
      {underWay > 0 && (
        <li>
          <b>{count(underWay)}</b> {agree(underWay, 'is', 'are')} being released.
        </li>
      )}
    </>
  );
}

/** After a fix: the step that publishes them. */
export function NextStep({ selected }: { selected: Selected }) {
  const asked = useOutlook(selected, true);
  const { data } = asked;
  if (data === undefined) return <QueryFailure of={asked} />;
  const { release, resubmit, resume } = data.waitsFor;
  if (release + resubmit + resume === 0) return null;
  return (
    <>
      <p>Next:</p>
      <ul className="reasons">
        <Waits of={data} selected={null} />
      </ul>
      {release > 0 && (
        <div>
          <Link className="button primary" href={parkedKeysPath(selected)}>
            Release these keys…
          </Link>
        </div>
      )}
    </>
  );
}

/** Whether each was repaired: then the advice about its cause is of no use. */
export const areAllFixed = ({ read, total, fixed }: Outlook): boolean => read === total && fixed === total;
