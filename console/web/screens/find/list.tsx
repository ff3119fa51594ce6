/** Several events, the latest first. */
import { Link } from 'wouter';
import type { FoundEvent } from '../../../../relay/operations/find-event/found.ts';
import { Badge, Card, Time } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { pathOf } from './looking.ts';
import { states } from './states.ts';

export function EventList({ events }: { events: readonly FoundEvent[] }) {
  if (events.length === 0) return null;
  return (
    <Card title="Events">
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th>Event</th>
              <th>State</th>
              <th>Written</th>
              <th>Type</th>
              <th>Key</th>
              <th>Where</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <Line key={event.id ?? event.letters[0]?.position} event={event} />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Line({ event: { id, state, rows, letters, records } }: { event: FoundEvent }) {
  const [label, tone] = states[state];
  const [row, letter, record] = [rows[0], letters[0], records[0]];
  const name = id ?? letter?.position ?? '';
  const written = row?.createdAt ?? record?.committedAt ?? letter?.firstSeen;
  const place = record === undefined ? '' : `${record.topic} ${record.partition}/${record.offset}`;
  return (
    <tr>
      <td>
        <Link href={pathOf(id === null ? 'position' : 'id', name)}>
          <code>{name}</code>
        </Link>
      </td>
      <td>
        <Badge tone={tone}>{label}</Badge>
      </td>
      <td>{written !== undefined && <Time at={written} />}</td>
      <td>
        <Visible text={row?.type ?? record?.type ?? letter?.type ?? 'NULL'} max={60} />
      </td>
      <td>
        <Visible text={row?.key ?? record?.key ?? letter?.aggregateid ?? 'NULL'} max={60} />
      </td>
      <td>{place}</td>
    </tr>
  );
}
