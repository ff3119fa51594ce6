/** All that a relay needs, checked from here: what is wrong and how to fix it. */
import type { InferResponseType } from 'hono/client';
import { api, ask } from '../../data/api.ts';
import { count } from '../../data/format.ts';
import { Badge, Card, type Tone } from '../../parts/basics.tsx';
import { LatestJob, useLatestJob } from '../../parts/job-latest.tsx';
import { Words } from '../../parts/words.tsx';
import { type Group, grouped } from './group-findings.ts';

type Finding = NonNullable<InferResponseType<typeof api.database.check.$get, 200>['findings']>[number];

export function CheckCard() {
  const latest = useLatestJob('check', () => ask(api.database.check.$get()));
  const { data } = latest;
  return (
    <Card title="Check" id="check">
      <LatestJob
        latest={latest}
        label="Check now"
        start={() => ask(api.database.check.$post())}
        never="Asks Postgres, Kafka and the schema registry for everything that a relay needs. It changes nothing."
      />
      {data?.findings != null && (
        <>
          <p className="quiet">
            Asked with the settings and the role of this console. Where the relay has others, run{' '}
            <code>outbox-relay check</code> beside it.
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
            <span>
              <Words text={message} />
            </span>
            {fix !== undefined && (
              <span className="fix">
                <Words text={fix} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
