/** Dead letters and parked keys as the console's server answers, with the rights of an operator, on real servers. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Visitor } from '../../../../console/server/access/visitor.ts';
import type { JobView } from '../../../../console/server/jobs.ts';
import type { Config } from '../../../../relay/config/config.ts';
import { findFixable } from '../../../../relay/operations/dead-letters/fix.ts';
import { fixDeadLetters, patchedByItself } from '../../../../relay/operations/dead-letters/fix-many.ts';
import { previewRelease } from '../../../../relay/operations/dead-letters/release-keys.ts';
import { World } from '../../../relay/world.ts';
import { registerSchema } from '../../../support/registry.ts';
import { type Login, makeOperator } from '../../../support/roles.ts';
import { ada, blind, bob, startAsking, unseeing, viewer } from '../asking.ts';

let world: World;
let config: Config;
let desk: ReturnType<typeof startAsking>;
let operator: Login;

beforeAll(async () => {
  world = await World.create();
  operator = await makeOperator(world.database);
  desk = startAsking({ ...world.env, ...operator.env });
  config = desk.config;
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
  world.pool.query('truncate outbox.dead_letter, outbox.parked_key, outbox.key_release cascade'),
);

const ask = (visitor: Visitor, path: string, body?: object) =>
  desk.ask(visitor, path, body === undefined ? {} : { body });

/** Starts a job and follows it to its end. */
async function job(visitor: Visitor, path: string, body: object): Promise<JobView> {
  const started = await ask(visitor, path, body);
  expect(started).toMatchObject({ status: 200 });
  const { body: events } = await ask(visitor, `/jobs/${started.body.jobId}`);
  return JSON.parse((events as string).trim().split('\n').at(-1)!.slice('data: '.length)) as JobView;
}

/** Leaves open dead letters with that payload at a commit LSN; returns their positions. */
async function leave(commitLsn: number, payload: string, count = 1, key = 'k'): Promise<string[]> {
  await world.pool.query(
    `insert into outbox.dead_letter
       (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, topic, code, message, path)
     select $1, $2::pg_lsn, n, gen_random_uuid(), 'item', $5, 'test.ItemMoved', $3, '{"trace":"secret-header"}', $6,
            'PAYLOAD_INVALID', 'expected long, found string', '$.seq'
       from generate_series(0, $4::int - 1) as n`,
    [world.slot, `0/${commitLsn.toString(16)}`, payload, count, key, world.topic],
  );
  const lsn = commitLsn.toString(16).padStart(16, '0');
  return Array.from({ length: count }, (_, n) => `${lsn}.${n.toString(16).padStart(8, '0')}`);
}

const stored = async (position: string) => {
  const { rows } = await world.pool.query<{ payload: string; status: string }>(
    `select payload, status from outbox.dead_letter where encode(pg_lsn_send(commit_lsn), 'hex') = $1 and ordinal = $2`,
    [position.slice(0, 16), Number.parseInt(position.slice(17), 16)],
  );
  return rows[0]!;
};
const trail = async () =>
  (
    await world.pool.query(
      'select person, note, action, previous_payload from outbox.dead_letter_action order by id',
    )
  ).rows;

const bad = '{"key":"k","seq":"secret-value"}';
const toNumber = '[{"op":"replace","path":"/seq","value":9223372036854775807}]';
const selection = { codes: ['PAYLOAD_INVALID'], paths: ['$.seq'] };

test('the values at the place are shown in the list and counted for the cause, as the role may see them', async () => {
  await leave(0x2000, bad, 2);
  await leave(0x2001, '{"key":"k","seq":"other-value!"}');
  const query = 'codes=PAYLOAD_INVALID&paths=$.seq';
  const seen = async (visitor: Visitor) => {
    const list = await ask(visitor, `/dead-letters?${query}&limit=2`);
    const outlook = await ask(visitor, `/dead-letters/outlook?${query}`);
    if (visitor !== ada) expect(JSON.stringify([list, outlook])).not.toMatch(/secret-value|other-value/);
    return [list.body.letters.map(({ there }: { there: object }) => there), outlook.body.values];
  };
  const count = { isMore: false, withoutOne: 0, notRead: 0 };
  const value = (text: string) => ({ text: JSON.stringify(text), isCut: false });
  const first = { state: 'value', ...value('secret-value') };
  expect(await seen(ada)).toEqual([
    [first, first],
    {
      ...count,
      different: 2,
      top: [
        { ...value('secret-value'), count: 2 },
        { ...value('other-value!'), count: 1 },
      ],
    },
  ]);
  const masked = { state: 'value', ...value('string(12)') };
  for (const visitor of [viewer, blind])
    expect(await seen(visitor)).toEqual([
      [masked, masked],
      { ...count, different: 1, top: [{ ...value('string(12)'), count: 3 }] },
    ]);
  expect(await seen(unseeing)).toEqual([[{ state: 'hidden' }, { state: 'hidden' }], null]);
});

