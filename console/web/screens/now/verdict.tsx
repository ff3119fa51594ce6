/** What the relays are doing, in words. */
import { Link } from 'wouter';
import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { VerdictCard } from '../../parts/verdict.tsx';
import { Words } from '../../parts/words.tsx';
import { nextSteps, type Step, stepOf, toneOf } from './verdicts.ts';

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
          {advice !== null && <Words text={advice} />} <NextStep step={next} />
        </p>
      )}
      {concerns.length > 0 && (
        <ul className="reasons">
          {concerns.map((concern) => (
            <li key={concern.text}>
              <Words text={concern.text} /> {/* Where a command does it, the link says what it does. */}
              {concern.advice !== null && concern.command === null && <Words text={concern.advice} />}{' '}
              <NextStep step={stepOf(concern)} />
            </li>
          ))}
        </ul>
      )}
    </VerdictCard>
  );
}

const NextStep = ({ step }: { step: Step | null }) =>
  step === null ? null : <Link href={step.path}>{step.title}</Link>;
