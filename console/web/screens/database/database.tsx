/** Database: how long the slot can hold an outage, what may go from the table, the publication, the roles, and all checks. */
import { useQuery } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { api, ask, faultOf } from '../../data/api.ts';
import { Ago, Badge, Card, Empty, Failure, Loading, QueryFailure, Scroll } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { CheckCard } from './check.tsx';
import { CleanupCard } from './cleanup.tsx';
import './database.css';
import { SlotCard } from './slot.tsx';

export type Facts = InferResponseType<typeof api.database.$get, 200>;
type Part = Facts['outlook' | 'publication' | 'roles' | 'pieces'];
type ValueOf<P extends Part> = NonNullable<P['value']>;

const refreshMs = 15_000;

export default function Database() {
  const facts = useQuery({
    queryKey: ['database'],
    queryFn: () => ask(api.database.$get()),
    refetchInterval: refreshMs,
  });
  const { data, isPending } = facts;
  return (
    <>
      <Heading
        aside={
          data === undefined ? undefined : (
            <span className="quiet">
              read <Ago at={data.at} />
            </span>
          )
        }
      >
        Database
      </Heading>
      <QueryFailure of={facts} />
      {isPending && <Loading lines={9} />}
      {data !== undefined && (
        <>
          <Known title="Slot" part={data.outlook}>
            {(outlook) => <SlotCard slotName={data.slotName} outlook={outlook} />}
          </Known>
          <Known title="Partitions and cleanup" part={data.pieces}>
            {(pieces) => <CleanupCard pieces={pieces} cleanup={data.cleanup} />}
          </Known>
          <Known title="Publication" part={data.publication}>
            {(publication) => <Publication {...publication} />}
          </Known>
          <Known title="Roles and rights" part={data.roles}>
            {(roles) => <Roles roles={roles} />}
          </Known>
        </>
      )}
      {!isPending && <CheckCard />}
    </>
  );
}

function Known<P extends Part>({
  title,
  part,
  children,
}: {
  title: string;
  part: P;
  children: (value: ValueOf<P>) => ReactNode;
}) {
  const { value, failure } = part;
  if (failure === null) return children(value as ValueOf<P>);
  return (
    <Card title={title}>
      <Failure error={faultOf(failure)} />
    </Card>
  );
}

function Publication({ name, publishes, tables, fault }: ValueOf<Facts['publication']>) {
  return (
    <Card
      title="Publication"
      aside={<Badge tone={fault === null ? 'good' : 'bad'}>{fault === null ? 'as needed' : 'problem'}</Badge>}
    >
      {fault !== null && <Failure error={faultOf(fault)} />}
      <p>
        <code>{name}</code> publishes {publishes.length === 0 ? 'nothing' : publishes.join(', ')} of:
      </p>
      {tables.length === 0 ? (
        <Empty title="It has no tables, or does not exist">
          <code>outbox-relay migrate</code> creates it.
        </Empty>
      ) : (
        <ul className="plain-list">
          {tables.map((table) => (
            <li key={table.name}>
              <code>{table.name}</code>
              {table.filter !== null && <span>only rows with {table.filter}</span>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Roles({ roles }: { roles: ValueOf<Facts['roles']> }) {
  const streamer = roles.find(({ streams }) => streams);
  return (
    <Card title="Roles and rights">
      <Scroll label="Roles">
        <table>
          <thead>
            <tr>
              <th>Role</th>
              <th>Used by</th>
              <th>Member of</th>
              <th>May replicate</th>
              <th>Missing for the relay</th>
            </tr>
          </thead>
          <tbody>
            {roles.map(({ name, isOurs, streams, isSuperuser, mayReplicate, missing, ...of }) => (
              <tr key={name}>
                <td className="name">
                  <code>{name}</code> {isSuperuser && <Badge tone="warn">superuser</Badge>}
                </td>
                <td>{[isOurs && 'this console', streams && 'the relay'].filter(Boolean).join(', ')}</td>
                <td>
                  {of.isRelay === null && of.isOperator === null
                    ? 'migrations/roles.sql was not run'
                    : [
                        of.isRelay && 'outbox_relay',
                        of.isOperator && 'outbox_operator',
                        of.isWriter && 'outbox_writer',
                      ]
                        .filter(Boolean)
                        .join(', ') || 'none of ours'}
                </td>
                <td>{mayReplicate ? 'yes' : 'no'}</td>
                <td className="wrap">
                  {missing === null ? (
                    <span className="quiet">not asked: it does not stream</span>
                  ) : missing.length === 0 ? (
                    'nothing'
                  ) : (
                    missing.join(', ')
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {streamer === undefined && (
        <p className="quiet">
          No relay streams from the slot now, so its role and its rights are not known here.{' '}
          <Link href="/database#check">Check now</Link> looks at those of the console.
        </p>
      )}
    </Card>
  );
}