test('a patch that gives one value to events with different ones is warned of, in a preview and a trial', async () => {
  await leave(0x2000, bad, 3);
  await leave(0x2001, '{"key":"k","seq":"other-value!"}');
  await leave(0x2002, '{"key":"k"}');
  const events = { operation: 0, path: '/seq', events: 5, withoutOne: 1 };
  const warning = 'sets the same value in 5 events that have 2 different values there now, or none (1)';
  const patch = toNumber.replace('replace', 'add');
  const preview = async (visitor: Visitor, given: string) =>
    (await ask(visitor, '/dead-letters/preview', { selection, patch: given, limit: 1 })).body;
  expect(await preview(ada, patch)).toMatchObject({
    shown: [{ outcome: 'publishable' }],
    sameValue: { read: 5, total: 5, operations: [{ ...events, different: 2, warning }] },
  });
  const { result: trial } = await job(ada, '/dead-letters/jobs/try', { selection, patch });
  expect(trial).toMatchObject({ wouldPublish: 5, sameValues: [{ ...events, different: 2, warning }] });
  const unseen = await preview(blind, patch);
  expect(unseen.sameValue.operations).toMatchObject([{ ...events, different: null, values: null }]);
  expect(JSON.stringify(unseen)).not.toMatch(/secret-value|other-value|2 different/);
  const { sameValue } = await preview(ada, '[{"op":"convert","path":"/seq","to":"number"}]');
  expect(sameValue).toEqual({ read: 0, total: 5, operations: [] });
});

test('a patch converts each text to the number that it says, in a preview, a trial and a fix', async () => {
  const digits = ['7', '9007199254740993', '9223372036854775807', '1e3', ' 7', '07', '1.50', ''];
  const of = (seq: string) => `{"key":"k","seq":${seq}}`;
  const positions = await Promise.all(
    digits.map(async (each, index) => (await leave(0x1000 + index, of(`"${each}"`)))[0]!),
  );
  const patch = '[{"op":"convert","path":"/seq","to":"number"}]';
  const kinds = ['publishable', 'publishable', 'publishable', 'publishable', ...Array(4).fill('refused')];
  const { body: preview } = await ask(ada, '/dead-letters/preview', { selection, patch, limit: 50 });
  expect(preview.shown.map(({ outcome }: { outcome: string }) => outcome)).toEqual(kinds);
  expect(preview.shown[2].after).toBe(of('9223372036854775807'));
  const { result: trial } = await job(ada, '/dead-letters/jobs/try', { selection, patch });
  expect(trial).toMatchObject({ tried: 8, wouldPublish: 4 });
  const { result: fixed } = await job(ada, '/dead-letters/jobs/patch', {
    selection,
    patch,
    reason: 'OPS-18',
  });
  const why = 'operation 0 (convert /seq): the text there is not a number of JSON';
  expect(fixed).toMatchObject({
    fixed: 4,
    refused: [
      { count: 3, message: why },
      { count: 1, code: 'PAYLOAD_INVALID' },
    ],
  });
  expect(await Promise.all(positions.map(async (each) => (await stored(each)).payload))).toEqual(
    digits.map((each, index) => of(index < 4 ? each : `"${each}"`)),
  );
});

