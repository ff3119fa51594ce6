/** What waits for a person: open dead letters by code, and parked keys. */
import { Link } from 'wouter';
import type { Status } from '../../../../relay/operations/status.ts';
import { count, counted, seconds } from '../../data/format.ts';
import { Card } from '../../parts/basics.tsx';

export function WaitingForPeople({ status: { deadLetters, parked } }: { status: Status }) {
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  return (
    <Card title="Needs attention">
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
      </dl>
    </Card>
  );
}
