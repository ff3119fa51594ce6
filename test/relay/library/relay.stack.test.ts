/** A relay within this very process, as a program has it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createRelay,
  type Relay,
  RelayError,
  type RelayEvents,
  type RelaySettings,
} from '../../../relay/index.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { World } from '../world.ts';

let world: World;
beforeAll(async () => {
  world = await World.create(1);
});
afterAll(() => world?.[Symbol.asyncDispose]());

/** A slot of its own on the outbox of the world. */
async function settingsOf(own: { brokers?: string[]; slot?: string } = {}): Promise<RelaySettings> {
  const { brokers, registryUrl } = await servers();
  const slot = own.slot ?? unique('library');
  return {
    slot,
    database: { url: world.database.url },
    kafka: { brokers: own.brokers ?? brokers, progressTopic: `${slot}.progress` },
    registry: { url: registryUrl },
    topics: { template: world.topic, allow: [world.topic], create: false },
    capture: { heartbeatMs: 500, walSenderTimeoutMs: 3_000 },
    retry: { maxDelayMs: 500 },
  };
}

/** Resolves at an event that `is` what is awaited. */
function until<Name extends keyof RelayEvents>(
  relay: Relay,
  name: Name,
  is: (event: RelayEvents[Name]) => boolean = () => true,
): Promise<RelayEvents[Name]> {
  return new Promise((resolve, reject) => {
    relay.on(name, (event) => {
      if (is(event)) resolve(event);
    });
    relay.on('failed', ({ error }) => reject(error));
  });
}

const streaming = (relay: Relay) => until(relay, 'state', ({ state }) => state === 'streaming');

test.concurrent('publishes from start to stop, and leaves signals, output and Node’s flags of the program alone', async () => {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const listeners = () => signals.map((signal) => process.listenerCount(signal));
  const before = listeners();
  const relay = createRelay(await settingsOf());
  const lines: string[] = [];
  relay.on('log', ({ message }) => lines.push(message));
  const states: string[] = [];
  relay.on('state', ({ state }) => states.push(state));
  expect(relay.state).toBe('idle');
  const streams = streaming(relay);
  await relay.start();
  await streams;
  const ids = await world.write([{ key: 'a', seq: 1 }]);
  // Perhaps more than once: the tests beside this one have slots of their own, and publish it too.
  const records = (await world.read(ids)).filter(({ headers }) => headers.id === ids[0]);
  expect(records).not.toEqual([]);
  expect(listeners()).toEqual(before);
  expect(await relay.stop()).toEqual({ drained: true });
  await relay.finished;
  expect(relay.state).toBe('stopped');
  expect(states).toEqual(['standby', 'fencing', 'claiming', 'lineage', 'streaming', 'draining']);
  expect(lines).toContain('started');
});

test.concurrent('two with slots of their own run in one process', async () => {
  const relays = [createRelay(await settingsOf()), createRelay(await settingsOf())];
  const stream = Promise.all(relays.map(streaming));
  await Promise.all(relays.map((relay) => relay.start()));
  await stream;
  expect(await Promise.all(relays.map((relay) => relay.stop()))).toEqual([
    { drained: true },
    { drained: true },
  ]);
});

// Alone: beside others on a busy machine this measures them.
test('while Kafka is away it says so, and stop ends it within its time', async () => {
  const relay = createRelay(await settingsOf({ brokers: ['127.0.0.1:1'] }));
  const retry = until(relay, 'retry');
  await relay.start();
  const { error } = await retry;
  expect(error).toBeInstanceOf(RelayError);
  expect(error.code).toBe('KAFKA_UNAVAILABLE');
  const beganMs = performance.now();
  await relay.stop({ withinMs: 2_000 });
  expect(performance.now() - beganMs).toBeLessThan(6_000);
  await relay.finished;
});

test.concurrent('what stop cut off comes with the next start, once', async () => {
  const slot = unique('library');
  const relay = createRelay(await settingsOf({ slot }));
  const streams = streaming(relay);
  await relay.start();
  await streams;
  const ids = await world.write(Array.from({ length: 2_000 }, (_, seq) => ({ key: `b${seq % 9}`, seq })));
  expect(await relay.stop({ withinMs: 0 })).toEqual({ drained: false });
  await relay.finished;
  const next = createRelay(await settingsOf({ slot }));
  await next.start();
  const records = (await world.read(ids)).map(({ headers }) => headers.id);
  expect(await next.stop()).toEqual({ drained: true });
  const written = new Set<string | undefined>(ids);
  expect(records.filter((id) => written.has(id)).sort()).toEqual([...ids].sort());
});

describe.concurrent('a failure reaches the program', () => {
  test('at once, where the settings are wrong', async () => {
    const settings = await settingsOf();
    expect(() => createRelay({ ...settings, shutdownMs: 1 })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('shutdownMs') }),
    );
  });

  test('from start, where it cannot run', async () => {
    const settings = await settingsOf();
    const relay = createRelay({ ...settings, http: { host: '192.0.2.1', port: 1 } });
    await expect(relay.start()).rejects.toMatchObject({ name: 'RelayError', code: 'CONFIG_INVALID' });
    expect(relay.state).toBe('stopped');
    expect(await relay.stop()).toEqual({ drained: false });
  });

  test('later, as an event and from `finished`', async () => {
    const settings = await settingsOf();
    const relay = createRelay({ ...settings, outbox: { table: 'outbox.absent' } });
    const failed = new Promise<RelayError>((resolve) => relay.on('failed', ({ error }) => resolve(error)));
    await relay.start();
    const error = await failed;
    expect(error).toBeInstanceOf(RelayError);
    expect(error.hint).not.toBe('');
    await expect(relay.finished).rejects.toBe(error);
    expect(relay.state).toBe('stopped');
  });
});

test.concurrent('one that was never started can be stopped, and not started then', async () => {
  const relay = createRelay(await settingsOf());
  expect(await relay.stop()).toEqual({ drained: true });
  await relay.finished;
  await expect(relay.start()).rejects.toThrow('create another');
});