describe('a patch with * for the element that is refused', () => {
  const line = (quantity: string) => `{"quantity":${quantity}}`;
  const payload = (...quantities: string[]) => `{"lines":[${quantities.map(line).join()}]}`;
  const patch = '[{"op":"replace","path":"/lines/*/quantity","value":1}]';

  test('changes each element that is refused now, and none that is right', async () => {
    await registerSchema(`${world.topic}-test.Order`, {
      type: 'record',
      name: 'Order',
      namespace: 'test',
      fields: [
        {
          name: 'lines',
          type: {
            type: 'array',
            items: { type: 'record', name: 'Line', fields: [{ name: 'quantity', type: 'int' }] },
          },
        },
      ],
    });
    const payloads = [
      payload('"1"', '2'),
      payload('3', '"1"'),
      payload('"1"', '7', '"1"', '"1"'),
      // Refused when it came, and right by now.
      payload('5', '6'),
      // Refused at another place.
      '{"lines":"none"}',
    ];
    const positions = await leaveOrders(payloads);
    const types = { types: ['test.Order'] };
    const { result } = await job(ada, '/dead-letters/jobs/patch', {
      selection: types,
      patch,
      reason: 'OPS-3',
    });
    expect(result).toMatchObject({ seen: 5, fixed: 3, unchanged: 1, refused: [{ count: 1 }] });
    expect(await Promise.all(positions.map(async (each) => (await stored(each)).payload))).toEqual([
      payload('1', '2'),
      payload('3', '1'),
      payload('1', '7', '1', '1'),
      ...payloads.slice(3),
    ]);
  });

  test('converts every element of one event that is refused, and says why one is not', async () => {
    const [quoted, spaced] = await leaveOrders([payload('"12"', '2', '"3"'), payload('1', '" 1"')]);
    const convert = '[{"op":"convert","path":"/lines/*/quantity","to":"number"}]';
    const patched = async (position: string) =>
      patchedByItself(config, await findFixable(config, position), convert);
    expect(await patched(quoted!)).toBe(payload('12', '2', '3'));
    await expect(patched(spaced!)).rejects.toThrow(
      'operation 0 (convert /lines/*/quantity): the text there is not a number of JSON',
    );
  });

  test('stores nothing of an event in which more elements are refused than it changes', async () => {
    const before = payload(...Array.from({ length: 101 }, () => '"1"'));
    const [position] = await leaveOrders([before]);
    const { result } = await job(ada, '/dead-letters/jobs/patch', {
      selection: { types: ['test.Order'] },
      patch,
      reason: 'OPS-3',
    });
    expect(result).toMatchObject({ fixed: 0, refused: [{ message: 'more than 100 elements are refused' }] });
    expect((await stored(position!)).payload).toBe(before);
  });

  async function leaveOrders(payloads: readonly string[]): Promise<string[]> {
    await world.pool.query(
      `insert into outbox.dead_letter
         (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
       select $1, '0/7000', n - 1, gen_random_uuid(), 'item', 'k', 'test.Order', given, $3, 'PAYLOAD_INVALID', 'm',
              '$.lines[0].quantity'
         from unnest($2::text[]) with ordinality as of_test (given, n)`,
      [world.slot, payloads, world.topic],
    );
    return payloads.map((_, n) => `0000000000007000.0000000${n}`);
  }
});

