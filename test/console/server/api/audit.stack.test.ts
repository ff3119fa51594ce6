/** Work that the console starts for operators: verify, check and the preview of cleanup. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Visitor } from '../../../../console/server/access/visitor.ts';
import { World } from '../../../relay/world.ts';
import { ada, startAsking, viewer } from '../asking.ts';

let world: World;
let desk: ReturnType<typeof startAsking>;

beforeAll(async () => {
  world = await World.create();
  desk = startAsking(world.env);
});
afterAll(() => world?.[Symbol.asyncDispose]());

const ask = (visitor: Visitor, path: string, method = 'GET') => desk.ask(visitor, path, { method });

/** Until the job is over. */
const followed = async (jobId: string) => void (await ask(ada, `/jobs/${jobId}`));

test('only operators start work, and everybody sees what came of it', async () => {
  expect(await ask(viewer, '/audit')).toMatchObject({ status: 200, body: { report: null } });
  for (const path of ['/audit/verify', '/database/check', '/database/cleanup']) {
    expect(await ask(viewer, path, 'POST')).toMatchObject({ status: 403, body: { code: 'NOT_ALLOWED' } });
    expect(await ask(viewer, path)).toMatchObject({ status: 200, body: { job: null } });
  }
  const { body } = await ask(ada, '/database/check', 'POST');
  expect(await ask(ada, '/database/check', 'POST')).toMatchObject({
    status: 409,
    body: { code: 'JOB_RUNS' },
  });
  await followed(body.jobId);
  const checked = await ask(viewer, '/database/check');
  expect(checked.body).toMatchObject({ job: { state: 'done', person: 'Ada' } });
  const { done, total } = checked.body.job.progress;
  expect([done, total]).toEqual([checked.body.findings.length, checked.body.findings.length]);
  await followed((await ask(ada, '/database/cleanup', 'POST')).body.jobId);
  expect((await ask(viewer, '/database/cleanup')).body).toMatchObject({
    job: { state: 'done' },
    report: { isDryRun: true, removedRows: 0 },
  });
});

test('a verify that waits for the progress can be cancelled, and has no result then', async () => {
  const { body } = await ask(ada, '/audit/verify', 'POST');
  await ask(ada, `/jobs/${body.jobId}/cancel`, 'POST');
  await followed(body.jobId);
  expect((await ask(viewer, '/audit/verify')).body).toMatchObject({
    job: { state: 'cancelled', result: null },
    report: null,
  });
});
