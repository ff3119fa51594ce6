/** One topic: rates by partition, hottest keys, consumers, limits, and what waits or failed in it. */
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { bytes, count, counted, figure, percent, unknown } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import {
  Ago,
  Badge,
  Bar,
  Card,
  Empty,
  FaultText,
  Loading,
  QueryFailure,
  Scroll,
  Time,
  Waiting,
} from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { useOpening } from '../../parts/opening.ts';
import { Visible } from '../../parts/visible.tsx';
import { queryOf, selectionOfGroup } from '../dead-letters/selection.ts';
import { copiesOf, limitLines } from './limits.ts';
import { sizesUnknown, Unreached } from './list.tsx';
import { isWhole, partitionLines, skewOf, type TopicRates, topicRates } from './rates.ts';

const everyMs = 15_000;
/** A person does not compare more bars. */
const partitionsShown = 48;

const useLag = (topic: string) =>
  useQuery({
    queryKey: ['topics', 'lag', topic],
    // The server has tried for long enough.
    retry: false,
    queryFn: () => ask(api.topics.lag.$get({ query: { topic } })),
    refetchInterval: everyMs,
  });

const useLetters = (topic: string) =>
  useQuery({
    queryKey: ['dead-letters', 'groups', 'open', topic],
    queryFn: () => ask(api['dead-letters'].groups.$get({ query: { statuses: 'open', topics: topic } })),
    refetchInterval: everyMs,
  });

export function TopicPage({ topic }: { topic: string }) {
  const { sampled } = useLive();
  useListKeys({ up: '/topics' });
  const found = useQuery({
    queryKey: ['topics', 'one', topic],
    // The server has tried for long enough.
    retry: false,
    queryFn: () => ask(api.topics.$get({ query: { name: topic } })),
    refetchInterval: everyMs,
  });
  const [lag, letters] = [useLag(topic), useLetters(topic)];
  const isOpening = useOpening(found.isPending || lag.isPending || letters.isPending || sampled === null);
  const seen = found.data?.topics[0];
  const rates = topicRates(sampled).get(topic);
  const rate = rates === undefined ? (isWhole(sampled) ? 0 : null) : rates.eventsPerSecond;
  if (isOpening)
    return (
      <>
        <Heading trail={[['Topics and keys', '/topics']]}>{topic}</Heading>
        <Loading lines={12} />
      </>
    );
  return (
    <>
      <Heading trail={[['Topics and keys', '/topics']]}>{topic}</Heading>
      <Pauses topic={topic} />
      <QueryFailure of={found} />
      {found.data !== undefined && seen === undefined && (
        <Card>
          <Empty title="Kafka has no such topic for events">
            It does not exist, this console may not see it, or topics.allow does not list it.
          </Empty>
        </Card>
      )}
      <Partitions
        rate={rate}
        rates={rates}
        partitions={seen?.partitions ?? null}
        size={seen?.bytes ?? null}
        sizes={seen?.partitionBytes ?? []}
        leaderless={seen?.leaderless ?? []}
      />
      <Unreached sampled={sampled} />
      <Keys rates={rates} />
      <Consumers topic={topic} />
      <Letters topic={topic} />
      <Card
        title="Limits"
        aside={
          found.data !== undefined && (
            <small className="quiet">
              read <Ago at={found.data.at} />
            </small>
          )
        }
      >
        {found.isPending ? (
          <Waiting lines={6} />
        ) : seen === undefined ? (
          <Empty title="The limits are not known">Kafka does not say them.</Empty>
        ) : (
          <>
            <dl className="limits">
              {limitLines(seen).map(({ title, text, note }) => (
                <div key={title}>
                  <dt>{title}</dt>
                  <dd>
                    {text}
                    {note !== null && <small className="quiet">{note}</small>}
                  </dd>
                </div>
              ))}
            </dl>
            {seen.settings === null && (
              <p className="quiet">
                This console may not read the settings of the topic: it needs DescribeConfigs. The relay then
                counts with the defaults of Kafka.
              </p>
            )}
            {seen.durability.status !== 'ok' && (
              <p>
                <Badge tone="warn">not safe</Badge> It has {copiesOf(seen)}. {seen.durability.fix}
              </p>
            )}
          </>
        )}
      </Card>
    </>
  );
}

