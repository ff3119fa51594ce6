/** Now: what the relays of the slot are doing, in words first, then in pictures. */
import { useLive } from '../../data/live.ts';
import { Empty, Waiting } from '../../parts/basics.tsx';
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
        <h1>Now</h1>
        {failure === null ? (
          <Waiting lines={6} />
        ) : (
          <Empty title="Nothing is known yet">{`${failure.message}. ${failure.hint ?? ''}`}</Empty>
        )}
      </>
    );
  return (
    <>
      <h1>Now</h1>
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
