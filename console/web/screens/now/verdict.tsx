import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { Badge, type Tone } from '../../parts/basics.tsx';

/** Nothing is published, and nobody said so. */
const troubles: ReadonlySet<string> = new Set([
  'failing',
  'not-streaming',
  'stopped',
  'no-relay',
  'slot-lost',
  'unknown',
]);

export const toneOf = ({ name, isGood }: Pick<Verdict, 'name' | 'isGood'>): Tone =>
  isGood ? 'good' : troubles.has(name) ? 'bad' : 'warn';

export function VerdictCard({ verdict }: { verdict: Verdict }) {
  const { name, text, advice, concerns } = verdict;
  const tone = toneOf(verdict);
  return (
    <section className={`card verdict ${tone}`} aria-label="Verdict">
      <div role="status">
        <Badge tone={tone}>{name.replaceAll('-', ' ')}</Badge>
        <p className="headline">{text}</p>
      </div>
      {advice !== null && <p>{advice}</p>}
      {concerns.length > 0 && (
        <ul className="concerns">
          {concerns.map((concern) => (
            <li key={concern.text}>{concern.text}</li>
          ))}
        </ul>
      )}
    </section>
  );
}
