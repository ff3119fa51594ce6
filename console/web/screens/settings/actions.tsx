/** Who did what to the relay, its dead letters and its parked keys, the latest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { RecordedAction } from '../../../../relay/operations/actions.ts';
import { api, ask } from '../../data/api.ts';
import { counted, seconds } from '../../data/format.ts';
import { Ago, Button, Card, Empty, QueryFailure, Scroll, Waiting } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { actionText, detailsText, limitText } from './details-text.ts';

export const actionsKey = ['actions'];
const pageSize = '10';
const refreshMs = 15_000;

/** For the card, and for the screen that shows it. */
export const useActions = () =>
  useInfiniteQuery({
    queryKey: actionsKey,
    queryFn: ({ pageParam }) =>
      ask(
        api.settings.actions.$get({
          query: { limit: pageSize, ...(pageParam === null ? {} : { before: pageParam }) },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    refetchInterval: refreshMs,
  });

export function ActionsCard() {
  const trail = useActions();
  const { data, isPending, hasNextPage, isFetchingNextPage, fetchNextPage } = trail;
  const actions = data?.pages.flatMap((page) => page.actions) ?? [];
  return (
    <Card
      id="actions"
      title="What people did"
      aside={<span className="quiet">the audit trail, latest first</span>}
    >
      <QueryFailure of={trail} />
      {isPending && <Waiting />}
      {data !== undefined && actions.length === 0 && (
        <Empty title="Nobody has acted on this relay">
          Pauses, limits, releases, fixes, resubmissions, discards, replays, recoveries and purges are listed
          here.
        </Empty>
      )}
      {actions.length > 0 && (
        <Scroll label="What people did to the relay, its dead letters and its parked keys">
          <table className="stacked">
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>To what</th>
                <th>Who</th>
                <th>Why</th>
                <th>Details</th>
              </tr>
            </thead>
            <tbody>
              {actions.map((action) => (
                <Line key={action.id} action={action} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {hasNextPage && (
        <Button disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show earlier ones
        </Button>
      )}
    </Card>
  );
}

function Line({ action }: { action: RecordedAction }) {
  const { at, since, person, role, reason, details } = action;
  const tookSeconds = Math.round((Date.parse(at) - Date.parse(since)) / 1_000);
  return (
    <tr>
      <td>
        <Ago at={at} />
      </td>
      <td>{actionText(action.action)}</td>
      <td className="wrap">
        <Target action={action} />
      </td>
      <td className="wrap" data-label="By">
        <Visible text={person} /> <small className="quiet">{role}</small>
      </td>
      <td className="wrap" data-label="Why">
        {reason === null ? <span className="quiet">none given</span> : <Visible text={reason} />}
      </td>
      <td className="wrap">
        {tookSeconds > 1 && <span className="quiet">within {seconds(tookSeconds)} </span>}
        {details !== '{}' && <Visible text={limitText(details) ?? detailsText(details)} max={500} />}
      </td>
    </tr>
  );
}

function Target({ action: { on, target, count: many, isCut } }: { action: RecordedAction }) {
  if (on !== 'relay' && target === null)
    return (
      <>
        {isCut && 'more than '}
        {counted(many, on === 'keys' ? 'key' : 'dead letter')}
      </>
    );
  if (target === null) return <span className="quiet">the whole relay</span>;
  if (on === 'dead-letters')
    return (
      <Link href={`/dead-letters/${target}`}>
        <code>{target}</code>
      </Link>
    );
  return <Visible text={target} max={200} />;
}
