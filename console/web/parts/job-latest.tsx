/** The latest long work of a kind: how far it is, who started it, when its result is from; start it, cancel it. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { JobView } from '../../server/jobs.ts';
import { api, ask, faultOf } from '../data/api.ts';
import { useWhyNot } from '../data/me.ts';
import { Ago, Badge, Button, Failure, type Tone, Waiting } from './basics.tsx';
import { JobProgress } from './job.tsx';
import './job-latest.css';

type Answer = { readonly job: JobView | null };

/** A page follows what others have started, too; hidden, it asks nothing. */
const everyMs = (job: JobView | null | undefined): number => (job?.state === 'running' ? 1_000 : 10_000);

/** Asks for the latest of its kind, as often as it changes. For `LatestJob`, and for its result. */
export function useLatestJob<Latest extends Answer>(kind: string, read: () => Promise<Latest>) {
  const queryKey = ['latest-job', kind];
  const { data, error } = useQuery({
    queryKey,
    queryFn: read,
    refetchInterval: ({ state }) => everyMs(state.data?.job),
  });
  return { queryKey, data, error };
}

const tones: Readonly<Record<JobView['state'], Tone>> = {
  running: 'accent',
  done: 'quiet',
  failed: 'bad',
  cancelled: 'warn',
};

export function LatestJob({
  latest: { queryKey, data, error: unread },
  label,
  start,
  never,
}: {
  latest: { queryKey: readonly string[]; data: Answer | undefined; error: unknown };
  label: string;
  start: () => Promise<unknown>;
  /** What it does, for those who have not run it. */
  never: ReactNode;
}) {
  const client = useQueryClient();
  const whyNot = useWhyNot();
  const again = () => client.invalidateQueries({ queryKey });
  const starting = useMutation({ mutationFn: start, onSettled: again });
  const ending = useMutation({
    mutationFn: (id: string) => ask(api.jobs[':id'].cancel.$post({ param: { id } })),
    onSettled: again,
  });
  const error = unread ?? starting.error ?? ending.error;
  if (data === undefined)
    return (
      <div className="latest-job">{error === null ? <Waiting lines={1} /> : <Failure error={error} />}</div>
    );
  const { job } = data;
  const isRunning = job?.state === 'running';
  return (
    <div className="latest-job">
      <div className="row">
        <span role="status">
          {job === null ? (
            <span className="quiet">{never}</span>
          ) : isRunning ? (
            <>
              <Badge tone={tones.running}>{job.isCancelling ? 'ending' : 'running'}</Badge> started by{' '}
              {job.person} <Ago at={job.startedAt} />
            </>
          ) : (
            <>
              <Badge tone={tones[job.state]}>{job.state}</Badge> <Ago at={job.endedAt ?? job.startedAt} />,
              started by {job.person}
            </>
          )}
        </span>
        {isRunning ? (
          <Button
            why={whyNot ?? (job.isCancelling ? 'It is ending already.' : null)}
            onClick={() => ending.mutate(job.id)}
          >
            Cancel
          </Button>
        ) : (
          <Button kind="primary" disabled={starting.isPending} why={whyNot} onClick={() => starting.mutate()}>
            {label}
          </Button>
        )}
      </div>
      {isRunning && <JobProgress progress={job.progress} />}
      {job?.state === 'cancelled' && job.result === null && (
        <p className="quiet">It was cancelled, so there is no result.</p>
      )}
      {job?.failure != null && <Failure error={faultOf(job.failure)} />}
      {error !== null && <Failure error={error} />}
    </div>
  );
}
