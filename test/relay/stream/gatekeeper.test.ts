import { expect, onTestFinished, test, vi } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import { RelayError } from '../../../relay/errors.ts';
import type { Control } from '../../../relay/model/control.ts';
import { noControl } from '../../../relay/model/control.ts';
import { Gatekeeper } from '../../../relay/stream/gatekeeper.ts';
import { controlOf } from '../model/controls.ts';
import { recordOf } from '../publish/records.ts';

const { config } = loadConfig({
  env: { DATABASE_URL: 'postgres://a/b', KAFKA_BROKERS: 'a:1', SCHEMA_REGISTRY_URL: 'http://a/' },
});

function keep(control: Control) {
  const ending = new AbortController();
  const controlled = vi.fn();
  const standing = vi.fn();
  let failure: RelayError | undefined;
  const keeper = new Gatekeeper({
    control,
    config,
    observer: { controlled },
    ending: ending.signal,
    onStanding: standing,
    failure: () => failure,
  });
  ending.signal.addEventListener('abort', () => keeper.wake());
  return {
    keeper,
    ending,
    controlled,
    standing,
    fail: () => {
      failure = new RelayError('POSTGRES_UNAVAILABLE', 'gone');
      keeper.wake();
    },
  };
}

const orders = [recordOf({ topic: 'orders' })];

test('events of a held topic wait until it is resumed, and are looked at again then', async () => {
  const { keeper } = keep(controlOf([{ topic: 'orders' }]));
  const passage = keeper.pass(orders, 0);
  expect(await keeper.pass([recordOf({ topic: 'items' })], 0)).toBe('passed');
  expect(keeper.obstacle).toBe(undefined);
  void keeper.obey(controlOf([], null, 2));
  expect(await passage).toBe('again');
  expect(await keeper.pass(orders, 0)).toBe('passed');
});

test('obeying is said when nothing that passed before is still on its way, and not sooner', async () => {
  const { keeper, controlled } = keep(noControl);
  await keeper.pass(orders, 0);
  const paused = controlOf([{}], null, 2);
  const obeyed = keeper.obey(paused);
  await Promise.resolve();
  expect(controlled).toHaveBeenCalledTimes(1);
  keeper.committed(keeper.passed);
  await obeyed;
  expect(controlled).toHaveBeenCalledTimes(2);
  expect(controlled.mock.lastCall?.[0].control).toBe(paused);
  await keeper.obey(paused);
  expect(controlled).toHaveBeenCalledTimes(2);
});

test('a relay that starts while it is paused obeys before anything passes', () => {
  const paused = controlOf([{}]);
  const { keeper, controlled } = keep(paused);
  expect(controlled.mock.lastCall?.[0].control).toBe(paused);
  expect(keeper.gate.isAllPaused).toBe(true);
});

test('at an end nothing passes any more, and nothing waits', async () => {
  const { keeper, ending } = keep(controlOf([{}]));
  const waiting = keeper.whileAllPaused();
  ending.abort();
  await waiting;
  expect(await keeper.pass(orders, 0)).toBe('ended');
});

test('a stream that fails ends the wait behind a pause, or another relay would have the slot unnoticed', async () => {
  const { keeper, fail } = keep(controlOf([{}]));
  const waiting = keeper.whileAllPaused();
  fail();
  await expect(waiting).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
});

test('behind a rate limit what was received is still published', async () => {
  const { keeper, fail } = keep(controlOf([], 1_000));
  await keeper.pass(
    Array.from({ length: 150 }, () => orders[0]!),
    0,
  );
  fail();
  expect(await keeper.pass(orders, 0)).toBe('passed');
  expect(keeper.isLimited).toBe(true);
});

test('what is refused or set aside counts for no rate and holds nothing', async () => {
  const { keeper } = keep(controlOf([{ topic: 'orders', mode: 'set-aside' }], 1));
  for (let n = 0; n < 5; n++) expect(await keeper.pass(orders, 0)).toBe('passed');
});

test('what was decided before its topic was set aside is decided again, also after a wait for the rate', async () => {
  const { keeper } = keep(controlOf([], 1));
  await keeper.pass([recordOf({ topic: 'items' }), ...orders], 0);
  const waiting = keeper.passDecided(orders);
  const passed = keeper.passed;
  void keeper.obey(controlOf([{ topic: 'orders', mode: 'set-aside' }], 1, 2));
  expect(await waiting).toBe('again');
  expect(await keeper.passDecided(orders)).toBe('again');
  expect(keeper.passed).toBe(passed);
  void keeper.obey(controlOf([], null, 3));
  expect(await keeper.passDecided(orders)).toBe('passed');
});

test('a debt that takes longer to pay than a timer can wait is looked at once a second, and shows', async () => {
  const { keeper, ending } = keep(controlOf([], 1));
  await keeper.pass(
    Array.from({ length: 2_200_000 }, () => orders[0]!),
    0,
  );
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const waiting = keeper.pass(orders, 0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(keeper.isLimited).toBe(true);
  vi.useRealTimers();
  ending.abort();
  expect(await waiting).toBe('ended');
});
