/** "Would they be published now?", answered without publishing. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Trial } from '../../../../relay/operations/dead-letters/fix-many.ts';
import { api, ask } from '../../data/api.ts';
import { count } from '../../data/format.ts';
import { Ago, Button, Failure, FaultText } from '../../parts/basics.tsx';
import { JobProgress, useJob } from '../../parts/job.tsx';
import { TrialResult } from './describe.tsx';
import { queryOf, type Selected } from './selection.ts';

/**
 * @param isDetailed with the reasons of those that would be refused
 * @param about which ones, for who hears the button among others of its name
 */
export function TryNow({
  selected,
  isDetailed = false,
  about,
}: {
  selected: Selected;
  isDetailed?: boolean;
  about?: string;
}) {
  const queries = useQueryClient();
  const key = ['try', queryOf(selected).toString()];
  // Kept while the page is open, so that who comes back still sees the answer.
  const { data: jobId = null } = useQuery<string | null>({
    queryKey: key,
    queryFn: () => null,
    enabled: false,
    initialData: null,
    gcTime: Number.POSITIVE_INFINITY,
  });
  const { job, error } = useJob(jobId);
  const [fault, setFault] = useState<unknown>();
  const start = async () => {
    setFault(undefined);
    try {
      const { jobId } = await ask(api['dead-letters'].jobs.try.$post({ json: { selection: selected } }));
      queries.setQueryData(key, jobId);
    } catch (error) {
      setFault(error);
    }
  };
  const trial = job?.state === 'done' || job?.state === 'cancelled' ? (job.result as Trial | null) : null;
  const label = trial === null ? 'Would they be published?' : 'Check again';
  const isRunning = jobId !== null && (job === null || job.state === 'running') && error === undefined;
  return (
    <div className="try-now">
      {isRunning && <JobProgress progress={job?.progress ?? { done: 0, total: null, phase: 'starting' }} />}
      <div role="status" className="quiet">
        {trial !== null && job?.endedAt != null && (
          <>
            <b className={trial.wouldPublish === trial.tried ? 'text-good' : 'text-warn'}>
              would publish now: {count(trial.wouldPublish)} of {count(trial.tried)}
            </b>
            <br />
            <Ago at={job.endedAt} />
          </>
        )}
      </div>
      {job?.failure != null && (
        <p className="quiet">
          <FaultText fault={job.failure} />
        </p>
      )}
      {error !== undefined && <Failure error={error} />}
      {fault !== undefined && <Failure error={fault} />}
      {!isRunning && (
        <Button
          onClick={() => void start()}
          {...(about !== undefined && { 'aria-label': `${label} ${about}` })}
        >
          {label}
        </Button>
      )}
      {isDetailed && trial !== null && trial.refused.length > 0 && (
        <div className="job-result">
          <TrialResult trial={trial} />
        </div>
      )}
    </div>
  );
}
