/** What waits in the stream of a relay, and when it will be published; for where a rate limit holds it up. */
import { useQuery } from '@tanstack/react-query';
import { api, ask } from '../data/api.ts';
import { catchUpOf } from '../data/catch-up.ts';
import { bytes, count, seconds } from '../data/format.ts';
import { useLive } from '../data/live.ts';

/** How the age changes within a minute. */
const spanSeconds = 60;
const everyMs = 10_000;

export function Backlog() {
  const { sampled } = useLive();
  const recent = useQuery({
    queryKey: ['history', spanSeconds],
    queryFn: () => ask(api.live.history.$get({ query: { seconds: String(spanSeconds) } })),
    refetchInterval: everyMs,
  });
  if (sampled === null || recent.data === undefined) return <>What waits is not known yet.</>;
  const { lagEvents, lagBytes, lagMs } = sampled.figures;
  if (lagMs === null && lagEvents === null) return <>What waits is not known: no relay says so.</>;
  const catchUp = catchUpOf({ seconds: recent.data.seconds, lagMs: recent.data.series.lagMs });
  return (
    <>
      {waitingText(lagEvents, lagBytes)} {untilText(catchUp)}
    </>
  );
}

function waitingText(events: number | null, walBytes: number | null): string {
  if (events !== null) return events === 1 ? '1 event waits.' : `${count(events)} events wait.`;
  const wal =
    walBytes === null ? '' : ` ${bytes(walBytes)} of WAL, of all tables, is still to be read or published.`;
  return `How many events wait is not known: the relay has not read all of them.${wal}`;
}

function untilText(catchUp: ReturnType<typeof catchUpOf>): string {
  switch (catchUp.kind) {
    case 'done':
      return 'The relay has caught up.';
    case 'nearer':
      return `It catches up in about ${seconds(Math.round(catchUp.seconds))}, at the pace of the last minute.`;
    case 'same':
      return 'Not catching up: events are written as fast as they are published.';
    case 'further':
      return 'Falling further behind: events are written faster than they are published.';
    case 'unknown':
      return 'How long it takes to catch up is not known yet.';
  }
}
