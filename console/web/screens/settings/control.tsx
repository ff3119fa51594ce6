/** Pause, resume and rate limit. */
import { useState } from 'react';
import { api, ask } from '../../data/api.ts';
import { bytes, count } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import { Act } from '../../parts/act.tsx';
import { Card, Empty, Time, Waiting } from '../../parts/basics.tsx';

export function ControlCard() {
  const { status } = useLive().seen;
  if (status === null) return <Waiting />;
  const { control, limits } = status;
  return (
    <Card title="Flow" aside={<PauseAct />}>
      {control.pauses.length === 0 ? (
        <Empty title="Nothing is paused" />
      ) : (
        <ul className="plain-list">
          {control.pauses.map(({ topic, mode, person, reason, since }) => (
            <li key={topic ?? ''}>
              <span>
                <b>{topic ?? 'Everything'}</b> paused by {person} since <Time at={since} /> ({mode}): {reason}
              </span>
              <ResumeAct topic={topic} />
            </li>
          ))}
        </ul>
      )}
      <div className="row">
        <span>
          Rate limit:{' '}
          {limits.eventsPerSecond === 0 ? 'no limit of events' : `${count(limits.eventsPerSecond)} events/s`},{' '}
          {limits.bytesPerSecond === 0 ? 'no limit of bytes' : `${bytes(limits.bytesPerSecond)}/s`}
        </span>
        <LimitAct />
      </div>
    </Card>
  );
}

function PauseAct() {
  const [topic, setTopic] = useState('');
  const [mode, setMode] = useState<'hold' | 'set-aside'>('hold');
  return (
    <Act
      label="Pause"
      title="Pause the relay"
      act={(reason) =>
        ask(
          api.control.pause.$post({
            json: { topic: topic === '' ? null : topic, mode, forSeconds: null, reason },
          }),
        )
      }
    >
      <p>
        The relay publishes nothing until somebody resumes it. Nothing is lost; Postgres keeps WAL for as
        long.
      </p>
      <label className="field">
        <span>Topic</span>
        <input value={topic} onChange={({ target }) => setTopic(target.value)} placeholder="All topics" />
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
    </Act>
  );
}

function ResumeAct({ topic }: { topic: string | null }) {
  return (
    <Act
      label="Resume"
      title={topic === null ? 'Resume the relay' : `Resume ${topic}`}
      act={(reason) => ask(api.control.resume.$post({ json: { topic, reason } }))}
    >
      <p>The relay publishes what waits, in order.</p>
    </Act>
  );
}

function LimitAct() {
  const [events, setEvents] = useState('');
  return (
    <Act
      label="Change"
      title="Limit the rate"
      act={(reason) =>
        ask(
          api.control['rate-limit'].$post({
            json: { eventsPerSecond: events === '' ? null : Number(events), reason },
          }),
        )
      }
    >
      <p>0 means no limit. Empty: as the settings of the relay say.</p>
      <label className="field">
        <span>Events per second</span>
        <input
          inputMode="numeric"
          pattern="\d{0,9}"
          value={events}
          onChange={({ target }) => setEvents(target.value)}
        />
      </label>
    </Act>
  );
}
