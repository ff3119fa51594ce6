/** All that a relay needs, checked from here: what is wrong and how to fix it. */
import { useQuery } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { api, ask } from '../../data/api.ts';
import { count } from '../../data/format.ts';
import { Badge, Card, Failure, type Tone, Waiting } from '../../parts/basics.tsx';
import { everyMs, LatestJob } from '../../parts/job-latest.tsx';
import { type Group, grouped } from './group-findings.ts';

type Finding = NonNullable<InferResponseType<typeof api.database.check.$get, 200>['findings']>[number];

const queryKey = ['check'];

export function CheckCard() {
  const { data, error, isPending } = useQuery({
    queryKey,
    queryFn: () => ask(api.database.check.$get()),
    refetchInterval: ({ state }) => everyMs(state.data?.job),
  });
  return (
    <Card title="Check" id="check">
      {error !== null && <Failure error={error} />}
      {isPending && error === null && <Waiting />}
      {data !== undefined && (
        <LatestJob
          job={data.job}
          queryKey={queryKey}
          label="Check now"
          start={() => ask(api.database.check.$post())}
          never="Asks Postgres, Kafka and the schema registry for everything that a relay needs. It changes nothing."
        />
      )}
      {data?.findings != null && (
        <>
          <p className="quiet">
            Asked with the settings and the role of this console. The relay may have others:{' '}
            <code>outbox-relay check</code> asks with those.
          </p>
          {grouped(data.findings).map(([group, findings]) => (
            <FindingGroup key={group} group={group} findings={findings} />
          ))}
        </>
      )}
    </Card>
  );
}

const words: Readonly<Record<Group, readonly [string, Tone]>> = {
  problem: ['Problems', 'bad'],
  warning: ['Warnings', 'warn'],
  role: ['Rights that the role of this console lacks, and that only a relay needs', 'quiet'],
  skipped: ['Not checked, because the server does not answer', 'warn'],
  fine: ['Fine', 'good'],
};

function FindingGroup({ group, findings }: { group: Group; findings: readonly Finding[] }) {
  const [title, tone] = words[group];
  return (
    <details open={group !== 'fine'}>
      <summary>
        <Badge tone={tone}>{count(findings.length)}</Badge> {title}
      </summary>
      <ul className="findings">
        {findings.map(({ server, name, message, fix }) => (
          <li key={`${server} ${name}`}>
            <span>
              <strong>{name}</strong> <span className="quiet">{server}</span>
            </span>
            <span>{message}</span>
            {fix !== undefined && <span className="fix">{fix}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}
