/**
 * What the server answers to screens that mostly look: topics, schemas, settings, audit, database. And of every route, that
 * no answer holds a secret of the configuration, whether the servers answer or not.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Visitor } from '../../../console/server/access/visitor.ts';
import { Sampler } from '../../../console/server/live/sampler.ts';
import { StatusWatch } from '../../../console/server/live/status-watch.ts';
import { itemSchema } from '../../../harness/item-schema.ts';
import { type Config, settings } from '../../../relay/config/config.ts';
import { readStatus } from '../../../relay/operations/status.ts';
import { World } from '../../relay/world.ts';
import { createTopic } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { ada, startAsking, viewer } from './asking.ts';

let world: World;
let operator: Login;
let desk: ReturnType<typeof startAsking>;
/** Two topics, the first of them with three partitions. */
let topics: readonly string[];
let subject: string;

beforeAll(async () => {
  world = await World.create();
  operator = await makeOperator(world.database);
  topics = [world.topic, await createTopic('world')].toSorted();
  subject = `${world.topic}-test.ItemMoved`;
  await registerSchema(subject, {
    ...itemSchema,
    fields: [...itemSchema.fields, { name: 'amount', type: 'long', default: 9_007_199_254_740_992 }],
  });
  desk = startAsking(envWith({ OUTBOX_RELAY_TOPICS_ALLOW: topics.join(',') }));
});
afterAll(async () => {
  await operator?.drop();
  await world?.[Symbol.asyncDispose]();
});

const envWith = (more: Readonly<Record<string, string>>) => ({
  ...world.env,
  DATABASE_URL: operator.url,
  ...more,
});
const ask = async (path: string, body?: object, visitor: Visitor = viewer) => {
  const { status, body: answer } = await desk.ask(visitor, path, body === undefined ? {} : { body });
  expect(status, JSON.stringify(answer)).toBe(200);
  return answer;
};

describe('topics', () => {
  test('are those that events may go to, page by page, with what Kafka says of each', async () => {
    const first = await ask('/topics?limit=1');
    expect(first).toMatchObject({ total: 2, next: topics[0], topics: [{ topic: topics[0] }] });
    const second = await ask(`/topics?limit=1&after=${first.next}`);
    expect(second).toMatchObject({ total: 2, next: null, topics: [{ topic: topics[1] }] });
    const one = await ask(`/topics?name=${world.topic}`);
    expect(one).toMatchObject({
      total: 1,
      topics: [{ topic: world.topic, partitions: 3, leaderless: [], settings: { cleanupPolicy: 'delete' } }],
    });
    // Kafka writes them as text, and they may be larger than a number holds.
    expect(one.topics[0].settings.retentionMs).toMatch(/^-?\d+$/);
    expect(await ask(`/topics?like=${world.topic.slice(3).toUpperCase()}`)).toMatchObject({ total: 1 });
  });

  test('that events never go to are not shown, although Kafka has them', async () => {
    const other = await createTopic('other');
    for (const query of [`name=${other}`, `like=${other}`])
      expect(await ask(`/topics?${query}`)).toMatchObject({ total: 0, topics: [], next: null });
  });

  test('have the lag of each stated group, and of none where none is stated', async () => {
    expect(await ask('/topics/lag')).toMatchObject({ groups: [] });
    const stated = startAsking(envWith({ OUTBOX_RELAY_METRICS_CONSUMER_GROUPS: 'nobody' }));
    const groups = async () => {
      const { status, body } = await stated.ask(viewer, '/topics/lag');
      expect(status).toBe(200);
      return body.groups;
    };
    // Committed nothing, which is no lag of 0. A broker that has just started knows no group for a while.
    await expect
      .poll(groups, { timeout: 60_000 })
      .toEqual([{ group: 'nobody', lags: [], topicsLeftOut: 0, failure: null }]);
  });
});

