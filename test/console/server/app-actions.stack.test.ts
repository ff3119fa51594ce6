/**
 * What people do leaves an entry with the person, the time and the reason, and happens once, also where the answer was lost
 * and the person did it again.
 */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { World } from '../../relay/world.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { ada, startAsking, viewer } from './asking.ts';

let world: World;
let operator: Login;
let desk: ReturnType<typeof startAsking>;

beforeAll(async () => {
  world = await World.create();
  operator = await makeOperator(world.database);
  desk = startAsking({ ...world.env, DATABASE_URL: operator.url });
  await world.pool.query(
    `insert into outbox.progress (slot, initialised_at, end_lsn) values ($1, now(), '0/9000')`,
    [world.slot],
  );
});
afterAll(async () => {
  await operator?.drop();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(() =>
  world.pool.query(
    `truncate outbox.dead_letter, outbox.dead_letter_action, outbox.parked_key, outbox.key_release, outbox.action,
              outbox.pause, outbox.control cascade`,
  ),
);

const position = '0000000000001000.00000000';
const refused = '{"key":"k","seq":"two"}';
const repaired = '{"key":"k","seq":2}';
const selection = { positions: [position] };
const patch = '[{"op":"replace","path":"/seq","value":2}]';

/** One open dead letter, whose key is parked. @param isParked whether it is */
async function leave(isParked = false): Promise<void> {
  const { slot, topic, pool } = world;
  await pool.query(
    `insert into outbox.dead_letter
       (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
     values ($1, '0/1000', 0, gen_random_uuid(), 'item', 'k', 'test.ItemMoved', $2, $3, 'PAYLOAD_INVALID', 'm', '$.seq')`,
    [slot, refused, topic],
  );
  if (isParked)
    await pool.query(
      `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ($1, '0/1000', 0, $2, 'k')`,
      [slot, topic],
    );
}

/** Asks, and follows the job where the answer names one. */
async function act(path: string, body: object) {
  const before = await turns();
  const answer = await desk.ask(ada, path, { body });
  const { jobId } = answer.body;
  if (jobId === undefined) return answer;
  if (path.endsWith('/release')) {
    // No relay runs: once it has asked, it would wait for one.
    await expect.poll(turns).not.toBe(before);
    await desk.ask(ada, `/jobs/${jobId}/cancel`, { method: 'POST' });
  }
  await desk.ask(ada, `/jobs/${jobId}`);
  return desk.ask(ada, `/jobs/${jobId}/state`);
}

const one = async (text: string, values: unknown[] = []): Promise<string> =>
  String(Object.values((await world.pool.query(text, values)).rows[0]!)[0]);
const released = () => one('select count(*) from outbox.key_release');
/** Changes with each turn that somebody takes at the dead letters. */
const turns = () => one(`select coalesce(max(xmax::text), '') from outbox.dead_letter_turn`);
const events = () => one('select count(*) from outbox.event');
const payload = () => one('select payload from outbox.dead_letter');
const status = () => one('select status from outbox.dead_letter');
const pauses = () => one(`select coalesce(string_agg(topic || mode, ','), 'none') from outbox.pause`);
const limits = () => one('select max_events_per_second from outbox.control');
const lastFix = () => one('select max(id) from outbox.dead_letter_action');
const trail = async () =>
  (
    await world.pool.query(
      `select action, person, note, acted_at between now() - interval '1 minute' and now() as is_timely
         from outbox.trail order by acted_at`,
    )
  ).rows;

type Case = {
  /** What is there before it. */
  readonly given?: () => Promise<unknown>;
  readonly path?: string;
  readonly body: () => object | Promise<object>;
  /** What shows that it was done, and how often. */
  readonly state: () => Promise<string>;
  readonly after: string;
  /** What the second one is answered. */
  readonly again: object;
  readonly action: string;
};

const none = { status: 200, body: { state: 'done', result: { done: 0 } } };
const reason = 'OPS-7';

/** One for each route that changes something. */
const cases: Readonly<Record<string, Case>> = {
  '/control/pause': {
    body: () => ({ topic: null, mode: 'hold', forSeconds: null, reason }),
    state: pauses,
    after: 'hold',
    again: { status: 200, body: { outcome: 'nobody' } },
    action: 'pause',
  },
  '/control/resume': {
    given: () => world.pool.query(`select outbox.pause($1, '', 'hold', null, 'Eve', 'x')`, [world.slot]),
    body: () => ({ topic: null, reason }),
    state: pauses,
    after: 'none',
    again: { status: 200, body: { outcome: 'unchanged' } },
    action: 'resume',
  },
  '/control/rate-limit': {
    body: () => ({ eventsPerSecond: 50, reason }),
    state: limits,
    after: '50',
    again: { status: 200 },
    action: 'rate-limit',
  },
  '/dead-letters/:position/fix': {
    given: leave,
    body: () => ({ payload: repaired, seen: refused, reason }),
    state: payload,
    after: repaired,
    again: { status: 409, body: { code: 'CHANGED_BY_SOMEBODY', message: expect.stringContaining('Ada') } },
    action: 'fix',
  },
  '/dead-letters/:position/undo': {
    given: fixed,
    body: async () => ({ fix: await lastFix(), reason }),
    state: payload,
    after: refused,
    again: { status: 409, body: { code: 'CHANGED_BY_SOMEBODY' } },
    action: 'fix',
  },
  '/dead-letters/jobs/patch': {
    given: leave,
    body: () => ({ selection, patch, reason }),
    state: payload,
    after: repaired,
    again: { status: 200, body: { result: { fixed: 0, unchanged: 1 } } },
    action: 'fix',
  },
  '/dead-letters/jobs/undo': {
    given: fixed,
    body: async () => {
      const last = BigInt(await lastFix());
      return { run: { person: 'Eve', reason: 'x', from: String(last - 1n), to: String(last) }, reason };
    },
    state: payload,
    after: refused,
    again: { status: 200, body: { result: { undone: 0, left: 1 } } },
    action: 'fix',
  },
  '/dead-letters/jobs/resubmit': {
    given: leave,
    body: () => ({ selection, reason }),
    state: async () => `${await status()} ${await events()}`,
    after: 'resubmitted 1',
    again: none,
    action: 'resubmit',
  },
  '/dead-letters/jobs/discard': {
    given: leave,
    body: () => ({ selection, reason }),
    state: status,
    after: 'discarded',
    again: none,
    action: 'discard',
  },
  '/parked-keys/jobs/release': {
    given: () => leave(true),
    body: () => ({ keys: [{ topic: world.topic, key: 'k' }], reason }),
    state: released,
    after: '1',
    again: { status: 200, body: { state: 'cancelled', result: { byOutcome: { pending: 1 } } } },
    action: 'release',
  },
};

async function fixed(): Promise<void> {
  await leave();
  await world.pool.query(`select outbox.fix_dead_letter($1, '0/1000', 0, $2, $3, 'Eve', 'x')`, [
    world.slot,
    refused,
    repaired,
  ]);
}

test('a dead letter that is closed is not closed again, whoever calls the function of the database', async () => {
  await leave();
  const close = () =>
    world.pool.query(`select outbox.close_dead_letters($1, '{0/1000}', '{0}', 'resubmitted', 'Ada', 'x')`, [
      world.slot,
    ]);
  expect([(await close()).rowCount, (await close()).rowCount]).toEqual([1, 0]);
});

test('every route that changes something is tried here', () => {
  // Questions, work that changes nothing, and its end.
  const others = /\/(try|preview|check|cancel|verify|cleanup)$/;
  const changing = desk.routes
    .filter((route) => !route.startsWith('GET ') && !others.test(route))
    .map((route) => route.slice(route.indexOf(' ') + 1));
  expect(changing.toSorted()).toEqual(Object.keys(cases).toSorted());
});

test.each(Object.entries(cases))('%s', async (route, { given, body, state, after, again, action }) => {
  await given?.();
  const path = route.replace(':position', position);
  const sent = await body();
  const before = (await trail()).length;
  // Whoever may only look, with a body that is right.
  expect(await desk.ask(viewer, path, { body: sent })).toMatchObject({ status: 403 });
  expect(await trail()).toHaveLength(before);

  expect(await act(path, sent)).toMatchObject({ status: 200 });
  expect(await state()).toBe(after);
  const entry = { action, person: 'Ada', note: reason, is_timely: true };
  expect((await trail()).slice(before)).toEqual([entry]);

  // Its answer was lost.
  expect(await act(path, sent)).toMatchObject(again);
  expect(await state()).toBe(after);
  // What may be said once more is recorded once more, and nothing else is.
  const isSaidAgain = route === '/control/pause' || route === '/control/rate-limit';
  expect((await trail()).slice(before)).toEqual(isSaidAgain ? [entry, entry] : [entry]);
});
