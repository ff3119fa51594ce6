/** One event: where it is, what belongs to it, and its story. */
import { Link } from 'wouter';
import type {
  FoundEvent,
  FoundFinding,
  FoundLetter,
  FoundRecord,
  FoundReplay,
  FoundRow,
  StoryEntry,
} from '../../../../relay/operations/find-event/found.ts';
import type { PayloadView } from '../../../server/access/visitor.ts';
import { bytes } from '../../data/format.ts';
import { Card, Empty, Time } from '../../parts/basics.tsx';
import { JsonEditor } from '../../parts/json-editor.tsx';
import { pretty } from '../../parts/json-text.ts';
import { VerdictCard } from '../../parts/verdict.tsx';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';
import { pathOf } from './looking.ts';
import { states } from './states.ts';
import { writtenBy } from './written-by.ts';

export function EventCard({ event, payloadView }: { event: FoundEvent; payloadView: PayloadView }) {
  const { id, state, text, advice, reasons, rows, letters, records, findings, replays, story } = event;
  const [label, tone] = states[state];
  return (
    <>
      <VerdictCard about="Where it is" tone={tone} label={label} text={<Words text={text} />}>
        {reasons.length > 0 && (
          <ul className="reasons" aria-label="Why it is not published yet">
            {reasons.map((reason) => (
              <li key={reason}>
                <Words text={reason} />
              </li>
            ))}
          </ul>
        )}
        {advice !== null && (
          <p>
            <Words text={advice} />
          </p>
        )}
        <p className="quiet">{id === null ? 'without id' : <code>{id}</code>}</p>
      </VerdictCard>
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
          {findings.map((finding) => (
            <Finding key={`${finding.kind} ${finding.foundAt} ${finding.offset}`} finding={finding} />
          ))}
          {replays.map((replay) => (
            <Replay key={replay.id} replay={replay} />
          ))}
        </Card>
      </div>
      <Contents rows={rows} payloadView={payloadView} />
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
    <dl className="belongings" aria-label="Row">
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

/** Of each row: a resubmitted event has two, and they may differ. */
function Contents({ rows, payloadView }: { rows: readonly FoundRow[]; payloadView: PayloadView }) {
  if (rows.length === 0)
    return (
      <Card title="Payload">
        <Empty title="The payload is not known here">
          The outbox table has no row of the event now. A dead letter has a payload of its own.
        </Empty>
      </Card>
    );
  if (payloadView === 'off')
    return (
      <Card title="Payload">
        <Empty title="Payloads are not shown">The console is configured not to show them to you.</Empty>
      </Card>
    );
  return rows.map((row, index) => (
    <Card
      key={`${row.table} ${row.xid} ${row.createdAt}`}
      title={rows.length === 1 ? 'Payload' : `Payload of row ${index + 1}`}
    >
      <Content row={row} isMasked={payloadView === 'masked'} />
    </Card>
  ));
}

function Content({ row: { contents, payloadBytes }, isMasked }: { row: FoundRow; isMasked: boolean }) {
  if (contents?.isLeftOut === true)
    return (
      <Empty title="The payload is too large to be shown here">
        It has {bytes(payloadBytes)}. Read it in Postgres, by the id.
      </Empty>
    );
  return (
    <>
      {isMasked && <p className="quiet">Structure, types and lengths; the values stay on the server.</p>}
      {contents?.payload == null ? (
        <Empty title="The payload is NULL">The event is a tombstone.</Empty>
      ) : (
        <JsonEditor label="Payload" text={pretty(contents.payload)} />
      )}
      <h3>Headers</h3>
      {contents?.headers == null ? (
        <p className="quiet">none</p>
      ) : (
        <JsonEditor label="Headers" text={pretty(contents.headers)} />
      )}
    </>
  );
}

const Finding = ({
  finding: { kind, foundAt, resolvedAt, resolvedBy, detail },
}: {
  finding: FoundFinding;
}) => (
  <dl className="belongings" aria-label="Finding of the audit">
    <dt>Audit</dt>
    <dd>
      {kind.replaceAll('_', ' ')}, found <Time at={foundAt} />
      {resolvedAt !== null && (
        <>
          {resolvedBy === 'start' ? '; the audit started again and forgot it ' : '; over since '}
          <Time at={resolvedAt} />
        </>
      )}
    </dd>
    {detail !== null && (
      <>
        <dt>Detail</dt>
        <dd>
          <Visible text={detail} max={500} />
        </dd>
      </>
    )}
  </dl>
);

const how: Readonly<Record<FoundReplay['how'], string>> = {
  published: 'published it again',
  refused: 'could not publish it',
  'may-cover': 'may have published it again, by its range; its records were not looked for',
};

const Replay = ({ replay }: { replay: FoundReplay }) => (
  <dl className="belongings" aria-label="Replay">
    <dt>Replay</dt>
    <dd>
      <code>{replay.id}</code> {how[replay.how]}
      {replay.why !== null && (
        <>
          {': '}
          <Visible text={replay.why} max={500} />
        </>
      )}
    </dd>
    <dt>State</dt>
    <dd>
      {replay.state}, begun <Time at={replay.startedAt} />
      {replay.topic !== null && `, to ${replay.topic}`}
    </dd>
    {replay.person !== null && (
      <>
        <dt>Started by</dt>
        <dd>
          <Visible text={replay.person} />
          {replay.reason !== null && (
            <>
              {': '}
              <Visible text={replay.reason} max={500} />
            </>
          )}
        </dd>
      </>
    )}
  </dl>
);

function Letter({ letter: { position, status, code, message, path, behind } }: { letter: FoundLetter }) {
  return (
    <dl className="belongings" aria-label="Dead letter">
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
  const { topic, partition, offset, position, committedAt, valueBytes, schema, format } = record;
  return (
    <dl className="belongings" aria-label="Record">
      <dt>Record</dt>
      <dd>
        {topic}, partition {partition}, offset {offset}
        {writtenBy(record)}
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
      <dd>{schemaText(schema, format)}</dd>
      <dt>Value</dt>
      <dd>{valueBytes === null ? 'none: a tombstone' : bytes(valueBytes)}</dd>
    </dl>
  );
}

function schemaText(schema: FoundRecord['schema'], format: FoundRecord['format']): string {
  if (schema === null) return format === 'json' ? 'none: the value is JSON' : 'none';
  const { id, versions } = schema;
  if (versions === null) return `id ${id}; its version is not known`;
  if (versions.length === 0) return `id ${id}, which the registry does not list under any subject`;
  return `${versions.map(({ subject, version }) => `${subject}, version ${version}`).join('; ')} (id ${id})`;
}
