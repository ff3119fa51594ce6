/** One parked key: its events in the order in which a release publishes them. */
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { Ago, Badge, Card, Empty, Loading, QueryFailure, Time, Waiting } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard } from '../../parts/job.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { Pager } from '../../parts/pager.tsx';
import { Visible } from '../../parts/visible.tsx';
import './parked-keys.css';
import { Behind, Release } from './list.tsx';
import { describeRelease, type KeyName, ReleaseAct } from './release.tsx';

const pageEvents = 50;
const everyMs = 10_000;

const readKey = (query: KeyName) => ask(api['parked-keys'].$get({ query: { ...query, limit: '1' } }));
const readEvents = async (key: KeyName, after: string | null) => {
  const query = { ...key, limit: String(pageEvents), ...(after !== null && { after }) };
  return { ...(await ask(api['parked-keys'].events.$get({ query }))), after };
};

export function KeyPage() {
  const [query, setQuery] = useSearchParams();
  const queries = useQueryClient();
  const name: KeyName = { topic: query.get('topic') ?? '', key: query.get('key') ?? '' };
  const after = query.get('after');
  const jobId = query.get('job');
  const key = useQuery({
    queryKey: ['parked-keys', 'one', name],
    queryFn: () => readKey(name),
    refetchInterval: everyMs,
  });
  const events = useQuery({
    queryKey: ['parked-keys', 'events', name, after],
    queryFn: () => readEvents(name, after),
    refetchInterval: everyMs,
    placeholderData: keepPreviousData,
  });
  useListKeys({ up: '/parked-keys', isReady: events.data !== undefined });
  const go = (more: Readonly<Record<string, string>>) => setQuery(new URLSearchParams({ ...name, ...more }));
  const onOver = useCallback(() => {
    void queries.invalidateQueries({ queryKey: ['parked-keys'] });
    void queries.invalidateQueries({ queryKey: ['dead-letters'] });
  }, [queries]);
  const [parked] = key.data?.keys ?? [];
  return (
    <>
      <Heading trail={[['Parked keys', '/parked-keys']]}>
        <Visible text={name.key} max={200} />
      </Heading>
      {jobId !== null && (
        <JobCard id={jobId} describe={describeRelease} onOver={onOver} onClose={() => go({})} />
      )}
      <QueryFailure of={key} />
      {key.isPending && <Loading />}
      {key.data !== undefined && parked === undefined && (
        <Card>
          <Empty title="This key is not parked">
            Its events are published as they come, or it was released.
          </Empty>
        </Card>
      )}
      {parked !== undefined && (
        <Card
          title="Why it waits"
          aside={
            <ReleaseAct
              label="Release"
              kind="primary"
              keys={[name]}
              total={1}
              name="release"
              why={
                parked.isPaused
                  ? 'Its topic is set aside: resume the topic, which publishes what waits.'
                  : parked.isBeingReleased
                    ? 'A release of it is requested already.'
                    : null
              }
              onStarted={(job) => go({ job })}
            />
          }
        >
          <p>
            <Behind parked={parked} />
          </p>
          <dl className="facts">
            <div>
              <dt>Topic</dt>
              <dd>
                <Visible text={name.topic} />
              </dd>
            </div>
            <div>
              <dt>Parked</dt>
              <dd>
                <Ago at={parked.parkedAt} />, at position <code>{parked.since}</code>
              </dd>
            </div>
            <div>
              <dt>Waiting</dt>
              <dd>
                {counted(parked.open, 'refused event')}, {counted(parked.parked, 'event')} behind
              </dd>
            </div>
            <div>
              <dt>Last release</dt>
              <dd>
                <Release release={parked.release} />
              </dd>
            </div>
          </dl>
        </Card>
      )}
      {parked !== undefined && (
        <Card title="What waits, in order">
          <QueryFailure of={events} />
          {events.isPending && <Waiting lines={6} />}
          <ol className="waits" aria-busy={events.isPlaceholderData}>
            {events.data?.events.map(({ position, status, type, eventId, code, message, firstSeen }) => (
              <li key={position} data-row>
                <span className="place" aria-hidden="true">
                  {position === parked.first?.position ? '■' : '↓'}
                </span>
                <div>
                  <Link href={`/dead-letters/${position}`} data-item={position}>
                    <code>{position}</code>
                  </Link>{' '}
                  <Badge tone={status === 'open' ? 'bad' : 'quiet'}>
                    {status === 'open' ? 'refused' : 'waits'}
                  </Badge>{' '}
                  {type !== null && <Visible text={type} max={100} />}
                  {status === 'open' && (
                    <p>
                      <code>{code}</code> <Visible text={message} max={300} />
                    </p>
                  )}
                  <p className="quiet">
                    {eventId !== null && <Visible text={eventId} max={100} />} <Time at={firstSeen} />
                  </p>
                </div>
              </li>
            ))}
          </ol>
          {events.data !== undefined && (
            <Pager
              {...events.data}
              shown={events.data.events.length}
              onGo={(to) => go(to === null ? {} : { after: to })}
            />
          )}
        </Card>
      )}
    </>
  );
}
