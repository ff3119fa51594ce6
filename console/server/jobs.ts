/**
 * Owns long work that people start: it goes on when the page is closed, and pages follow it. Promise: no job is left half
 * done in silence. A job that fails or is cancelled says so, and what each operation had committed by then stays.
 *
 * In memory: a console that ends forgets its jobs, and what they have done is in the audit trail.
 */

import { randomUUID } from 'node:crypto';
import { asRelayError, RequestInvalid } from '../../relay/errors.ts';
import { withResolvers } from '../../relay/model/builtins.ts';
import type { Visitor } from './access/visitor.ts';
import { type Fault, faultOf } from './fault.ts';
import { Refused } from './use.ts';

export const jobKinds = [
  'try-letters',
  'patch-letters',
  'undo-letters',
  'resubmit-letters',
  'discard-letters',
  'release-keys',
  'try-schema',
  'verify',
  'check',
  'preview-cleanup',
] as const;
export type JobKind = (typeof jobKinds)[number];

export type Progress = {
  readonly done: number;
  /** null where it is not known. */
  readonly total: number | null;
  readonly phase: string;
};

/** A job as pages see it. */
export type JobView = {
  readonly id: string;
  readonly kind: JobKind;
  /** What it is about, in a few words. */
  readonly title: string;
  readonly person: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** `cancelled`: the result says what was done before, if anything was; without result and failure nothing was. */
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly isCancelling: boolean;
  readonly progress: Progress;
  /** As the operation gives it; null until then. */
  readonly result: unknown;
  readonly failure: Fault | null;
};

export type Work = (context: {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}) => Promise<unknown>;

type Job = {
  view: JobView;
  /** Who started it. */
  readonly by: Visitor;
  readonly ending: AbortController;
  readonly followers: Set<(view: JobView) => void>;
  readonly settled: Promise<void>;
};

/** Each holds a connection or two of Postgres, and one of Kafka. */
const runningMax = 4;
/** Of them, those of visitors who may only look: people who repair something find room. */
const runningOfViewersMax = 2;
/** That are over. A result is a few kilobytes. */
const keptMax = 200;
const keptMs = 24 * 3_600_000;

