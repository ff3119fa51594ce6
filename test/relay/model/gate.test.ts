import { expect, test } from 'vitest';
import { noControl } from '../../../relay/model/control.ts';
import { Gate, parkedKeysMax } from '../../../relay/model/gate.ts';
import { controlOf } from './controls.ts';

const noLimits = { eventsPerSecond: 0, bytesPerSecond: 0 };
const load = (...topics: string[]) => ({ topics: new Set(topics), events: topics.length, bytes: 0 });
const gateOf = (...given: Parameters<typeof controlOf>) => new Gate(controlOf(...given), noLimits, 0);

test('where nobody has said anything, everything may go', () => {
  const gate = new Gate(noControl, noLimits, 0);
  expect(gate.isOpen).toBe(true);
  expect(gate.obstacle(load('orders'), parkedKeysMax, 0)).toBeUndefined();
});

test('a pause of everything holds every topic, and one of a topic that topic', () => {
  expect(gateOf([{}]).obstacle(load('orders'), 0, 0)).toEqual({ kind: 'paused', topic: null });
  const gate = gateOf([{ topic: 'orders' }]);
  expect(gate.obstacle(load('items', 'orders'), 0, 0)).toEqual({ kind: 'paused', topic: 'orders' });
  expect(gate.obstacle(load('items'), 0, 0)).toBeUndefined();
  expect(gate.isOpen).toBe(false);
});

test('a topic that is set aside holds nothing, until as many keys wait as may', () => {
  const gate = gateOf([{ topic: 'orders', mode: 'set-aside' }]);
  expect([gate.isSetAside('orders'), gate.isSetAside('items'), gate.setsAside]).toEqual([true, false, true]);
  expect(gate.obstacle(load('orders'), parkedKeysMax - 1, 0)).toBeUndefined();
  expect(gate.obstacle(load('orders'), parkedKeysMax, 0)).toEqual({ kind: 'full', topic: 'orders' });
  expect(gate.obstacle(load('items'), parkedKeysMax, 0)).toBeUndefined();
});

test.each([{ isOver: true }, { isReleasing: true }])('a pause that is %o counts no more', (state) => {
  const gate = gateOf([
    { ...state, topic: 'orders' },
    { ...state, topic: 'items', mode: 'set-aside' },
    { ...state },
  ]);
  expect([gate.isOpen, gate.setsAside]).toEqual([true, false]);
});

test('a limit that a person sets wins over the setting, in both directions, until they take it back', () => {
  const gate = new Gate(noControl, { eventsPerSecond: 10, bytesPerSecond: 7 }, 0);
  expect(gate.limits).toEqual({ eventsPerSecond: 10, bytesPerSecond: 7 });
  gate.change(controlOf([], 100), 0);
  expect(gate.limits).toEqual({ eventsPerSecond: 100, bytesPerSecond: 7 });
  gate.change(controlOf([], 0), 0);
  expect(gate.limits).toEqual({ eventsPerSecond: 0, bytesPerSecond: 7 });
  gate.change(noControl, 0);
  expect(gate.limits).toEqual({ eventsPerSecond: 10, bytesPerSecond: 7 });
});

test('a limit that holds something up is a state for some seconds, and not for each wait', () => {
  const gate = gateOf([], 10);
  gate.take({ events: 11, bytes: 0 }, 0);
  expect(gate.isLimited(0)).toBe(false);
  expect(gate.obstacle(load('orders'), 0, 0)).toEqual({ kind: 'limited', waitMs: 1_000 });
  expect([gate.isLimited(0), gate.isLimited(4_999), gate.isLimited(5_000)]).toEqual([true, true, false]);
  expect(gate.obstacle(load('orders'), 0, 1_000)).toBeUndefined();
});