describe('schemas', () => {
  test('are the subjects that the naming leads to, and how two versions differ', async () => {
    const page = await ask(`/schemas?like=${world.topic}`);
    expect(page).toMatchObject({ total: 1, next: null, subjects: [{ subject, versions: [1, 2] }] });
    const pair = await ask(`/schemas/versions?subject=${subject}`);
    expect(pair).toMatchObject({ before: { version: 1 }, after: { version: 2 } });
    expect(pair.differences).toHaveLength(1);
    // As it is registered, with every digit.
    expect(pair.after.schemaText).toContain('9007199254740992');
    expect(await ask(`/schemas/versions?subject=${subject}&before=2&after=1`)).toMatchObject({
      before: { version: 2 },
      after: { version: 1 },
    });
  });

  test('that are pasted are judged, tried with recent rows, and not registered', async () => {
    await world.write([
      { key: 'a', seq: 1 },
      { key: 'b', seq: 2 },
    ]);
    const fields = itemSchema.fields.map((each) =>
      each.name === 'note' ? { name: 'note', type: 'string' } : each,
    );
    const text = JSON.stringify({ ...itemSchema, fields });
    expect(await ask('/schemas/check', { subject, text })).toMatchObject({
      // As the registry of the tests judges where nobody has set a level.
      level: 'NONE',
      status: 'compatible',
    });
    expect(
      await desk.ask(viewer, '/schemas/check', { body: { subject, text: '{"type":"enum"}' } }),
    ).toMatchObject({
      status: 409,
      body: { code: 'SCHEMA_INVALID' },
    });
    const { jobId } = await ask('/schemas/jobs/try', { subject, text, limit: 10 }, ada);
    await desk.ask(ada, `/jobs/${jobId}`);
    expect(await ask(`/jobs/${jobId}/state`, undefined, ada)).toMatchObject({
      state: 'done',
      result: { read: 2, rows: 2, failed: 2 },
    });
    expect(await ask(`/schemas?like=${world.topic}`)).toMatchObject({ subjects: [{ versions: [1, 2] }] });
  });
});

describe('settings', () => {
  test('are all of them, each with where its value comes from', async () => {
    const { settings: shown, topicsAllowed } = await ask('/settings');
    expect(shown.map(({ key }: { key: string }) => key)).toEqual(settings.map(({ path }) => path.join('.')));
    expect(topicsAllowed).toEqual(topics);
    const of = (key: string) => shown.find((each: { key: string }) => each.key === key);
    expect(of('topics.allow')).toMatchObject({
      value: topics.join(','),
      source: 'OUTBOX_RELAY_TOPICS_ALLOW',
      isDefault: false,
    });
    expect(of('publish.lingerMs')).toMatchObject({ isDefault: true, source: 'default', value: '4' });
    expect(of('database.url').value).toMatch(/^postgres(ql)?:\/\/login_\w+:\*\*\*@/);
  });

  test('have what people did, latest first, page by page', async () => {
    for (const n of [1, 2, 3])
      await world.pool.query(`select outbox.limit_rate($1, $2, null, 'Ada', $3)`, [
        world.slot,
        n,
        `reason ${n}`,
      ]);
    const first = await ask('/settings/actions?limit=2');
    expect(first.actions).toMatchObject([
      { action: 'rate-limit', person: 'Ada', reason: 'reason 3' },
      { reason: 'reason 2' },
    ]);
    const second = await ask(`/settings/actions?limit=2&before=${first.next}`);
    expect(second).toMatchObject({ actions: [{ reason: 'reason 1' }], next: null });
  });
});

test('the database answers with each part, or why it is not known', async () => {
  const facts = await ask('/database');
  expect(facts).toMatchObject({
    slotName: world.slot,
    // No relay has made it yet, and that is said.
    outlook: { value: { slot: null }, failure: null },
    publication: { failure: null },
    roles: { failure: null },
    pieces: { failure: null },
    cleanup: { retention: null },
  });
  const ours = facts.roles.value.filter(({ isOurs }: { isOurs: boolean }) => isOurs);
  expect(ours).toMatchObject([{ isOperator: true, isSuperuser: false, streams: false }]);
  expect(facts.pieces.value.length).toBeGreaterThan(1);
});

