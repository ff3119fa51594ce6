/** One event: where it is, what belongs to it, and its story. */
import { Link } from 'wouter';
import type {
  FoundEvent,
  FoundLetter,
  FoundRecord,
  FoundRow,
  StoryEntry,
} from '../../../../relay/operations/find-event/found.ts';
import { bytes } from '../../data/format.ts';
import { Badge, Card, Time } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';
import '../now/now.css';
import { pathOf } from './looking.ts';
import { states } from './states.ts';

export function EventCard({ event }: { event: FoundEvent }) {
  const { id, state, text, advice, rows, letters, records, story } = event;
  const [label, tone] = states[state];
  return (
    <>
      <section className={`card verdict ${tone}`} aria-label="Where it is">
        <div>
          <Badge tone={tone}>{label}</Badge>
          <p className="headline">
            <Words text={text} />
          </p>
        </div>
        {advice !== null && (
          <p>
            <Words text={advice} />
          </p>
        )}
        <p className="quiet">{id === null ? 'without id' : <code>{id}</code>}</p>
      </section>
      <div className="find-parts">
        <Card title="Story">
          <ol className="story">
            {story.map((entry) => (
              <Entry key={`${entry.what} ${entry.at} ${entry.text}`} entry={entry} />
            ))}
          </ol>
        </Card>
        <Card title="What belongs to it">
          {rows.map((row) => (
            <Row key={`${row.table} ${row.xid} ${row.createdAt}`} row={row} />
          ))}
          {letters.map((letter) => (
            <Letter key={letter.position} letter={letter} />
          ))}
          {records.map((record) => (
            <Record key={`${record.topic} ${record.partition} ${record.offset}`} record={record} />
          ))}
        </Card>
      </div>
    </>
  );
}

const Entry = ({ entry: { at, what, text } }: { entry: StoryEntry }) => (
  <li className={what}>
    <span className="quiet">{at === null ? 'time not known' : <Time at={at} />}</span>
    <span>
      <Visible text={text} max={1_000} />
    </span>
  </li>
);

function Row({ row }: { row: FoundRow }) {
  const { type, key, table, xid, createdAt, committedAt, payloadBytes } = row;
  return (
    <dl className="facts" aria-label="Row">
      <dt>Row</dt>
      <dd>{table}</dd>
      <dt>Type</dt>
      <dd>
        <Visible text={type ?? 'NULL'} />
      </dd>
      <dt>Key</dt>
      <dd>
        {key === null ? (
          'NULL'
        ) : (
          <Link href={pathOf('key', key)}>
            <Visible text={key} />
          </Link>
        )}
      </dd>
      <dt>Postgres transaction</dt>
      <dd>{xid}</dd>
      {createdAt !== null && (
        <>
          <dt>Written</dt>
          <dd>
            <Time at={createdAt} />
          </dd>
        </>
      )}
      {committedAt !== null && (
        <>
          <dt>Committed</dt>
          <dd>
            <Time at={committedAt} />
          </dd>
        </>
      )}
      <dt>Payload</dt>
      <dd>{payloadBytes === null ? 'NULL: a tombstone' : bytes(payloadBytes)}</dd>
    </dl>
  );
}

function Letter({ letter: { position, status, code, message, path, behind } }: { letter: FoundLetter }) {
  return (
    <dl className="facts" aria-label="Dead letter">
      <dt>Dead letter</dt>
      <dd>
        <Link href={`/dead-letters/${position}`}>
          <code>{position}</code>
        </Link>{' '}
        {status}
      </dd>
      <dt>Reason</dt>
      <dd>
        <code>{code}</code>
        {path !== null && (
          <>
            {' at '}
            <code>{path}</code>
          </>
        )}
        : <Visible text={message} max={500} />
      </dd>
      {behind !== null && behind.position !== position && (
        <>
          <dt>Waits behind</dt>
          <dd>
            <Link href={pathOf('position', behind.position)}>
              <code>{behind.position}</code>
            </Link>
          </dd>
        </>
      )}
    </dl>
  );
}

function Record({ record }: { record: FoundRecord }) {
  const { topic, partition, offset, position, committedAt, valueBytes, schema, replayId } = record;
  return (
    <dl className="facts" aria-label="Record">
      <dt>Record</dt>
      <dd>
        {topic}, partition {partition}, offset {offset}
        {replayId !== null && `, written by replay ${replayId}`}
      </dd>
      {position !== null && (
        <>
          <dt>Position</dt>
          <dd>
            <code>{position}</code>
          </dd>
        </>
      )}
      <dt>Committed</dt>
      <dd>
        <Time at={committedAt} />
      </dd>
      <dt>Schema</dt>
      <dd>{schemaText(schema)}</dd>
      <dt>Value</dt>
      <dd>{valueBytes === null ? 'none: a tombstone' : bytes(valueBytes)}</dd>
    </dl>
  );
}

function schemaText(schema: FoundRecord['schema']): string {
  if (schema === null) return 'none';
  const { id, versions } = schema;
  if (versions === null) return `id ${id}; its version is not known`;
  if (versions.length === 0) return `id ${id}, which the registry does not list under any subject`;
  return `${versions.map(({ subject, version }) => `${subject}, version ${version}`).join('; ')} (id ${id})`;
}
