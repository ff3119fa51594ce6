/** What could not be read: the rest of the screen is right without it, and not complete. */
import type { Found } from '../../../../relay/operations/find-event/found.ts';
import { Badge, Card, FaultText } from '../../parts/basics.tsx';

const parts: Readonly<Record<keyof Found['missing'], string>> = {
  rows: 'rows of the outbox table',
  letters: 'dead letters',
  status: 'status of the relay',
  findings: 'findings of the audit',
  replays: 'replays',
  removals: 'what cleanup removed',
  records: 'records in Kafka',
  schemas: 'versions of schemas',
};

export function Missing({ missing }: { missing: Found['missing'] }) {
  const faults = Object.entries(missing).flatMap(([part, fault]) =>
    fault === null ? [] : [{ part: parts[part as keyof Found['missing']], ...fault }],
  );
  if (faults.length === 0) return null;
  return (
    <Card title="Not known">
      <ul className="reasons">
        {faults.map(({ part, ...fault }) => (
          <li key={part}>
            <Badge tone="warn">{part}</Badge> <FaultText fault={fault} />
          </li>
        ))}
      </ul>
    </Card>
  );
}