describe('one dead letter', () => {
  test('is shown with its schema and what the relay would do now', async () => {
    const [position] = await leave(0x1000, bad);
    const { status, body } = await ask(ada, `/dead-letters/${position}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      payload: bad,
      payloadView: 'full',
      schema: { subject: `${world.topic}-test.ItemMoved`, version: 1, schemaType: 'AVRO' },
      wouldPublish: {
        ok: false,
        code: 'PAYLOAD_INVALID',
        path: '$.seq',
        message: 'expected long, found string',
      },
      isEditable: true,
      undo: { possible: false, why: 'it was never fixed' },
    });
    expect(JSON.parse(body.schema.text)).toMatchObject({ name: 'ItemMoved' });
  });

  test('shows no value to whom payloads are masked', async () => {
    const [position] = await leave(0x1000, bad);
    for (const visitor of [viewer, blind]) {
      const { body } = await ask(visitor, `/dead-letters/${position}`);
      expect(JSON.parse(body.payload)).toEqual({ key: 'string(1)', seq: 'string(12)' });
      expect(body).toMatchObject({ payloadView: 'masked', isEditable: false });
      expect(JSON.stringify(body)).not.toMatch(/secret-/);
    }
    const edit = { payload: '{"key":"k","seq":1}', seen: bad, reason: 'x' };
    expect(await ask(blind, `/dead-letters/${position}/fix`, edit)).toMatchObject({ status: 403 });
    const probe = { selection, patch: '[{"op":"test","path":"/seq","value":"secret-value"}]', limit: 1 };
    expect(await ask(blind, '/dead-letters/preview', probe)).toMatchObject({ status: 403 });
    const preview = await ask(blind, '/dead-letters/preview', { selection, patch: toNumber, limit: 1 });
    expect(JSON.parse(preview.body.shown[0].after)).toEqual({ key: 'string(1)', seq: 'integer' });
    expect(JSON.stringify(preview.body)).not.toMatch(/secret-/);
  });

  test('is fixed as it was seen, once; the second person hears who was first; an undo puts it back', async () => {
    const [position] = await leave(0x1000, bad);
    const path = `/dead-letters/${position}`;
    const fixed = '{"key":"k","seq":9223372036854775807}';
    const edit = { payload: fixed, seen: bad, reason: 'OPS-1' };
    expect(await ask(ada, `${path}/try`, { payload: '{"key":"k","seq":true}' })).toMatchObject({
      body: { ok: false, path: '$.seq' },
    });
    expect(await ask(ada, `${path}/try`, { payload: fixed })).toMatchObject({ body: { ok: true } });
    expect(await ask(ada, `${path}/fix`, { ...edit, payload: '{"key":"k","seq":true}' })).toMatchObject({
      status: 200,
      body: { stored: false, code: 'PAYLOAD_INVALID' },
    });
    expect(await ask(viewer, `${path}/fix`, edit)).toMatchObject({ status: 403 });
    const both = await Promise.all([ask(ada, `${path}/fix`, edit), ask(bob, `${path}/fix`, edit)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const second = both.find(({ status }) => status === 409)!;
    expect(second.body.message).toMatch(/^(Ada|Bob) changed it at .*Z; look at it again$/);
    expect((await stored(position!)).payload).toBe(fixed);

    const { undo } = (await ask(ada, path)).body;
    expect(undo).toMatchObject({ possible: true });
    const undone = { fix: undo.fix, reason: 'OPS-1 was wrong' };
    expect(await ask(ada, `${path}/undo`, undone)).toMatchObject({ status: 200 });
    expect((await stored(position!)).payload).toBe(bad);
    // Not that of somebody else, which would put the fix back.
    expect(await ask(bob, `${path}/undo`, undone)).toMatchObject({ status: 409 });
    expect((await stored(position!)).payload).toBe(bad);
    expect(await trail()).toMatchObject([
      { action: 'fix', previous_payload: bad, note: 'OPS-1' },
      { action: 'fix', previous_payload: fixed, note: 'OPS-1 was wrong' },
    ]);
    await job(ada, '/dead-letters/jobs/discard', { selection: { positions: [position] }, reason: 'test' });
    const late = await ask(bob, `${path}/fix`, { ...edit, seen: bad });
    expect(late).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('Ada discarded it at') },
    });
  });

  test('whose payload was left out is not undone to one without a payload', async () => {
    const [position] = await leave(0x1000, bad);
    await world.pool.query(
      `update outbox.dead_letter set payload = null, context = '{"leftOut":{"rowBytes":9000000,"payload":9000000}}'`,
    );
    const path = `/dead-letters/${position}`;
    const edit = { payload: '{"key":"k","seq":1}', seen: null, reason: 'x' };
    expect(await ask(ada, `${path}/fix`, edit)).toMatchObject({ status: 200, body: { stored: true } });
    expect((await ask(ada, path)).body.undo).toMatchObject({
      possible: false,
      why: 'the fix replaced a payload that was not stored',
    });
    const fix = await world.pool.query('select id from outbox.dead_letter_action');
    const undone = { fix: fix.rows[0].id, reason: 'x' };
    expect(await ask(ada, `${path}/undo`, undone)).toMatchObject({ status: 400 });
    expect((await stored(position!)).payload).toBe('{"key":"k","seq":1}');
  });

  test('of 900 KB is shown, fixed and masked', async () => {
    const note = `"><script>alert(1)</script>${'x'.repeat(900_000)}`;
    const payload = JSON.stringify({ key: 'k', seq: 'x', note });
    const [position] = await leave(0x1000, payload);
    expect((await ask(ada, `/dead-letters/${position}`)).body.payload).toBe(payload);
    expect((await ask(viewer, `/dead-letters/${position}`)).body.payload.length).toBeLessThan(200);
    const whole = payload.replace('"x"', '7');
    const edit = { payload: whole, seen: payload, reason: 'x' };
    expect(await ask(ada, `/dead-letters/${position}/fix`, edit)).toMatchObject({ body: { stored: true } });
    expect((await stored(position!)).payload).toBe(whole);
  });
});

describe('many dead letters', () => {
  test('are tried without publishing, patched, and resubmitted', async () => {
    const good = await leave(0x1000, '{"key":"k","seq":1}', 3);
    const repairable = await leave(0x2000, bad, 7);
    const hopeless = await leave(0x3000, '{"key":5}', 2);
    const tried = await job(viewer, '/dead-letters/jobs/try', { selection });
    expect(tried).toMatchObject({
      state: 'done',
      progress: { done: 12, total: 12 },
      result: { tried: 12, wouldPublish: 3, isComplete: true },
    });
    expect((tried.result as { refused: object[] }).refused).toMatchObject([
      { code: 'PAYLOAD_INVALID', path: '$.seq', count: 7 },
      { code: 'PAYLOAD_INVALID', path: '$.key', count: 2 },
    ]);
    expect(await ask(viewer, '/dead-letters/jobs/try', { selection, patch: toNumber })).toMatchObject({
      status: 403,
    });
    const patched = await job(ada, '/dead-letters/jobs/try', { selection, patch: toNumber });
    expect(patched).toMatchObject({ result: { tried: 12, wouldPublish: 10 } });

    const preview = await ask(ada, '/dead-letters/preview', { selection, patch: toNumber, limit: 12 });
    expect(preview.body).toMatchObject({ total: 12 });
    expect(preview.body.shown.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      ...Array(10).fill('publishable'),
      'refused',
      'refused',
    ]);
    expect(preview.body.shown[11].reason).toMatchObject({
      code: null,
      message: expect.stringContaining('nothing is there'),
    });
    expect(preview.body.shown[3]).toMatchObject({
      before: bad,
      after: '{"key":"k","seq":9223372036854775807}',
    });
    expect(await trail()).toEqual([]);

    const fixing = { selection, patch: toNumber, reason: 'OPS-2' };
    expect(await job(ada, '/dead-letters/jobs/patch', fixing)).toMatchObject({
      state: 'done',
      result: { seen: 12, fixed: 10, unchanged: 0, conflicts: 0, refused: [{ code: null, count: 2 }] },
    });
    for (const position of [...good, ...repairable])
      expect((await stored(position)).payload).toBe('{"key":"k","seq":9223372036854775807}');
    for (const position of hopeless) expect((await stored(position)).payload).toBe('{"key":5}');
    expect(await trail()).toHaveLength(10);
    // Applied again, it changes nothing.
    expect(await job(ada, '/dead-letters/jobs/patch', fixing)).toMatchObject({
      result: { fixed: 0, unchanged: 10 },
    });
    const positions = [...good, ...repairable];
    const again = { selection: { positions }, reason: 'OPS-2' };
    const closing = [
      job(ada, '/dead-letters/jobs/resubmit', again),
      job(bob, '/dead-letters/jobs/resubmit', again),
    ];
    const done = (await Promise.all(closing)).map(({ result }) => (result as { done: number }).done);
    expect(done.sort()).toEqual([0, 10].sort());
    const { rows } = await world.pool.query('select count(*)::int as count from outbox.event');
    expect(rows).toEqual([{ count: 10 }]);
  });

  test('that one patch fixed are put back together, but for those that have changed since', async () => {
    const [first, second, third, fourth] = await leave(0x1000, bad, 4);
    const fixed = await job(ada, '/dead-letters/jobs/patch', { selection, patch: toNumber, reason: 'OPS-4' });
    const { run } = fixed.result as { run: object };
    const now = '{"key":"k","seq":9223372036854775807}';
    const edit = { payload: '{"key":"k","seq":5}', seen: now, reason: 'x' };
    expect(await ask(bob, `/dead-letters/${second}/fix`, edit)).toMatchObject({ status: 200 });
    await job(bob, '/dead-letters/jobs/discard', { selection: { positions: [third] }, reason: 'x' });
    const undone = await job(ada, '/dead-letters/jobs/undo', { run, reason: 'wrong patch' });
    expect(undone).toMatchObject({ result: { seen: 4, undone: 2, left: 2, isComplete: true } });
    const after = await Promise.all([first!, second!, third!, fourth!].map(stored));
    expect(after.map(({ payload }) => payload)).toEqual([bad, edit.payload, now, bad]);
    // Once more it changes nothing: the undo is the last entry now.
    expect(await job(ada, '/dead-letters/jobs/undo', { run, reason: 'again' })).toMatchObject({
      result: { seen: 4, undone: 0, left: 4 },
    });
    expect(await ask(viewer, '/dead-letters/jobs/undo', { run, reason: 'x' })).toMatchObject({ status: 403 });
  });

  test('that a patch would leave refused keep their payloads', async () => {
    const [position] = await leave(0x1000, bad);
    const patch = '[{"op":"replace","path":"/seq","value":"still a string"}]';
    const result = await job(ada, '/dead-letters/jobs/patch', { selection, patch, reason: 'x' });
    expect(result).toMatchObject({ result: { fixed: 0, refused: [{ path: '$.seq', count: 1 }] } });
    expect((await stored(position!)).payload).toBe(bad);
    expect(await trail()).toEqual([]);
  });

  test('stay consistent where the run ends in the middle: what is stored has its trail', async () => {
    await leave(0x1000, bad, 1_200);
    const ending = new AbortController();
    const fixed = await fixDeadLetters({
      config,
      selection,
      patch: toNumber,
      actor: { person: 'Ada', reason: null },
      signal: ending.signal,
      onProgress: (done) => (done > 0 ? ending.abort() : undefined),
    });
    expect(fixed).toMatchObject({ seen: 500, fixed: 500, isComplete: false });
    const { rows } = await world.pool.query(
      `select count(*)::int as count from outbox.dead_letter join outbox.dead_letter_action using (slot, commit_lsn, ordinal)
        where payload like '%9223372036854775807%' and previous_payload = $1`,
      [bad],
    );
    expect(rows).toEqual([{ count: 500 }]);
    expect(await trail()).toHaveLength(500);
  });

  test('of a key that is being released are left alone, and counted', async () => {
    const [position] = await leave(0x1000, bad);
    await world.pool.query(
      `insert into outbox.key_release (slot, topic, key, person) values ($1, $2, 'k', 'Eve')`,
      [world.slot, world.topic],
    );
    const fixing = { selection, patch: toNumber, reason: 'x' };
    expect(await job(ada, '/dead-letters/jobs/patch', fixing)).toMatchObject({
      result: { fixed: 0, conflicts: 1 },
    });
    expect((await stored(position!)).payload).toBe(bad);
  });

  test('are never all of them by mistake', async () => {
    await leave(0x1000, bad);
    const every = { selection: {}, reason: 'x' };
    expect(await ask(ada, '/dead-letters/jobs/discard', every)).toMatchObject({
      status: 409,
      body: { code: 'SELECTION_UNBOUNDED' },
    });
    const mistyped = { selection: { code: ['PAYLOAD_INVALID'] }, reason: 'x' };
    expect(await ask(ada, '/dead-letters/jobs/discard', mistyped)).toMatchObject({ status: 400 });
    expect(await ask(viewer, '/dead-letters/jobs/discard', { ...every, all: true })).toMatchObject({
      status: 403,
    });
    expect(await ask(ada, '/dead-letters/jobs/discard', { ...every, reason: ' ' })).toMatchObject({
      status: 400,
    });
  });
});

