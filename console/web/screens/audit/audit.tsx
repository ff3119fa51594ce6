/** Audit: what is proven, up to when, what was found, and what could not be judged. */
import { useQuery } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { Link } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { byServer, useNow } from '../../data/clock.ts';
import { count, counted, milliseconds, unknown } from '../../data/format.ts';
import { Ago, Badge, Card, Empty, Loading, QueryFailure, Scroll, Time } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { VerdictCard } from '../../parts/verdict.tsx';
import { Visible } from '../../parts/visible.tsx';
import { isAuditKnownToRun } from './known-to-run.ts';
import { EventLink, UnjudgedTable } from './pieces.tsx';
import { proofOf } from './proof.ts';
import { VerifyCard } from './verify.tsx';
import { found, kindOf } from './words.ts';

type Standing = NonNullable<InferResponseType<typeof api.audit.$get, 200>['report']>;

const refreshMs = 15_000;

export default function Audit() {
  const audit = useQuery({
    queryKey: ['audit'],
    queryFn: () => ask(api.audit.$get()),
    refetchInterval: refreshMs,
  });
  const { data, isPending } = audit;
  return (
    <>
      <Heading aside={<Link href="/settings#actions">What people did</Link>}>Audit</Heading>
      <QueryFailure of={audit} />
      {isPending && <Loading />}
      {data?.report === null && (
        <Card title="Standing audit">
          <Empty title="The standing audit has not run">
            Nothing is proven, and nothing is known to be wrong. With <code>audit.everyMinutes</code> a relay
            runs it beside the stream; <code>outbox-relay audit</code> runs it as a process of its own.
          </Empty>
        </Card>
      )}
      {data?.report != null && <StandingCards report={data.report} everyMinutes={data.everyMinutes} />}
      {!isPending && <VerifyCard />}
    </>
  );
}

type StandingProps = { readonly report: Standing; readonly everyMinutes: number };

function StandingCards({ report, everyMinutes }: StandingProps) {
  return (
    <>
      <Proof report={report} everyMinutes={everyMinutes} />
      <FindingsCard report={report} />
      <Unjudged audit={report.audit} />
      <Runs report={report} />
    </>
  );
}

