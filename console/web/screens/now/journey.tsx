/** The path of the data: how long an event spends in each part, on average since the last sample. */
import type { Figures } from '../../../server/live/figures.ts';
import { milliseconds } from '../../data/format.ts';
import { Card, Empty } from '../../parts/basics.tsx';

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
  return (
    <Card title="From commit to commit" aside={<span className="quiet">mean of the last seconds</span>}>
      {total === 0 ? (
        <Empty title="No event passed in the last seconds" />
      ) : (
        <ol className="journey">
          {known.map(({ label, what, ms }) => (
            <li key={label}>
              <span className="name">{label}</span>
              <span className="bar">
                <i style={{ inlineSize: `${Math.max(0.5, ((ms ?? 0) / total) * 100)}%` }} />
              </span>
              <b>{milliseconds(ms)}</b>
              <small className="quiet">{what}</small>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