test('two people and a command who close the same dead letters at once close each of them once', async () => {
  const positions = await leave(0x5000, '{"key":"k","seq":1}', 300);
  const discarded = await leave(0x6000, '{"key":"k","seq":1}', 30, 'unwanted');
  const types = { types: ['test.ItemMoved'] };
  const resubmit = { selection: types, reason: 'OPS-9' };
  const [first, second, third, command] = await Promise.all([
    job(ada, '/dead-letters/jobs/resubmit', resubmit),
    job(bob, '/dead-letters/jobs/resubmit', resubmit),
    job(bob, '/dead-letters/jobs/discard', { selection: { keys: ['unwanted'] }, reason: 'OPS-9' }),
    world.command('dead-letters', 'resubmit', '--type', 'test.ItemMoved', '--yes', '--json'),
  ]);
  const done = [first, second, third].map(({ result }) => (result as { done: number }).done);
  const all = positions.length + discarded.length;
  expect(done.reduce((sum, each) => sum + each, JSON.parse(command.stdout).done)).toBe(all);
  const { rows } = await world.pool.query(
    `select (select count(*) from outbox.dead_letter where status = 'open')::int as open,
            (select count(*) from outbox.dead_letter_action where action <> 'fix' and commit_lsn >= '0/5000')::int as noted,
            (select count(*) from outbox.event e join outbox.dead_letter d on d.event_id = e.id::text)::int as written,
            (select count(*) from outbox.dead_letter where status = 'resubmitted')::int as resubmitted`,
  );
  expect(rows).toEqual([{ open: 0, noted: all, written: rows[0].resubmitted, resubmitted: all - done[2]! }]);
});

