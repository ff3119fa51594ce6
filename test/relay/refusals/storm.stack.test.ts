import { expect, test } from 'vitest';
import { idOf, World } from '../world.ts';

test('a relay stops in a storm and stores no dead letter; with the guard off, it stores each', async () => {
  await using world = await World.create();
  const relay = world.startRelay({ DEAD_LETTERS_STORM_MIN_EVENTS: 10 });
  await relay.streaming();
  const before = await world.write([{ key: 'k', seq: 0 }]);
  await world.read(before);
  await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     select 'item', 'k', 'test.ItemMoved', '{}' from generate_series(1, 10)`,
  );
  const after = await world.write([{ key: 'k', seq: 1 }]);
  expect(await relay.exited).toEqual({ code: 78, signal: null });
  expect(relay.lines.at(-1)?.err).toMatchObject({
    code: 'DEAD_LETTER_STORM',
    message: '10 of the last 11 events were refused, the last one for PAYLOAD_INVALID',
  });
  const letters = async () => (await world.pool.query('select from outbox.dead_letter')).rowCount;
  expect(await letters()).toBe(0);
  world.startRelay({ DEAD_LETTERS_STORM_MIN_EVENTS: 10, DEAD_LETTERS_STORM_PERCENT: 100 });
  expect((await world.read(after)).map(idOf)).toEqual([...before, ...after]);
  expect(await letters()).toBe(10);
});
