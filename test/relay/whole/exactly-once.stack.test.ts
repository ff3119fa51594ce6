/** The promise, on real servers, with relays that die. Each test names the guarantee it holds the relay to. */
import { describe, expect, it } from 'vitest';
import type { Failpoint } from '../../../relay/observe/failpoints.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { type Item, World } from '../world.ts';

/** 40 transactions of 1 to 5 events over 7 keys; each key's events are numbered in commit order. */
function workload(): Item[][] {
  const next = new Map<string, number>();
  return Array.from({ length: 40 }, (_, transaction) =>
    Array.from({ length: 1 + (transaction % 5) }, (_, event) => {
      const key = `key-${(transaction * 3 + event) % 7}`;
      const seq = next.get(key) ?? 0;
      next.set(key, seq + 1);
      return { key, seq };
    }),
  );
}

async function writeAll(world: World, transactions: readonly (readonly Item[])[]): Promise<string[]> {
  const ids: string[] = [];
  for (const items of transactions) ids.push(...(await world.write(items)));
  return ids;
}

describe.each(['lean', 'kafkajs'])('a relay with the producer %s that dies', (producer) => {
  const settings = { PUBLISH_PRODUCER: producer };

  // The first transaction of a relay holds the first progress, and no event; the next ones do.
  const ofProducer: readonly Failpoint[] = [
    'PRODUCER_FENCED',
    'FIRST_PROGRESS_COMMITTED',
    'PROGRESS_SENT',
    'EVENTS_SENT',
    'KAFKA_COMMITTED',
  ];
  const inTransaction = ['PROGRESS_SENT', 'EVENTS_SENT'].flatMap((name) => [`${name}:2`, `${name}:3`]);
  // With these, one of each step that changes something outside; `npm run chaos` dies at all of them.
  const ofOthers: readonly Failpoint[] = [
    'SLOT_CREATED',
    'CLAIM_READ',
    'SLOT_MARKED',
    'TRANSACTION_ENCODED',
    'ACKNOWLEDGED',
  ];

  it.each([...ofProducer, ...inTransaction, ...(producer === 'lean' ? ofOthers : [])])(
    'at %s loses no event, doubles none, keeps the order',
    async (failpoint) => {
      await using world = await World.create();
      const dying = world.startRelay({ ...settings, FAILPOINT: failpoint });
      const transactions = workload();
      // A slot starts where it is made: what is written before is not its concern.
      const died = dying.exited;
      await Promise.race([dying.streaming(), died]);
      if ((await slotExists(world)) === false) await startOnce(world);
      const ids = await writeAll(world, transactions);
      expect(await died).toEqual({ code: null, signal: 'SIGKILL' });
      world.startRelay(settings);
      expectOnceInOrder(await world.read(ids), ids);
    },
  );

  it('at every third commit, over and over, still publishes everything once and in order', async () => {
    await using world = await World.create();
    await startOnce(world);
    const ids = await writeAll(world, workload());
    // A batch takes one transaction, so that six relays commit 18 of the 40, and each dies amid the events.
    const dying = {
      ...settings,
      FAILPOINT: 'KAFKA_COMMITTED:3',
      PUBLISH_BATCH_EVENTS: 1,
      PUBLISH_LINGER_MS: 0,
    };
    for (let deaths = 0; deaths < 6; deaths++)
      expect(await world.startRelay(dying).exited).toEqual({ code: null, signal: 'SIGKILL' });
    const before = await world.read([]);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(ids.length);
    world.startRelay(settings);
    expectOnceInOrder(await world.read(ids), ids);
  });
});

async function slotExists(world: World): Promise<boolean> {
  const { rowCount } = await world.pool.query('select from pg_replication_slots where slot_name = $1', [
    world.slot,
  ]);
  return rowCount === 1;
}

/** Makes the slot. */
async function startOnce(world: World): Promise<void> {
  const relay = world.startRelay();
  await relay.streaming();
  relay.signal('SIGTERM');
  expect(await relay.exited).toEqual({ code: 0, signal: null });
}
