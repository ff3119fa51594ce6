/** What could not be read: the rest of the screen is right without it, and not complete. */
import type { Found } from '../../../../relay/operations/find-event/found.ts';
import { Badge, Card } from '../../parts/basics.tsx';

const parts: Readonly<Record<keyof Found['missing'], string>> = {
  rows: 'Rows of the outbox table',
  letters: 'Dead letters',
  status: 'Status of the relay',
  findings: 'Findings of the audit',
  replays: 'Replays',
  removals: 'What cleanup removed',
  records: 'Records in Kafka',
  schemas: 'Versions of schemas',
};

export function Missing({ missing }: { missing: Found['missing'] }) {
  const faults = Object.entries(missing).flatMap(([part, fault]) =>
    fault === null ? [] : [{ part: parts[part as keyof Found['missing']], ...fault }],
  );
  if (faults.length === 0) return null;
  return (
    <Card title="Not known">
      <ul className="notes">
        {faults.map(({ part, code, message, hint }) => (
          <li key={part}>
            <Badge tone="warn">{part}</Badge> <code>{code}</code> {message}. {hint}
          </li>
        ))}
      </ul>
    </Card>
  );
}
