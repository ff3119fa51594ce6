/** The last Kafka transactions, and the Postgres transactions that each one ends with. */
import { useQuery } from '@tanstack/react-query';
import type { Heartbeats, KafkaTransaction } from '../../../../relay/operations/recent-transactions.ts';
import { api, ask } from '../../data/api.ts';
import { count, counted, milliseconds, unknown } from '../../data/format.ts';
import { Card, Empty, QueryFailure, Scroll, Time, Waiting } from '../../parts/basics.tsx';

const everyMs = 5_000;

export function Transactions() {
  const recent = useQuery({
    queryKey: ['transactions'],
    // The server has tried for long enough.
    retry: false,
    queryFn: () => ask(api.find.transactions.$get()),
    // Only while the page is visible, as TanStack does by itself.
    refetchInterval: everyMs,
  });
  const { data } = recent;
  return (
    <Card
      title="Last transactions"
      aside={<span className="quiet">each Kafka transaction, and the last Postgres transaction in it</span>}
    >
      <QueryFailure of={recent} />
      {recent.isPending && <Waiting lines={8} />}
      {data !== undefined &&
        (data.transactions.length === 0 ? (
          <Empty title="No Kafka transaction with events">{data.note}</Empty>
        ) : (
          <>
            <Table transactions={data.transactions} />
            <LeftOut {...data.heartbeats} />
          </>
        ))}
    </Card>
  );
}

/** Or they would fill the table while nothing is written. */
const LeftOut = ({ count, latestAt, areLettersKnown }: Heartbeats) =>
  count > 0 &&
  latestAt !== null && (
    <p className="quiet">
      {counted(count, 'heartbeat')} between and after {count === 1 ? 'is' : 'are'} left out, the latest at{' '}
      <Time at={latestAt} />.{!areLettersKnown && ' Some may have dead letters, which could not be read.'}
    </p>
  );

const Table = ({ transactions }: { transactions: readonly KafkaTransaction[] }) => (
  <Scroll label="Kafka transactions, latest first">
    <table>
      <thead>
        <tr>
          <th>Postgres committed</th>
          <th>at LSN</th>
          <td />
          <th>Written to Kafka</th>
          <th className="number">after</th>
          <th className="number">Events</th>
          <th className="number">Refused or waiting</th>
          <th className="number">Progress offset</th>
          <th>Relay</th>
        </tr>
      </thead>
      <tbody>
        {transactions.map((each) => (
          <Line key={each.offset} transaction={each} />
        ))}
      </tbody>
    </table>
  </Scroll>
);

function Line({ transaction }: { transaction: KafkaTransaction }) {
  const { committedAt, commitLsn, writtenAt, offset, eventCount, letterCount, instance, isPartial } =
    transaction;
  // The relay takes its time for what it does not publish.
  const afterMs =
    committedAt === null || eventCount === 0
      ? null
      : Math.max(0, Date.parse(writtenAt) - Date.parse(committedAt));
  return (
    <tr>
      <td>{committedAt === null ? unknown : <Time at={committedAt} />}</td>
      <td>
        {commitLsn === null ? unknown : <code>{commitLsn}</code>}
        {isPartial && <small className="quiet"> part of it</small>}
      </td>
      <td aria-hidden="true">→</td>
      <td>
        <Time at={writtenAt} />
      </td>
      <td className="number">{milliseconds(afterMs)}</td>
      <td className="number">{count(eventCount)}</td>
      <td className="number">{count(letterCount)}</td>
      <td className="number">{offset}</td>
      <td className="name">{instance}</td>
    </tr>
  );
}
