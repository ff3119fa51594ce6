/** Find an event: where it is now, and its story. What is looked for stands in the address. */

import { Fragment, useId, useRef, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { areAllRead } from '../../../../relay/operations/find-event/found.ts';
import type { ShownFound } from '../../../server/api/find.ts';
import { count, counted } from '../../data/format.ts';
import { Button, Card, Empty, Failure, Waiting } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { Pager, type PagesSeen } from '../../parts/pager.tsx';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';
import { EventCard } from './event.tsx';
import { EventList } from './list.tsx';
import { type FindQuery, kindOf, type Looking, queryOf, useFind } from './looking.ts';
import { Missing } from './missing.tsx';
import './find.css';

export default function Find() {
  const [params] = useSearchParams();
  const query = queryOf(params);
  return (
    <>
      <Heading>Find an event</Heading>
      <SearchForm key={params.toString()} query={query} />
      {query === null ? <Hints /> : <Result key={keyOf(query)} query={query} />}
    </>
  );
}

/** Pages of one search keep what they know of each other. */
const keyOf = ({ after: _, ...search }: FindQuery) => JSON.stringify(search);

const kinds = [
  ['event', 'Id or position'],
  ['key', 'Key'],
  ['type', 'Type'],
] as const;

function SearchForm({ query }: { query: FindQuery | null }) {
  const [, navigate] = useLocation();
  const [kind, setKind] = useState<(typeof kinds)[number][0]>(
    query?.by === 'key' || query?.by === 'type' ? query.by : 'event',
  );
  const [value, setValue] = useState(query?.value ?? '');
  const [since, setSince] = useState(query?.since ?? '');
  const [until, setUntil] = useState(query?.until ?? '');
  const help = useId();
  const look = () => {
    const text = kind === 'event' ? value.trim() : value;
    if (text === '') return;
    const search = new URLSearchParams({ by: kindOf(kind, text), value: text });
    if (since !== '') search.set('since', new Date(since).toISOString());
    if (until !== '') search.set('until', new Date(until).toISOString());
    navigate(`/find?${search}`);
  };
  return (
    <search>
      <form
        className="card find-form"
        onSubmit={(event) => {
          event.preventDefault();
          look();
        }}
      >
        <fieldset className="choices">
          <legend className="hidden">What you know of it</legend>
          {kinds.map(([name, label]) => (
            <label key={name}>
              <input type="radio" name="kind" checked={kind === name} onChange={() => setKind(name)} />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
        <label className="field what">
          <span>{kinds.find(([name]) => name === kind)?.[1]}</span>
          <input
            // biome-ignore lint/a11y/noAutofocus: the screen is for this
            autoFocus={query === null}
            value={value}
            onChange={({ target }) => setValue(target.value)}
            maxLength={10_000}
            spellCheck={false}
            autoComplete="off"
            aria-describedby={help}
          />
        </label>
        <TimeField label="Written since" value={since} onChange={setSince} />
        <TimeField label="and before" value={until} onChange={setUntil} />
        <Button kind="primary" type="submit">
          Find
        </Button>
        <small id={help} className="quiet">
          {kind === 'event'
            ? 'The id of the row, which the record has as the header id; or the header position.'
            : 'The latest events come first. A time makes the search of a large table faster.'}
        </small>
      </form>
    </search>
  );
}

function TimeField(props: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="field">
      <span>{props.label}</span>
      <input
        type="datetime-local"
        step="1"
        value={localOf(props.value)}
        onChange={({ target }) => props.onChange(target.value)}
      />
    </label>
  );
}

/** For the field, in the zone of the viewer. */
function localOf(text: string): string {
  if (!text.endsWith('Z')) return text;
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function Hints() {
  return (
    <Card>
      <Empty title="Where is my event?">
        Give its id, its position, its key or its type. The answer says where it is: published, a dead letter,
        waiting, and why.
      </Empty>
    </Card>
  );
}

function Result({ query }: { query: FindQuery }) {
  const { looking, again } = useFind(query);
  const [params] = useSearchParams();
  const [, navigate] = useLocation();
  const seen: PagesSeen = useRef([]);
  const { step, found, error } = looking;
  if (error !== undefined) return <Failure error={error} onRetry={again} />;
  if (found === undefined) return <Progress step={step} />;
  const { events, hasMore, next, notes, unread, unreadText } = found;
  return (
    <>
      <div role="status" className="row">
        <p>
          {events.length === 0
            ? areAllRead(found.missing)
              ? 'Nothing was found.'
              : 'Nothing was found in what could be read.'
            : next !== null
              ? `${counted(events.length, 'event')} on this page; more than ${count(events.length)} match.`
              : `${counted(events.length, 'event')}${query.after === '' ? '' : ' on the last page'}${hasMore ? ', and there is more of it than is shown' : ''}.`}
        </p>
        <Button onClick={again}>Look again</Button>
      </div>
      {events.length === 0 && (
        <Card title="What was looked at">
          <ul className="reasons">
            {notes.map((note) => (
              <li key={note}>
                <Words text={note} />
              </li>
            ))}
          </ul>
          <MoreRecords query={query} />
          <OtherTopics unread={unread} />
        </Card>
      )}
      {events.length > 0 && unreadText !== null && (
        <Card title="Not read">
          <p>
            <Visible text={unreadText} max={2_000} />
          </p>
        </Card>
      )}
      {events.length === 1 && query.after === '' && next === null ? (
        <EventCard event={events[0]!} payloadView={found.payloadView} />
      ) : (
        <EventList events={events} by={query.by} />
      )}
      <Pager
        total={null}
        shown={events.length}
        after={query.after === '' ? null : query.after}
        next={next}
        seen={seen}
        onGo={(after) => {
          const search = new URLSearchParams(params);
          if (after === null) search.delete('after');
          else search.set('after', after);
          navigate(`/find?${search}`);
        }}
      />
      {events.some(({ state }) => state === 'not-found-in-kafka' || state === 'unclear') && (
        <MoreRecords query={query} />
      )}
      <Missing missing={found.missing} />
    </>
  );
}

/** Each is looked in by itself. */
function OtherTopics({ unread }: { unread: ShownFound['unread'] }) {
  const [params] = useSearchParams();
  const topics = [...new Set(unread.map(({ topic }) => topic))].slice(0, topicsMost);
  if (topics.length === 0) return null;
  return (
    <p>
      Look in{' '}
      {topics.map((topic, index) => (
        <Fragment key={topic}>
          {index > 0 && ', '}
          <Link href={`/find?${new URLSearchParams({ ...Object.fromEntries(params), topic })}`}>
            <Visible text={topic} max={100} />
          </Link>
        </Fragment>
      ))}
    </p>
  );
}

const topicsMost = 50;

const recordsMost = 2_000_000;

/** Reads further, where what was read did not have it. */
function MoreRecords({ query }: { query: FindQuery }) {
  const [, navigate] = useLocation();
  const [params] = useSearchParams();
  const next = Math.min(recordsMost, query.records * 10);
  if (next === query.records) return null;
  const search = new URLSearchParams(params);
  search.set('records', String(next));
  return (
    <div>
      <Button onClick={() => navigate(`/find?${search}`)}>Read up to {count(next)} records of Kafka</Button>
    </div>
  );
}

function Progress({ step }: { step: Looking['step'] | undefined }) {
  return (
    <Card>
      <p role="status">{textOf(step)}</p>
      <Waiting lines={6} />
    </Card>
  );
}

function textOf(step: Looking['step']): string {
  switch (step?.stage) {
    case undefined:
      return 'Looking…';
    case 'rows':
      return 'Reading the outbox table. It has no index, so that takes some seconds where it is large.';
    case 'letters':
      return 'Reading the dead letters…';
    case 'records':
      return `Reading ${step.topic ?? ''}, partition ${step.partition ?? ''}: ${count(step.records)} records, at most ${count(step.recordsMax)}.`;
  }
}
