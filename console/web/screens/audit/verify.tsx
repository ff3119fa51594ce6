/** A whole comparison of table and topics: started here, followed here. */
import type { InferResponseType } from 'hono/client';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { Badge, Card, Time } from '../../parts/basics.tsx';
import { LatestJob, useLatestJob } from '../../parts/job-latest.tsx';
import { Verdict } from '../../parts/verdict.tsx';
import { Visible } from '../../parts/visible.tsx';
import { EventLink, UnjudgedTable } from './pieces.tsx';
import { verdictOf } from './verdict.ts';
import { found, kindOf, proofWords } from './words.ts';

type Report = NonNullable<InferResponseType<typeof api.audit.verify.$get, 200>['report']>;

const idsShown = 20;

export function VerifyCard() {
  const latest = useLatestJob('verify', () => ask(api.audit.verify.$get()));
  const report = latest.data?.report ?? null;
  return (
    <Card title="Verify now">
      <LatestJob
        latest={latest}
        label="Verify"
        start={() => ask(api.audit.verify.$post())}
        never="Compares every row with its record, content too, up to now. It reads the whole table and the topics, and changes nothing."
      />
      {report !== null && <ReportView report={report} />}
    </Card>
  );
}

function ReportView({ report }: { report: Report }) {
  const { findings, unjudged, progress, isCovered, snapshot, topics, withoutId } = report;
  const kinds = Object.entries(findings);
  const unjudgedKinds = [
    ...Object.entries(unjudged).map(([key, { count: number }]) => [key, number] as const),
    ['withoutId', withoutId] as const,
  ].filter(([, number]) => number > 0);
  const verdict = verdictOf(report);
  return (
    <>
      <Verdict {...verdict} label={proofWords[verdict.tone]} />
      <dl className="facts">
        <div>
          <dt>Snapshot</dt>
          <dd>
            <Time at={snapshot.time} /> at <code>{snapshot.lsn}</code>
          </dd>
        </div>
        <div>
          <dt>Compared</dt>
          <dd>
            {counted(report.events, 'row')} with {counted(report.records, 'record')} in{' '}
            {counted(topics.length, 'topic')}: {count(report.matched)} found, {count(report.compared)} by
            content
            {report.otherSettings > 0 &&
              `, of which ${count(report.otherSettings)} are right and were written under other settings of records`}
            ; {counted(report.deadLetters, 'dead letter')}
          </dd>
        </div>
        <div>
          <dt>Progress</dt>
          <dd>
            {progress === null ? (
              'nothing was published for this slot'
            ) : (
              <>
                <code>{progress.endLsn}</code>{' '}
                {!progress.isSameDatabase
                  ? 'belongs to another Postgres cluster'
                  : isCovered
                    ? 'covers the snapshot'
                    : 'has not reached the snapshot'}
              </>
            )}
          </dd>
        </div>
      </dl>
      <dl className="tallies">
        {kinds.map(([key, { count: each }]) => {
          const { name, means } = kindOf(found, key);
          const isKnown = key !== 'missing' || isCovered || each > 0;
          return (
            <div key={key} className={each > 0 ? 'bad' : isKnown ? 'good' : 'warn'}>
              <dt>{name}</dt>
              <dd>
                <strong>{isKnown ? count(each) : 'not judged'}</strong>
                <small className="quiet">{means}</small>
              </dd>
            </div>
          );
        })}
      </dl>
      {kinds
        .filter(([, { count: each }]) => each > 0)
        .map(([key, { count: each, first }]) => (
          <details key={key} open>
            <summary>
              <Badge tone="bad">{count(each)}</Badge> {kindOf(found, key).name}
              {each > idsShown && <span className="quiet"> · the first {idsShown}</span>}
            </summary>
            <ul className="plain-list">
              {first.slice(0, idsShown).map((item, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: several can be alike
                <li key={index}>
                  <Item item={item} />
                </li>
              ))}
            </ul>
          </details>
        ))}
      {kinds.some(([, { count: each }]) => each > 0) && (
        <p className="quiet">Each id leads to what is known of the event, and what to do.</p>
      )}
      {unjudgedKinds.length > 0 && <UnjudgedTable kinds={unjudgedKinds} />}
      {!report.knowsCompacted && (
        <p className="quiet">
          The settings of the topics may not be read, so compacted topics are judged like all others.
        </p>
      )}
    </>
  );
}

type Place = {
  id: string | null;
  topic: string;
  partition: number;
  offset: string;
  reason?: string;
  path?: string;
  position?: string | null;
  after?: string;
};

function Item({ item }: { item: string | Place }) {
  if (typeof item === 'string') return <EventLink id={item} />;
  const { id, topic, partition, offset, reason, path, position, after } = item;
  return (
    <span>
      {id === null ? 'no id' : <EventLink id={id} />} at {topic}/{partition} @ {offset}
      {path !== undefined && (
        <>
          {' '}
          <code>
            <Visible text={path} />
          </code>
        </>
      )}
      {reason !== undefined && (
        <>
          : <Visible text={reason} />
        </>
      )}
      {after !== undefined && `: ${position} comes after ${after}`}
    </span>
  );
}