test('the status is known before a relay has made the slot, and once it is lost', async () => {
  expect(await readStatus(desk.config)).toMatchObject({ slot: { state: 'absent' } });
  await world.pool.query('insert into outbox.progress (slot, initialised_at) values ($1, now())', [
    world.slot,
  ]);
  expect(await readStatus(desk.config)).toMatchObject({ slot: { state: 'unusable', code: 'SLOT_MISSING' } });
});

describe('what makes no sense', () => {
  const reason = 'why';
  const position = '0000000000001000.00000000';
  test.each<[string, (string | object)?]>([
    ['/topics?name=no%20topic'],
    ['/topics?limit=0'],
    ['/topics?limit=501'],
    ['/topics?limit=ten'],
    ['/topics?other=1'],
    ['/topics/lag?topic=%00'],
    ['/schemas?limit=101'],
    ['/schemas?like='],
    ['/schemas/versions'],
    ['/schemas/versions?subject='],
    ['/schemas/versions?subject=x&before=0'],
    ['/schemas/versions?subject=x&after=99999999999'],
    ['/schemas/versions?subject=..%2Fsecret'],
    ['/schemas/check', { subject: 'a-b', text: '' }],
    ['/schemas/check', { subject: 'a-b' }],
    ['/schemas/jobs/try', { subject: 'a-b', text: '{}', limit: 0 }],
    ['/schemas/jobs/try', { subject: 'a-b', text: '{}', limit: 1e9 }],
    ['/settings/actions?before=-1'],
    ['/settings/actions?before=1;drop'],
    ['/settings/actions?limit=1000'],
    ['/live/history?seconds=1'],
    ['/live/history'],
    ['/find?by=nothing&value=x'],
    ['/find?by=id&value='],
    ['/find?by=id&value=x&since=yesterday'],
    ['/jobs/1'],
    ['/jobs/1/state'],
    ['/jobs/1/cancel', {}],
    ['/dead-letters?codes=%00'],
    ['/dead-letters?after=1'],
    ['/dead-letters?statuses=gone'],
    ['/dead-letters/groups?since=now'],
    ['/dead-letters/1'],
    [`/dead-letters/${position}/fix`, { payload: '{}', reason, seen: 5 }],
    [`/dead-letters/${position}/fix`, { payload: '{}', seen: null, reason: ' ' }],
    [`/dead-letters/${position}/undo`, { fix: 'last', reason }],
    ['/dead-letters/preview', { selection: {}, patch: '[]', limit: 51 }],
    ['/dead-letters/preview', { selection: {}, patch: 'no patch', limit: 1 }],
    ['/dead-letters/jobs/resubmit', { selection: { keys: [] }, reason }],
    ['/dead-letters/jobs/discard', { selection: { statuses: ['all'] }, reason }],
    ['/dead-letters/jobs/undo', { run: { person: 'x', reason: null, from: '1', to: 'x' }, reason }],
    ['/parked-keys?key=%00'],
    ['/parked-keys/events?topic=x'],
    ['/parked-keys/jobs/release', { keys: [], reason }],
    ['/parked-keys/jobs/release', { all: false, reason }],
    ['/parked-keys/jobs/release', { topic: '', reason }],
    ['/parked-keys/jobs/release', { topic: 'x', all: true, reason }],
    ['/control/pause', { topic: null, mode: 'hold', forSeconds: 0, reason }],
    ['/control/pause', { topic: 'not.ours', mode: 'hold', forSeconds: null, reason }],
    ['/control/pause', { topic: null, mode: 'stop', forSeconds: null, reason }],
    ['/control/pause', { topic: null, mode: 'hold', forSeconds: null, reason: '' }],
    ['/control/resume', { topic: 'outbox.event.not-paused', reason }],
    ['/control/pause', { topic: null, mode: 'hold', forSeconds: null, reason: 'a\0b' }],
    ['/control/pause', { topic: null, mode: 'hold', forSeconds: null, reason: 'a\ud800b' }],
    ['/control/resume', { topic: 'a\0', reason }],
    // Which would resume everything.
    ['/control/resume', { topic: '', reason }],
    ['/control/rate-limit', { reason }],
    [`/dead-letters/${position}/fix`, { payload: '{"a":"\ud800"}', reason, seen: null }],
    ['/dead-letters/jobs/discard', { selection: { keys: ['a\udc00'] }, reason }],
    ['/dead-letters/jobs/undo', { run: { person: 'a\0', reason: null, from: '1', to: '2' }, reason }],
    ['/control/rate-limit', { eventsPerSecond: -1, reason }],
    ['/control/rate-limit', { eventsPerSecond: 1.5, reason }],
    ['/control/rate-limit', { eventsPerSecond: '5', reason }],
  ])('%s %j is refused with one sentence, and changes nothing', async (path, body) => {
    const before = await whatPeopleDid();
    const answer = await desk.ask(ada, path, body === undefined ? {} : { body: body as object });
    expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID', hint: null } });
    expect(answer.body.message).toMatch(/^.{5,300}$/);
    expect(await whatPeopleDid()).toEqual(before);
  });

  async function whatPeopleDid() {
    const { rows } = await world.pool.query(
      `select (select json_agg(c.max_events_per_second) from outbox.control c) as limits, (select json_agg(p) from outbox.pause p) as pauses,
              (select json_agg(t) from outbox.trail t) as trail, (select count(*) from outbox.event) as events,
              (select count(*) from outbox.heartbeat) as beats`,
    );
    return rows[0];
  }
});