function Proof({ report: { audit, open, at, forgotAt }, everyMinutes }: StandingProps) {
  const { verifiedAt, verifiedLsn, beginsAt, lastError, lastErrorAt, heldBack } = audit;
  const total = Object.values(open).reduce((sum, each) => sum + each, 0);
  const isRunning = isAuditKnownToRun(audit, everyMinutes, byServer(useNow()));
  const isDelayed = lastError !== null || heldBack !== null;
  const { tone, label, which } = proofOf(audit, { findings: total, isDelayed, isRunning });
  return (
    <VerdictCard
      about="What is proven"
      tone={tone}
      label={label}
      text={
        total > 0 ? (
          `${counted(total, 'finding')}. Look at each before consumers act on it.`
        ) : verifiedAt === null ? (
          'Nothing is verified yet.'
        ) : which === undefined ? (
          nothingCompared(audit)
        ) : (
          <>
            Every event{which}
            {beginsAt !== null && (
              <>
                {' '}
                from <Time at={beginsAt} />
              </>
            )}{' '}
            up to <Time at={verifiedAt} /> is published exactly once, or is a dead letter.
            {forgotAt !== null && (
              <>
                {' '}
                Findings that a person set to 0 at <Time at={forgotAt} /> do not count.
              </>
            )}
            {!isRunning && ' Nothing later is verified, and no audit is known to run now.'}
          </>
        )
      }
    >
      <dl className="facts">
        <div>
          <dt>Verified up to</dt>
          <dd>
            {verifiedAt === null ? (
              'nothing yet'
            ) : (
              <>
                <Time at={verifiedAt} /> <span className="quiet">(</span>
                <Ago at={verifiedAt} />
                <span className="quiet">)</span>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Position</dt>
          <dd>{verifiedLsn === null ? unknown : <code>{verifiedLsn}</code>}</dd>
        </div>
        <div>
          <dt>Compared</dt>
          <dd>
            {count(audit.matched)} of {counted(audit.events, 'event')} with their record or dead letter;{' '}
            {counted(audit.records, 'record')} read in {counted(audit.windows, 'window')}
          </dd>
        </div>
        <div>
          <dt>Counted since</dt>
          <dd>
            <Time at={audit.startedAt} /> <span className="quiet">({audit.startedBecause})</span>
          </dd>
        </div>
        {beginsAt !== null && (
          <div>
            <dt>Begins with</dt>
            <dd>
              rows from <Time at={beginsAt} /> on; older ones are left out
            </dd>
          </div>
        )}
        <div>
          <dt>Last run</dt>
          <dd>
            {audit.lastRunAt === null ? (
              'none that ended'
            ) : (
              <>
                <Ago at={audit.lastRunAt} />, took {milliseconds(audit.lastRunMs)}
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Read</dt>
          <dd>
            <Ago at={at} />
          </dd>
        </div>
      </dl>
      {heldBack !== null && (
        <p>
          <Badge tone="warn">held back</Badge> The last run verified nothing:{' '}
          <Visible text={heldBack} max={1_000} />
        </p>
      )}
      {lastError !== null && (
        <p>
          <Badge tone="bad">failed</Badge> The last run failed
          {lastErrorAt !== null && (
            <>
              {' '}
              <Ago at={lastErrorAt} />
            </>
          )}
          : <Visible text={lastError} max={1_000} />
        </p>
      )}
    </VerdictCard>
  );
}

function nothingCompared({ events, unjudged, beginsAt }: Standing['audit']): string {
  if ((unjudged.missingOrRemoved ?? 0) > 0)
    return `${counted(unjudged.missingOrRemoved!, 'event')} without a record, either missing or removed by Kafka.`;
  if (events === 0)
    return `No event was committed${beginsAt === null ? '' : ' since the audit began'}, so nothing is compared yet.`;
  return `None of ${counted(events, 'event')} has a record or a dead letter that the audit could compare it with. The kinds under Not judged say why.`;
}

function FindingsCard({ report: { audit, open, latest } }: { report: Standing }) {
  const { verifiedAt, missing, missingOpen } = audit;
  // Of no event that was compared, none says that all is well.
  const none = audit.matched === 0 ? 'warn' : 'good';
  return (
    <Card
      title="Findings"
      aside={
        verifiedAt === null ? undefined : (
          <span className="quiet">
            true as of <Time at={verifiedAt} />
          </span>
        )
      }
    >
      {verifiedAt === null ? (
        <Empty title="No window is verified yet, so there is no count to show" />
      ) : (
        <dl className="tallies">
          {Object.entries(open).map(([key, number]) => {
            const { name, means } = kindOf(found, key);
            return (
              <div key={key} className={number > 0 ? 'bad' : none}>
                <dt>{name}</dt>
                <dd>
                  <strong>{count(number)}</strong>
                  <small className="quiet">
                    {means}
                    {key === 'missing' &&
                      missing > missingOpen &&
                      `; ${count(missing - missingOpen)} more were published since`}
                  </small>
                </dd>
              </div>
            );
          })}
        </dl>
      )}
      {latest.length > 0 && (
        <Scroll label="Findings that nothing has resolved">
          <table>
            <thead>
              <tr>
                <th>Found</th>
                <th>Kind</th>
                <th>Event</th>
                <th>Place</th>
                <th>Position</th>
                <th>Detail</th>
              </tr>
            </thead>
            <tbody>
              {latest.map(({ foundAt, kind, id, topic, partition, offset, position, detail }, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: several findings can be alike
                <tr key={index}>
                  <td>
                    <Time at={foundAt} />
                  </td>
                  <td>{kindOf(found, kind).name}</td>
                  <td>{id === null ? 'no id' : <EventLink id={id} />}</td>
                  <td>{offset === null ? (topic ?? unknown) : `${topic}/${partition} @ ${offset}`}</td>
                  <td>{position ?? unknown}</td>
                  <td className="wrap">{detail === null ? null : <Visible text={detail} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {latest.length >= 100 && (
        <p className="quiet">The latest 100. The table outbox.audit_finding has all.</p>
      )}
    </Card>
  );
}

function Unjudged({ audit }: { audit: Standing['audit'] }) {
  const kinds = Object.entries(audit.unjudged).filter(([, number]) => number > 0);
  return (
    <Card
      title="Not judged"
      aside={
        <span className="quiet">
          since <Time at={audit.startedAt} />
        </span>
      }
    >
      {kinds.length === 0 ? (
        <Empty
          title={
            audit.matched === 0
              ? 'Nothing is compared yet, so nothing is judged'
              : 'Everything that the audit compared is judged'
          }
        />
      ) : (
        <UnjudgedTable kinds={kinds} />
      )}
    </Card>
  );
}

const runsShown = 20;

function Runs({ report: { audit } }: { report: Standing }) {
  const runs = audit.runs.toSorted((a, b) => b.at.localeCompare(a.at));
  return (
    <Card
      title="History"
      aside={
        <span className="quiet">
          the last {runs.length === 1 ? 'window' : counted(runs.length, 'window')}
        </span>
      }
    >
      {runs.length === 0 ? (
        <Empty title="No window has ended yet" />
      ) : (
        <Scroll label="Windows, the latest first">
          <table>
            <thead>
              <tr>
                <th>Ended</th>
                <th className="number">Took</th>
                <th className="number">Window</th>
                <th>Verified up to</th>
                <th className="number">Rows</th>
                <th className="number">Records</th>
                <th>Found</th>
              </tr>
            </thead>
            <tbody>
              {runs
                .slice(0, runsShown)
                .map(({ at, ms, window, verifiedLsn, events, records, found: what }) => (
                  <tr key={`${window} ${at}`}>
                    <td>
                      <Time at={at} />
                    </td>
                    <td className="number">{milliseconds(ms)}</td>
                    <td className="number">{count(window)}</td>
                    <td>
                      <code>{verifiedLsn}</code>
                    </td>
                    <td className="number">{count(events)}</td>
                    <td className="number">{count(records)}</td>
                    <td>
                      {Object.entries(what)
                        .map(([kind, number]) => `${count(number)} ${kindOf(found, kind).name.toLowerCase()}`)
                        .join(', ') || 'nothing'}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {runs.length > runsShown && <p className="quiet">The latest {runsShown} are shown.</p>}
    </Card>
  );
}
