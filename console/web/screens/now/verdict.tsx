/** What the relays are doing, in words. */
import { Link } from 'wouter';
import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { Badge } from '../../parts/basics.tsx';
import { Words } from '../../parts/words.tsx';
import { concernSteps, nextSteps, toneOf } from './verdicts.ts';

export function VerdictCard({ verdict }: { verdict: Verdict }) {
  const { name, text, advice, concerns } = verdict;
  const tone = toneOf(verdict);
  const next = nextSteps[name];
  return (
    <section className={`card verdict ${tone}`} aria-label="Verdict">
      <div role="status">
        <Badge tone={tone}>{name.replaceAll('-', ' ')}</Badge>
        <p className="headline">
          <Words text={text} />
        </p>
      </div>
      {(advice !== null || next !== null) && (
        <p>
          {advice !== null && <Words text={advice} />}{' '}
          {next !== null && <Link href={next.path}>{next.title}</Link>}
        </p>
      )}
      {concerns.length > 0 && (
        <ul className="concerns">
          {concerns.map((concern) => (
            <li key={concern.text}>
              <Words text={concern.text} />{' '}
              <Link href={concernSteps[concern.name].path}>{concernSteps[concern.name].title}</Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
