/** The causes: dead letters of one code, type, topic and path are one group. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'wouter';
import type { LetterGroup } from '../../../../relay/operations/dead-letters/groups.ts';
import type { LetterStatus } from '../../../../relay/operations/dead-letters/letter.ts';
import { api, ask } from '../../data/api.ts';
import { count, counted, percent } from '../../data/format.ts';
import { Ago, Bar, Card, Empty, Loading, QueryFailure } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { Visible } from '../../parts/visible.tsx';
import { visibleText } from '../../parts/visible-text.ts';
import { queryOf, selectionFrom, selectionOfGroup, statuses } from './selection.ts';
import { TryNow } from './try-now.tsx';

/** New ones come while a person looks; grouping a hundred thousand takes Postgres a fraction of a second. */
const everyMs = 10_000;

export function Groups() {
  const [query] = useSearchParams();
  const status = selectionFrom(query).statuses![0]!;
  const groups = useQuery({
    queryKey: ['dead-letters', 'groups', status],
    queryFn: () => ask(api['dead-letters'].groups.$get({ query: { statuses: status } })),
    refetchInterval: everyMs,
    placeholderData: keepPreviousData,
  });
  useListKeys({ isReady: groups.data !== undefined });
  return (
    <>
      <Heading
        aside={<Link href={`/dead-letters/list?${queryOf({ statuses: [status] })}`}>All in one list</Link>}
      >
        Dead letters
      </Heading>
      <StatusTabs current={status} pathOf={(each) => `/dead-letters?statuses=${each}`} />
      <QueryFailure of={groups} />
      {groups.isPending && <Loading />}
      {groups.data !== undefined && (
        <GroupList {...groups.data} status={status} isOld={groups.isPlaceholderData} />
      )}
    </>
  );
}

export function StatusTabs({
  current,
  pathOf,
}: {
  current: LetterStatus;
  pathOf: (status: LetterStatus) => string;
}) {
  return (
    <nav className="tabs" aria-label="Status">
      {statuses.map((each) => (
        <Link key={each} href={pathOf(each)} aria-current={each === current ? 'page' : undefined}>
          {each}
        </Link>
      ))}
    </nav>
  );
}

const removed = 'Dead letters that were closed long ago are removed from the table.';

const nothing: Readonly<Record<LetterStatus, readonly [string, string]>> = {
  open: [
    'No dead letter is open',
    'Events that cannot be published come here, grouped by their cause. None was refused, or all were dealt with.',
  ],
  parked: [
    'No event waits behind another',
    'Where the policy of a topic is park-key, the later events of a key wait behind a refused one.',
  ],
  resubmitted: ['No dead letter was resubmitted', removed],
  discarded: ['No dead letter was discarded', removed],
  released: ['No dead letter was released', removed],
};

function GroupList({
  total,
  groups,
  groupsLeftOut,
  at,
  status,
  isOld,
}: {
  total: number;
  groups: readonly LetterGroup[];
  groupsLeftOut: number;
  at: string;
  status: LetterStatus;
  isOld: boolean;
}) {
  const [title, text] = nothing[status];
  if (total === 0)
    return (
      <Card>
        <Empty title={title}>{text}</Empty>
      </Card>
    );
  const largest = groups[0]?.count ?? 1;
  return (
    <section className="card" aria-label="Causes" aria-busy={isOld}>
      <p role="status">
        <b>{counted(total, 'dead letter')}</b> {status}, {counted(groups.length + groupsLeftOut, 'cause')}.{' '}
        <span className="quiet">
          Read <Ago at={at} />.
        </span>
      </p>
      <ul className="groups">
        {groups.map((group) => (
          <Group
            key={JSON.stringify(selectionOfGroup(group, status))}
            {...{ group, status }}
            share={group.count / total}
            width={group.count / largest}
          />
        ))}
      </ul>
      {groupsLeftOut > 0 && (
        <p className="quiet">
          {counted(groupsLeftOut, 'smaller cause')} not shown here. “All in one list” has every dead letter.
        </p>
      )}
    </section>
  );
}

function Group({
  group,
  status,
  share,
  width,
}: {
  group: LetterGroup;
  status: LetterStatus;
  share: number;
  width: number;
}) {
  const { code, type, topic, path, message, firstSeen, lastSeen } = group;
  const selected = selectionOfGroup(group, status);
  const query = queryOf(selected).toString();
  return (
    <li data-row>
      <div className="share" title={`${percent(share)} of all`}>
        <b>{count(group.count)}</b>
        <Bar share={width} />
      </div>
      <div className="cause">
        <Link href={`/dead-letters/list?${query}`} data-item={query}>
          {code}
        </Link>{' '}
        <Visible text={type ?? 'no type'} max={120} />
        {path !== null && (
          <>
            {' '}
            at <code>{path}</code>
          </>
        )}
        <p>
          <Visible text={message} max={400} />
        </p>
        <p className="quiet">
          {topic === null ? 'no topic' : <Visible text={topic} max={120} />} · first <Ago at={firstSeen} /> ·
          last <Ago at={lastSeen} />
        </p>
      </div>
      {status === 'open' && (
        <TryNow
          selected={selected}
          about={visibleText([code, type, path].filter(Boolean).join(' ').slice(0, 200))}
        />
      )}
    </li>
  );
}
