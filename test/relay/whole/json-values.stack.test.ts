/** Payloads as JSON, without a registry: what consumers read is what Postgres printed, and every command knows it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../../../relay/audit/audit.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { createLogger } from '../../../relay/observe/log.ts';
import { check, checksCountOf } from '../../../relay/operations/check/check.ts';
import type { Finding } from '../../../relay/operations/check/finding.ts';
import type { ReadRecord } from '../../support/kafka.ts';
import { untilCovered } from '../replay/world.ts';
import { idOf, World } from '../world.ts';

const payloads = [
  '{"n": 9007199254740993, "d": 123456789012345678901234567890.12345}',
  '{"n":-0.0020,"m":1.50,"e":1E+2,"z":-0}',
  '{"a":1,"a":2}',
  String.raw`{"a":"\u0041\/\u00e9","b":"é😀\ud83d\ude00","half":"\ud83d"}`,
  ' { "a" :\t[ 1 , 2 ] } ',
  '[1,2]',
  '"text"',
];
const headers = { eventType: 'type', aggregateId: 'aggregateid' };
const asJson = {
  OUTBOX_RELAY_RECORDS_FORMAT: 'json',
  OUTBOX_RELAY_RECORDS_HEADERS: Object.entries(headers)
    .map((each) => each.join('='))
    .join(','),
};
const withoutRegistry = { ...asJson, SCHEMA_REGISTRY_URL: '' };

let world: World;
let avroIds: string[];
let jsonIds: string[];
let records: ReadRecord[];

async function emit(payload: string | null): Promise<string> {
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     values ('item', 'k', 'test.Unregistered', $1::json) returning id`,
    [payload],
  );
  return rows[0]!.id;
}

/** As `outbox-relay verify` does it. */
async function verify(env: Record<string, string>) {
  const config = configOf(env);
  const kafka = createKafka(config, createLogger('fatal'));
  return audit({ config, kafka, waitMs: 30_000, maxIds: 10, expectAll: false });
}

const configOf = (env: Record<string, string>) => loadConfig({ env: { ...world.env, ...env } }).config;

beforeAll(async () => {
  world = await World.create();
  const before = world.startRelay();
  await before.streaming();
  avroIds = await world.write([
    { key: 'k', seq: 1 },
    { key: 'k', seq: 2 },
  ]);
  await world.read(avroIds);
  await before.stop();
  world.startRelay({}, withoutRegistry);
  jsonIds = [];
  for (const payload of payloads) jsonIds.push(await emit(payload));
  records = await world.read(jsonIds);
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test('the value is the text that Postgres gives, for a type that no registry knows', () => {
  const byId = new Map(records.map((record) => [idOf(record), record]));
  expect(jsonIds.map((id) => byId.get(id)?.value?.toString())).toEqual(payloads);
  for (const id of jsonIds) {
    expect(byId.get(id)!.key?.toString()).toBe('k');
    expect(byId.get(id)!.headers).toEqual({
      id,
      eventType: 'test.Unregistered',
      aggregateId: 'k',
      position: expect.any(String),
    });
  }
});

test('what cannot be JSON, and is no tombstone, is a dead letter', async () => {
  const [missing, empty] = [await emit(null), await emit('null')];
  await world.read([await emit('{}')]);
  const { rows } = await world.pool.query('select event_id as id, code, context from outbox.dead_letter');
  expect(rows).toEqual([
    { id: missing, code: 'PAYLOAD_NOT_JSON', context: expect.objectContaining({ subject: null }) },
    { id: empty, code: 'PAYLOAD_INVALID', context: expect.objectContaining({ schemaId: null }) },
  ]);
});

test('verify compares each record in the form that it has', async () => {
  expect(await verify(asJson)).toMatchObject({ ok: true, compared: 10, otherSettings: 2 });
  const { ok, findings } = await verify(withoutRegistry);
  expect([ok, findings.undecodable.first.map(({ id }) => id)]).toEqual([false, avroIds]);
  expect(findings.undecodable.first[0]!.reason).toMatch(
    /^Avro with schema \d+, but registry\.url is not set$/,
  );
});

test('a payload that differs by a digit, or only in how it is written, is found', async () => {
  const change = async (id: string, payload: string) => {
    await world.pool.query(`update outbox.event set payload = $2 where id = $1`, [id, payload]);
  };
  await world.pool.query('alter table outbox.event disable trigger user');
  await change(jsonIds[0]!, payloads[0]!.replace('993', '992'));
  await change(jsonIds[1]!, payloads[1]!.replace('1.50', '1.5'));
  const { ok, findings } = await verify(asJson);
  expect([ok, findings.different.first]).toEqual([
    false,
    [jsonIds[0], jsonIds[1]].map((id) =>
      expect.objectContaining({ id, path: '$', reason: 'not the text of the payload' }),
    ),
  ]);
  await change(jsonIds[0]!, payloads[0]!);
  await change(jsonIds[1]!, payloads[1]!);
  await world.pool.query('alter table outbox.event enable trigger user');
});

test('check asks no registry and says why; find says that the value is JSON', async () => {
  const findings: Finding[] = [];
  for await (const finding of check(configOf(withoutRegistry), 10_000)) findings.push(finding);
  expect(findings).toHaveLength(checksCountOf(configOf(withoutRegistry)));
  expect(findings.filter(({ server }) => server === 'registry')).toEqual([
    expect.objectContaining({ status: 'ok', message: expect.stringContaining('needs no schema') }),
  ]);
  const found = await world.commandWith(withoutRegistry, 'find', jsonIds[0]!);
  expect(found.stdout).toMatch(/schema +none: the value is JSON/);
  expect(found.stdout).toContain('test.Unregistered');
});

test('replay publishes the same bytes', async () => {
  // Until then a transaction of another test may be open that began before.
  await untilCovered(world);
  const replayed = await world.commandWith(
    withoutRegistry,
    ...['replay', '--id', jsonIds[1]!, '--reason', 'test', '--yes'],
  );
  expect(replayed).toMatchObject({ code: 0 });
  const both = (await world.read([jsonIds[1]!])).filter((record) => idOf(record) === jsonIds[1]);
  expect(both.map(({ value }) => value!.toString())).toEqual([payloads[1], payloads[1]]);
  expect(both[1]!.headers).toMatchObject({ eventType: 'test.Unregistered', 'replay-id': expect.any(String) });
  expect(await verify(asJson)).toMatchObject({ ok: true, replayed: 1 });
});
