import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Answer, RegistryGate } from '../../../harness/registry-gate.ts';
import type { Settings } from '../../../harness/relay-process.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { eventsOf } from '../../../relay/capture/event.ts';
import type { CommittedTransaction, OutboxRow } from '../../../relay/capture/transaction.ts';
import { applyReloadable, type Config } from '../../../relay/config/config.ts';
import { Encoder } from '../../../relay/encode/encoder.ts';
import { ByteSink } from '../../../relay/encode/formats/byte-sink.ts';
import { partitionOf } from '../../../relay/encode/murmur2.ts';
import {
  isRefusal,
  type NoTopic,
  type OutboundRecord,
  type Refusal,
  type TopicDirectory,
  type TopicInfo,
} from '../../../relay/encode/record.ts';
import { exactRecordBytes } from '../../../relay/encode/record-size.ts';
import { RegistryClient } from '../../../relay/encode/registry/registry-client.ts';
import type { SchemaSource } from '../../../relay/encode/registry/schemas.ts';
import { RelayError } from '../../../relay/errors.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { rowsFrom, transactionOf } from '../capture/rows.ts';
import { configOf } from '../settings.ts';

let registryUrl: string;
beforeAll(async () => {
  registryUrl = (await servers()).registryUrl;
});

const info: TopicInfo = { partitions: 12, maxMessageBytes: 1_048_588, keptMs: Number.POSITIVE_INFINITY };
const canary = 'canary-4711';

/** Every topic that was asked for, and what the answer is. */
class Topics implements TopicDirectory {
  readonly asked: string[] = [];
  answer: TopicInfo | NoTopic | RelayError = info;

  resolve(topic: string): Promise<TopicInfo | NoTopic> {
    this.asked.push(topic);
    return this.answer instanceof RelayError ? Promise.reject(this.answer) : Promise.resolve(this.answer);
  }
}

function encoderOf(
  settings: Settings = {},
  url = registryUrl,
  topics: TopicDirectory = new Topics(),
): Encoder {
  const config: Config = configOf(settings);
  return new Encoder(config, new RegistryClient({ ...config.registry, url }), topics);
}

const now = performance.now.bind(performance);

/** Puts the monotonic clock forward, in all by so much, until the test ends. */
function passTime(ms: number): void {
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}
afterEach(() => {
  vi.restoreAllMocks();
});

const record = (...fields: object[]) => ({ type: 'record', name: 'Placed', namespace: 'shop', fields });
const total = { name: 'total', type: 'long' };

/** A kind of event that only one test knows: an aggregatetype whose subject has the schema. */
async function newKind(
  schema: object | null = record(total),
): Promise<{ kind: string; subject: string; id: number }> {
  const kind = unique('order');
  const subject = `outbox.event.${kind}-shop.Placed`;
  return { kind, subject, id: schema === null ? 0 : await registerSchema(subject, schema) };
}

const rowOf = (more: Partial<OutboxRow>): OutboxRow => ({
  id: 'b1f2c3d4-0000-4000-8000-00000000002a',
  aggregatetype: 'order',
  aggregateid: '42',
  type: 'shop.Placed',
  payload: '{"total":1}',
  headers: '{}',
  createdAt: '2026-01-02 03:04:05.678901+00',
  ...more,
});

const transaction = (...rows: OutboxRow[]): CommittedTransaction =>
  transactionOf(0x16_b374_d848n, 0, { rows: rowsFrom(rows), committedAtMs: 1_767_323_045_678 });

async function encodeAll(encoder: Encoder, one: CommittedTransaction, skip = 0) {
  const encoded = await encoder.encode(eventsOf(one, skip));
  return {
    records: encoded.filter((each): each is OutboundRecord => !isRefusal(each)),
    refusals: encoded.filter(isRefusal),
  };
}

async function encodeOne(
  encoder: Encoder,
  row: OutboxRow,
): Promise<OutboundRecord & { readonly value: Buffer }> {
  const { records, refusals } = await encodeAll(encoder, transaction(row));
  expect(refusals).toEqual([]);
  const [only] = records;
  if (only?.value == null) throw new Error('no record with a value');
  return { ...only, value: only.value };
}

async function refuseOne(encoder: Encoder, row: OutboxRow): Promise<Refusal> {
  const { records, refusals } = await encodeAll(encoder, transaction(row));
  expect(records).toEqual([]);
  const [only] = refusals;
  if (only === undefined) throw new Error('no refusal');
  // Whatever is told of an event, its payload is not.
  expect(JSON.stringify({ ...only, row: null, position: null })).not.toContain(canary);
  return only;
}

const codeOf = (error: unknown) =>
  error instanceof RelayError ? `${error.class} ${error.code}` : String(error);

