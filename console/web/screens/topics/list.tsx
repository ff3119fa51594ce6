/** Every topic of events on one line each. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { bytes, count, figure, percent, unknown } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import { Ago, Badge, Card, Empty, QueryFailure, Scroll, Waiting } from '../../parts/basics.tsx';
import { FilterBar } from '../../parts/filter-bar.tsx';
import { Heading } from '../../parts/heading.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { useOpening } from '../../parts/opening.ts';
import { Pager } from '../../parts/pager.tsx';
import { Visible } from '../../parts/visible.tsx';
import { copiesOf } from './limits.ts';
import { emptyList, isWhole, largestLag, others, skewOf, topicRates } from './rates.ts';
import { type Column, orderFrom, pressed, sorted } from './sort.ts';

const everyMs = 30_000;
/** When Kafka is away: how soon the page shows that it is back. */
const failedEveryMs = 5_000;
/** As many as the server gives: they are sorted here, since it does not know their rates. */
const pageTopics = '200';

const columns: readonly (readonly [Column | null, string, isNumber: boolean])[] = [
  ['name', 'Topic', false],
  ['rate', 'Events/s', true],
  ['partitions', 'Partitions', true],
  ['size', 'Size', true],
  ['skew', 'Skew', false],
  [null, 'Hottest key', false],
  ['lag', 'Largest lag, offsets', true],
  ['letters', 'Dead letters', true],
];

