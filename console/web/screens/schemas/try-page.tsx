/** Tries a pasted schema as the next version of a subject: against the registry, and with recent rows. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import type { PastedChecked, PastedTried } from '../../../../relay/operations/schemas/pasted.ts';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { useMe } from '../../data/me.ts';
import { Badge, Button, Card, Failure, Loading, QueryFailure, type Tone } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard, type JobView } from '../../parts/job.tsx';
import { JsonEditor } from '../../parts/json-editor.tsx';
import { pretty } from '../../parts/json-text.ts';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';
import { Findings } from './findings.tsx';
import { causesOf } from './verdict.ts';

const amounts = [1_000, 10_000, 100_000] as const;

export function TryPage({ subject }: { subject: string }) {
  const latest = useQuery({
    queryKey: ['schemas', 'pair', subject, null, null],
    queryFn: () => ask(api.schemas.versions.$get({ query: { subject } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <>
      <Heading
        trail={[
          ['Schemas', '/schemas'],
          [subject, `/schemas/${subject}`],
        ]}
      >
        Try a schema
      </Heading>
      <p className="quiet">Nothing is registered or published here.</p>
      <QueryFailure of={latest} />
      {latest.isPending ? (
        <Loading lines={8} />
      ) : (
        <Trial subject={subject} first={pretty(latest.data?.after.schemaText ?? '')} />
      )}
    </>
  );
}

function Trial({ subject, first }: { subject: string; first: string }) {
  const [search, setSearch] = useSearchParams();
  const me = useMe();
  const isMasked = me !== undefined && me.payloads !== 'full';
  const [text, setText] = useState(first);
  const [rows, setRows] = useState<number>(amounts[1]);
  const jobId = search.get('job');
  const check = useMutation({ mutationFn: () => ask(api.schemas.check.$post({ json: { subject, text } })) });
  const start = useMutation({
    mutationFn: () => ask(api.schemas.jobs.try.$post({ json: { subject, text, limit: rows } })),
    onSuccess: ({ jobId: job }) => setSearch({ job }),
  });
  const whyNot = text.trim() === '' ? 'Write a schema first.' : null;
  const edit = (next: string) => {
    setText(next);
    // What was found is not about this text.
    check.reset();
    start.reset();
  };
  return (
    <>
      <Card title="Schema" aside={<Link href={`/schemas/${subject}`}>Its versions</Link>}>
        <JsonEditor label="Schema to try" text={text} onChange={edit} />
        <div className="try">
          <Button kind="primary" disabled={check.isPending} why={whyNot} onClick={() => check.mutate()}>
            {check.isPending ? 'Checking…' : 'Check compatibility'}
          </Button>
          <label>
            <span className="hidden">Rows to try</span>
            <select value={rows} onChange={({ target }) => setRows(Number(target.value))}>
              {amounts.map((amount) => (
                <option key={amount} value={amount}>
                  {count(amount)} newest rows
                </option>
              ))}
            </select>
          </label>
          <Button
            disabled={start.isPending}
            why={isMasked ? 'Payloads are masked for you.' : whyNot}
            onClick={() => start.mutate()}
          >
            Try recent rows
          </Button>
        </div>
        <p className="quiet">
          <Words
            text={
              isMasked
                ? 'Payloads are masked for you, and trying rows with a schema of your own would find out what they hold. `outbox-relay schemas test` tries them with files.'
                : 'Trying rows reads the newest rows of the outbox table.'
            }
          />
        </p>
        {check.isError && <Failure error={check.error} />}
        {start.isError && <Failure error={start.error} />}
      </Card>
      {check.data !== undefined && <Checked checked={check.data} />}
      {jobId !== null && (
        <JobCard id={jobId} describe={(job) => <Tried job={job} />} onClose={() => setSearch({})} />
      )}
    </>
  );
}

const outcomes: Readonly<Record<PastedChecked['status'], readonly [Tone, string]>> = {
  new: ['good', 'The subject has no version yet, so there is nothing to compare with.'],
  unchanged: ['quiet', 'Exactly this schema is registered.'],
  compatible: ['good', 'It may become the next version.'],
  incompatible: ['bad', 'It must not become the next version.'],
};

function Checked({ checked: { status, level, findings, warnings } }: { checked: PastedChecked }) {
  const [tone, text] = outcomes[status];
  return (
    <Card title="Compatibility" aside={level !== null && <code>{level}</code>}>
      <p role="status">
        <Badge tone={tone}>{status}</Badge> {text}
      </p>
      <Findings findings={findings} />
      {warnings.length > 0 && (
        <section className="affected" aria-label="Probable mistakes">
          <h3>
            <Badge tone="warn">check</Badge> Probable mistakes
          </h3>
          <ul className="reasons">
            {warnings.map(({ path, explanation, remedy }) => (
              <li key={`${path} ${explanation}`}>
                <p>
                  <code>
                    <Visible text={path} />
                  </code>{' '}
                  <Words text={explanation} />
                </p>
                <p className="quiet">
                  <Words text={remedy} />
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Card>
  );
}

function Tried({ job }: { job: JobView }) {
  const result = job.result as PastedTried | null;
  if (result === null) return <p>It was cancelled before it had an answer.</p>;
  const { read, rows, failed, types } = result;
  if (rows === 0)
    return (
      <p>
        <Badge tone="quiet">nothing tried</Badge> None of {counted(read, 'row')} that were read has this
        subject.
      </p>
    );
  return (
    <>
      <p>
        <Badge tone={failed === 0 ? 'good' : 'bad'}>{failed === 0 ? 'all pass' : 'some are refused'}</Badge>{' '}
        The relay would publish {count(rows - failed)} of {counted(rows, 'row')} with this schema
        {failed > 0 && `, and refuse ${count(failed)}`}. {counted(read, 'row')} {read === 1 ? 'was' : 'were'}{' '}
        read.
      </p>
      {types
        .filter(({ failures }) => failures.length > 0)
        .map(({ aggregatetype, type, failed: refused, failures }) => (
          <section key={`${aggregatetype} ${type}`} className="affected" aria-label={type}>
            <h3>
              <Visible text={type} />: {count(refused)} refused
              {refused > failures.length && `, causes of the first ${count(failures.length)}`}
            </h3>
            <ul className="reasons">
              {causesOf(failures).map(({ key, code, path, message, count: each, ids }) => (
                <li key={key}>
                  <p>
                    <code>{code}</code>{' '}
                    {path !== null && (
                      <code>
                        <Visible text={path} />
                      </code>
                    )}{' '}
                    <Visible text={message} max={500} />
                  </p>
                  <p className="quiet">
                    {count(each)} of those shown
                    {ids.length > 0 && (
                      <>
                        , such as <Visible text={ids.join(', ')} max={300} />
                      </>
                    )}
                  </p>
                </li>
              ))}
            </ul>
          </section>
        ))}
    </>
  );
}