describe('parked keys', () => {
  const strange = '<b>k</b>\u001b[31m\n"';

  test('are listed with what waits, in order, whatever their key holds', async () => {
    await leave(0x1000, bad, 1, strange);
    const waiting = await leave(0x2000, '{"key":"k","seq":1}', 3, strange);
    await world.pool.query(
      `update outbox.dead_letter set status = 'parked', code = 'KEY_PARKED' where commit_lsn = '0/2000'`,
    );
    await world.pool.query(
      `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ($1, '0/1000', 0, $2, $3)`,
      [world.slot, world.topic, strange],
    );
    expect((await ask(viewer, '/parked-keys')).body).toMatchObject({
      total: 1,
      next: null,
      keys: [
        {
          key: strange,
          open: 1,
          parked: 3,
          isPaused: false,
          first: { code: 'PAYLOAD_INVALID', path: '$.seq' },
          firstMessage: 'expected long, found string',
          release: null,
        },
      ],
    });
    const query = new URLSearchParams({ topic: world.topic, key: strange, limit: '2' });
    const first = (await ask(viewer, `/parked-keys/events?${query}`)).body;
    expect(first.total).toBe(4);
    query.set('after', first.next);
    const second = (await ask(viewer, `/parked-keys/events?${query}`)).body;
    expect([...first.events, ...second.events].map(({ position }) => position).slice(1)).toEqual(waiting);

    const release = { keys: [{ topic: world.topic, key: strange }], reason: 'OPS-3' };
    expect(await ask(viewer, '/parked-keys/jobs/release', release)).toMatchObject({ status: 403 });
    // No relay runs: the request stays, and the page says who asked.
    const { jobId } = (await ask(ada, '/parked-keys/jobs/release', release)).body;
    await expect
      .poll(async () => (await ask(viewer, '/parked-keys')).body.keys[0].release)
      .toMatchObject({ person: 'Ada', note: 'OPS-3', outcome: null });
    await ask(ada, `/jobs/${jobId}/cancel`, {});
    const { body } = await ask(ada, `/jobs/${jobId}`);
    expect(body).toContain('"state":"cancelled"');
    expect(body).toContain('"pending":1');
  });

  test('that are chosen are those keys of those topics, and no others', async () => {
    const wanted = [
      { topic: 'a', key: '1' },
      { topic: 'b', key: '2' },
    ];
    await world.pool.query(
      `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key)
       select $1, '0/1000', row_number() over (), topic, key from unnest('{a,b}'::text[]) as topic, unnest('{1,2}'::text[]) as key`,
      [world.slot],
    );
    const chosen = await previewRelease(config, { pairs: wanted });
    const names = chosen.map(({ topic, key }) => ({ topic, key }));
    expect(names.toSorted((left, right) => left.topic.localeCompare(right.topic))).toEqual(wanted);
    const pages = await ask(viewer, '/parked-keys?limit=3');
    expect(pages.body).toMatchObject({ total: 4, keys: { length: 3 } });
    const rest = await ask(viewer, `/parked-keys?limit=3&after=${pages.body.next}`);
    expect(rest.body).toMatchObject({ total: 4, next: null, keys: { length: 1 } });

    const release = { topic: 'a', reason: 'OPS-4' };
    expect(await ask(viewer, '/parked-keys/jobs/release', release)).toMatchObject({ status: 403 });
    const { jobId } = (await ask(ada, '/parked-keys/jobs/release', release)).body;
    const requested = async () =>
      (
        await world.pool.query('select topic, key from outbox.key_release where slot = $1 order by key', [
          world.slot,
        ])
      ).rows;
    const ofTopic = [
      { topic: 'a', key: '1' },
      { topic: 'a', key: '2' },
    ];
    await expect.poll(requested).toEqual(ofTopic);
    await ask(ada, `/jobs/${jobId}/cancel`, {});
    expect((await ask(ada, `/jobs/${jobId}`)).body).toContain('"pending":2');
    expect(await requested()).toEqual(ofTopic);
  });
});
