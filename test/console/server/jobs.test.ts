import { expect, test } from 'vitest';
import type { Visitor } from '../../../console/server/access/visitor.ts';
import { Jobs, type JobView } from '../../../console/server/jobs.ts';
import { RelayError } from '../../../relay/errors.ts';

const visitor = (person: string, role: Visitor['role'] = 'operate'): Visitor => ({
  person,
  role,
  payloads: 'masked',
  via: 'token',
});
const ada = visitor('Ada');
const bob = visitor('Bob');

/** Every view until the job is over. */
function viewsOf(jobs: Jobs, id: string, by = ada): Promise<JobView[]> {
  const views: JobView[] = [];
  return new Promise((resolve) => {
    jobs.follow(id, by, (view) => {
      views.push(view);
      if (view.state !== 'running') resolve(views);
    });
  });
}

test('a job tells its progress and its result to all who follow it', async () => {
  const jobs = new Jobs();
  const gate = Promise.withResolvers<void>();
  const id = jobs.start('try-letters', 'Try', ada, async ({ onProgress }) => {
    await gate.promise;
    onProgress({ done: 1, total: 2, phase: 'trying' });
    return { tried: 2 };
  });
  const both = [viewsOf(jobs, id), viewsOf(jobs, id)];
  gate.resolve();
  for (const views of await Promise.all(both)) {
    expect(views.map(({ state, progress }) => [state, progress.done])).toEqual([
      ['running', 0],
      ['running', 1],
      ['done', 1],
    ]);
    expect(views.at(-1)).toMatchObject({ result: { tried: 2 }, person: 'Ada', failure: null });
  }
  // Also for a page that comes when it is over.
  expect(await viewsOf(jobs, id)).toMatchObject([{ state: 'done', result: { tried: 2 } }]);
});

test('a failure has its code, and no result', async () => {
  const jobs = new Jobs();
  const id = jobs.start('try-letters', 'Try', ada, () =>
    Promise.reject(new RelayError('REGISTRY_UNAVAILABLE', 'status 500')),
  );
  expect((await viewsOf(jobs, id)).at(-1)).toMatchObject({
    state: 'failed',
    result: null,
    failure: { code: 'REGISTRY_UNAVAILABLE', message: 'status 500' },
  });
});

test('a job that fails while it is being cancelled says why: it may have changed something', async () => {
  const jobs = new Jobs();
  const id = jobs.start('patch-letters', 'Fix', ada, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw new RelayError('POSTGRES_UNAVAILABLE', 'away');
  });
  const views = viewsOf(jobs, id);
  await Promise.resolve();
  jobs.cancel(id, ada);
  expect((await views).at(-1)).toMatchObject({
    state: 'cancelled',
    result: null,
    failure: { code: 'POSTGRES_UNAVAILABLE' },
  });
});

test('a cancelled job keeps the result of what it did before', async () => {
  const jobs = new Jobs();
  const id = jobs.start('patch-letters', 'Fix', ada, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return { fixed: 500 };
  });
  // Its work begins after the request that starts it.
  await Promise.resolve();
  const views = viewsOf(jobs, id);
  expect(jobs.cancel(id, ada)).toMatchObject({ state: 'running', isCancelling: true });
  expect((await views).at(-1)).toMatchObject({
    state: 'cancelled',
    result: { fixed: 500 },
    isCancelling: false,
  });
  expect(jobs.cancel(id, ada)).toMatchObject({ state: 'cancelled' });
});

test('only the starter and operators see a job', async () => {
  const jobs = new Jobs();
  const viv = visitor('Viv', 'view');
  const id = jobs.start('try-letters', 'Try', viv, async () => 1);
  const ofAda = jobs.start('try-letters', 'Try', ada, async () => 1);
  await viewsOf(jobs, id);
  expect(jobs.find(id, viv)).toMatchObject({ state: 'done' });
  expect(jobs.list(ada)).toHaveLength(2);
  // A token proves no name: whoever takes another's sees nothing of that person's.
  for (const [job, other] of [
    [id, visitor('Viv', 'view')],
    [ofAda, visitor('Ada', 'view')],
    [id, { ...visitor('Viv', 'view'), via: 'proxy' as const }],
  ] as const) {
    expect(jobs.list(other)).toEqual([]);
    for (const look of [
      () => jobs.find(job, other),
      () => jobs.cancel(job, other),
      () => jobs.follow(job, other, () => {}),
    ])
      expect(look).toThrow('no such job');
  }
});

test('a person whom a proxy names finds the own jobs again', async () => {
  const jobs = new Jobs();
  const viv = () => ({ ...visitor('Viv', 'view'), via: 'proxy' as const });
  const id = jobs.start('try-letters', 'Try', viv(), async () => 1);
  expect(jobs.find(id, viv())).toMatchObject({ person: 'Viv' });
  expect(jobs.list({ ...viv(), person: 'Vic' })).toEqual([]);
});

test('who may only look leaves room for those who act', async () => {
  const jobs = new Jobs();
  const gate = Promise.withResolvers<void>();
  const start = (by: Visitor) => jobs.start('try-letters', 'Try', by, () => gate.promise);
  const ids = [start(visitor('Viv', 'view')), start(visitor('Vic', 'view'))];
  expect(() => start(visitor('Val', 'view'))).toThrow('2 jobs are running');
  ids.push(start(ada));
  gate.resolve();
  await Promise.all(ids.map((id) => viewsOf(jobs, id)));
});

test('few run at once, and those that are over are forgotten after a day', async () => {
  let nowMs = 0;
  const jobs = new Jobs(() => nowMs);
  const gate = Promise.withResolvers<void>();
  const start = () => jobs.start('try-letters', 'Try', ada, () => gate.promise);
  const ids = [start(), start(), start(), start()];
  expect(start).toThrow('4 jobs are running');
  gate.resolve();
  await Promise.all(ids.map((id) => viewsOf(jobs, id)));
  nowMs = 25 * 3_600_000;
  expect(jobs.list(ada)).toEqual([]);
});

test('the end of the console cancels what runs, and waits for it', async () => {
  const jobs = new Jobs();
  let isRolledBack = false;
  jobs.start('resubmit-letters', 'Resubmit', ada, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    isRolledBack = true;
  });
  await Promise.resolve();
  await jobs.end();
  expect(isRolledBack).toBe(true);
  expect(() => jobs.start('try-letters', 'Try', ada, async () => 1)).toThrow();
});

test('of some work one is under way at a time, and its latest is known to all', async () => {
  const jobs = new Jobs();
  expect(jobs.latest('verify')).toBeNull();
  const gate = Promise.withResolvers<void>();
  const id = jobs.startAlone('verify', 'Verify', ada, () => gate.promise);
  expect(() => jobs.startAlone('verify', 'Verify', bob, () => gate.promise)).toThrow(/Ada has started this/);
  expect(jobs.latest('verify')).toMatchObject({ id, state: 'running' });
  const other = jobs.startAlone('check', 'Check', bob, async () => []);
  gate.resolve();
  await viewsOf(jobs, id);
  await viewsOf(jobs, other);
  const next = jobs.startAlone('verify', 'Verify', bob, async () => ({ ok: true }));
  expect(jobs.latest('verify')).toMatchObject({ id: next, state: 'running' });
  await viewsOf(jobs, next);
  expect(jobs.latest('verify')).toMatchObject({ id: next, state: 'done', result: { ok: true } });
});