describe('a record', () => {
  test('has its topic, partition, key, framed value, headers and time', async () => {
    const { kind, id } = await newKind();
    const encoded = await encodeOne(
      encoderOf(),
      rowOf({ aggregatetype: kind, headers: '{"traceparent":"00-ab"}' }),
    );
    const framing = Buffer.alloc(5);
    framing.writeUInt32BE(id, 1);
    expect(encoded).toMatchObject({
      topic: `outbox.event.${kind}`,
      partition: partitionOf('42', 12),
      key: '42',
      value: Buffer.concat([framing, Buffer.from([2])]),
      timestampMs: 1_767_323_045_678,
    });
    expect(Object.entries(encoded.headers)).toEqual([
      ['id', 'b1f2c3d4-0000-4000-8000-00000000002a'],
      ['type', 'shop.Placed'],
      ['position', '00000016b374d848.00000000'],
      ['traceparent', '00-ab'],
    ]);
  });

  test('of each row has the ordinal of the row, also behind rejected ones and in a later part', async () => {
    const { kind } = await newKind();
    const row = (payload: string) => rowOf({ aggregatetype: kind, payload });
    const part = {
      ...transaction(row('{"total":1}'), row('{}'), row('{"total":3}'), row('{"total":4}')),
      firstOrdinal: 65_534,
    };
    const { records, refusals } = await encodeAll(encoderOf(), part);
    expect(records.map(({ headers }) => headers.position)).toEqual([
      '00000016b374d848.0000fffe',
      '00000016b374d848.00010000',
      '00000016b374d848.00010001',
    ]);
    expect(refusals.map(({ position }) => position.ordinal)).toEqual([65_535]);
    const rest = await encodeAll(encoderOf(), part, 2);
    expect(rest.records.map(({ headers }) => headers.position)).toEqual([
      '00000016b374d848.00010000',
      '00000016b374d848.00010001',
    ]);
    expect(rest.refusals).toEqual([]);
  });

  test('keeps integers of 64 bits to the last digit', async () => {
    const { kind } = await newKind();
    const encoder = encoderOf();
    for (const value of [9_007_199_254_740_993n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const { value: bytes } = await encodeOne(
        encoder,
        rowOf({ aggregatetype: kind, payload: `{"total":${value}}` }),
      );
      let zigzag = 0n;
      for (const [index, byte] of bytes.subarray(5).entries())
        zigzag |= BigInt(byte & 0x7f) << BigInt(7 * index);
      expect((zigzag >> 1n) ^ -(zigzag & 1n)).toBe(value);
    }
  });

  test('has a value of its own, which later ones do not write over', async () => {
    const { kind } = await newKind();
    const row = (n: number) => rowOf({ aggregatetype: kind, payload: `{"total":${n}}` });
    const { records } = await encodeAll(encoderOf(), transaction(row(1), row(2), row(3)));
    expect(records.map(({ value }) => value?.[5])).toEqual([2, 4, 6]);
  });

  test('counts at least the bytes that Kafka will need for it', async () => {
    const { kind } = await newKind(record({ name: 'text', type: 'string' }));
    const encoder = encoderOf();
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        async (text, key) => {
          const row = rowOf({
            aggregatetype: kind,
            aggregateid: key,
            payload: JSON.stringify({ text }),
            headers: JSON.stringify({ h: text }),
          });
          const { bytes, value, headers } = await encodeOne(encoder, row);
          let least = Buffer.byteLength(key) + value.length;
          for (const [name, one] of Object.entries(headers))
            least += Buffer.byteLength(name) + Buffer.byteLength(one) + 2;
          expect(bytes).toBeGreaterThanOrEqual(least + 10);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('an event that can never be published', () => {
  let kind: string;
  let subject: string;
  let id: number;
  beforeAll(async () => {
    const lines = { type: 'array', items: record({ name: 'price', type: 'long' }) };
    ({ kind, subject, id } = await newKind({
      ...record(total, {
        name: 'lines',
        type: { ...lines, items: { ...lines.items, name: 'Line' } },
        default: [],
      }),
    }));
  });
  const topicOf = () => `outbox.event.${kind}`;

  test.each([
    ['no id', { id: null }, 'EVENT_INVALID'],
    ['an empty id', { id: '' }, 'EVENT_INVALID'],
    ['no aggregateid', { aggregateid: null }, 'EVENT_INVALID'],
    ['no aggregatetype', { aggregatetype: null }, 'EVENT_INVALID'],
    ['an empty aggregatetype', { aggregatetype: '' }, 'EVENT_INVALID'],
    ['an aggregatetype of a dot', { aggregatetype: '.' }, 'EVENT_INVALID'],
    ['a blank aggregatetype', { aggregatetype: ' ' }, 'TOPIC_NOT_ALLOWED'],
    ['a topic with too long a name', { aggregatetype: 'a'.repeat(237) }, 'TOPIC_NOT_ALLOWED'],
    ['no type', { type: null }, 'EVENT_INVALID'],
    ['an empty type', { type: '' }, 'EVENT_INVALID'],
    ['headers that are no object', { headers: `["${canary}"]` }, 'EVENT_INVALID'],
    ['headers that are not JSON', { headers: canary }, 'EVENT_INVALID'],
    ['a topic that is no legal name', { aggregatetype: 'a b' }, 'TOPIC_NOT_ALLOWED'],
    ['a topic that climbs out', { aggregatetype: '../x' }, 'EVENT_INVALID'],
    ['no payload', { payload: null }, 'PAYLOAD_NOT_JSON'],
    ['a payload that is not JSON', { payload: `{"x":"${canary}` }, 'PAYLOAD_NOT_JSON'],
    ['an empty payload', { payload: '' }, 'PAYLOAD_NOT_JSON'],
    ['a payload of another shape', { payload: `"${canary}"` }, 'PAYLOAD_INVALID'],
  ])('for %s is rejected', async (_, change, code) => {
    const row = rowOf({ aggregatetype: kind, ...change });
    const refusal = await refuseOne(encoderOf(), row);
    expect(refusal).toMatchObject({ code, position: { commitLsn: 0x16_b374_d848n, ordinal: 0 }, row });
  });

  test.each([
    ['a missing field', '{}', '$.total'],
    ['another type', `{"total":"${canary}"}`, '$.total'],
    ['too large an integer', '{"total":9223372036854775808}', '$.total'],
    ['a fraction', '{"total":1.5}', '$.total'],
    ['a fault deep inside', `{"total":1,"lines":[{"price":1},{"price":"${canary}"}]}`, '$.lines[1].price'],
  ])('for %s is rejected with the place', async (_, payload, path) => {
    const refusal = await refuseOne(encoderOf(), rowOf({ aggregatetype: kind, payload }));
    expect(refusal).toMatchObject({
      code: 'PAYLOAD_INVALID',
      path,
      topic: topicOf(),
      subject,
      schemaId: id,
    });
    expect(refusal.message).toMatch(/^expected .*, found /);
  });

  test('for a field the schema does not know is rejected, without the name of the field', async () => {
    const payload = `{"total":1,"${canary}":1}`;
    expect((await refuseOne(encoderOf(), rowOf({ aggregatetype: kind, payload }))).code).toBe(
      'PAYLOAD_INVALID',
    );
  });

  test('never goes to a topic that is not listed, the progress topic or an internal one', async () => {
    const topics = new Topics();
    const settings = { TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' };
    const encoder = encoderOf(settings, registryUrl, topics);
    for (const aggregatetype of ['outbox-relay.progress', '__consumer_offsets', '__transaction_state'])
      expect(await refuseOne(encoder, rowOf({ aggregatetype }))).toMatchObject({
        code: 'TOPIC_NOT_ALLOWED',
        message: expect.stringContaining(`topic ${aggregatetype}, which is internal`),
      });
    expect(topics.asked).toEqual([]);
  });

  test('has its topic looked up, and so made, before its schema is missed, unless topics are listed one by one', async () => {
    const mistyped = unique('ordr');
    const refusalBy = async (settings: Settings) => {
      const topics = new Topics();
      const row = rowOf({ aggregatetype: mistyped });
      const { code } = await refuseOne(encoderOf(settings, registryUrl, topics), row);
      return { code, asked: topics.asked };
    };
    expect(await refusalBy({})).toEqual({ code: 'SCHEMA_MISSING', asked: [`outbox.event.${mistyped}`] });
    expect(await refusalBy({ TOPICS_ALLOW: topicOf() })).toEqual({ code: 'TOPIC_NOT_ALLOWED', asked: [] });
  });

  test('stands aside alone: the others of its transaction are encoded', async () => {
    const good = rowOf({ aggregatetype: kind });
    const { records, refusals } = await encodeAll(
      encoderOf(),
      transaction(good, rowOf({ type: null }), good),
    );
    expect([records.length, refusals.map(({ position }) => position.ordinal)]).toEqual([2, [1]]);
  });
});

describe('the time of a record', () => {
  test('whose topic would remove it is later, and a header has the commit time', async () => {
    const { kind } = await newKind();
    const topics = new Topics();
    topics.answer = { ...info, keptMs: 3_600_000 };
    const encoder = encoderOf({}, registryUrl, topics);
    const earliestMs = Date.now() - 1_800_000;
    const late = await encodeOne(encoder, rowOf({ aggregatetype: kind, headers: '{"committed-at":"mine"}' }));
    expect(late.timestampMs).toBeGreaterThanOrEqual(earliestMs);
    expect(late.timestampMs).toBeLessThanOrEqual(Date.now() - 1_800_000);
    expect(late.headers['committed-at']).toBe('2026-01-02T03:04:05.678Z');
    const timely = { ...transaction(rowOf({ aggregatetype: kind })), committedAtMs: Date.now() - 1_700_000 };
    const [record] = (await encodeAll(encoder, timely)).records;
    expect(record?.timestampMs).toBe(timely.committedAtMs);
    expect(record?.headers).not.toHaveProperty('committed-at');
  });
});

describe('the size of a record', () => {
  test('is what a topic takes by the default of Kafka, unless less is set', async () => {
    const { kind } = await newKind(record({ name: 'text', type: 'string' }));
    const payload = JSON.stringify({ text: 'x'.repeat(1_048_000) });
    const row = rowOf({ aggregatetype: kind, payload });
    expect((await encodeOne(encoderOf(), row)).bytes).toBeGreaterThan(1_048_000);
    const less = encoderOf({ PUBLISH_MAX_RECORD_BYTES: 1_000_000 });
    expect((await refuseOne(less, row)).code).toBe('RECORD_TOO_LARGE');
  });

  test('is limited by the setting and by the topic, to the byte', async () => {
    const { kind } = await newKind(record({ name: 'text', type: 'string' }));
    const row = (length: number) =>
      rowOf({ aggregatetype: kind, payload: JSON.stringify({ text: 'x'.repeat(length) }) });
    const probe = await encodeOne(encoderOf(), row(2_000));
    const bytes = exactRecordBytes(probe.key, probe.value, probe.headers);
    expect(bytes).toBeLessThan(probe.bytes);
    const fits = encoderOf({ PUBLISH_MAX_RECORD_BYTES: bytes });
    await encodeOne(fits, row(2_000));
    expect((await refuseOne(fits, row(2_001))).code).toBe('RECORD_TOO_LARGE');
    const topics = new Topics();
    topics.answer = { ...info, partitions: 1, maxMessageBytes: bytes + 61 };
    const byTopic = encoderOf({}, registryUrl, topics);
    await encodeOne(byTopic, row(2_000));
    expect(await refuseOne(byTopic, row(2_001))).toMatchObject({
      code: 'RECORD_TOO_LARGE',
      topic: `outbox.event.${kind}`,
    });
  });
});

describe('a topic', () => {
  test('that does not exist is a refusal, until it does', async () => {
    const { kind } = await newKind();
    const topics = new Topics();
    topics.answer = { code: 'TOPIC_MISSING', message: 'topic does not exist' };
    const encoder = encoderOf({}, registryUrl, topics);
    const row = rowOf({ aggregatetype: kind });
    expect(await refuseOne(encoder, row)).toMatchObject({
      code: 'TOPIC_MISSING',
      topic: `outbox.event.${kind}`,
    });
    topics.answer = info;
    await vi.waitFor(() => encodeOne(encoder, row), { timeout: 30_000, interval: 100 });
  });

  test('that Kafka refuses now is asked for several times, then refused', async () => {
    const { kind } = await newKind();
    const topics = new Topics();
    const cause = new RelayError('KAFKA_UNSUITABLE', 'not by our policy');
    topics.answer = { code: 'TOPIC_REFUSED', message: cause.message, cause };
    const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 2 }, registryUrl, topics);
    const held = transaction(rowOf({ aggregatetype: kind }));
    const startMs = performance.now();
    const clock = vi.spyOn(performance, 'now');
    for (const pausesMs of [1_000, 2_000]) {
      expect(await encodeAll(encoder, held).catch(codeOf)).toBe('retry ENCODING_UNCLEAR');
      clock.mockReturnValue(startMs + pausesMs);
    }
    const { refusals } = await encodeAll(encoder, held);
    expect(refusals).toMatchObject([{ code: 'TOPIC_REFUSED', failure: { attempts: 3 } }]);
    expect(topics.asked).toHaveLength(3);
  });

  test('of which nothing can be learned holds everything up, and rejects nothing', async () => {
    const { kind } = await newKind();
    const topics = new Topics();
    topics.answer = new RelayError('KAFKA_UNAVAILABLE', 'no broker');
    const encoder = encoderOf({}, registryUrl, topics);
    const row = rowOf({ aggregatetype: kind });
    expect(await encodeAll(encoder, transaction(row)).catch(codeOf)).toBe('retry KAFKA_UNAVAILABLE');
    topics.answer = info;
    await encodeOne(encoder, row);
  });

  test('is asked for once for many events', async () => {
    const { kind } = await newKind();
    const topics = new Topics();
    const encoder = encoderOf({}, registryUrl, topics);
    await encodeAll(
      encoder,
      transaction(...Array.from({ length: 500 }, () => rowOf({ aggregatetype: kind }))),
      0,
    );
    expect(topics.asked).toEqual([`outbox.event.${kind}`]);
  });
});

describe('the schema', () => {
  let gate: TcpProxy;
  const gated = async (settings?: Settings) => {
    gate = await TcpProxy.before(registryUrl);
    return encoderOf(settings, gate.through(registryUrl));
  };

  test('that evolved is fetched for an event that the known one refuses', async () => {
    const { kind, subject } = await newKind();
    const encoder = encoderOf();
    const row = (payload: string) => rowOf({ aggregatetype: kind, payload });
    await encodeOne(encoder, row('{"total":1}'));
    const newer = await registerSchema(
      subject,
      record(total, { name: 'note', type: ['null', 'string'], default: null }),
    );
    // A refusal asks at most once a second.
    const encoded = await vi.waitFor(() => encodeOne(encoder, row('{"total":1,"note":"n"}')), {
      timeout: 30_000,
      interval: 100,
    });
    expect(encoded.value.readUInt32BE(1)).toBe(newer);
    expect((await encodeOne(encoder, row('{"total":1}'))).value.readUInt32BE(1)).toBe(newer);
  });

  test('that evolved is taken up after its time, without a refusal', async () => {
    const { kind, subject } = await newKind();
    const encoder = encoderOf({ REGISTRY_LATEST_TTL_MS: 50 });
    await encodeOne(encoder, rowOf({ aggregatetype: kind }));
    const newer = await registerSchema(subject, record(total, { name: 'n', type: 'int', default: 0 }));
    await vi.waitFor(
      async () => {
        const { value } = await encodeOne(encoder, rowOf({ aggregatetype: kind, payload: '{"total":1}' }));
        expect(value.readUInt32BE(1)).toBe(newer);
      },
      { timeout: 30_000, interval: 50 },
    );
  });

  test('that is known serves through an outage of the registry', async () => {
    const { kind } = await newKind();
    const encoder = await gated({ REGISTRY_LATEST_TTL_MS: 0 });
    await using _ = gate;
    await encodeOne(encoder, rowOf({ aggregatetype: kind }));
    gate.shut();
    passTime(1_050); // what is known of a kind of event is looked up again after a second
    for (let i = 0; i < 5; i++) await encodeOne(encoder, rowOf({ aggregatetype: kind }));
  });

  test('that was never fetched waits for the registry: a retry, never a refusal', async () => {
    const { kind } = await newKind();
    const encoder = await gated();
    await using _ = gate;
    gate.shut();
    const one = transaction(rowOf({ aggregatetype: kind }));
    expect(await encodeAll(encoder, one).catch(codeOf)).toBe('retry REGISTRY_UNAVAILABLE');
    gate.calm();
    expect((await encodeAll(encoder, one)).records).toHaveLength(1);
  });

  test('that may be outdated is not refused with while the registry is away', async () => {
    const { kind } = await newKind();
    const encoder = await gated();
    await using _ = gate;
    await encodeOne(encoder, rowOf({ aggregatetype: kind }));
    gate.shut();
    passTime(1_050); // so that it may be asked for again
    const bad = transaction(rowOf({ aggregatetype: kind, payload: '{}' }));
    expect(await encodeAll(encoder, bad).catch(codeOf)).toBe('retry REGISTRY_UNAVAILABLE');
    gate.calm();
    expect((await encodeAll(encoder, bad)).refusals).toMatchObject([{ code: 'PAYLOAD_INVALID' }]);
  });

  test('that is missing is a refusal, until it is registered', async () => {
    const { kind, subject } = await newKind(null);
    await registerSchema(unique('another'), record(total));
    const encoder = encoderOf();
    const row = rowOf({ aggregatetype: kind });
    expect(await refuseOne(encoder, row)).toMatchObject({ code: 'SCHEMA_MISSING', subject, schemaId: null });
    await registerSchema(subject, record(total));
    await vi.waitFor(() => encodeOne(encoder, row), { timeout: 30_000, interval: 100 });
  });

  test('that is missing because the type is mistyped is named with the subject it was meant to be, and with no other', async () => {
    const { kind, subject } = await newKind();
    const encoder = encoderOf();
    await encodeOne(encoder, rowOf({ aggregatetype: kind }));
    const messageOf = async (type: string) =>
      (await refuseOne(encoder, rowOf({ aggregatetype: kind, type }))).message;
    expect(await messageOf('shop.Place')).toBe(
      `the registry has no subject outbox.event.${kind}-shop.Place; did you mean ${subject}?`,
    );
    expect(await messageOf('shop.Cancelled')).not.toContain('did you mean');
  });

  test('that is gone from the registry is named as one that was in use, at the first event and at later ones', async () => {
    const { kind, subject } = await newKind();
    const encoder = encoderOf({ REGISTRY_LATEST_TTL_MS: 0 });
    const row = rowOf({ aggregatetype: kind });
    const id = (await encodeOne(encoder, row)).value.readUInt32BE(1);
    const deleted = await fetch(`${registryUrl}/subjects/${subject}`, { method: 'DELETE' });
    expect(deleted.ok).toBe(true);
    const said = `the registry has no subject ${subject}, of which this relay has used the schema with id ${id}: it was deleted, or the registry was emptied or replaced`;
    await expect.poll(() => refuseOne(encoder, row).catch(() => undefined)).toMatchObject({ message: said });
    passTime(2_000);
    expect((await refuseOne(encoder, row)).message).toBe(said);
  });

  test('is asked for rarely, however many events are refused', async () => {
    const { kind } = await newKind();
    const encoder = await gated();
    await using _ = gate;
    const bad = rowOf({ aggregatetype: kind, payload: '{}' });
    const missing = rowOf({ aggregatetype: unique('nobody') });
    const rows = Array.from({ length: 1_000 }, (__, index) => (index % 2 === 0 ? bad : missing));
    expect((await encodeAll(encoder, transaction(...rows))).refusals).toHaveLength(1_000);
    expect(gate.connections).toBeLessThanOrEqual(6);
  });
});

describe('types that somebody makes up', () => {
  const madeUp = (length: number, more: Partial<OutboxRow> = {}) =>
    Array.from({ length }, (_, index) => rowOf({ type: `made.Up${index}`, ...more }));

  test('share a few connections and displace no schema in use, which outlives them in an outage', async () => {
    const { kind } = await newKind();
    await using gate = await TcpProxy.before(registryUrl);
    const encoder = encoderOf({ REGISTRY_LATEST_TTL_MS: 0 }, gate.through(registryUrl));
    const good = rowOf({ aggregatetype: kind });
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    await encodeOne(encoder, good);
    const { refusals } = await encodeAll(encoder, transaction(...madeUp(1_000)));
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['SCHEMA_MISSING']));
    for (const row of madeUp(50, { aggregatetype: 'another' })) await refuseOne(encoder, row);
    // 16 at most at a time; some time out where the machine is slow.
    expect(gate.connections).toBeLessThan(100);
    gate.shut();
    nowMs += 1_050;
    await encodeOne(encoder, good);
  });

  test('are asked for again the later the more they are', async () => {
    await using gate = await TcpProxy.before(registryUrl);
    const encoder = encoderOf({}, gate.through(registryUrl));
    const rows = madeUp(600);
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    await encodeAll(encoder, transaction(...rows));
    gate.shut();
    nowMs += 2_990; // one alone has a second, 600 have three
    expect((await encodeAll(encoder, transaction(...rows))).refusals).toHaveLength(600);
    nowMs += 20;
    expect(await encodeAll(encoder, transaction(...rows)).catch(codeOf)).toBe('retry REGISTRY_UNAVAILABLE');
  });

  test('and are too long for any subject are refused without a question, a copy or their name', async () => {
    await using gate = await TcpProxy.before(registryUrl);
    gate.shut();
    const encoder = encoderOf({}, gate.through(registryUrl));
    for (const type of ['a'.repeat(1_000), '\u0001'.repeat(1_000), 'a/'.repeat(500), 'a\u0007', 'ä']) {
      const { code, message } = await refuseOne(encoder, rowOf({ type, aggregatetype: 'x' }));
      expect(code).toBe('SCHEMA_MISSING');
      expect(message.length).toBeLessThan(200);
    }
  });
});

describe('the type of an event', () => {
  const event = (name: string, ...more: object[]) => ({
    type: 'record',
    name,
    namespace: 'shop',
    fields: [{ name: 'orderId', type: 'string' }, ...more],
  });
  const union = [
    event('OrderPlaced'),
    { ...event('OrderCancelled'), aliases: ['OrderRevoked', 'old.OrderRevoked'] },
    event('OrderPaid', { name: 'amount', type: ['null', 'long'], default: null }),
  ];
  const byTopic = { SCHEMAS_SUBJECT_STRATEGY: 'topic' };

  async function topicOf(schema: object) {
    const kind = unique('order');
    const subject = `outbox.event.${kind}-value`;
    return { kind, subject, id: await registerSchema(subject, schema) };
  }

  test('names the branch of a union, though each would take the payload', async () => {
    const { kind, subject, id } = await topicOf(union);
    const rowsOf = (types: readonly string[]) =>
      types.map((type) => rowOf({ aggregatetype: kind, type, payload: '{"orderId":"1"}' }));
    const branchesOf = async (types: readonly string[], settings: Settings) => {
      const { records, refusals } = await encodeAll(encoderOf(settings), transaction(...rowsOf(types)));
      expect(refusals).toEqual([]);
      return records.map(({ value }) => value![5]! / 2);
    };
    const full = ['shop.OrderPlaced', 'shop.OrderCancelled', 'shop.OrderPaid', 'shop.OrderPlaced'];
    expect(await branchesOf(full, byTopic)).toEqual([0, 1, 2, 0]);
    expect(await branchesOf(['shop.OrderRevoked', 'old.OrderRevoked'], byTopic)).toEqual([1, 1]);
    const simple = ['OrderCancelled', 'OrderPaid'];
    expect(await branchesOf(simple, byTopic)).toEqual([1, 2]);
    expect(await branchesOf(simple, { ...byTopic, SCHEMAS_NAMESPACE: 'shop' })).toEqual([1, 2]);

    const misspelt = [
      'shop.OrderTypo',
      'OrderTypo',
      'OrderPlacedd',
      'shop.',
      'other.OrderPlaced',
      'orderplaced',
    ];
    const { records, refusals } = await encodeAll(encoderOf(byTopic), transaction(...rowsOf(misspelt)));
    expect(records).toEqual([]);
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['TYPE_NOT_IN_SCHEMA']));
    expect(refusals[0]).toMatchObject({
      subject,
      schemaId: id,
      message:
        'the type names no branch of the union, which has shop.OrderPlaced, shop.OrderCancelled, shop.OrderPaid',
    });
    const elsewhere = rowOf({ aggregatetype: kind, type: 'OrderPlaced', payload: '{"orderId":"1"}' });
    const namespace = { ...byTopic, SCHEMAS_NAMESPACE: 'elsewhere' };
    expect((await refuseOne(encoderOf(namespace), elsewhere)).code).toBe('TYPE_NOT_IN_SCHEMA');
  });

  test('names a branch that the payload must not contradict', async () => {
    const { kind } = await topicOf(union);
    const row = (payload: string) => rowOf({ aggregatetype: kind, type: 'shop.OrderCancelled', payload });
    const encoder = encoderOf(byTopic);
    const { value } = await encodeOne(encoder, row('{"shop.OrderCancelled":{"orderId":"1"}}'));
    expect([...value.subarray(5)]).toEqual([2, 2, 0x31]);
    expect((await refuseOne(encoder, row('{"shop.OrderPlaced":{"orderId":"1"}}'))).code).toBe(
      'PAYLOAD_INVALID',
    );
    expect(await refuseOne(encoder, row('{"orderId":1}'))).toMatchObject({
      code: 'PAYLOAD_INVALID',
      path: '$.orderId',
    });
  });

  test('that two namespaces of a union have is refused by its simple name', async () => {
    const { kind } = await topicOf([event('Placed'), { ...event('Placed'), namespace: 'old' }]);
    const row = (type: string) => rowOf({ aggregatetype: kind, type, payload: '{"orderId":"1"}' });
    const encoder = encoderOf(byTopic);
    expect((await encodeOne(encoder, row('old.Placed'))).value[5]).toBe(2);
    expect(await refuseOne(encoder, row('Placed'))).toMatchObject({
      code: 'TYPE_NOT_IN_SCHEMA',
      message: expect.stringContaining('more than one'),
    });
  });

  test('that a newer version of the union has is published, since its writer may be ahead of us', async () => {
    const { kind, subject } = await topicOf(union.slice(0, 1));
    const encoder = encoderOf(byTopic);
    const row = (type: string) => rowOf({ aggregatetype: kind, type, payload: '{"orderId":"1"}' });
    await encodeOne(encoder, row('shop.OrderPlaced'));
    const newer = await registerSchema(subject, union);
    passTime(1_050);
    const { value } = await encodeOne(encoder, row('shop.OrderPaid'));
    expect([value.readUInt32BE(1), value[5]]).toEqual([newer, 4]);
  });

  test('has to name the record where there is but one, unless the setting frees it', async () => {
    const { kind } = await topicOf(event('OrderEvent'));
    const row = (type: string) => rowOf({ aggregatetype: kind, type, payload: '{"orderId":"1"}' });
    await encodeOne(encoderOf(byTopic), row('shop.OrderEvent'));
    await encodeOne(encoderOf(byTopic), row('OrderEvent'));
    expect(await refuseOne(encoderOf(byTopic), row('order.created'))).toMatchObject({
      code: 'TYPE_NOT_IN_SCHEMA',
      message: 'the type does not name the schema, which is shop.OrderEvent',
    });
    await encodeOne(encoderOf({ ...byTopic, SCHEMAS_TYPE_MATCH: 'any' }), row('order.created'));
    const bySubject = await newKind({ ...record(total), name: 'Other' });
    const wrong = rowOf({ aggregatetype: bySubject.kind });
    expect((await refuseOne(encoderOf(), wrong)).code).toBe('TYPE_NOT_IN_SCHEMA');
  });

  test('that is free still guesses no branch of a union: the payload names it', async () => {
    const { kind } = await topicOf(union);
    const encoder = encoderOf({ ...byTopic, SCHEMAS_TYPE_MATCH: 'any' });
    const row = (payload: string) => rowOf({ aggregatetype: kind, type: 'order-cancelled', payload });
    const { value } = await encodeOne(encoder, row('{"shop.OrderCancelled":{"orderId":"1"}}'));
    expect(value[5]).toBe(2);
    expect((await refuseOne(encoder, row('{"orderId":"1"}'))).code).toBe('PAYLOAD_INVALID');
  });

  test('does not matter where the schema has no name', async () => {
    const { kind } = await topicOf({ type: 'array', items: 'int' });
    await encodeOne(encoderOf(byTopic), rowOf({ aggregatetype: kind, type: 'whatever', payload: '[1]' }));
  });
});

describe('a subject that holds no Avro', () => {
  test.each([
    [
      'JSON',
      '{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":{"type":"string"}}',
      'JSON',
    ],
    ['PROTOBUF', 'syntax = "proto3"; message Placed { string id = 1; }', 'Protobuf'],
  ])(
    'but %s is named as such, at once, and nothing is published under its id',
    async (type, schema, name) => {
      const { kind, subject } = await newKind(null);
      await registerSchema(subject, schema, type);
      const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 5 });
      for (const headers of ['{}', '{"schema-version":1}'])
        expect(
          await refuseOne(encoder, rowOf({ aggregatetype: kind, headers, payload: '["x"]' })),
        ).toMatchObject({
          code: 'SCHEMA_INVALID',
          message: `subject ${subject} holds a ${name} schema; only Avro is supported`,
        });
    },
  );
});

