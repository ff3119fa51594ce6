import { beforeEach, describe, expect, test } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import { eventsOf } from '../../../relay/capture/event.ts';
import type { OutboxRow } from '../../../relay/capture/transaction.ts';
import { Encoder } from '../../../relay/encode/encoder.ts';
import { type EncodedEvent, isRefusal } from '../../../relay/encode/record.ts';
import type { SchemaSource } from '../../../relay/encode/registry/schemas.ts';
import { rowsFrom, transactionOf } from '../capture/rows.ts';
import { configOf } from '../settings.ts';

let asked = 0;
beforeEach(() => {
  asked = 0;
});
const ask = () => {
  asked += 1;
  return Promise.reject(new Error('the registry was asked'));
};
const noRegistry: SchemaSource = { latest: ask, version: ask };

const row: OutboxRow = {
  id: 'b1f2c3d4-0000-4000-8000-00000000002a',
  aggregatetype: 'order',
  aggregateid: '42',
  type: 'shop.Placed',
  payload: '{"total":1}',
  headers: '{}',
  createdAt: null,
};

function encoderOf(settings: Settings = {}, maxMessageBytes = 1_048_588): Encoder {
  const info = { partitions: 12, maxMessageBytes, keptMs: Number.POSITIVE_INFINITY };
  const config = configOf({ RECORDS_FORMAT: 'json', RETRY_UNCLEAR_ATTEMPTS: 0, ...settings });
  return new Encoder(config, noRegistry, { resolve: async () => info });
}

async function encode(
  changes: Partial<OutboxRow>,
  ...given: Parameters<typeof encoderOf>
): Promise<EncodedEvent> {
  const encoder = encoderOf(...given);
  const transaction = transactionOf(1n, 0, { rows: rowsFrom([{ ...row, ...changes }]) });
  const [encoded] = await encoder.encode(eventsOf(transaction, 0));
  return encoded!;
}

async function recordOf(...given: Parameters<typeof encode>) {
  const encoded = await encode(...given);
  if (isRefusal(encoded)) throw new Error(`${encoded.code}: ${encoded.message}`);
  return encoded;
}