export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #nowMs: () => number;
  #isEnding = false;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** @returns its id. @throws Refused where too many run */
  start(kind: JobKind, title: string, visitor: Visitor, work: Work): string {
    this.#forgetOld();
    const running = [...this.#jobs.values()].filter(({ view }) => view.state === 'running');
    const ofViewers = running.filter(({ by }) => by.role === 'view');
    const isFull = visitor.role === 'view' && ofViewers.length >= runningOfViewersMax;
    if (this.#isEnding || running.length >= runningMax || isFull)
      throw new Refused(
        429,
        'TOO_MANY_JOBS',
        `${running.length} jobs are running; wait for one of them, or cancel one`,
      );
    const id = randomUUID();
    const ending = new AbortController();
    const { promise: settled, resolve } = withResolvers<void>();
    const view: JobView = {
      id,
      kind,
      title,
      person: visitor.person,
      startedAt: this.#now(),
      endedAt: null,
      state: 'running',
      isCancelling: false,
      progress: { done: 0, total: null, phase: 'starting' },
      result: null,
      failure: null,
    };
    const job: Job = { view, by: visitor, ending, followers: new Set(), settled };
    this.#jobs.set(id, job);
    void this.#run(job, work).finally(resolve);
    return id;
  }

  /** As `start`, but one of its kind at a time. @throws Refused where one runs, or too many do */
  startAlone(kind: JobKind, title: string, visitor: Visitor, work: Work): string {
    const latest = this.latest(kind);
    if (latest?.state === 'running')
      throw new Refused(
        409,
        'JOB_RUNS',
        `${latest.person} has started this already; wait for it, or cancel it`,
      );
    return this.start(kind, title, visitor, work);
  }

  /** The latest of a kind, by any visitor and for any: its result is no secret to anybody who may look. */
  latest(kind: JobKind): JobView | null {
    return [...this.#jobs.values()].map(({ view }) => view).findLast((view) => view.kind === kind) ?? null;
  }

  async #run(job: Job, work: Work): Promise<void> {
    const { signal } = job.ending;
    const onProgress = (progress: Progress) => {
      if (job.view.state === 'running') this.#change(job, { progress });
    };
    try {
      // Not before the request that starts it is answered, whatever the work does first.
      await Promise.resolve();
      const result = await work({ signal, onProgress });
      this.#end(job, { state: signal.aborted ? 'cancelled' : 'done', result });
    } catch (error) {
      // A server that failed while the job was ending: what was asked for before may be done or not.
      const failure = error === signal.reason ? null : faultIn(error);
      this.#end(job, { state: signal.aborted ? 'cancelled' : 'failed', failure });
    }
  }

  #end(job: Job, part: Partial<JobView>): void {
    this.#change(job, { ...part, endedAt: this.#now(), isCancelling: false });
    job.followers.clear();
  }

  #change(job: Job, part: Partial<JobView>): void {
    job.view = { ...job.view, ...part };
    for (const follower of job.followers) follower(job.view);
  }

  #now(): string {
    return new Date(this.#nowMs()).toISOString();
  }

  /** Those that the visitor may see, latest first. */
  list(visitor: Visitor): JobView[] {
    this.#forgetOld();
    return [...this.#jobs.values()]
      .filter((job) => maySee(visitor, job))
      .map(({ view }) => view)
      .reverse();
  }

  /** @throws Refused where there is none that the visitor may see */
  find(id: string, visitor: Visitor): JobView {
    return this.#find(id, visitor).view;
  }

  #find(id: string, visitor: Visitor): Job {
    const job = this.#jobs.get(id);
    if (job === undefined || !maySee(visitor, job))
      throw new Refused(
        404,
        'JOB_UNKNOWN',
        'the console knows no such job: it was restarted, or the job ended over a day ago. The audit trail has what was done',
      );
    return job;
  }

  /**
   * Tells the listener how the job is now, and each change until it is over.
   * @returns what ends that
   * @throws Refused as `find`
   */
  follow(id: string, visitor: Visitor, listener: (view: JobView) => void): () => void {
    const job = this.#find(id, visitor);
    if (job.view.state === 'running') job.followers.add(listener);
    listener(job.view);
    return () => job.followers.delete(listener);
  }

  /** Asks it to end; it does at its next step. One that is over stays as it is. @throws Refused as `find` */
  cancel(id: string, visitor: Visitor): JobView {
    const job = this.#find(id, visitor);
    if (job.view.state === 'running') {
      this.#change(job, { isCancelling: true });
      job.ending.abort();
    }
    return job.view;
  }

  /** Cancels all, and waits until they are over, for a while. */
  async end(withinMs = 5_000): Promise<void> {
    this.#isEnding = true;
    const running = [...this.#jobs.values()].filter(({ view }) => view.state === 'running');
    for (const { ending } of running) ending.abort();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs);
    });
    await Promise.race([Promise.all(running.map(({ settled }) => settled)), timeout]);
    clearTimeout(timer);
  }

  #forgetOld(): void {
    const over = [...this.#jobs].filter(([, { view }]) => view.endedAt !== null);
    const oldestMs = this.#nowMs() - keptMs;
    for (const [index, [id, { view }]] of over.entries())
      if (index < over.length - keptMax || Date.parse(view.endedAt!) < oldestMs) this.#jobs.delete(id);
  }
}

/**
 * Operators see all, and everybody what they started. With a token a person states a name that nothing verifies: there it is
 * the sign-in that counts, whose visitor is one object, and not the name. A new sign-in begins without jobs.
 *
 * Results are of operations that mask nothing by themselves and hold no payload.
 */
const maySee = (visitor: Visitor, { by }: Job): boolean =>
  visitor.role === 'operate' ||
  by === visitor ||
  (visitor.via === 'proxy' && by.via === 'proxy' && by.person === visitor.person);

function faultIn(error: unknown): Fault {
  if (error instanceof RequestInvalid) return { code: 'REQUEST_INVALID', message: error.message, hint: null };
  return faultOf(asRelayError(error));
}
