/** What the relays are doing, in words. */
import { Link } from 'wouter';
import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { VerdictCard } from '../../parts/verdict.tsx';
import { Words } from '../../parts/words.tsx';
import { concernSteps, nextSteps, toneOf } from './verdicts.ts';

export function RelayVerdict({ verdict }: { verdict: Verdict }) {
  const { name, text, advice, concerns } = verdict;
  const next = nextSteps[name];
  return (
    <VerdictCard
      about="Verdict"
      tone={toneOf(verdict)}
      label={name.replaceAll('-', ' ')}
      text={<Words text={text} />}
    >
      {(advice !== null || next !== null) && (
        <p>
          {advice !== null && <Words text={advice} />}{' '}
          {next !== null && <Link href={next.path}>{next.title}</Link>}
        </p>
      )}
      {concerns.length > 0 && (
        <ul className="reasons">
          {concerns.map((concern) => (
            <li key={concern.text}>
              <Words text={concern.text} />{' '}
              <Link href={concernSteps[concern.name].path}>{concernSteps[concern.name].title}</Link>
            </li>
          ))}
        </ul>
      )}
    </VerdictCard>
  );
}
