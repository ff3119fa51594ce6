/** Several events, the latest first. */
import { Link } from 'wouter';
import type { FoundEvent } from '../../../../relay/operations/find-event/found.ts';
import { unknown } from '../../data/format.ts';
import { Badge, Card, Scroll, Time } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { pathOf } from './looking.ts';
import { states } from './states.ts';

/** @param by what was searched for: the same in every line */
export function EventList({ events, by }: { events: readonly FoundEvent[]; by: string }) {
  if (events.length === 0) return null;
  return (
    <Card title="Events">
      <Scroll label="Events, the latest first">
        <table className="stacked">
          <thead>
            <tr>
              <th>Event</th>
              <th>State</th>
              <th>Written</th>
              {by !== 'type' && <th>Type</th>}
              {by !== 'key' && <th>Key</th>}
              <th>Where</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <Line key={event.id ?? event.letters[0]?.position} event={event} by={by} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  );
}

function Line({ event: { id, state, rows, letters, records }, by }: { event: FoundEvent; by: string }) {
  const [label, tone] = states[state];
  const [row, letter, record] = [rows[0], letters[0], records[0]];
  const name = id ?? letter?.position ?? '';
  const written = row?.createdAt ?? record?.committedAt ?? letter?.firstSeen;
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
      <td data-label="Written">{written === undefined ? unknown : <Time at={written} />}</td>
      {by !== 'type' && (
        <td>
          <Visible text={row?.type ?? record?.type ?? letter?.type ?? 'NULL'} max={60} />
        </td>
      )}
      {by !== 'key' && (
        <td className="wrap key" data-label="Key">
          <Visible text={row?.key ?? record?.key ?? letter?.aggregateid ?? 'NULL'} max={60} />
        </td>
      )}
      <td className="wrap">
        {record !== undefined ? (
          `${record.topic}, partition ${record.partition}, offset ${record.offset}`
        ) : letter !== undefined ? (
          <Link href={`/dead-letters/${letter.position}`}>{letter.code}</Link>
        ) : (
          unknown
        )}
      </td>
    </tr>
  );
}
