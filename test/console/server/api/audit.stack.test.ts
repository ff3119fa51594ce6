/** Work that the console starts for operators: verify, check and the preview of cleanup. */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Visitor, visitorOf } from '../../../../console/server/access/visitor.ts';
import { type Access, createAccess } from '../../../../console/server/api/session.ts';
import { createApp } from '../../../../console/server/app.ts';
import { Jobs } from '../../../../console/server/jobs.ts';
import type { Sampler } from '../../../../console/server/live/sampler.ts';
import type { StatusWatch } from '../../../../console/server/live/status-watch.ts';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { World } from '../../../relay/world.ts';

let world: World;
let config: Config;
let access: Access;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  world = await World.create();
  const loaded = loadConfig({ env: world.env });
  config = loaded.config;
  const log = pino({ level: 'silent' });
  access = createAccess(config, { view: undefined, operate: undefined }, log);
  const use = {
    config,
    provenance: loaded.provenance,
    log,
    status: undefined as unknown as StatusWatch,
    sampler: undefined as unknown as Sampler,
    jobs: new Jobs(),
  };
  app = createApp(use, access, { page: '', files: new Map() });
});
afterAll(() => world?.[Symbol.asyncDispose]());

const payloads = { viewPayloads: 'masked', operatePayloads: 'full' } as const;
const ada = visitorOf('Ada', 'operate', 'token', payloads);
const viewer = visitorOf('Viv', 'view', 'token', payloads);

// biome-ignore lint/suspicious/noExplicitAny: what a page gets
type Answer = { readonly status: number; readonly body: any };

async function ask(visitor: Visitor, path: string, method = 'GET'): Promise<Answer> {
  const cookie = `outbox_console_${config.slot.name}_${config.console.port}=${access.sessions.begin(visitor)}`;
  const headers = { cookie, host: 'localhost', 'content-type': 'application/json' };
  const incoming = { socket: { remoteAddress: '127.0.0.1', remotePort: 1, remoteFamily: 'IPv4' } };
  const answer = await app.request(
    `/api${path}`,
    { method, headers },
    { incoming, outgoing: { once() {}, destroy() {} } },
  );
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

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
