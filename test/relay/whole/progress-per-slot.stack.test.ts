/** A slot whose relay died within a Kafka transaction holds up no other slot of the cluster. */
import { expect, test } from 'vitest';
import { unique } from '../../support/unique.ts';
import { idOf, World } from '../world.ts';

/** A tenth of the time after which the broker ends the transaction that was left open, by default. */
const soonMs = 6_000;

test('a relay starts while the transaction of another slot is open', async () => {
  await using crashed = await World.create(1);
  await using other = await World.create(1);
  const settings = { KAFKA_PROGRESS_TOPIC: `${unique('progress')}.{slot}` };
  // The first time is that of the first progress, before it streams.
  const dying = crashed.startRelay({ ...settings, FAILPOINT: 'EVENTS_SENT:2' });
  await dying.streaming();
  const left = await crashed.write([{ key: 'k', seq: 1 }]);
  await dying.exited;

  const relay = other.startRelay(settings);
  await relay.line(({ state }) => state === 'fencing');
  const startedMs = performance.now();
  await relay.streaming();
  expect(performance.now() - startedMs).toBeLessThan(soonMs);
  const ids = await other.write([{ key: 'k', seq: 2 }]);
  expect((await other.read(ids)).map(idOf)).toEqual(ids);

  crashed.startRelay(settings);
  expect((await crashed.read(left)).map(idOf)).toEqual(left);
});
