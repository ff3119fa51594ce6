import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePartitions } from '../../relay/upkeep/make-partitions.ts';
import { unique } from '../support/unique.ts';
import { insertEvent, insertEventOfDay, type Outbox, openOutbox, refusalOf } from './outbox.ts';

const slot = unique('publication_test');
let outbox: Outbox;
let owner: pg.Client;
/** Holds the slot and nothing else: a temporary slot ends with its session, and with any error in it. */
let reader: pg.Client;

beforeAll(async () => {
  outbox = await openOutbox();
  owner = await outbox.connect('owner');
  reader = await outbox.connect('owner');
  await reader.query(`select pg_create_logical_replication_slot($1, 'pgoutput', true)`, [slot]);
});
afterAll(() => outbox?.[Symbol.asyncDispose]());

/**
 * The row messages that the slot has streamed since the last call, as `I outbox.event`. pgoutput announces partitions as
 * relations too; what counts is the relation that a row message names.
 */
async function streamed(): Promise<string[]> {
  const { rows } = await reader.query<{ data: Buffer }>(
    `select data from pg_logical_slot_get_binary_changes($1, null, null,
       'proto_version', '1', 'publication_names', 'outbox_relay')`,
    [slot],
  );
  const relations = new Map<number, string>();
  const messages: string[] = [];
  for (const { data } of rows) {
    const kind = String.fromCharCode(data.readUInt8(0));
    if (kind === 'R')
      relations.set(data.readUInt32BE(1), data.subarray(5).toString().split('\0', 2).join('.'));
    if (kind === 'T') messages.push(kind);
    if ('IUD'.includes(kind)) messages.push(`${kind} ${relations.get(data.readUInt32BE(1))}`);
  }
  return messages;
}

test('the publication holds exactly the two tables and only inserts, under the name of the root', async () => {
  const { rows } = await owner.query(
    'select puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot from pg_publication where pubname = $1',
    ['outbox_relay'],
  );
  expect(rows).toEqual([
    {
      puballtables: false,
      pubinsert: true,
      pubupdate: false,
      pubdelete: false,
      pubtruncate: false,
      pubviaroot: true,
    },
  ]);
  const tables = await owner.query(
    `select schemaname || '.' || tablename as name from pg_publication_tables where pubname = 'outbox_relay' order by 1`,
  );
  expect(tables.rows).toEqual([{ name: 'outbox.event' }, { name: 'outbox.heartbeat' }]);
});

test('rows of any partition, made before or after the slot, are streamed once under the name of the root', async () => {
  await ensurePartitions(owner, 8);
  await streamed();
  for (const day of [0, 1, 8, -4000]) await owner.query(insertEventOfDay, [day]);
  expect(await streamed()).toEqual(Array.from({ length: 4 }, () => 'I outbox.event'));
});

test('deleting and truncating events streams nothing', async () => {
  await owner.query(insertEvent);
  await streamed();
  await owner.query('delete from outbox.event');
  await owner.query('truncate outbox.event');
  expect(await streamed()).toEqual([]);
});

test('a refused update streams nothing', async () => {
  await owner.query(insertEvent);
  await streamed();
  await refusalOf(owner.query(`update outbox.event set created_at = created_at + interval '1 day'`));
  expect(await streamed()).toEqual([]);
});

test('a heartbeat that replaces the one before is streamed as one insert', async () => {
  const relay = await outbox.connect('outbox_relay');
  for (const beat of [1, 2]) {
    await streamed();
    await relay.query('begin');
    await relay.query('delete from outbox.heartbeat where slot = $1', [slot]);
    await relay.query('insert into outbox.heartbeat (slot, beat) values ($1, $2)', [slot, beat]);
    await relay.query('commit');
    expect(await streamed()).toEqual(['I outbox.heartbeat']);
  }
  expect((await owner.query('select beat from outbox.heartbeat')).rows).toEqual([{ beat: '2' }]);
});

test('a heartbeat can be replaced while another publication publishes all tables with deletes', async () => {
  await owner.query('create publication everything for all tables');
  try {
    await owner.query('insert into outbox.heartbeat (slot, beat) values ($1, 3)', [slot]);
    expect((await owner.query('delete from outbox.heartbeat')).rowCount).toBeGreaterThan(0);
  } finally {
    await owner.query('drop publication everything');
  }
});

test('progress and dead letters are not streamed', async () => {
  await streamed();
  await owner.query(`insert into outbox.progress (slot, initialised_at) values ($1, now())`, [slot]);
  await owner.query(
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message) values ($1, '0/1', 0, 'X', 'x')`,
    [slot],
  );
  expect(await streamed()).toEqual([]);
});
