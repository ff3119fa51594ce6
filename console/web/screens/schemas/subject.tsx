/** One subject: its versions, and what changed between two of them. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Suspense } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { Badge, Card, Empty, Loading, QueryFailure, Scroll, Waiting } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JsonEditor } from '../../parts/json-editor.tsx';
import { pretty } from '../../parts/json-text.ts';
import { later } from '../../parts/later.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { Visible } from '../../parts/visible.tsx';
import { Findings } from './findings.tsx';
import { verdictOf } from './verdict.ts';

const Diff = later(() => import('../../parts/diff.tsx'));

export function SubjectPage({ subject }: { subject: string }) {
  const [search, setSearch] = useSearchParams();
  useListKeys({ up: '/schemas' });
  const [before, after] = [search.get('before'), search.get('after')];
  const pair = useQuery({
    queryKey: ['schemas', 'pair', subject, before, after],
    queryFn: () =>
      ask(
        api.schemas.versions.$get({
          query: { subject, ...(before === null ? {} : { before }), ...(after === null ? {} : { after }) },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const { data } = pair;
  const choose = (name: 'before' | 'after', version: string) => {
    if (data === undefined) return;
    const chosen = {
      before: String(data.before.version),
      after: String(data.after.version),
      [name]: version,
    };
    setSearch(chosen);
  };
  const isPair = data !== undefined && data.before.version !== data.after.version;
  const verdict = data === undefined ? null : verdictOf(data.findings);
  return (
    <>
      <Heading
        trail={[['Schemas', '/schemas']]}
        aside={<Link href={`/schemas/${subject}/try`}>Try a schema as its next version</Link>}
      >
        {subject}
      </Heading>
      <QueryFailure of={pair} />
      {pair.isPending && <Loading lines={8} />}
      {data !== undefined && (
        <>
          <Card title="Versions">
            <p>
              {counted(data.versions.length, 'version')}, compatibility level{' '}
              {data.level === 'UNKNOWN' ? 'not shown by the registry' : <code>{data.level}</code>}.
            </p>
            {data.versions.length > 1 && (
              <div className="pair">
                {(['before', 'after'] as const).map((name) => (
                  <label key={name} className="field">
                    <span>{name === 'before' ? 'From version' : 'To version'}</span>
                    <select value={data[name].version} onChange={({ target }) => choose(name, target.value)}>
                      {data.versions.toReversed().map((version) => (
                        <option key={version}>{version}</option>
                      ))}
                    </select>
                  </label>
                ))}
              </div>
            )}
          </Card>
          {isPair && verdict !== null && (
            <>
              <Card title="Who is affected">
                <p>
                  <Badge tone={verdict.tone}>{verdict.tone === 'good' ? 'compatible' : 'breaks'}</Badge>{' '}
                  {verdict.text}
                </p>
                <Findings findings={data.findings} />
              </Card>
              <Card title={`Version ${data.before.version} to ${data.after.version}`}>
                {data.differences.length === 0 ? (
                  <Empty title="The same schema, written differently" />
                ) : (
                  <Differences differences={data.differences} />
                )}
                <Suspense fallback={<Waiting lines={6} />}>
                  <Diff
                    before={data.before.schemaText}
                    after={data.after.schemaText}
                    label={`Version ${data.before.version} beside ${data.after.version}`}
                  />
                </Suspense>
              </Card>
            </>
          )}
          <Card title={`Schema of version ${data.after.version}`}>
            <JsonEditor
              label={`Schema of version ${data.after.version}`}
              text={pretty(data.after.schemaText)}
            />
          </Card>
        </>
      )}
    </>
  );
}

type Difference = { path: string; kind: string; before: string | null; after: string | null };

function Differences({ differences }: { differences: readonly Difference[] }) {
  return (
    <Scroll label="Differences">
      <table>
        <thead>
          <tr>
            <th>Place</th>
            <th>What</th>
            <th>Before</th>
            <th>After</th>
          </tr>
        </thead>
        <tbody>
          {differences.map(({ path, kind, before, after }) => (
            <tr key={`${path} ${kind}`}>
              <td>
                <code>
                  <Visible text={path} />
                </code>
              </td>
              <td>{kind}</td>
              <td className="wrap">{before === null ? '' : <Visible text={before} />}</td>
              <td className="wrap">{after === null ? '' : <Visible text={after} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
