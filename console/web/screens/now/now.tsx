/** Now: what the relays of the slot are doing, in words first, then in pictures. */

import { faultOf } from '../../data/api.ts';
import { useLive } from '../../data/live.ts';
import { Failure, Loading } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { Charts } from './charts.tsx';
import { Journey } from './journey.tsx';
import { Relays } from './relays.tsx';
import { Retries } from './retries.tsx';
import { Transactions } from './transactions.tsx';
import { RelayVerdict } from './verdict.tsx';
import { WaitingForPeople } from './waiting.tsx';
import './now.css';

export default function Now() {
  const { seen, sampled } = useLive();
  const { status, failure } = seen;
  return (
    <>
      <Heading>Now</Heading>
      {status !== null ? (
        <>
          <RelayVerdict verdict={status.verdict} />
          <Retries relays={status.relays} sampled={sampled} />
          <Charts />
          <Journey figures={sampled?.figures ?? null} />
          <Relays relays={status.relays} sampled={sampled} />
          <WaitingForPeople status={status} />
          <Transactions />
        </>
      ) : failure === null ? (
        <Loading />
      ) : (
        <Failure error={faultOf(failure)} />
      )}
    </>
  );
}