describe('a value in JSON', () => {
  test.each([
    ['a number beyond 2^53', '{"n":9007199254740993,"d":123456789012345678901234567890.12345}'],
    ['zeros that say something', '{"n":-0.0020,"m":1.50,"e":1E+2,"z":-0}'],
    ['a name that occurs twice', '{"a":1,"a":2}'],
    ['escapes of characters that need none', String.raw`{"a":"\u0041\/\u00e9","b":"é😀\ud83d\ude00"}`],
    ['half of a pair of surrogates', String.raw`{"a":"\ud83d"}`],
    ['NUL, as json keeps it', String.raw`{"a":"\u0000"}`],
    ['white space', ' {\n\t"a" : [ 1 , 2 ]\r\n} '],
    ['what jsonb makes of it', '{"a": 1, "bb": [1, 2]}'],
    ['a number that no double holds', '1e400'],
    ['an array', '[]'],
    ['a text', '"x"'],
    ['false', 'false'],
    ['__proto__', '{"__proto__":{"a":1}}'],
  ])('is the text of the payload: %s', async (_, payload) => {
    const { value } = await recordOf({ payload });
    expect(value!.toString()).toBe(payload);
    expect(value!.equals(Buffer.from(payload))).toBe(true);
  });

  test('has topic, key, headers and size as every record', async () => {
    const record = await recordOf({ headers: '{"trace":"t","schema-version":3}' });
    expect(record).toMatchObject({ topic: 'outbox.event.order', key: '42' });
    expect(Object.entries(record.headers)).toEqual([
      ['id', row.id],
      ['type', 'shop.Placed'],
      ['position', expect.any(String)],
      ['trace', 't'],
    ]);
    expect(record.bytes).toBeGreaterThan(record.value!.length);
  });

  test('needs nothing of the registry, whatever its type and the version that its row asks for', async () => {
    const encoder = encoderOf();
    const rows = ['A', 'B', 'C'].map((type) => ({ ...row, type, headers: '{"schema-version":2}' }));
    for (const of of [rows, rows, rows.map((each) => ({ ...each, headers: null, type: `${each.type}2` }))])
      expect(
        (await encoder.encode(eventsOf(transactionOf(1n, 0, { rows: rowsFrom(of) }), 0))).some(isRefusal),
      ).toBe(false);
    expect(asked).toBe(0);
  });

  test.each<[string, Partial<OutboxRow>, string, string | null]>([
    ['a payload that is NULL', { payload: null }, 'PAYLOAD_NOT_JSON', null],
    ['JSON null', { payload: ' null ' }, 'PAYLOAD_INVALID', '$'],
    ['text that is not JSON', { payload: '{"canary":1,}' }, 'PAYLOAD_NOT_JSON', null],
    ['an empty text', { payload: '' }, 'PAYLOAD_NOT_JSON', null],
    ['a mark of the byte order', { payload: '\uFEFF{}' }, 'PAYLOAD_NOT_JSON', null],
    ['no key', { aggregateid: null }, 'EVENT_INVALID', null],
    ['no type', { type: null }, 'EVENT_INVALID', null],
    ['headers that are no object', { headers: '[]' }, 'EVENT_INVALID', null],
  ])('is refused for %s, without showing it', async (_, changes, code, path) => {
    const refusal = await encode(changes);
    expect(refusal).toMatchObject({ code, path, subject: null, schemaId: null });
    expect((refusal as { message: string }).message).not.toContain('canary');
  });

  test('is refused where it is too large for its topic', async () => {
    const payload = JSON.stringify('x'.repeat(2_000));
    expect(await encode({ payload }, {}, 2_000)).toMatchObject({ code: 'RECORD_TOO_LARGE' });
  });

  test('is absent where the topic takes tombstones', async () => {
    for (const payload of [null, 'null'])
      expect(await recordOf({ payload }, { TOPICS_TOMBSTONES: '*' })).toMatchObject({ value: null });
  });

  test('is that of the first format whose topic matches', async () => {
    const formats = { RECORDS_FORMAT: 'avro', RECORDS_FORMATS: 'outbox.event.ord*=json,*=avro' };
    expect((await recordOf({}, formats)).value!.toString()).toBe('{"total":1}');
    await expect(encode({ aggregatetype: 'item' }, formats)).resolves.toMatchObject({
      code: 'ENCODING_FAILED',
      message: expect.stringContaining('unexpected Error'),
    });
  });
});

describe('headers with fields of the row', () => {
  const named = 'eventType=type,aggregateId=aggregateid,aggregateType=aggregatetype,event-id=id';

  test('have the names that the settings give them', async () => {
    const { headers } = await recordOf({ headers: '{"trace":"t"}' }, { RECORDS_HEADERS: named });
    expect(Object.entries(headers)).toEqual([
      ['id', row.id],
      ['eventType', 'shop.Placed'],
      ['aggregateId', '42'],
      ['aggregateType', 'order'],
      ['event-id', row.id],
      ['position', expect.any(String)],
      ['trace', 't'],
    ]);
  });

  test('a row cannot forge them, nor those that every record has', async () => {
    const headers = '{"eventType":"x","type":"x","id":"x","position":"x","b":"1"}';
    const record = await recordOf({ headers }, { RECORDS_HEADERS: 'eventType=type' });
    expect(record.headers).toEqual({
      id: row.id,
      eventType: 'shop.Placed',
      position: expect.not.stringMatching('x'),
      b: '1',
    });
  });

  test('may be none', async () => {
    const { headers } = await recordOf({}, { RECORDS_HEADERS: '' });
    expect(Object.keys(headers)).toEqual(['id', 'position']);
  });
});
