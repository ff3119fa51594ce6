/** The keys that wait, longest first. */
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { Ago, Badge, Empty, Loading, QueryFailure, Scroll } from '../../parts/basics.tsx';
import { FilterBar, type FilterField } from '../../parts/filter-bar.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard } from '../../parts/job.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { Pager } from '../../parts/pager.tsx';
import { Visible } from '../../parts/visible.tsx';
import { visibleText } from '../../parts/visible-text.ts';
import { Actions } from '../dead-letters/actions.tsx';
import { describeRelease, type KeyName, OutcomeBadge, pathOf, ReleaseAct } from './release.tsx';

const pageKeys = 50;
const everyMs = 10_000;

type Asked = { readonly topic: string | null; readonly key: string | null; readonly after: string | null };

const read = async ({ topic, key, after }: Asked) => {
  const query = {
    limit: String(pageKeys),
    ...(topic !== null && { topic }),
    ...(key !== null && { key }),
    ...(after !== null && { after }),
  };
  return { ...(await ask(api['parked-keys'].$get({ query }))), after };
};
type Key = Awaited<ReturnType<typeof read>>['keys'][number];

const fields: readonly [FilterField<'key' | 'topic'>, ...FilterField<'key' | 'topic'>[]] = [
  { name: 'key', label: 'Key', placeholder: 'whole key' },
  { name: 'topic', label: 'Topic', placeholder: 'outbox.event.order' },
];

const idOf = ({ topic, key }: KeyName) => JSON.stringify([topic, key]);

export function KeyList() {
  const [query, setQuery] = useSearchParams();
  const queries = useQueryClient();
  const asked: Asked = { topic: query.get('topic'), key: query.get('key'), after: query.get('after') };
  const jobId = query.get('job');
  const [picked, setPicked] = useState<ReadonlyMap<string, KeyName>>(new Map());
  const page = useQuery({
    queryKey: ['parked-keys', 'list', asked],
    queryFn: () => read(asked),
    refetchInterval: everyMs,
    placeholderData: keepPreviousData,
  });
  useListKeys({ isReady: page.data !== undefined });
  const go = (change: Readonly<Record<string, string | null>>) => {
    const next = Object.entries({ topic: asked.topic, key: asked.key, ...change });
    setQuery(new URLSearchParams(next.filter((each): each is [string, string] => each[1] !== null)));
  };
  const onOver = useCallback(() => {
    setPicked(new Map());
    void queries.invalidateQueries({ queryKey: ['parked-keys'] });
    void queries.invalidateQueries({ queryKey: ['dead-letters'] });
  }, [queries]);
  const onStarted = (job: string) => go({ job });
  const isFiltered = asked.topic !== null || asked.key !== null;
  const total = page.data?.total ?? 0;
  const shown = page.data?.keys ?? [];
  const paused = shown.filter(({ isPaused }) => isPaused).length;
  return (
    <>
      <Heading>Parked keys</Heading>
      {jobId !== null && (
        <JobCard id={jobId} describe={describeRelease} onOver={onOver} onClose={() => go({})} />
      )}
      <section className="card" aria-label="Release">
        <FilterBar
          conditions={(['key', 'topic'] as const).flatMap((name) =>
            asked[name] === null ? [] : [{ name, label: name, text: asked[name] }],
          )}
          fields={fields}
          onAdd={(name, value) => go({ [name]: value })}
          onRemove={(name) => go({ [name]: null })}
        />
        {page.data !== undefined && (
          <p role="status">
            <b>{counted(total, 'key')}</b> {isFiltered ? 'like that ' : ''}
            {total === 1 ? 'is' : 'are'} parked
            {picked.size > 0 && (
              <>
                , <b>{count(picked.size)} selected</b>
              </>
            )}
            .
          </p>
        )}
        {paused > 0 && (
          <p>
            {paused === total ? 'All' : 'Some'} wait because their topic is set aside. A release publishes
            none of these: <Link href="/settings">resume the topic</Link>, which does.
          </p>
        )}
        {total > 0 && paused < total && (
          <Actions>
            <ReleaseAct
              label="Release selected"
              kind="primary"
              keys={[...picked.values()]}
              total={picked.size}
              onStarted={onStarted}
            />
            {!isFiltered && <ReleaseAct label="Release all" keys="all" total={total} onStarted={onStarted} />}
            {isFiltered && (asked.key === null || shown.length === total) && (
              <ReleaseAct
                label={total === 1 ? 'Release it' : `Release all ${count(total)} of them`}
                keys={
                  asked.topic !== null && asked.key === null
                    ? { topic: asked.topic }
                    : shown.map(({ topic, key }) => ({ topic, key }))
                }
                total={total}
                onStarted={onStarted}
              />
            )}
          </Actions>
        )}
      </section>
      <QueryFailure of={page} />
      {page.isPending && <Loading />}
      {page.data !== undefined && (
        <section className="card" aria-label="Keys" aria-busy={page.isPlaceholderData}>
          {page.data.keys.length === 0 ? (
            <Empty title={isFiltered ? 'No parked key is like that' : 'No key is parked'}>
              A key is parked when one of its events is refused and the policy of its topic is park-key, or
              when its topic is set aside. Its later events then wait here, in order.
            </Empty>
          ) : (
            <Table keys={page.data.keys} picked={picked} onPick={setPicked} />
          )}
          <Pager {...page.data} shown={page.data.keys.length} onGo={(after) => go({ after })} />
        </section>
      )}
    </>
  );
}

