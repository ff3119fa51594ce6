import { expect, test } from 'vitest';
import { type Sampled, Sampler } from '../../../../console/server/live/sampler.ts';
import { type Seen, StatusWatch } from '../../../../console/server/live/status-watch.ts';
import { loadConfig } from '../../../../relay/config/config.ts';
import { World } from '../../../relay/world.ts';

test('the figures are those of the relay that streams, and the status says who does', async () => {
  await using world = await World.create(1);
  const relays = [world.startRelay(), world.startRelay()];
  await Promise.any(relays.map((relay) => relay.streaming()));
  await world.read(await world.write([{ key: 'k', seq: 1 }]));
  const { config } = loadConfig({ env: { ...world.env } as Record<string, string> });
  const status = new StatusWatch(config);
  // Both have announced themselves.
  const seen = await new Promise<Seen>((resolve) => {
    const end = status.subscribe((each) => {
      if (each.status?.verdict.name !== 'streaming' || each.status.relays.length < 2) return;
      end();
      resolve(each);
    });
  });
  expect(seen.failure).toBeNull();
  expect(seen.status!.relays.map(({ state }) => state).sort()).toEqual(['standby', 'streaming']);

  const sampler = new Sampler(config);
  try {
    const sampled = await new Promise<Sampled>((resolve) => {
      sampler.subscribe((each) => each.at !== null && resolve(each));
    });
    expect(sampled.relays.map(({ failure }) => failure)).toEqual([null, null]);
    expect(sampled.figures.lagMs).not.toBeNull();
    // There is no rate after one scrape.
    expect(sampled.figures.eventsPerSecond).toBeNull();
    expect(sampled.relays.flatMap(({ figures }) => figures?.topics ?? [])).toMatchObject([
      { topic: world.topic, eventCount: 1, eventsPerSecond: null },
    ]);
  } finally {
    sampler.end();
  }
}, 60_000);
