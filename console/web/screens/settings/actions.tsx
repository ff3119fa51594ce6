/** Who did what to the relay, the latest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { api, ask } from '../../data/api.ts';
import { Ago, Button, Card, Empty, QueryFailure, Scroll, Waiting } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { detailsText } from './details-text.ts';

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
    <Card title="Audit trail" aside={<span className="quiet">what people did to the relay</span>}>
      <QueryFailure of={trail} />
      {isPending && <Waiting />}
      {data !== undefined && actions.length === 0 && (
        <Empty title="Nobody has acted on this relay">
          Pauses, limits, replays, recoveries and purges are listed here. What was done to a dead letter is
          with that letter.
        </Empty>
      )}
      {actions.length > 0 && (
        <Scroll label="What people did to the relay">
          <table>
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
              {actions.map(({ id, at, action, target, person, role, reason, details }) => (
                <tr key={id}>
                  <td>
                    <Ago at={at} />
                  </td>
                  <td>{action}</td>
                  <td className="wrap">
                    {target === null ? (
                      <span className="quiet">the whole relay</span>
                    ) : (
                      <Visible text={target} />
                    )}
                  </td>
                  <td className="wrap">
                    <Visible text={person} /> <small className="quiet">{role}</small>
                  </td>
                  <td className="wrap">
                    {reason === null ? <span className="quiet">none given</span> : <Visible text={reason} />}
                  </td>
                  <td className="wrap">
                    {details !== '{}' && <Visible text={detailsText(details)} max={500} />}
                  </td>
                </tr>
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