type TableProps = {
  keys: readonly Key[];
  picked: ReadonlyMap<string, KeyName>;
  onPick: (picked: ReadonlyMap<string, KeyName>) => void;
};

function Table({ keys, picked, onPick }: TableProps) {
  const isWhole = keys.every((each) => picked.has(idOf(each)));
  const nameOf = ({ topic, key }: Key): KeyName => ({ topic, key });
  const toggle = (each: Key) => {
    const next = new Map(picked);
    if (!next.delete(idOf(each))) next.set(idOf(each), nameOf(each));
    onPick(next);
  };
  return (
    <Scroll label="Parked keys">
      <table className="stacked">
        <thead>
          <tr>
            <th data-label="Select this page">
              <input
                type="checkbox"
                aria-label="Select this page"
                checked={isWhole}
                onChange={() =>
                  onPick(
                    isWhole
                      ? new Map()
                      : new Map([...picked, ...keys.map((each) => [idOf(each), nameOf(each)] as const)]),
                  )
                }
              />
            </th>
            <th>Key</th>
            <th>Topic</th>
            <th>Parked</th>
            <th className="number">Events waiting</th>
            <th>Why</th>
            <th>Last release</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((each) => (
            <tr key={idOf(each)} data-row>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Select key ${visibleText(each.key.slice(0, 80))}`}
                  checked={picked.has(idOf(each))}
                  onChange={() => toggle(each)}
                />
              </td>
              <td className="wrap key">
                <Link href={pathOf(each)} data-item={idOf(each)}>
                  <Visible text={each.key} max={80} />
                </Link>
              </td>
              <td className="name" data-label="Topic">
                <Visible text={each.topic} max={100} />
              </td>
              <td data-label="Parked">
                <Ago at={each.parkedAt} />
              </td>
              <td className="number" data-label="Events waiting">
                {count(each.open + each.parked)}
              </td>
              <td className="wrap message" data-label="Why">
                <Behind parked={each} />
              </td>
              <td data-label="Last release">
                <Release release={each.release} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Why it waits. */
export function Behind({ parked }: { parked: Key }) {
  const { isPaused, first, firstMessage, firstFixedAt, fixed, open } = parked;
  if (isPaused)
    return (
      <>
        Its topic is set aside: <Link href="/settings">resume the topic</Link> to publish what waits.
      </>
    );
  if (first === null) return <>No refused event is left: release it.</>;
  return (
    <>
      <Link href={`/dead-letters/${first.position}`}>{first.code}</Link>{' '}
      <Visible text={firstMessage ?? ''} max={160} />{' '}
      {fixed !== null && fixed > 0 && fixed === open ? (
        <Badge tone="good">fixed, ready to release</Badge>
      ) : (
        firstFixedAt !== null && (
          <Badge tone="warn">
            {fixed === null ? 'the first is fixed' : `${count(fixed)} of ${count(open)} fixed`}
          </Badge>
        )
      )}
    </>
  );
}

export function Release({ release }: { release: Key['release'] }) {
  if (release === null) return <span className="quiet">none requested</span>;
  const { person, requestedAt, processedAt, outcome } = release;
  return (
    <>
      {outcome === null ? <Badge tone="accent">requested</Badge> : <OutcomeBadge outcome={outcome} />}{' '}
      <span className="quiet">
        {person} <Ago at={processedAt ?? requestedAt} />
      </span>
    </>
  );
}