describe('a registry that is replaced while the relay runs', () => {
  const fields = { x: { name: 'x', type: 'long' }, y: { name: 'y', type: 'string' } };
  const of = (name: string, ...names: ('x' | 'y')[]) =>
    JSON.stringify({ type: 'record', name, namespace: 'shop', fields: names.map((each) => fields[each]) });
  const subjectOf = (type: string) => `outbox.event.order-${type}`;
  const row = (type: string, headers = '{}') => rowOf({ type, headers, payload: '{"x":1,"y":"a"}' });

  /** Answers for each subject with the schema of its text and its id, until `answers` change. */
  async function replaceable(answers: Record<string, { id: number; schema: string; schemaType?: string }>) {
    const server = createServer((request, response) => {
      const [, subject = ''] = /^\/subjects\/([^/]+)\/versions\/\w+$/.exec(request.url ?? '') ?? [];
      const found = answers[subject];
      if (found !== undefined) return void response.end(JSON.stringify(found));
      response.writeHead(404).end('{"error_code":40401,"message":"no such subject"}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const warnings: unknown[] = [];
    const config = configOf({});
    const registry = new RegistryClient({ ...config.registry, url });
    const observer = { schemasDistrusted: (fact: object) => void warnings.push(fact) };
    return Object.assign(server, {
      encoder: new Encoder(config, registry, new Topics(), observer),
      warnings,
    });
  }

  test('and gives an id another meaning is noticed: each id goes out with the bytes of its own schema', async () => {
    const answers = { [subjectOf('shop.A')]: { id: 1, schema: of('A', 'x', 'y') } };
    await using server = await replaceable(answers);
    const { encoder, warnings } = server;
    const bytes = [0, 0, 0, 0, 1];
    expect([...(await encodeOne(encoder, row('shop.A'))).value]).toEqual([...bytes, 2, 2, 0x61]);
    expect([
      ...(await encodeOne(encoder, row('shop.A', '{"schema-version":1}'))).value.subarray(0, 5),
    ]).toEqual(bytes);
    answers[subjectOf('shop.A')] = { id: 2, schema: of('A', 'x', 'y') };
    answers[subjectOf('shop.B')] = { id: 1, schema: of('B', 'y', 'x') };
    expect([...(await encodeOne(encoder, row('shop.B'))).value]).toEqual([...bytes, 2, 0x61, 2]);
    expect(warnings).toEqual([{ schemaId: 1, subject: subjectOf('shop.B') }]);
    // What was fetched before says nothing any more, whatever its age, held versions included.
    for (const headers of ['{}', '{"schema-version":1}'])
      expect([...(await encodeOne(encoder, row('shop.A', headers))).value]).toEqual([
        0, 0, 0, 0, 2, 2, 2, 0x61,
      ]);
    expect(warnings).toHaveLength(1);
  });

  test('and contradicts itself all the time is asked and warned of once a minute', async () => {
    const answers = {
      [subjectOf('shop.A')]: { id: 1, schema: of('A', 'x', 'y') },
      [subjectOf('shop.B')]: { id: 1, schema: of('B', 'y', 'x') },
    };
    await using server = await replaceable(answers);
    let asked = 0;
    server.on('request', () => void asked++);
    const rows = Array.from({ length: 100 }, (_, index) => row(index % 2 === 0 ? 'shop.A' : 'shop.B'));
    for (const one of rows) {
      const { value } = await encodeOne(server.encoder, one);
      expect([...value.subarray(5)]).toEqual(one.type === 'shop.A' ? [2, 2, 0x61] : [2, 0x61, 2]);
    }
    expect(server.warnings).toHaveLength(1);
    expect(asked).toBeLessThanOrEqual(4);
  });

  test('whose id does not fit the framing is named at once, and the others are published', async () => {
    const schema = of('A', 'x', 'y');
    const answers = {
      [subjectOf('shop.A')]: { id: 3_000_000_000, schema },
      [subjectOf('old.A')]: { id: 2 ** 31 - 1, schema: schema.replace('shop', 'old') },
    };
    await using server = await replaceable(answers);
    const { records, refusals } = await encodeAll(server.encoder, transaction(row('shop.A'), row('old.A')));
    expect(refusals).toMatchObject([
      { code: 'REGISTRY_ANSWER_INVALID', message: expect.stringContaining('id 3000000000 does not fit') },
    ]);
    expect(records[0]?.value?.readInt32BE(1)).toBe(2 ** 31 - 1);
  });

  test('is noticed by the id of a known text, and at a held version after its time', async () => {
    const answers = { [subjectOf('shop.A')]: { id: 1, schema: of('A', 'x', 'y') } };
    await using server = await replaceable(answers);
    const { encoder, warnings } = server;
    const held = row('shop.A', '{"schema-version":1}');
    await encodeOne(encoder, held);
    answers[subjectOf('shop.A')] = { id: 7, schema: of('A', 'x', 'y') };
    passTime(61_000);
    await vi.waitFor(async () => expect((await encodeOne(encoder, held)).value[4]).toBe(7), {
      timeout: 30_000,
    });
    expect(warnings).toEqual([{ schemaId: 7, subject: subjectOf('shop.A') }]);
  });
});

describe('the version of the schema', () => {
  const note = { name: 'note', type: 'string', default: '' };

  async function twoVersions() {
    const { kind, subject, id: first } = await newKind();
    const second = await registerSchema(subject, record(total, note));
    return { kind, subject, first, second };
  }

  test('that a row names in its headers is taken, and the header goes no further', async () => {
    const { kind, first, second } = await twoVersions();
    const encoder = encoderOf();
    for (const [headers, id] of [
      ['{"schema-version":"1","h":"x"}', first],
      ['{"schema-version":2,"h":"x"}', second],
      ['{"\\u0073chema-version":1,"h":"x"}', first],
      ['{"schema-version":null,"h":"x"}', second],
      ['{"h":"x"}', second],
    ] as const) {
      const encoded = await encodeOne(encoder, rowOf({ aggregatetype: kind, headers }));
      expect(encoded.value.readUInt32BE(1)).toBe(id);
      expect(Object.keys(encoded.headers)).toEqual(['id', 'type', 'position', 'h']);
    }
  });

  test('that the configuration holds a subject at is taken, unless the row names another', async () => {
    const { kind, subject, first, second } = await twoVersions();
    const encoder = encoderOf({ SCHEMAS_VERSIONS: `other=3, ${subject}=1` });
    const idOf = async (headers: string) =>
      (await encodeOne(encoder, rowOf({ aggregatetype: kind, headers }))).value.readUInt32BE(1);
    expect([await idOf('{}'), await idOf('{"schema-version":2}'), await idOf('{}')]).toEqual([
      first,
      second,
      first,
    ]);
    const newer = rowOf({ aggregatetype: kind, payload: '{"total":1,"note":"n"}' });
    expect((await refuseOne(encoder, newer)).code).toBe('PAYLOAD_INVALID');
  });

  describe('that the settings hold a subject at while the relay runs', () => {
    const more = { name: 'more', type: 'string', default: '' };

    /** Its settings can be read again, and an answer of the registry can be held back. */
    async function reloadable() {
      const versions = await twoVersions();
      const { kind, subject } = versions;
      const config = configOf();
      const client = new RegistryClient({ ...config.registry, url: registryUrl });
      let held: { readonly asked: () => void; readonly released: Promise<void> } | undefined;
      let answered: Promise<unknown> = Promise.resolve();
      const answer = async (found: ReturnType<SchemaSource['latest']>, hold: typeof held) => {
        const schema = await found;
        hold?.asked();
        await hold?.released;
        return schema;
      };
      const perhapsLate = (found: ReturnType<SchemaSource['latest']>) => {
        const late = answer(found, held);
        if (held !== undefined) answered = late;
        held = undefined;
        return late;
      };
      const source: SchemaSource = {
        latest: (name) => perhapsLate(client.latest(name)),
        version: (name, version) => perhapsLate(client.version(name, version)),
      };
      const encoder = new Encoder(config, source, new Topics());
      return {
        ...versions,
        register: () => registerSchema(subject, record(total, note, more)),
        idNow: async () => (await encodeOne(encoder, rowOf({ aggregatetype: kind }))).value.readUInt32BE(1),
        hold: (list: string) =>
          void applyReloadable(config, configOf(list === '' ? {} : { SCHEMAS_VERSIONS: list })),
        /** The next answer comes late. */
        holdBack: () => {
          const asked = Promise.withResolvers<void>();
          const release = Promise.withResolvers<void>();
          held = { asked: asked.resolve, released: release.promise };
          return {
            asked: asked.promise,
            release: async () => {
              release.resolve();
              await answered;
              // What waits for the answer goes on before that.
              await nextTurn();
            },
          };
        },
      };
    }

    test('gives way at once to the latest of now, and not to the one that was known before', async () => {
      const { subject, first, second, register, idNow, hold } = await reloadable();
      expect(await idNow()).toBe(second);
      hold(`${subject}=1`);
      expect(await idNow()).toBe(first);
      const third = await register();
      hold('');
      expect(await idNow()).toBe(third);
    });

    test('gives way to the latest of now where no event came in between', async () => {
      const { subject, second, register, idNow, hold } = await reloadable();
      expect(await idNow()).toBe(second);
      hold(`${subject}=1`);
      const third = await register();
      hold('');
      expect(await idNow()).toBe(third);
    });

    test('keeps no answer about the latest that was asked for before', async () => {
      const { subject, first, second, register, idNow, hold, holdBack } = await reloadable();
      expect(await idNow()).toBe(second);
      passTime(61_000);
      const late = holdBack();
      // Behind this event, the relay asks for the latest again.
      expect(await idNow()).toBe(second);
      await late.asked;
      hold(`${subject}=1`);
      expect(await idNow()).toBe(first);
      const third = await register();
      hold('');
      expect(await idNow()).toBe(third);
      await late.release();
      passTime(62_050);
      expect(await idNow()).toBe(third);
    });

    test('is taken by an event that waited for another while the settings changed', async () => {
      const { subject, first, idNow, hold, holdBack } = await reloadable();
      const late = holdBack();
      const encoding = idNow();
      await late.asked;
      hold(`${subject}=1`);
      await late.release();
      expect(await encoding).toBe(first);
      expect(await idNow()).toBe(first);
    });

    test('leaves the others with what is known of them while the registry is away', async () => {
      const [held, other] = [await twoVersions(), await twoVersions()];
      await using gate = await TcpProxy.before(registryUrl);
      const config = configOf();
      const url = gate.through(registryUrl);
      const encoder = new Encoder(config, new RegistryClient({ ...config.registry, url }), new Topics());
      const idNow = async (kind: string) => {
        const { records } = await encodeAll(encoder, transaction(rowOf({ aggregatetype: kind })));
        return records[0]!.value!.readUInt32BE(1);
      };
      expect(await idNow(held.kind)).toBe(held.second);
      applyReloadable(config, configOf({ SCHEMAS_VERSIONS: `${held.subject}=1` }));
      expect([await idNow(held.kind), await idNow(other.kind)]).toEqual([held.first, other.second]);
      gate.shut();
      applyReloadable(config, configOf());
      expect(await idNow(other.kind)).toBe(other.second);
      // Its latest may be the one for which it was held.
      expect(await idNow(held.kind).catch(codeOf)).toBe('retry REGISTRY_UNAVAILABLE');
      gate.calm();
      expect(await idNow(held.kind)).toBe(held.second);
    });

    test('refuses no event that it kept waiting, once it is another', async () => {
      const { subject, second, idNow, hold, holdBack } = await reloadable();
      hold(`${subject}=99`);
      const late = holdBack();
      const encoding = idNow();
      await late.asked;
      hold('');
      await late.release();
      expect(await encoding).toBe(second);
    });
  });

  test('that the registry does not have is a refusal, until it does', async () => {
    const { kind, subject } = await newKind();
    const encoder = encoderOf();
    const row = rowOf({ aggregatetype: kind, headers: '{"schema-version":2}' });
    expect(await refuseOne(encoder, row)).toMatchObject({
      code: 'SCHEMA_MISSING',
      subject,
      message: `the registry has no version 2 of subject ${subject}`,
    });
    await encodeOne(encoder, rowOf({ aggregatetype: kind }));
    await registerSchema(subject, record(total, note));
    await vi.waitFor(() => encodeOne(encoder, row), { timeout: 30_000, interval: 100 });
  });

  test.each(['0', '-1', '1.5', '"latest"', '"1 "', 'true', '[1]'])('%s is no version', async (version) => {
    const { kind } = await newKind();
    const row = rowOf({ aggregatetype: kind, headers: `{"schema-version":${version}}` });
    expect(await refuseOne(encoderOf(), row)).toMatchObject({
      code: 'EVENT_INVALID',
      topic: `outbox.event.${kind}`,
    });
  });

  test('is waited for while the registry is away, and serves on once it is known', async () => {
    const { kind, first } = await twoVersions();
    await using gate = await TcpProxy.before(registryUrl);
    const encoder = encoderOf({ REGISTRY_LATEST_TTL_MS: 0 }, gate.through(registryUrl));
    const pinned = rowOf({ aggregatetype: kind, headers: '{"schema-version":1}' });
    gate.shut();
    expect(await encodeAll(encoder, transaction(pinned)).catch(codeOf)).toBe('retry REGISTRY_UNAVAILABLE');
    gate.calm();
    await encodeOne(encoder, pinned);
    gate.shut();
    expect((await encodeOne(encoder, pinned)).value.readUInt32BE(1)).toBe(first);
  });
});

describe('an event without a payload', () => {
  const empty = [null, 'null', ' null\n'];

  test('is a tombstone where its topic takes them: no value, and no schema is needed', async () => {
    const kind = unique('order');
    const encoder = encoderOf({ TOPICS_TOMBSTONES: 'other, outbox.event.order_*' });
    for (const payload of empty) {
      const { records, refusals } = await encodeAll(
        encoder,
        transaction(rowOf({ aggregatetype: kind, payload })),
        0,
      );
      expect(refusals).toEqual([]);
      expect(records).toMatchObject([{ topic: `outbox.event.${kind}`, key: '42', value: null }]);
      expect(records[0]?.headers).toMatchObject({ type: 'shop.Placed' });
    }
    const keyless = rowOf({ aggregatetype: kind, payload: null, aggregateid: null });
    expect((await refuseOne(encoder, keyless)).code).toBe('EVENT_INVALID');
  });

  test('is refused everywhere else', async () => {
    const { kind } = await newKind();
    const encoder = encoderOf({ TOPICS_TOMBSTONES: 'outbox.event.other' });
    const codes = [];
    for (const payload of empty)
      codes.push((await refuseOne(encoder, rowOf({ aggregatetype: kind, payload }))).code);
    expect(codes).toEqual(['PAYLOAD_NOT_JSON', 'PAYLOAD_INVALID', 'PAYLOAD_INVALID']);
  });
});

describe('a failure that may pass', () => {
  /** Where the registry's answer for one subject is another than its own. */
  async function oddRegistry(subject: string, answer: Answer): Promise<RegistryGate> {
    const gate = await RegistryGate.open(registryUrl);
    gate.instead = (_, path) => (path.includes(subject) ? answer : undefined);
    return gate;
  }

  const attemptsOf = async (encoder: Encoder, one: CommittedTransaction): Promise<string[]> => {
    const codes: string[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      const encoded = await encodeAll(encoder, one).catch(codeOf);
      if (typeof encoded !== 'string') return [...codes, ...encoded.refusals.map(({ code }) => code)];
      codes.push(encoded);
    }
    return codes;
  };

  test.each([
    ['a body that is no schema', 200, '{}'],
    ['a bad request', 422, '{"error_code":42202,"message":"no"}'],
  ])('%s for one subject is tried so often, then its events are refused', async (_, status, body) => {
    const { kind, subject } = await newKind();
    const good = await newKind();
    await using server = await oddRegistry(subject, { status, body });
    const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 2 }, server.url);
    const rows = transaction(rowOf({ aggregatetype: kind }), rowOf({ aggregatetype: good.kind }));
    const unclear = 'retry ENCODING_UNCLEAR';
    expect(await attemptsOf(encoder, rows)).toEqual([unclear, unclear, 'REGISTRY_ANSWER_INVALID']);
    // The same again is known.
    const { records, refusals } = await encodeAll(encoder, rows);
    expect(records).toHaveLength(1);
    expect(refusals[0]).toMatchObject({
      subject,
      failure: { attempts: 3, stack: expect.stringMatching(/^RelayError\n {4}at /) },
    });
  });

  test.each([500, 503, 429])('status %i for one subject is an outage, for ever', async (status) => {
    const { kind, subject } = await newKind();
    await using server = await oddRegistry(subject, { status, body: '{"error_code":50001}' });
    const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 1 }, server.url);
    const outcomes = await attemptsOf(encoder, transaction(rowOf({ aggregatetype: kind })));
    expect(new Set(outcomes)).toEqual(new Set(['retry REGISTRY_UNAVAILABLE']));
  });

  test('a defect is tried so often, then its event is refused with the stack and not its words', async () => {
    const { kind } = await newKind();
    const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 1 });
    const defect = vi.spyOn(ByteSink.prototype, 'writeInt').mockImplementation(() => {
      throw new TypeError(canary);
    });
    try {
      const rows = transaction(rowOf({ aggregatetype: kind }), rowOf({ aggregatetype: kind }));
      expect(await encodeAll(encoder, rows).catch(codeOf)).toBe('retry ENCODING_UNCLEAR');
      const { refusals } = await encodeAll(encoder, rows);
      expect(refusals).toMatchObject([{ code: 'ENCODING_FAILED' }, { code: 'ENCODING_FAILED' }]);
      expect(refusals[0]?.failure?.stack).toContain('encoder.ts');
      expect(JSON.stringify(refusals.map(({ message, failure }) => [message, failure]))).not.toContain(
        canary,
      );
    } finally {
      defect.mockRestore();
    }
  });

  test('that passes leaves nothing behind', async () => {
    const { kind } = await newKind();
    const encoder = encoderOf({ RETRY_UNCLEAR_ATTEMPTS: 1 });
    const defect = vi.spyOn(ByteSink.prototype, 'writeInt').mockImplementationOnce(() => {
      throw new TypeError('once');
    });
    const rows = transaction(rowOf({ aggregatetype: kind }));
    expect(await encodeAll(encoder, rows).catch(codeOf)).toBe('retry ENCODING_UNCLEAR');
    expect((await encodeAll(encoder, rows)).records).toHaveLength(1);
    defect.mockRestore();
  });
});