export function TopicList() {
  const [search, setSearch] = useSearchParams();
  const like = search.get('like') ?? '';
  const after = search.get('after');
  const { sampled, seen } = useLive();
  const topics = useQuery({
    queryKey: ['topics', like, after],
    // The server has tried for long enough.
    retry: false,
    queryFn: async () => {
      const query = {
        limit: pageTopics,
        ...(like === '' ? {} : { like }),
        ...(after === null ? {} : { after }),
      };
      return { ...(await ask(api.topics.$get({ query }))), after };
    },
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.error === null ? everyMs : failedEveryMs),
  });
  const lag = useQuery({
    queryKey: ['topics', 'lag'],
    // The server has tried for long enough.
    retry: false,
    queryFn: () => ask(api.topics.lag.$get({ query: {} })),
    refetchInterval: ({ state }) => (state.error === null ? everyMs : failedEveryMs),
  });
  const letters = useQuery({
    queryKey: ['dead-letters', 'groups', 'open'],
    queryFn: () => ask(api['dead-letters'].groups.$get({ query: { statuses: 'open' } })),
    refetchInterval: everyMs,
  });
  // What comes later would make rows higher.
  const isOpening = useOpening(topics.isPending || lag.isPending || letters.isPending || sampled === null);
  useListKeys({ isReady: topics.data !== undefined });
  const rates = topicRates(sampled);
  const silent = isWhole(sampled) ? 0 : null;
  const pauses = seen.status?.control.pauses.filter(({ isOver }) => !isOver) ?? [];
  // Where Kafka does not say which topics there are, those that the relays publish to are still known.
  const known = topics.data?.topics ?? null;
  const names =
    known?.map(({ topic }) => topic) ?? [...rates.keys()].filter((name) => name !== others).toSorted();
  const lettersOf = (name: string): number | null =>
    letters.data === undefined || letters.data.groupsLeftOut > 0
      ? null
      : letters.data.groups.reduce((sum, { topic, count: each }) => sum + (topic === name ? each : 0), 0);
  const lagOf = (name: string): number | null => largestLag(lag.data?.groups ?? [], name);
  const empty = emptyList(known !== null, like);
  const risky = known?.find(({ durability }) => durability.status !== 'ok');
  const order = orderFrom(search.get('sort'));
  const rows = sorted(
    names.map((name) => {
      const seenTopic = known?.find(({ topic }) => topic === name);
      const rate = rates.get(name);
      const skewed = skewOf(rate?.partitions ?? [], seenTopic?.partitions ?? null);
      return {
        name,
        seenTopic,
        skewed,
        hottest: rate?.hotKeys[0],
        rate: rate === undefined ? silent : rate.eventsPerSecond,
        partitions: seenTopic?.partitions ?? null,
        size: seenTopic?.bytes ?? null,
        skew: skewed.ratio,
        lag: lagOf(name),
        letters: lettersOf(name),
      };
    }),
    order,
  );
  const go = (change: Readonly<Record<string, string | null>>) => {
    const next = new URLSearchParams(search);
    for (const [name, value] of Object.entries(change))
      if (value === null || value === '') next.delete(name);
      else next.set(name, value);
    setSearch(next);
  };
  const { eventsPerSecond = null, bytesPerSecond = null } = sampled?.figures ?? {};
  return (
    <>
      <Heading>Topics and keys</Heading>
      <p className="quiet">
        {figure(eventsPerSecond)} events/s and {bytes(bytesPerSecond)}/s into all topics together. A relay
        does not count bytes by topic.
      </p>
      <Card title="Topics">
        <FilterBar
          fields={[{ name: 'like', label: 'Name', placeholder: 'Part of a name' }]}
          conditions={like === '' ? [] : [{ name: 'like', label: 'Name', text: like }]}
          onAdd={(_, value) => go({ like: value, after: null })}
          onRemove={() => go({ like: null, after: null })}
        />
        {/* Below what is there from the beginning, so that nothing moves when the answer fails to come. */}
        <QueryFailure of={topics} />
        <QueryFailure of={letters} />
        {!topics.isError && <QueryFailure of={lag} />}
        {isOpening || topics.isPending ? (
          <Waiting lines={6} />
        ) : names.length === 0 ? (
          <Empty title={empty.title}>{empty.text}</Empty>
        ) : (
          <Scroll label="Topics">
            <table>
              <thead>
                <tr>
                  {columns.map(([column, title, isNumber]) =>
                    column === null ? (
                      <th key={title}>{title}</th>
                    ) : (
                      <th
                        key={title}
                        className={isNumber ? 'number' : undefined}
                        aria-sort={
                          order.by !== column ? undefined : order.isDown ? 'descending' : 'ascending'
                        }
                      >
                        <button
                          type="button"
                          onClick={() => go({ sort: pressed(order, column), after: null })}
                        >
                          {title}
                          {order.by === column && <span aria-hidden="true">{order.isDown ? '↓' : '↑'}</span>}
                        </button>
                      </th>
                    ),
                  )}
                </tr>
              </thead>
              <tbody>
                {rows.map(({ name, seenTopic, skewed, hottest, rate, partitions, size, lag, letters }) => {
                  return (
                    <tr key={name} data-row>
                      <td className="name">
                        <Link href={`/topics/${name}`} data-item={name}>
                          {name}
                        </Link>
                        <TopicState
                          isPaused={pauses.some(({ topic }) => topic === name || topic === null)}
                          copies={
                            seenTopic === undefined || seenTopic.durability.status === 'ok'
                              ? null
                              : copiesOf(seenTopic)
                          }
                          leaderless={seenTopic?.leaderless.length ?? 0}
                        />
                      </td>
                      <td className="number">{figure(rate)}</td>
                      <td className="number">{count(partitions)}</td>
                      <td className="number">{bytes(size)}</td>
                      <td className="wrap">
                        {skewed.isConcern ? <Badge tone="warn">{skewed.text}</Badge> : skewed.text}
                      </td>
                      <td>
                        {hottest === undefined ? (
                          unknown
                        ) : (
                          <>
                            <Visible text={hottest.key} max={24} /> {percent(hottest.share)}
                          </>
                        )}
                      </td>
                      <td className="number">{count(lag)}</td>
                      <td className="number">
                        {letters ? (
                          <Link href={`/dead-letters/list?${new URLSearchParams({ topics: name })}`}>
                            {count(letters)}
                          </Link>
                        ) : (
                          count(letters)
                        )}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Scroll>
        )}
        {!isOpening && topics.data !== undefined && (
          <Pager
            total={topics.data.total}
            shown={topics.data.topics.length}
            after={topics.data.after}
            next={topics.data.next}
            onGo={(next) => go({ after: next })}
          />
        )}
        {!isOpening &&
          topics.data !== undefined &&
          topics.data.total > topics.data.topics.length &&
          order.by !== 'name' && (
            <p className="quiet">
              Sorted within this page of {count(topics.data.topics.length)}. Filter by name to see others.
            </p>
          )}
        {!isOpening && topics.data !== undefined && (
          <p className="quiet">
            Read from Kafka <Ago at={topics.data.at} />.{' '}
            {topics.data.topics.some(({ bytes: size }) => size === null) && `${sizesUnknown} `}
            {lag.data?.groups.length === 0 &&
              'No consumer group is followed: name them in metrics.consumerGroups.'}
            {lag.data?.groups.some(({ topicsLeftOut }) => topicsLeftOut > 0) === true &&
              'Of a group with very many topics the lag of some is not read; open a topic to see it.'}{' '}
            {lag.data?.groups.some(({ failure }) => failure !== null) === true &&
              'The lag of some groups is not known; open a topic to see why.'}
          </p>
        )}
        {!isOpening && risky !== undefined && (
          <p className="quiet">
            <Badge tone="warn">not safe</Badge> {risky.durability.fix}
          </p>
        )}
        {!isOpening && <Unreached sampled={sampled} />}
      </Card>
    </>
  );
}

export const sizesUnknown = 'Kafka says sizes only to a principal with the right to describe the cluster.';

function TopicState({
  isPaused,
  copies,
  leaderless,
}: {
  isPaused: boolean;
  /** Why it is not safe; null where it is. */
  copies: string | null;
  leaderless: number;
}) {
  return (
    <span className="topic-state">
      {isPaused && <Badge tone="warn">paused</Badge>}
      {leaderless > 0 && <Badge tone="bad">partitions without leader</Badge>}
      {copies !== null && (
        <>
          <Badge tone="warn">not safe</Badge> <small className="quiet">{copies}</small>
        </>
      )}
    </span>
  );
}

/** Why rates are missing. */
export function Unreached({ sampled }: { sampled: ReturnType<typeof useLive>['sampled'] }) {
  const failed = sampled?.relays.filter(({ failure }) => failure !== null) ?? [];
  if (sampled !== null && sampled.relays.length === 0)
    return <p className="quiet">No relay is known, so there are no rates.</p>;
  return failed.map(({ url, failure }) => (
    <p key={url} className="quiet">
      No figures from {url}: {failure}. Figures are those of the other relays.
    </p>
  ));
}
