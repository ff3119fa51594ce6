/** What waits for a person: open dead letters by code, and parked keys. */
import { Link } from 'wouter';
import type { Status } from '../../../../relay/operations/status.ts';
import { bytes, count, counted, seconds } from '../../data/format.ts';
import { Backlog } from '../../parts/backlog.tsx';
import { Ago, Card } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';

export function WaitingForPeople({ status: { deadLetters, parked, limits, control } }: { status: Status }) {
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  return (
    <Card title="Needs attention" aside={<Link href="/settings#actions">What people did</Link>}>
      <dl className="needs">
        <div>
          <dt>
            <Link href="/dead-letters">Open dead letters</Link>
          </dt>
          <dd>{count(open)}</dd>
          {deadLetters.slice(0, 3).map(({ code, open: many, oldestAgeSeconds }) => (
            <dd key={code} className="quiet">
              <code>{code}</code> {count(many)}, the oldest for {seconds(Math.floor(oldestAgeSeconds))}
            </dd>
          ))}
          {deadLetters.length > 3 && (
            <dd className="quiet">and {counted(deadLetters.length - 3, 'further code')}</dd>
          )}
        </div>
        <div>
          <dt>
            <Link href="/parked-keys">Parked keys</Link>
          </dt>
          <dd>{count(parked.keys)}</dd>
          {parked.events > 0 && (
            <dd className="quiet">
              {counted(parked.events, 'event')} {parked.events === 1 ? 'waits' : 'wait'} behind them
            </dd>
          )}
        </div>
        <Limit limits={limits} by={control.limitedBy} />
      </dl>
    </Card>
  );
}

/** One that stands holds nothing up until the next peak, so it is easily forgotten. */
function Limit({ limits, by }: { limits: Status['limits']; by: Status['control']['limitedBy'] }) {
  const { eventsPerSecond, bytesPerSecond } = limits;
  if (eventsPerSecond === 0 && bytesPerSecond === 0) return null;
  return (
    <div>
      <dt>
        <Link href="/settings">Rate limit</Link>
      </dt>
      {eventsPerSecond > 0 && <dd>{count(eventsPerSecond)} events/s</dd>}
      {bytesPerSecond > 0 && <dd>{bytes(bytesPerSecond)}/s</dd>}
      <dd className="quiet">
        <Backlog />
      </dd>
      <dd className="quiet">
        {by === null ? (
          'as the settings of the relay say'
        ) : (
          <>
            last changed by <Visible text={by.person} />, <Ago at={by.since} />
            {by.reason !== null && (
              <>
                : <Visible text={by.reason} max={300} />
              </>
            )}
          </>
        )}
      </dd>
    </div>
  );
}
