/** The pieces of the outbox table, and what cleanup would remove of each. */
import type { InferResponseType } from 'hono/client';
import { api, ask } from '../../data/api.ts';
import { bytes, count, counted } from '../../data/format.ts';
import { Badge, Card, Empty, Scroll, Time } from '../../parts/basics.tsx';
import { LatestJob, useLatestJob } from '../../parts/job-latest.tsx';
import type { Facts } from './database.tsx';

type Pieces = NonNullable<Facts['pieces']['value']>;
type Report = NonNullable<InferResponseType<typeof api.database.cleanup.$get, 200>['report']>;

/** A table without end is read by nobody. */
const shownMax = 100;

export function CleanupCard({ pieces, cleanup }: { pieces: Pieces; cleanup: Facts['cleanup'] }) {
  const latest = useLatestJob('cleanup', () => ask(api.database.cleanup.$get()));
  const report = latest.data?.report ?? null;
  const all = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  return (
    <Card
      title="Partitions and cleanup"
      aside={
        <span className="quiet">
          {counted(pieces.length, 'table')}, {bytes(all)}
        </span>
      }
    >
      <p>
        {cleanup.retention === null ? (
          <>
            <code>cleanup.retention</code> is not set in the settings of the console, so a preview removes
            nothing.
          </>
        ) : (
          <>
            Published events go after {cleanup.retention} (<code>cleanup.retention</code> in the settings of
            the console).
          </>
        )}
      </p>
      <LatestJob
        latest={latest}
        label="Preview cleanup"
        start={() => ask(api.database.cleanup.$post())}
        never="The preview reads every row, and says what would go and why the rest stays. It removes nothing."
      />
      {pieces.length === 0 ? (
        <Empty title="The outbox table does not exist">
          <code>outbox-relay migrate</code> creates it.
        </Empty>
      ) : (
        <Scroll label="Tables of the outbox">
          <table>
            <thead>
              <tr>
                <th>Table</th>
                <th>Rows until</th>
                <th className="number">Size</th>
                <th className="number">Rows</th>
                <th>{report === null ? 'Cleanup' : 'Preview'}</th>
              </tr>
            </thead>
            <tbody>
              {pieces.slice(0, shownMax).map(({ name, isDefault, until, bytes: size, estimatedRows }) => {
                const found = report?.pieces.find((piece) => piece.name === name);
                return (
                  <tr key={name}>
                    <td className="name">
                      <code>{name}</code> {isDefault && <Badge tone="quiet">default</Badge>}
                    </td>
                    <td>{until === null ? 'any time' : <Time at={until} />}</td>
                    <td className="number">{bytes(size)}</td>
                    <td className="number">
                      {found !== undefined && !found.isEstimate
                        ? count(found.rows)
                        : `≈ ${count(estimatedRows)}`}
                    </td>
                    <td className="wrap">
                      {found === undefined ? (
                        <span className="quiet">
                          {report === null ? 'not looked at yet' : 'newer than the preview'}
                        </span>
                      ) : (
                        <Outcome piece={found} />
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
      {pieces.length > shownMax && (
        <p className="quiet">
          The first {count(shownMax)} of {count(pieces.length)} are shown.
        </p>
      )}
      {report !== null && <Totals report={report} keepReasons={cleanup.keepReasons} />}
    </Card>
  );
}

function Outcome({ piece }: { piece: Report['pieces'][number] }) {
  const { outcome, rows, removedRows, reason, slot, held } = piece;
  if (outcome === 'removable') return <Badge tone="accent">would go</Badge>;
  const counts = Object.entries(held).map(([kind, rows]) => `${count(rows)} ${wordsOf(kind)}`);
  const details = [...(slot === null ? [] : [`slot ${slot}`]), ...counts].join(', ');
  return (
    <>
      {removedRows > 0 && `${count(removedRows)} of ${counted(rows, 'row')} would go; `}
      {reason === null
        ? 'nothing stays'
        : removedRows > 0
          ? `${count(rows - removedRows)} ${rows - removedRows === 1 ? 'stays' : 'stay'}: ${reason}`
          : `stays: ${reason}`}
      {details !== '' && ` (${details})`}
    </>
  );
}

const wordsOf = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function Totals({ report, keepReasons }: { report: Report; keepReasons: Facts['cleanup']['keepReasons'] }) {
  const going = report.pieces.filter(({ outcome }) => outcome === 'removable');
  const rows = report.pieces.reduce((sum, { removedRows }) => sum + removedRows, 0);
  const freed = going.reduce((sum, piece) => sum + piece.bytes, 0);
  const reasons = [...new Set(report.pieces.map(({ reason }) => reason))].filter((reason) => reason !== null);
  return (
    <>
      <p>
        <strong>{counted(rows, 'row')} would go</strong>; {counted(going.length, 'table')} as a whole,{' '}
        {bytes(freed)}.
      </p>
      {reasons.length > 0 && (
        <dl className="explained">
          {reasons.map((reason) => (
            <div key={reason}>
              <dt>{reason}</dt>
              <dd>{keepReasons[reason]}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
