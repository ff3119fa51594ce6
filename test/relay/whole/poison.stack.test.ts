/** Events that can never be published, each kind on real servers: set aside with its reason, and the stream goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { itemSchema } from '../../../harness/item-schema.ts';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import type { RelayProcess } from '../../../harness/relay-process.ts';
import { createTopics, readTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { unique } from '../../support/unique.ts';
import { idOf, World } from '../world.ts';

type Row = {
  aggregatetype: string | null;
  aggregateid: string | null;
  type: string | null;
  payload: string | null;
  headers: string | null;
};

const payload = '{"key":"k","seq":1}';
const smallBytes = 2_000;

let world: World;
let relay: RelayProcess;
/** The real registry, but for one subject, for which it answers with something that is no schema. */
let registry: RegistryGate;
/** Topics beside the world's own: one that takes tombstones, one that takes only small records. */
let compacted: string;
let small: string;
let oddSubject: string;

beforeAll(async () => {
  world = await World.create();
  [compacted, small] = [unique('compacted'), unique('small')];
  oddSubject = `${world.topic}-test.Odd`;
  await createTopics([
    { topic: compacted, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] },
    { topic: small, configEntries: [{ name: 'max.message.bytes', value: String(smallBytes) }] },
  ]);
  await registerSchema(`${compacted}-test.ItemMoved`, itemSchema);
  await registerSchema(`${small}-test.ItemMoved`, itemSchema);
  // Without the constraints of ours, as a table of somebody else may be.
  await world.pool.query('create table public.poison as select * from outbox.event with no data');
  await world.pool.query('alter publication outbox_relay add table public.poison');
  registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
  registry.instead = (_, path) =>
    path.includes(oddSubject) ? { status: 200, body: '{"what":"is this"}' } : undefined;
  relay = world.startRelay(
    {
      OUTBOX_TABLE: 'public.poison',
      OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
      TOPICS_TEMPLATE: '{aggregatetype}',
      TOPICS_ALLOW: `${world.topic},${compacted},${small},missing.*`,
      TOPICS_TOMBSTONES: 'compacted_*',
      REGISTRY_LATEST_TTL_MS: 0,
      RETRY_UNCLEAR_ATTEMPTS: 2,
    },
    { SCHEMA_REGISTRY_URL: registry.url },
  );
  await relay.streaming();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

async function emit(row: Partial<Row>): Promise<string> {
  const whole = {
    aggregatetype: world.topic,
    aggregateid: 'k',
    type: 'test.ItemMoved',
    payload,
    headers: null,
  };
  const { aggregatetype, aggregateid, type, payload: body, headers } = { ...whole, ...row };
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into public.poison (id, aggregatetype, aggregateid, type, payload, headers)
     values (gen_random_uuid(), $1, $2, $3, $4, $5) returning id`,
    [aggregatetype, aggregateid, type, body, headers],
  );
  return rows[0]!.id;
}

async function letterOf(id: string) {
  const { rows } = await world.pool.query<{ code: string; message: string; context: object }>(
    'select code, message, context from outbox.dead_letter where event_id = $1',
    [id],
  );
  return rows;
}

/** Its dead letter, and nothing of it in Kafka, while what was written after it is there. */
async function setAside(row: Partial<Row>) {
  const id = await emit(row);
  const next = await emit({});
  const records = await world.read([next]);
  expect(records.map(idOf)).not.toContain(id);
  const letters = await letterOf(id);
  expect(letters).toHaveLength(1);
  return letters[0]!;
}

describe('an event is set aside', () => {
  it.each<[string, () => Partial<Row>, string]>([
    ['whose payload is NULL', () => ({ payload: null }), 'PAYLOAD_NOT_JSON'],
    ['whose payload is JSON null', () => ({ payload: 'null' }), 'PAYLOAD_INVALID'],
    ['whose key is NULL', () => ({ aggregateid: null }), 'EVENT_INVALID'],
    ['without an aggregatetype', () => ({ aggregatetype: null }), 'EVENT_INVALID'],
    ['with an empty aggregatetype', () => ({ aggregatetype: '' }), 'EVENT_INVALID'],
    ['with an aggregatetype of dots', () => ({ aggregatetype: '..' }), 'EVENT_INVALID'],
    ['with a blank aggregatetype', () => ({ aggregatetype: ' ' }), 'TOPIC_NOT_ALLOWED'],
    [
      'whose topic would have too long a name',
      () => ({ aggregatetype: 'a'.repeat(250) }),
      'TOPIC_NOT_ALLOWED',
    ],
    ['of a type that has no schema', () => ({ type: 'test.Unknown' }), 'SCHEMA_MISSING'],
    ['without a type', () => ({ type: null }), 'EVENT_INVALID'],
    ['whose topic does not exist', () => ({ aggregatetype: 'missing.topic' }), 'TOPIC_MISSING'],
    ['whose topic is not allowed', () => ({ aggregatetype: 'elsewhere' }), 'TOPIC_NOT_ALLOWED'],
    ['whose headers hold an object', () => ({ headers: '{"a":{}}' }), 'EVENT_INVALID'],
    ['whose headers are a list', () => ({ headers: '[1]' }), 'EVENT_INVALID'],
    ['that asks for a version there is not', () => ({ headers: '{"schema-version":"7"}' }), 'SCHEMA_MISSING'],
    [
      'over the max.message.bytes of its topic',
      () => ({
        aggregatetype: small,
        payload: JSON.stringify({ key: 'k', seq: 1, note: 'x'.repeat(smallBytes) }),
      }),
      'RECORD_TOO_LARGE',
    ],
    [
      'whose headers alone are over it',
      () => ({ aggregatetype: small, headers: JSON.stringify({ h: 'x'.repeat(smallBytes) }) }),
      'RECORD_TOO_LARGE',
    ],
  ])('%s', async (_, row, code) => {
    expect((await setAside(row())).code).toBe(code);
  });

  it('whose subject the registry answers oddly for, after so many attempts, with the stack', async () => {
    const letter = await setAside({ type: 'test.Odd' });
    expect(letter).toMatchObject({
      code: 'REGISTRY_ANSWER_INVALID',
      context: { subject: oddSubject, attempts: 3, stack: expect.stringContaining('registry-client') },
    });
    const { rows } = await world.pool.query<{ id: string }>(
      `select event_id as id from outbox.dead_letter where code = 'REGISTRY_ANSWER_INVALID'`,
    );
    const { stdout } = await world.command('dead-letters', 'show', rows[0]!.id);
    expect(stdout).toMatch(/^attempts +3$/m);
    expect(stdout).toMatch(/^stack +RelayError\n +at .*registry-client/m);
    const waits = relay.lines.filter(({ err }) => err?.code === 'ENCODING_UNCLEAR');
    expect(waits).toHaveLength(2);
  });

  it.each([
    ['deleted, but not for good', ['']],
    ['deleted for good', ['', '?permanent=true']],
  ])('whose schema was %s', async (_, steps) => {
    const type = `test.${unique('Gone').replace('_', '')}`;
    const subject = `${world.topic}-${type}`;
    await registerSchema(subject, { ...itemSchema, name: type.slice(5) });
    await world.read([await emit({ type })]);
    for (const step of steps) {
      const answer = await fetch(`${world.env.SCHEMA_REGISTRY_URL}/subjects/${subject}${step}`, {
        method: 'DELETE',
      });
      expect(answer.status).toBe(200);
    }
    // The relay looks again when what it knows has outlived its time.
    const ids: string[] = [];
    const refused = async () => {
      ids.push(await emit({ type }));
      const { rows } = await world.pool.query(
        'select code from outbox.dead_letter where event_id = any($1)',
        [ids],
      );
      return rows[0]?.code;
    };
    await expect.poll(refused, { interval: 200 }).toBe('SCHEMA_MISSING');
  });
});

describe('an event without a payload', () => {
  it('is a tombstone in a topic that takes them', async () => {
    const before = await emit({ aggregatetype: compacted });
    const ids = [before];
    for (const none of [null, 'null']) ids.push(await emit({ aggregatetype: compacted, payload: none }));
    const records = await readTopics({ topics: [compacted], until: ({ length }) => length === ids.length });
    expect(records.map(idOf)).toEqual(ids);
    expect(records.map(({ key, value }) => [key, value === null])).toEqual([
      ['k', false],
      ['k', true],
      ['k', true],
    ]);
  });
});