describe('no answer', () => {
  /** No word of an error has them, also where they are encoded for a URL. */
  const passwords = { database: 'db p@ss/0', registry: 'reg"p@ss<1', kafka: "kafka'p@ss>2" };
  const tokens = { registry: 'registry-token-3', view: 'view-token-view-4', operate: 'operate-token-op-5' };
  const encoded = (text: string) => encodeURIComponent(text);

  /** Every secret that it is configured with, as it is and as it may be written. */
  function secretsOf(config: Config): string[] {
    return settings.flatMap(({ path, secret }) => {
      const value = path.reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], config);
      if (secret === undefined || typeof value !== 'string') return [];
      const plain = secret === 'whole' ? value : decodeURIComponent(URL.parse(value)?.password ?? '');
      if (plain === '') return [];
      const quoted = JSON.stringify(plain).slice(1, -1);
      const basic = Buffer.from(`anna:${plain}`).toString('base64');
      return [plain, quoted, encoded(plain), encodeURI(plain), basic, Buffer.from(plain).toString('base64')];
    });
  }

  const live = (config: Config) => ({ status: new StatusWatch(config), sampler: new Sampler(config) });
  const position = '0000000000001000.00000000';
  const reason = 'why';
  const selection = { codes: ['PAYLOAD_INVALID'] };
  /** What each route is asked. */
  const samples: Readonly<Record<string, object | string>> = {
    'GET /me': '',
    'GET /live': '',
    'GET /live/history': '?seconds=60',
    'POST /control/pause': { topic: null, mode: 'hold', forSeconds: null, reason },
    'POST /control/resume': { topic: null, reason },
    'POST /control/rate-limit': { eventsPerSecond: 5, reason },
    'GET /audit': '',
    'GET /audit/verify': '',
    'POST /audit/verify': {},
    'GET /database': '',
    'GET /database/check': '',
    'POST /database/check': {},
    'GET /database/cleanup': '',
    'POST /database/cleanup': {},
    'GET /settings': '',
    'GET /settings/actions': '',
    'GET /jobs': '',
    'GET /jobs/:id/state': '',
    'GET /jobs/:id': '',
    'POST /jobs/:id/cancel': {},
    'GET /dead-letters/groups': '',
    'GET /dead-letters': '',
    'GET /dead-letters/outlook': '',
    'POST /dead-letters/preview': { selection, patch: '[]', limit: 1 },
    'POST /dead-letters/jobs/try': { selection },
    'POST /dead-letters/jobs/patch': { selection, patch: '[]', reason },
    'POST /dead-letters/jobs/resubmit': { selection, reason },
    'POST /dead-letters/jobs/discard': { selection, reason },
    'POST /dead-letters/jobs/undo': { run: { person: 'Ada', reason, from: '0', to: '0' }, reason },
    'GET /dead-letters/:position': '',
    'POST /dead-letters/:position/try': { payload: '{}' },
    'POST /dead-letters/:position/fix': { payload: '{}', seen: null, reason },
    'POST /dead-letters/:position/undo': { fix: '1', reason },
    'GET /parked-keys': '',
    'GET /parked-keys/events': '?topic=t&key=k',
    'POST /parked-keys/jobs/release': { all: true, reason },
    'GET /find': '?by=id&value=00000000-0000-4000-8000-000000000000',
    'GET /find/transactions': '',
    'GET /topics': '',
    'GET /topics/lag': '',
    'GET /schemas': '',
    'GET /schemas/versions': '?subject=a-b',
    'POST /schemas/check': { subject: 'a-b', text: '{}' },
    'POST /schemas/jobs/try': { subject: 'a-b', text: '{}', limit: 1 },
  };

  const tokenEnv = {
    OUTBOX_RELAY_CONSOLE_VIEW_TOKEN: tokens.view,
    OUTBOX_RELAY_CONSOLE_OPERATE_TOKEN: tokens.operate,
    OUTBOX_RELAY_METRICS_CONSUMER_GROUPS: 'nobody',
  };
  test.each<[string, () => Readonly<Record<string, string>>]>([
    [
      'that Postgres, Kafka and the registry help with',
      () =>
        envWith({
          ...tokenEnv,
          OUTBOX_RELAY_REGISTRY_USERNAME: 'anna',
          OUTBOX_RELAY_REGISTRY_PASSWORD: passwords.registry,
        }),
    ],
    [
      'that says that they are away',
      () => ({
        ...tokenEnv,
        DATABASE_URL: `postgres://anna:${encoded(passwords.database)}@127.0.0.1:1/shop`,
        KAFKA_BROKERS: '127.0.0.1:1',
        SCHEMA_REGISTRY_URL: `http://anna:${encoded(passwords.registry)}@127.0.0.1:1`,
        OUTBOX_RELAY_REGISTRY_TOKEN: tokens.registry,
        OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'plain',
        OUTBOX_RELAY_KAFKA_SASL_USERNAME: 'anna',
        OUTBOX_RELAY_KAFKA_SASL_PASSWORD: passwords.kafka,
      }),
    ],
  ])('%s holds a secret', async (_, envOf) => {
    let sampler: Sampler | undefined;
    const asking = startAsking(envOf(), (config) => {
      const use = live(config);
      ({ sampler } = use);
      return use;
    });
    expect(Object.keys(samples).toSorted()).toEqual(asking.routes.toSorted());
    const secrets = secretsOf(asking.config);
    expect(secrets.length).toBeGreaterThan(12);
    const answers: string[] = [];
    let jobId = '00000000-0000-4000-8000-000000000000';
    const scan = async (route: string) => {
      const [method, path] = route.split(' ') as [string, string];
      const sample = samples[route]!;
      const asked = path.replace(':position', position).replace(':id', jobId);
      const isStream = path === '/live';
      const { body } =
        typeof sample === 'string'
          ? await asking.ask(ada, `${asked}${sample}`, isStream ? { until: /event: status[\s\S]*\n\n/ } : {})
          : await asking.ask(ada, asked, { method, body: sample });
      answers.push(`${route} ${JSON.stringify(body)} ${String(body)}`);
      return body;
    };
    try {
      for (const route of asking.routes.filter((each) => each.startsWith('POST '))) {
        const body = await scan(route);
        if (body.jobId === undefined) continue;
        ({ jobId } = body);
        // Neither would end: no relay runs.
        if (/verify|release/.test(route)) await asking.ask(ada, `/jobs/${jobId}/cancel`, { method: 'POST' });
        await scan('GET /jobs/:id');
      }
      await Promise.all(asking.routes.filter((each) => each.startsWith('GET ')).map(scan));
      for (const secret of secrets) expect(answers.filter((answer) => answer.includes(secret))).toEqual([]);
      expect(answers.length).toBeGreaterThan(asking.routes.length);
    } finally {
      sampler?.end();
    }
  });
});
