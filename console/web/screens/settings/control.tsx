/** Pause, resume and rate limit. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { Link } from 'wouter';
import type { Obedience } from '../../../../relay/operations/control.ts';
import { api, ask, faultOf } from '../../data/api.ts';
import { bytes, count, counted } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import { Act } from '../../parts/act.tsx';
import { Backlog } from '../../parts/backlog.tsx';
import { Badge, Button, Card, Empty, Failure, Time, Waiting } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { actionsKey } from './actions.tsx';
import { obeyedText } from './obeyed-text.ts';

export function ControlCard({ topicsAllowed }: { topicsAllowed: readonly string[] }) {
  const { status, failure } = useLive().seen;
  /** Of the last resumption: its dialog goes with the pause. */
  const [resumed, setResumed] = useState<string | null>(null);
  if (status === null)
    return (
      <Card title="Pause and rate limit">
        {failure === null ? <Waiting /> : <Failure error={faultOf(failure)} />}
      </Card>
    );
  const { control, limits, setAside, relays } = status;
  const { limitedBy } = control;
  const streamers = relays.filter(({ isGone, state }) => !isGone && state === 'streaming');
  return (
    <Card title="Pause and rate limit" aside={<PauseAct topicsAllowed={topicsAllowed} />}>
      {control.pauses.length === 0 ? (
        <Empty title="Nothing is paused">
          A pause stops everything, or the events of one topic, until somebody resumes it or its time is over.
        </Empty>
      ) : (
        <ul className="plain-list">
          {control.pauses.map(({ topic, mode, person, reason, since, until, isOver, isReleasing }) => (
            <li key={`${topic ?? ''} ${mode}`}>
              <span>
                <b>{topic ?? 'Everything'}</b>{' '}
                {isReleasing ? (
                  <Badge tone="accent">being released</Badge>
                ) : isOver ? (
                  <Badge tone="quiet">over</Badge>
                ) : (
                  <Badge tone="warn">{mode === 'hold' ? 'held' : 'set aside'}</Badge>
                )}{' '}
                by <Visible text={person} /> since <Time at={since} />
                {until === null ? ', until somebody resumes it' : ', until '}
                {until !== null && <Time at={until} />}: <Visible text={reason} />
              </span>
              {!isReleasing && (
                <ResumeAct
                  topic={topic}
                  isAside={mode === 'set-aside'}
                  keys={setAside.find((each) => each.topic === topic)?.keys ?? 0}
                  onResumed={setResumed}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      {resumed !== null && <p role="status">{resumed}</p>}
      {setAside.length > 0 && (
        <p>
          Waiting because their topic is set aside:{' '}
          {setAside.map(({ topic, keys }) => `${counted(keys, 'key')} of ${topic}`).join(', ')}.
        </p>
      )}
      <div className="row">
        <span>
          Rate limit:{' '}
          {limits.eventsPerSecond === 0 ? 'no limit of events' : `${count(limits.eventsPerSecond)} events/s`},{' '}
          {limits.bytesPerSecond === 0 ? 'no limit of bytes' : `${bytes(limits.bytesPerSecond)}/s`}
          {limitedBy !== null && (
            <span className="quiet">
              {' '}
              · last changed by <Visible text={limitedBy.person} />, <Time at={limitedBy.since} />
              {limitedBy.reason !== null && (
                <>
                  : <Visible text={limitedBy.reason} />
                </>
              )}
            </span>
          )}
        </span>
        <LimitAct limits={control.limits} />
      </div>
      {(limits.eventsPerSecond > 0 || limits.bytesPerSecond > 0) && (
        <p className="quiet">
          <Backlog />
        </p>
      )}
      <p className="quiet">
        {streamers.length === 0
          ? 'No relay streams. The next one to start follows what is set here.'
          : streamers
              .map(({ instance, revision }) =>
                revision !== null && revision >= control.revision
                  ? `Relay ${instance} follows the last change.`
                  : `Relay ${instance} does not follow the last change yet.`,
              )
              .join(' ')}
      </p>
    </Card>
  );
}

/** What came of it, and the trail has one line more. */
function useTold() {
  const client = useQueryClient();
  return {
    onDone: () => void client.invalidateQueries({ queryKey: actionsKey }),
    describe: (obedience: Pick<Obedience, 'outcome' | 'relays'>) => <p>{obeyedText(obedience)}</p>,
  };
}

const times: readonly (readonly [seconds: number | null, label: string])[] = [
  [null, 'until somebody resumes it'],
  [900, 'for 15 minutes'],
  [3_600, 'for an hour'],
  [14_400, 'for 4 hours'],
  [86_400, 'for a day'],
];

function PauseAct({ topicsAllowed }: { topicsAllowed: readonly string[] }) {
  const [topic, setTopic] = useState('');
  const [mode, setMode] = useState<'hold' | 'set-aside'>('hold');
  const [forSeconds, setForSeconds] = useState<number | null>(null);
  const known = useId();
  const told = useTold();
  return (
    <Act
      label="Pause"
      name="pause"
      title="Pause the relay"
      {...told}
      act={(reason) =>
        ask(
          api.control.pause.$post({
            json: {
              topic: topic === '' ? null : topic,
              mode: topic === '' ? 'hold' : mode,
              forSeconds,
              reason,
            },
          }),
        )
      }
    >
      <p>
        {topic !== '' && mode === 'set-aside'
          ? 'Events of the topic wait by key, as parked ones do. Other topics go on. Nothing is lost, and each key keeps its order.'
          : 'The relay publishes nothing while it is paused. Nothing is lost; Postgres keeps WAL for as long.'}
      </p>
      <label className="field">
        <span>Topic</span>
        <input
          value={topic}
          list={known}
          onChange={({ target }) => setTopic(target.value)}
          placeholder="All topics"
        />
        <TopicNames id={known} topicsAllowed={topicsAllowed} />
        <small>Events go to: {topicsAllowed.join(', ')}</small>
      </label>
      {topic !== '' && (
        <label className="field">
          <span>Events of this topic</span>
          <select value={mode} onChange={({ target }) => setMode(target.value as typeof mode)}>
            <option value="hold">hold the stream when one comes: other topics wait too</option>
            <option value="set-aside">are set aside: other topics go on, and theirs wait by key</option>
          </select>
        </label>
      )}
      <label className="field">
        <span>How long</span>
        <select
          value={forSeconds ?? ''}
          onChange={({ target }) => setForSeconds(target.value === '' ? null : Number(target.value))}
        >
          {times.map(([seconds, label]) => (
            <option key={label} value={seconds ?? ''}>
              {label}
            </option>
          ))}
        </select>
      </label>
    </Act>
  );
}

const namesMax = '200';

/** Those in Kafka, as far as they can be asked for, and those that the settings name. */
function TopicNames({ id, topicsAllowed }: { id: string; topicsAllowed: readonly string[] }) {
  const { data } = useQuery({
    queryKey: ['topic-names'],
    queryFn: () => ask(api.topics.$get({ query: { limit: namesMax } })),
    staleTime: 60_000,
  });
  const named = topicsAllowed.filter((name) => !name.includes('*'));
  const names = new Set([...named, ...(data?.topics.map(({ topic }) => topic) ?? [])]);
  return (
    <datalist id={id}>
      {[...names].toSorted().map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}

type ResumeProps = {
  topic: string | null;
  isAside: boolean;
  /** That wait because the topic is set aside. */
  keys: number;
  onResumed: (text: string) => void;
};

function ResumeAct({ topic, isAside, keys, onResumed }: ResumeProps) {
  const { onDone } = useTold();
  return (
    <Act
      label="Resume"
      name={`resume ${topic ?? ''}`.trim()}
      title={topic === null ? 'Resume the relay' : `Resume ${topic}`}
      act={(reason) => ask(api.control.resume.$post({ json: { topic, reason } }))}
      onDone={(obedience) => {
        const what = topic ?? 'everything';
        const { outcome } = obedience;
        const done = outcome === 'unchanged' ? `Nobody had to resume ${what}` : `Resumed ${what}`;
        onResumed(`${done}. ${obeyedText(obedience)}`);
        onDone();
      }}
    >
      {topic !== null && isAside ? (
        <>
          <p>
            The relay publishes what waits, each key in order. {counted(keys, 'key')}{' '}
            {keys === 1 ? 'waits' : 'wait'}. Other topics go on at the same time.
          </p>
          <p>
            An event that is refused keeps its key parked behind it: nothing is skipped. Repair the{' '}
            <Link href={`/dead-letters/list?${new URLSearchParams({ topics: topic })}`}>
              refused events of the topic
            </Link>{' '}
            first.
          </p>
        </>
      ) : (
        <p>The relay publishes what waits, in order.</p>
      )}
    </Act>
  );
}

const rateOf = (text: string): number | null => (text === '' ? null : Number(text));
const textOf = (rate: number | null): string => (rate === null ? '' : String(rate));

function LimitAct({ limits }: { limits: { eventsPerSecond: number | null; bytesPerSecond: number | null } }) {
  const [changed, setChanged] = useState<{ events?: string; bytes?: string }>({});
  const events = changed.events ?? textOf(limits.eventsPerSecond);
  const size = changed.bytes ?? textOf(limits.bytesPerSecond);
  const { describe, onDone } = useTold();
  return (
    <Act
      label="Change the limit"
      name="rate-limit"
      title="Limit the rate"
      describe={describe}
      onDone={() => {
        setChanged({});
        onDone();
      }}
      act={(reason) =>
        ask(
          api.control['rate-limit'].$post({
            json: { eventsPerSecond: rateOf(events), bytesPerSecond: rateOf(size), reason },
          }),
        )
      }
    >
      <p>
        0: no limit. Empty: nobody sets a limit here, and the settings of the relay count. A relay without{' '}
        <code>publish.maxEventsPerSecond</code> and <code>publish.maxBytesPerSecond</code> has none.
      </p>
      <LimitField
        label="Events per second"
        value={events}
        onChange={(events) => setChanged({ ...changed, events })}
      />
      <LimitField
        label="Bytes per second"
        value={size}
        onChange={(bytes) => setChanged({ ...changed, bytes })}
      />
      <div className="buttons">
        <Button onClick={() => setChanged({ events: '', bytes: '' })}>
          As the settings of the relay say
        </Button>
        <Button onClick={() => setChanged({ events: '0', bytes: '0' })}>No limit</Button>
      </div>
    </Act>
  );
}

function LimitField(props: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="field">
      <span>{props.label}</span>
      <input
        inputMode="numeric"
        pattern="\d{0,8}"
        title="A whole number, or empty"
        value={props.value}
        onChange={({ target }) => props.onChange(target.value)}
      />
    </label>
  );
}