test.each([
  ['base64', '+/8='],
  ['base64url', '-_8'],
  ['hex', 'FBff'],
  ['latin1', 'ûÿ'],
])('bytes are %s by the setting, and nothing else is', async (form, text) => {
  const { kind } = await newKind(record({ name: 'bytes', type: 'bytes', default: 'ÿ' }));
  const encoder = encoderOf({ SCHEMAS_BYTES: form });
  const row = (payload: object) => rowOf({ aggregatetype: kind, payload: JSON.stringify(payload) });
  expect((await encodeOne(encoder, row({ bytes: text }))).value.subarray(5)).toEqual(
    Buffer.from([4, 251, 255]),
  );
  // A default is Avro's own JSON, whatever the setting.
  expect((await encodeOne(encoder, row({}))).value.subarray(5)).toEqual(Buffer.from([2, 255]));
  const refusal = await refuseOne(encoder, row({ bytes: '☃' }));
  expect(refusal.message).toBe(`expected bytes (${form}), found string that is not ${form}`);
});

test('a schema that refers to others in the registry is encoded with', async () => {
  const registry = new RegistryClient({ ...configOf().registry, url: registryUrl });
  const kind = unique('order');
  const [money, price] = [unique('Money'), unique('Price')];
  const type = (name: string, ...fields: object[]) => JSON.stringify({ ...record(...fields), name });
  const refer = (name: string) => [{ name: `shop.${name}`, subject: name, version: 1 }];
  await registry.register(money, type(money, { name: 'cents', type: 'int' }));
  await registry.register(price, type(price, { name: 'net', type: money }), refer(money));
  const lines = { name: 'lines', type: { type: 'array', items: price } };
  const subject = `outbox.event.${kind}-shop.Placed`;
  const id = await registry.register(subject, type('Placed', total, lines), refer(price));
  const payload = '{"total":1,"lines":[{"net":{"cents":3}}]}';
  const { value } = await encodeOne(encoderOf(), rowOf({ aggregatetype: kind, payload }));
  expect([value.readUInt32BE(1), [...value.subarray(5)]]).toEqual([id, [2, 2, 6, 0]]);
  const bad = rowOf({ aggregatetype: kind, payload: '{"total":1,"lines":[{"net":{"cents":"3"}}]}' });
  expect((await refuseOne(encoderOf(), bad)).path).toBe('$.lines[0].net.cents');
});
