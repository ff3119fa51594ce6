/** Long work of the server: follows it, shows how far it is and what came of it, and can cancel it. */
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { JobView } from '../../server/jobs.ts';
import { ApiFault, api, ask, faultOf } from '../data/api.ts';
import { progressText } from '../data/job-text.ts';
import { Ago, Badge, Button, Card, Failure, type Tone } from './basics.tsx';

export type { JobView };

const retryMs = 3_000;

/** `job` stays the last that is known when `error` says that the server does not answer. */
export function useJob(id: string | null): { readonly job: JobView | null; readonly error: unknown } {
  const [state, setState] = useState<{ id: string | null; job: JobView | null; error?: unknown }>({
    id,
    job: null,
  });
  useEffect(() => {
    if (id === null) return;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const end = () => {
      clearTimeout(timer);
      source?.close();
    };
    const again = () => {
      if (!document.hidden && !isOver) timer = setTimeout(open, retryMs);
    };
    const take = (job: JobView) => {
      setState({ id, job });
      if (job.state === 'running') return;
      isOver = true;
      end();
    };
    const open = () => {
      end();
      source = new EventSource(new URL(`api/jobs/${encodeURIComponent(id)}`, document.baseURI));
      source.addEventListener('job', ({ data }: MessageEvent<string>) => take(JSON.parse(data) as JobView));
      source.addEventListener('error', () => {
        end();
        // Its answer says what an event source hides.
        ask(api.jobs[':id'].state.$get({ param: { id } })).then(
          (job) => {
            take(job);
            if (job.state === 'running') again();
          },
          (error: unknown) => {
            setState((before) => ({ id, job: before.id === id ? before.job : null, error }));
            if (!(error instanceof ApiFault) || error.status === 0 || error.status >= 500) again();
          },
        );
      });
    };
    /** Nothing is asked while the page is hidden; when it shows again, it asks for the state of that moment. */
    const onVisibility = () => {
      end();
      if (!document.hidden && !isOver) open();
    };
    document.addEventListener('visibilitychange', onVisibility);
    if (!document.hidden) open();
    return () => {
      isOver = true;
      document.removeEventListener('visibilitychange', onVisibility);
      end();
    };
  }, [id]);
  return state.id === id ? { job: state.job, error: state.error } : { job: null, error: undefined };
}

const tones: Readonly<Record<JobView['state'], Tone>> = {
  running: 'accent',
  done: 'good',
  failed: 'bad',
  cancelled: 'warn',
};

/** A bar with the number in words, for all who read. */
export function JobProgress({ progress }: Pick<JobView, 'progress'>) {
  const { done, total, phase } = progress;
  return (
    <div className="job-progress">
      <progress aria-label={phase} {...(total === null ? {} : { max: Math.max(1, total), value: done })} />
      <span className="quiet">{progressText(progress)}</span>
    </div>
  );
}

export function JobCard({
  id,
  describe,
  onOver,
  onClose,
}: {
  id: string;
  /** What came of it, and what to do next. A cancelled one may have a result too. */
  describe: (job: JobView) => ReactNode;
  /** Once, when it is over. */
  onOver?: (job: JobView) => void;
  onClose?: () => void;
}) {
  const { job, error } = useJob(id);
  const over = useRef<string | null>(null);
  useEffect(() => {
    if (job === null || job.state === 'running' || over.current === job.id) return;
    over.current = job.id;
    onOver?.(job);
  }, [job, onOver]);
  return (
    <Card
      title={job?.title ?? 'Job'}
      aside={
        <span className="buttons">
          {job !== null && <Badge tone={tones[job.state]}>{job.isCancelling ? 'ending' : job.state}</Badge>}
          {job?.state === 'running' && <CancelJob job={job} />}
          {job?.state !== 'running' && onClose !== undefined && <Button onClick={onClose}>Close</Button>}
        </span>
      }
    >
      {job !== null && (
        <p className="quiet">
          Started by {job.person} <Ago at={job.startedAt} />
        </p>
      )}
      {job?.state === 'running' && <JobProgress progress={job.progress} />}
      <div role="status" className="job-result">
        {job !== null && job.state !== 'running' && job.failure === null && describe(job)}
      </div>
      {job?.failure != null && <Failure error={faultOf(job.failure)} />}
      {job?.failure != null && job.progress.done > 0 && (
        <p>It had come to: {progressText(job.progress)}. What was stored by then stays.</p>
      )}
      {error !== undefined && <Failure error={error} />}
    </Card>
  );
}

function CancelJob({ job: { id, isCancelling } }: { job: JobView }) {
  // Anybody who finds it may end it.
  const whyNot = isCancelling ? 'It is ending already.' : null;
  return (
    <Button why={whyNot} onClick={() => void ask(api.jobs[':id'].cancel.$post({ param: { id } }))}>
      Cancel
    </Button>
  );
}
