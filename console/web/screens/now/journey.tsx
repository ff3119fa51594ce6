/** The path of the data from Postgres to Kafka: how long an event spends in each part, on average since the last sample. */
import type { Figures } from '../../../server/live/figures.ts';
import { milliseconds } from '../../data/format.ts';
import { Bar, Card } from '../../parts/basics.tsx';

const parts = [
  ['captureMs', 'Capture', 'from the commit in Postgres until the relay has it'],
  ['waitMs', 'Wait', 'in memory, for its turn'],
  ['encodeMs', 'Encode', 'to Avro, with its schema'],
  ['publishMs', 'Publish', 'until every record is written'],
  ['acknowledgeMs', 'Commit', 'until Kafka has confirmed the transaction'],
] as const;

export function Journey({ figures }: { figures: Figures | null }) {
  const known = parts.map(([name, label, what]) => ({ label, what, ms: figures?.[name] ?? null }));
  const total = known.reduce((sum, { ms }) => sum + (ms ?? 0), 0);
  const isKnown = total > 0;
  return (
    <Card
      title="From commit to commit"
      aside={
        <span className="quiet">
          {isKnown ? `${milliseconds(total)}, mean of the last seconds` : 'no event in the last seconds'}
        </span>
      }
    >
      <ol className="journey">
        <li className="end">Postgres</li>
        {known.map(({ label, what, ms }) => (
          <li key={label}>
            <span className="part">
              <span>{label}</span> <b>{milliseconds(ms)}</b>
            </span>
            <Bar share={isKnown ? (ms ?? 0) / total : 0} />
            <small className="quiet">{isKnown ? shareOf((ms ?? 0) / total) : ' '}</small>
            <small className="quiet">{what}</small>
          </li>
        ))}
        <li className="end">Kafka</li>
      </ol>
    </Card>
  );
}

const shareOf = (share: number) => (share < 0.01 ? '< 1 %' : `${Math.round(share * 100)} %`);
