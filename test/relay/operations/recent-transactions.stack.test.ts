/** The list of the last transactions, of a relay that is idle for longer than the list is long. */
import { expect, test } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import { recentTransactions, recentTransactionsOf } from '../../../relay/operations/recent-transactions.ts';
import { World } from '../world.ts';

test('an idle relay keeps its last events in the list, and the heartbeats since are counted', async () => {
  await using world = await World.create(1);
  const { config } = loadConfig({ env: world.env as Record<string, string> });
  const limit = 2;
  expect(await recentTransactions(config, limit)).toMatchObject({
    transactions: [],
    note: expect.stringMatching(/no relay has started/),
  });
  await world.startRelay().streaming();
  const following = recentTransactionsOf(config, limit);
  expect(await following()).toMatchObject({
    transactions: [],
    note: expect.stringMatching(/^No event since .+ only confirm heartbeats. The topic has nothing older/),
  });

  await world.read(await world.write([{ key: 'a', seq: 1 }]));
  await world.write([{ key: 'a', seq: 'refused' as unknown as number }]);
  await expect.poll(async () => (await following()).transactions.length).toBe(2);
  await world.read(
    await world.write([
      { key: 'b', seq: 1 },
      { key: 'b', seq: 2 },
    ]),
  );
  const isIdle = async () => (await following()).heartbeats.count > 2 * (limit + 1);
  await expect.poll(isIdle, { interval: 500 }).toBe(true);

  const seen = [
    { eventCount: 2, letterCount: 0 },
    { eventCount: 0, letterCount: 1 },
  ];
  // One that has followed, and one that begins now.
  for (const read of [following, recentTransactionsOf(config, limit)]) {
    const { transactions, heartbeats, note } = await read();
    expect(transactions).toMatchObject(seen);
    expect(transactions).toHaveLength(limit);
    expect(heartbeats).toMatchObject({ areLettersKnown: true });
    expect(heartbeats.count).toBeGreaterThan(2 * (limit + 1));
    expect(Date.parse(heartbeats.latestAt!)).toBeGreaterThan(Date.parse(transactions[0]!.writtenAt));
    expect(note).toBeNull();
  }
});
