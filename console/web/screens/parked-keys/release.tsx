/** Releasing keys: asked for with a reason, followed as a job, and what came of each. */
import { Link } from 'wouter';
import type { ReleaseResult } from '../../../server/api/parked-keys.ts';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { Act } from '../../parts/act.tsx';
import { Badge, type Tone } from '../../parts/basics.tsx';
import type { JobView } from '../../parts/job.tsx';
import { Visible } from '../../parts/visible.tsx';

export type KeyName = { readonly topic: string; readonly key: string };

type ReleaseProps = {
  readonly label: string;
  /** `all`: every parked key of the slot; of a topic: every one of it. */
  readonly keys: readonly KeyName[] | { readonly topic: string } | 'all';
  readonly total: number;
  /** Why not now. */
  readonly why?: string | null;
  /** For a link to the dialog, where the address says which key is meant. */
  readonly name?: string;
  readonly kind?: 'plain' | 'primary';
  readonly onStarted: (jobId: string) => void;
};

export function ReleaseAct({
  label,
  keys,
  total,
  why = null,
  name,
  kind = 'plain',
  onStarted,
}: ReleaseProps) {
  return (
    <Act
      label={label}
      kind={kind}
      title={`Release ${counted(total, 'parked key')}`}
      {...(name !== undefined && { name })}
      why={total === 0 ? 'Select keys first.' : why}
      act={(reason) =>
        ask(
          api['parked-keys'].jobs.release.$post({
            json:
              keys === 'all'
                ? { all: true, reason }
                : 'topic' in keys
                  ? { topic: keys.topic, reason }
                  : { keys: [...keys], reason },
          }),
        )
      }
      onDone={({ jobId }) => onStarted(jobId)}
    >
      <p>
        The relay publishes what waits for {total === 1 ? 'the key' : 'each key'}, in order and before
        anything later of it, exactly once. Refused events are encoded again, from their payloads as they are
        now, fixes included, with the present schema and settings.
      </p>
      <p>If an event is still refused, the release stops there, and it and those behind it go on waiting.</p>
    </Act>
  );
}

export const pathOf = ({ topic, key }: KeyName): string =>
  `/parked-keys/events?${new URLSearchParams({ topic, key })}`;

const words: Readonly<Record<string, readonly [Tone, string]>> = {
  released: ['good', 'released'],
  refused: ['bad', 'stopped at a refused event'],
  limited: ['warn', 'partly released'],
  pending: ['warn', 'not done yet'],
  'set-aside': ['bad', 'topic is set aside: resume it'],
  'not-parked': ['quiet', 'was no longer parked'],
};

export const OutcomeBadge = ({ outcome }: { outcome: string | null }) => {
  const [tone, text] = words[outcome ?? 'pending'] ?? (['quiet', outcome ?? ''] as const);
  return <Badge tone={tone}>{text}</Badge>;
};

/** A person reads no more. */
const keysMax = 50;

export function describeRelease(job: JobView) {
  const result = job.result as ReleaseResult | null;
  if (result === null) return <p>It was cancelled before anything was requested.</p>;
  const { keys, byOutcome, published, shown } = result;
  const unfinished = shown.filter(({ outcome }) => outcome !== 'released');
  return (
    <>
      <p>
        <b>
          {count(byOutcome.released ?? 0)} of {count(keys)}
        </b>{' '}
        released, {counted(published, 'event')} published: the refused ones and those that waited behind them.
      </p>
      {(byOutcome.pending ?? 0) > 0 && (
        <p>
          {count(byOutcome.pending)} requested, and no relay has done{' '}
          {byOutcome.pending === 1 ? 'it' : 'them'} yet. A running relay does without another request: see
          Now.
        </p>
      )}
      {(byOutcome.refused ?? 0) > 0 && (
        <p>Next: fix or discard the event at which each stopped, then release the key again.</p>
      )}
      {published > 0 && (
        <p>
          <Link href="/audit">Verify that every event is published once</Link>
        </p>
      )}
      <ul className="reasons">
        {unfinished.slice(0, keysMax).map(({ topic, key, outcome, first }) => (
          <li key={JSON.stringify([topic, key])}>
            <OutcomeBadge outcome={outcome} />{' '}
            <Link href={pathOf({ topic, key })}>
              <Visible text={key} max={80} />
            </Link>{' '}
            {outcome === 'refused' && first !== null && (
              <>
                at <Link href={`/dead-letters/${first.position}`}>{first.position}</Link>{' '}
                <code>{first.code}</code> {first.path}
              </>
            )}
          </li>
        ))}
      </ul>
      {unfinished.length > keysMax && <p className="quiet">And {count(unfinished.length - keysMax)} more.</p>}
    </>
  );
}
