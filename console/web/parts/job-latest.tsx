/** The latest long work of a kind: how far it is, who started it, when its result is from; start it, cancel it. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { JobView } from '../../server/jobs.ts';
import { api, ask } from '../data/api.ts';
import { useMe } from '../data/me.ts';
import { Ago, Badge, Button, Failure, type Tone } from './basics.tsx';
import { faultOf, JobProgress } from './job.tsx';
import './job-latest.css';

/** A page follows what others have started, too; hidden, it asks nothing. */
export const everyMs = (job: JobView | null | undefined): number =>
  job?.state === 'running' ? 1_000 : 10_000;

const tones: Readonly<Record<JobView['state'], Tone>> = {
  running: 'accent',
  done: 'quiet',
  failed: 'bad',
  cancelled: 'warn',
};

export function LatestJob({
  job,
  queryKey,
  label,
  start,
  never,
}: {
  job: JobView | null;
  queryKey: readonly string[];
  label: string;
  start: () => Promise<unknown>;
  /** What it does, for those who have not run it. */
  never: ReactNode;
}) {
  const client = useQueryClient();
  const mayAct = useMe()?.role === 'operate';
  const again = () => client.invalidateQueries({ queryKey });
  const starting = useMutation({ mutationFn: start, onSettled: again });
  const ending = useMutation({
    mutationFn: (id: string) => ask(api.jobs[':id'].cancel.$post({ param: { id } })),
    onSettled: again,
  });
  const isRunning = job?.state === 'running';
  const error = starting.error ?? ending.error;
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
          <Button disabled={!mayAct || job.isCancelling} onClick={() => ending.mutate(job.id)}>
            Cancel
          </Button>
        ) : (
          <Button
            kind="primary"
            disabled={!mayAct || starting.isPending}
            title={mayAct ? undefined : 'You may look. The operators’ token lets you act.'}
            onClick={() => starting.mutate()}
          >
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
