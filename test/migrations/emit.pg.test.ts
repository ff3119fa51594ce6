import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Outbox, openOutbox, refusalOf } from './outbox.ts';

let outbox: Outbox;
let owner: pg.Client;
let writer: pg.Client;

beforeAll(async () => {
  outbox = await openOutbox();
  owner = await outbox.connect('owner');
  writer = await outbox.connect('outbox_writer');
});
afterAll(() => outbox?.[Symbol.asyncDispose]());
beforeEach(() => owner.query('truncate outbox.event'));

async function written() {
  const { rows } = await owner.query(
    'select id, aggregatetype, aggregateid, type, payload::text, headers::text from outbox.event',
  );
  return rows;
}

test('emit returns the id of the event to a mere writer', async () => {
  const { rows } = await writer.query('select outbox.emit($1, $2, $3, $4, $5) as id', [
    'order',
    '42',
    'OrderPlaced',
    '{"total": 1999}',
    '{"traceparent": "00-1"}',
  ]);
  expect(await written()).toEqual([
    {
      id: rows[0]?.id,
      aggregatetype: 'order',
      aggregateid: '42',
      type: 'OrderPlaced',
      payload: '{"total": 1999}',
      headers: '{"traceparent": "00-1"}',
    },
  ]);
});

test.each([
  ['literals', `'{"a": 1}'`, undefined],
  ['text', `'{"a": 1}'::text`, `'{}'::text`],
  ['varchar', `'{"a": 1}'::varchar`, undefined],
  ['json', `'{"a": 1}'::json`, undefined],
  ['jsonb', `'{"a": 1}'::jsonb`, undefined],
  ['json with literal headers', `'{"a": 1}'::json`, `'{}'`],
  ['jsonb with literal headers', `'{"a": 1}'::jsonb`, `'{}'`],
  ['a literal with jsonb headers', `'{"a": 1}'`, `'{}'::jsonb`],
  ['named headers', `'{"a": 1}'`, `headers => '{}'`],
])('emit takes %s', async (_, payload, headers) => {
  const last = headers === undefined ? '' : `, ${headers}`;
  await writer.query(`select outbox.emit('order', '42', 'OrderPlaced', ${payload}${last})`);
  expect(await written()).toMatchObject([{ payload: '{"a": 1}', headers: '{}' }]);
});

test('emit takes a null payload', async () => {
  await writer.query(`select outbox.emit('order', '42', 'OrderErased', null)`);
  expect(await written()).toMatchObject([{ type: 'OrderErased', payload: null }]);
});

test('emit refuses a payload that is not JSON', async () => {
  expect(await refusalOf(writer.query(`select outbox.emit('order', '42', 'OrderPlaced', '{')`))).toBe(
    '22P02',
  );
  expect(await written()).toEqual([]);
});

test('emit belongs to the transaction it is called in', async () => {
  await writer.query('begin');
  await writer.query(`select outbox.emit('order', '42', 'OrderPlaced', '{}')`);
  await writer.query('rollback');
  expect(await written()).toEqual([]);
});

test('emit lends nobody the right to write', async () => {
  const relay = await outbox.connect('outbox_relay');
  await owner.query('grant execute on all functions in schema outbox to outbox_relay');
  expect(await refusalOf(relay.query(`select outbox.emit('order', '42', 'OrderPlaced', '{}')`))).toBe(
    '42501',
  );
});
