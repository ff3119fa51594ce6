/** What is being retried, and since when. */
import type { KnownRelay } from '../../../../relay/operations/relays.ts';
import type { Sampled } from '../../../server/live/sampler.ts';
import { figure } from '../../data/format.ts';
import { Ago, Card, FaultText } from '../../parts/basics.tsx';
import { steady } from './steady.ts';

/** Of slow attempts none falls between two samples, mostly: that is no rate of 0. */
const attemptsText = (perMinute: number | null) =>
  perMinute === null || perMinute === 0 ? '' : `, ${figure(perMinute)} attempts a minute`;

export function Retries({ relays, sampled }: { relays: readonly KnownRelay[]; sampled: Sampled | null }) {
  const failing = steady(relays).flatMap(({ instance, isGone, facts: { error } }) =>
    error === null || error.isOver || isGone ? [] : [{ instance, error }],
  );
  if (failing.length === 0) return null;
  const perMinute = (instance: string) =>
    sampled?.relays
      .find((each) => each.instance === instance)
      ?.figures?.retries.reduce((sum, each) => sum + (each.perMinute ?? 0), 0) ?? null;
  return (
    <Card title="Retrying">
      <ul className="retries">
        {failing.map(({ instance, error }) => (
          <li key={instance}>
            <p>
              <FaultText fault={error} />
            </p>
            <p className="quiet">
              {instance}, first <Ago at={error.since} />
              {attemptsText(perMinute(instance))}
            </p>
          </li>
        ))}
      </ul>
    </Card>
  );
}
