/** The subjects that the relay's naming leads to. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { Card, Empty, Loading, QueryFailure, Scroll } from '../../parts/basics.tsx';
import { FilterBar } from '../../parts/filter-bar.tsx';
import { Heading } from '../../parts/heading.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { Pager } from '../../parts/pager.tsx';

export function SubjectList() {
  const [search, setSearch] = useSearchParams();
  const like = search.get('like') ?? '';
  const after = search.get('after');
  const page = useQuery({
    queryKey: ['schemas', like, after],
    queryFn: async () => {
      const query = { ...(like === '' ? {} : { like }), ...(after === null ? {} : { after }) };
      return { ...(await ask(api.schemas.$get({ query }))), after };
    },
    placeholderData: keepPreviousData,
  });
  useListKeys({ isReady: page.data !== undefined });
  return (
    <>
      <Heading>Schemas</Heading>
      <p className="quiet">
        Subjects of the registry that the relay can use by its settings. This page registers nothing: use{' '}
        <code>outbox-relay schemas register</code>.
      </p>
      {page.isError && (
        <>
          <QueryFailure of={page} />
          <p className="quiet">
            While the registry does not answer, the relay publishes with the schemas that it holds. Events
            that need another schema wait.
          </p>
        </>
      )}
      {page.isPending && <Loading />}
      {page.data?.isUsed === false && (
        <Card>
          <Empty title="There are no schemas">
            The values of every topic are JSON, as records.format says. The relay passes payloads on unchanged
            and asks no registry.
          </Empty>
        </Card>
      )}
      {page.data?.isUsed === true && (
        <Card title="Subjects">
          <FilterBar
            fields={[{ name: 'like', label: 'Subject', placeholder: 'Part of a name' }]}
            conditions={like === '' ? [] : [{ name: 'like', label: 'Subject', text: like }]}
            onAdd={(_, value) => setSearch({ like: value })}
            onRemove={() => setSearch({})}
          />
          {page.data.subjects.length === 0 ? (
            <Empty
              title={like === '' ? 'The registry has no subject for the relay' : 'No subject has such a name'}
            >
              {like === '' ? 'An event without a schema is refused and becomes a dead letter.' : undefined}
            </Empty>
          ) : (
            <Scroll label="Subjects">
              <table>
                <thead>
                  <tr>
                    <th>Subject</th>
                    <th className="number">Latest version</th>
                    <th>Last change</th>
                    <th>
                      <span className="hidden">Next version</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {page.data.subjects.map(({ subject, versions }) => {
                    const [before, latest] = versions.slice(-2);
                    return (
                      <tr key={subject} data-row>
                        <td className="name">
                          <Link href={`/schemas/${subject}`} data-item={subject}>
                            {subject}
                          </Link>
                        </td>
                        <td className="number">{versions.at(-1)}</td>
                        <td>
                          {latest === undefined ? (
                            'its only version'
                          ) : (
                            <Link href={`/schemas/${subject}?before=${before}&after=${latest}`}>
                              {before} to {latest}
                            </Link>
                          )}
                        </td>
                        <td>
                          <Link href={`/schemas/${subject}/try`} aria-label={`Try a schema for ${subject}`}>
                            Try a schema
                          </Link>
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </Scroll>
          )}
          <Pager
            total={page.data.total}
            shown={page.data.subjects.length}
            after={page.data.after}
            next={page.data.next}
            onGo={(next) =>
              setSearch({ ...(like === '' ? {} : { like }), ...(next === null ? {} : { after: next }) })
            }
          />
          {page.data.others > 0 && (
            <p className="quiet">
              The registry has {counted(page.data.others, 'further subject')} that no topic of topics.allow
              leads to.
            </p>
          )}
        </Card>
      )}
    </>
  );
}
