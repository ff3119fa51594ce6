/** Now: what the relays of the slot are doing, in words first, then in pictures. */

import { ApiFault } from '../../data/api.ts';
import { useLive } from '../../data/live.ts';
import { Card, Failure, Waiting } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { Charts } from './charts.tsx';
import { Journey } from './journey.tsx';
import { Relays } from './relays.tsx';
import { Retries } from './retries.tsx';
import { Transactions } from './transactions.tsx';
import { VerdictCard } from './verdict.tsx';
import { WaitingForPeople } from './waiting.tsx';
import './now.css';

export default function Now() {
  const { seen, sampled } = useLive();
  const { status, failure } = seen;
  if (status === null)
    return (
      <>
        <Heading>Now</Heading>
        {failure === null ? (
          <Waiting lines={6} />
        ) : (
          <Card title="Nothing is known yet">
            <Failure error={new ApiFault(503, failure.code, failure.message, failure.hint)} />
          </Card>
        )}
      </>
    );
  return (
    <>
      <Heading>Now</Heading>
      <VerdictCard verdict={status.verdict} />
      <Retries relays={status.relays} sampled={sampled} />
      <Charts />
      <Journey figures={sampled?.figures ?? null} />
      <Relays relays={status.relays} sampled={sampled} />
      <WaitingForPeople status={status} />
      <Transactions />
    </>
  );
}
