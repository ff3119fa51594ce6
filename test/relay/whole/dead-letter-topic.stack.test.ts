/** The topic of refused events, on real servers: each refusal is there exactly once, whenever the relay dies. */
import { expect, test } from 'vitest';
import { createTopic, readCommitted, readTopics } from '../../support/kafka.ts';
import { idOf, World } from '../world.ts';

test('a refused event is copied once with its reason, whenever the relay dies, and events are published as ever', async () => {
  await using world = await World.create();
  const topic = await createTopic('refused', 2);
  await world.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [world.slot]);
  const good = await world.write([{ key: 'k', seq: 0 }]);
  const write = async (key: string | null, payload: string | null) => {
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
       values ('item', coalesce($1, 'none'), 'test.ItemMoved', $2::json, '{"trace":"abc"}') returning id`,
      [key, payload],
    );
    return rows[0]!.id;
  };
  const invalid = await write('k', '{"key":"k","seq":"secret ü"}');
  const large = await write('k', JSON.stringify({ key: 'k', seq: 'x'.repeat(5_000) }));
  const empty = await write('j', null);
  const parked = await world.write([{ key: 'k', seq: 1 }]);
  good.push(...(await world.write([{ key: 'other', seq: 0 }])));

  const settings = {
    DEAD_LETTERS_TOPIC: topic,
    DEAD_LETTERS_POLICY: 'park-key',
    PUBLISH_MAX_RECORD_BYTES: 2_000,
    PUBLISH_LINGER_MS: 500,
  };
  for (const place of ['DEAD_LETTERS_STORED:1', 'EVENTS_SENT:1', 'KAFKA_COMMITTED:1'])
    await world.startRelay({ ...settings, FAILPOINT: place }).exited;
  const relay = world.startRelay(settings);
  await relay.streaming();

  await readTopics({ topics: [topic], until: (records) => records.length >= 3 });
  good.push(...(await world.write([{ key: 'other', seq: 1 }])));
  const records = await world.read(good);
  expect(records.map(idOf).toSorted()).toEqual(good.toSorted());
  const copies = await readCommitted({ topics: [topic] });
  const byId = new Map(copies.map((record) => [record.headers.id, record]));
  expect(copies).toHaveLength(3);
  expect([...byId.keys()].toSorted()).toEqual([invalid, large, empty].toSorted());
  expect(byId.has(parked[0])).toBe(false);

  expect(byId.get(invalid)).toMatchObject({
    key: 'k',
    value: Buffer.from('{"key":"k","seq":"secret ü"}'),
    headers: {
      type: 'test.ItemMoved',
      code: 'PAYLOAD_INVALID',
      path: '$.seq',
      message: 'expected long, found string',
      aggregatetype: 'item',
      'source-topic': world.topic,
      'event-headers': '{"trace":"abc"}',
      payload: 'whole',
      position: expect.stringMatching(/^[0-9a-f]{16}\.00000000$/),
    },
  });
  expect(byId.get(large)).toMatchObject({
    key: 'k',
    headers: { payload: 'omitted', code: 'PAYLOAD_INVALID' },
  });
  expect(byId.get(large)?.value).toHaveLength(0);
  expect(byId.get(empty)).toMatchObject({ key: 'j', headers: { payload: 'null', code: 'PAYLOAD_NOT_JSON' } });
  const { rows } = await world.pool.query('select event_count from outbox.progress');
  expect(Number(rows[0]?.event_count)).toBeLessThanOrEqual(good.length);
});
