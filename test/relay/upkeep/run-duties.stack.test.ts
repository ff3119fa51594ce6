/** The stream does not wait for the duties of upkeep. */
import { expect, test, vi } from 'vitest';
import { World } from '../world.ts';

test('events are published and dead letters stored while a duty waits for a lock', async () => {
  await using world = await World.create(1);
  const relay = world.startRelay({ DATABASE_STATEMENT_TIMEOUT_MS: 120_000 });
  await relay.streaming();
  const holder = await world.pool.connect();
  try {
    await holder.query('begin; lock table outbox.parked_key');
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await vi.waitFor(async () => expect((await world.pool.query(waiting)).rowCount).toBe(1), {
      timeout: 30_000,
    });
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'a', 'test.ItemMoved', '{}')`,
    );
    const ids = await world.write([{ key: 'a', seq: 1 }]);
    expect(await world.read(ids, 10_000)).toHaveLength(1);
    const letters = await world.pool.query('select code from outbox.dead_letter');
    expect(letters.rows).toEqual([{ code: 'PAYLOAD_INVALID' }]);
    expect((await world.pool.query(waiting)).rowCount).toBe(1);
  } finally {
    await holder.query('rollback');
    holder.release();
  }
  relay.signal('SIGTERM');
  expect(await relay.exited).toMatchObject({ code: 0 });
});