function Pauses({ topic }: { topic: string }) {
  const { seen } = useLive();
  const pauses =
    seen.status?.control.pauses.filter(
      (each) => !each.isOver && (each.topic === topic || each.topic === null),
    ) ?? [];
  return pauses.map(({ topic: paused, mode, person, reason, since, until }) => (
    <p key={paused ?? ''} className="banner warn">
      <Badge tone="warn">paused</Badge> {paused === null ? 'Everything is paused' : 'This topic is paused'} by{' '}
      {person} <Ago at={since} />: <Visible text={reason} />.{' '}
      {mode === 'hold'
        ? 'The stream waits at its next event.'
        : 'Its events are set aside, and the stream goes on.'}{' '}
      {until !== null && (
        <>
          Until <Time at={until} />.
        </>
      )}{' '}
      <Link href="/settings">Resume it in the settings</Link>
    </p>
  ));
}

function Partitions({
  rate,
  rates,
  partitions,
  size,
  sizes,
  leaderless,
}: {
  rate: number | null;
  rates: TopicRates | undefined;
  partitions: number | null;
  size: number | null;
  /** By partition; empty where Kafka does not say which there are. */
  sizes: readonly (number | null)[];
  leaderless: readonly number[];
}) {
  const measured = rates?.partitions ?? [];
  const skew = skewOf(measured, partitions);
  const total = measured.reduce((sum, { eventCount }) => sum + eventCount, 0);
  const lines = partitionLines(measured, sizes);
  const shown = lines.slice(0, partitionsShown);
  const largest = shown[0]?.eventCount ?? 0;
  return (
    <Card
      title="Rate and size"
      aside={
        <strong>
          {figure(rate)} events/s · {size === null ? 'size not known' : bytes(size)}
        </strong>
      }
    >
      {partitions === 1 ? (
        <p>1 partition.</p>
      ) : (
        <p>
          {partitions === null ? 'The number of partitions is not known' : counted(partitions, 'partition')},
          by events since the relay started:{' '}
          {skew.isConcern ? <Badge tone="warn">{skew.text}</Badge> : <b>{skew.text}</b>}
          {skew.ratio !== null && ` (largest over mean: ${figure(skew.ratio)})`}.
        </p>
      )}
      {skew.isConcern && (
        <p className="quiet">
          Order holds for each key, so a key stays in one partition. A hot key, or few keys, fill one
          partition. See the hottest keys below.
        </p>
      )}
      {leaderless.length > 0 && (
        <p>
          <Badge tone="bad">no leader</Badge> Nothing can be published to partition{' '}
          {leaderless.slice(0, 20).join(', ')}.
        </p>
      )}
      {shown.length > 0 && (
        <Scroll label="Partitions">
          <table className="partitions">
            <thead>
              <tr>
                <th>Partition</th>
                <th className="number">Events/s</th>
                <th className="number">Events</th>
                <th className="number">Size</th>
                <th className="number">Share</th>
                <th className="share">
                  <span className="hidden">Share as a bar</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ partition, eventsPerSecond, eventCount, size: each }) => (
                <tr key={partition}>
                  <td>{partition}</td>
                  <td className="number">{figure(eventsPerSecond)}</td>
                  <td className="number">{count(eventCount)}</td>
                  <td className="number">{bytes(each)}</td>
                  <td className="number">
                    {percent(total === 0 || eventCount === null ? null : eventCount / total)}
                  </td>
                  <td className="share">
                    <Bar share={largest === 0 ? 0 : (eventCount ?? 0) / largest} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {lines.length > shown.length && (
        <p className="quiet">
          The {count(shown.length)} with most events, of {count(lines.length)}.
        </p>
      )}
      <p className="quiet">
        {size === null
          ? sizesUnknown
          : 'Sizes are those on the disks of the leaders, compressed as they are.'}
      </p>
      {measured.length === 0 && rates !== undefined && (
        <p className="quiet">The relay keeps no figures of single partitions: see metrics.partitionsMax.</p>
      )}
    </Card>
  );
}

function Keys({ rates }: { rates: TopicRates | undefined }) {
  const keys = rates?.hotKeys ?? [];
  return (
    <Card title="Hottest keys" aside={<small className="quiet">of the last full minute</small>}>
      {rates === undefined ? (
        <Empty title="Which keys are hot is not known">
          No relay that answers has published to this topic.
        </Empty>
      ) : keys.length === 0 ? (
        <Empty title="No key stands out">
          No key had 1 % of the events, or there were fewer than 100 events in the minute, or metrics.hotKeys
          is 0.
        </Empty>
      ) : (
        <>
          <ul className="plain-list">
            {keys.map(({ key, share }) => (
              <li key={key}>
                <Visible text={key} />
                <b>{percent(share)}</b>
              </li>
            ))}
          </ul>
          <p className="quiet">
            Estimated share of all events. Keys are shown as hashes unless metrics.showKeys is on.
          </p>
        </>
      )}
    </Card>
  );
}

function Consumers({ topic }: { topic: string }) {
  const lag = useLag(topic);
  return (
    <Card
      title="Consumers"
      aside={
        lag.data !== undefined && (
          <small className="quiet">
            read <Ago at={lag.data.at} />
          </small>
        )
      }
    >
      {lag.isPending && <Waiting lines={4} />}
      <QueryFailure of={lag} />
      {lag.data?.groups.length === 0 && (
        <Empty title="No consumer group is followed">Name the groups in metrics.consumerGroups.</Empty>
      )}
      {lag.data !== undefined && lag.data.groups.length > 0 && (
        <Scroll label="Consumer groups">
          <table className="stacked">
            <thead>
              <tr>
                <th>Group</th>
                <th className="number">Behind by offsets</th>
                <th>Note</th>
              </tr>
            </thead>
            <tbody>
              {lag.data.groups.map(({ group, lags, failure }) => {
                const own = lags?.[0];
                return (
                  <tr key={group}>
                    <td>
                      <Visible text={group} />
                    </td>
                    <td className="number" data-label="Behind by offsets">
                      {count(own?.offsets)}
                    </td>
                    <td className="wrap">
                      {failure !== null ? (
                        <FaultText fault={failure} />
                      ) : own === undefined ? (
                        'It has committed no offset in this topic.'
                      ) : own.uncommittedPartitions > 0 ? (
                        `Not counted: ${counted(own.uncommittedPartitions, 'partition')} in which it has committed nothing.`
                      ) : (
                        ''
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
      {lag.data !== undefined && lag.data.groups.length > 0 && (
        <p className="quiet">Markers of transactions count as offsets, too.</p>
      )}
    </Card>
  );
}

function Letters({ topic }: { topic: string }) {
  const letters = useLetters(topic);
  return (
    <Card
      title="Open dead letters"
      aside={<strong>{letters.data === undefined ? unknown : count(letters.data.total)}</strong>}
    >
      {letters.isPending && <Waiting />}
      <QueryFailure of={letters} />
      {letters.data?.total === 0 && (
        <Empty title="No dead letter is open">None of this topic was refused, or all were dealt with.</Empty>
      )}
      {letters.data !== undefined && letters.data.total > 0 && (
        <>
          <ul className="plain-list">
            {letters.data.groups.slice(0, 5).map(({ code, type, path, count: each, ...group }) => (
              <li key={`${code} ${type} ${path} ${group.aggregatetype}`}>
                <span>
                  <Link
                    href={`/dead-letters/list?${queryOf(selectionOfGroup({ ...group, code, type, path, count: each }, 'open'))}`}
                  >
                    {code}
                  </Link>{' '}
                  <Visible text={type ?? ''} /> {path !== null && <code>{path}</code>}
                </span>
                <b>{count(each)}</b>
              </li>
            ))}
          </ul>
          <p>
            <Link href={`/dead-letters/list?${new URLSearchParams({ topics: topic })}`}>
              Repair dead letters
            </Link>
          </p>
        </>
      )}
    </Card>
  );
}
