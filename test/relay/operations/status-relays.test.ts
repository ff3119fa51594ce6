/** Which relays that have ended matter still. */
import { expect, test } from 'vitest';
import type { KnownRelay } from '../../../relay/operations/status.ts';
import { ranWith, unreplaced } from '../../../relay/operations/status-relays.ts';
import { relayOf } from './statuses.ts';

const time = (minutes: number) => new Date(Date.UTC(2026, 0, 2, 1, minutes)).toISOString();
const live = (instance: string, from: number, _to?: number) => relayOf({ instance, startedAt: time(from) });
const died = (instance: string, from: number, to: number) =>
  relayOf({ instance, startedAt: time(from), seenAt: time(to), isGone: true });
const stopped = (instance: string, from: number, to: number) =>
  relayOf({ instance, startedAt: time(from), stateSince: time(to), seenAt: time(to), state: 'stopped' });

test.each<[string, readonly KnownRelay[], readonly string[]]>([
  ['none that runs', [live('a', 0)], []],
  ['one that died beside another', [live('a', 0), died('b', 0, 10)], ['b']],
  ['one that stopped itself beside another', [live('a', 0), stopped('b', 0, 10)], ['b']],
  ['none in whose place one started', [live('a', 0), live('c', 11), died('b', 0, 10)], []],
  [
    'none of a relay that died again and again',
    [live('d', 30), died('a', 0, 10), died('b', 10, 20), died('c', 20, 30)],
    [],
  ],
  [
    'the last of a relay that died again and again',
    [died('a', 0, 10), died('b', 10, 20), stopped('c', 20, 30)],
    ['c'],
  ],
  ['none where a third one took over between, and was asked to end', [live('c', 20), died('a', 0, 10)], []],
  [
    'one of two that ran at once, where one that was to replace both started',
    [live('c', 20), died('a', 0, 10), died('b', 5, 15)],
    ['a'],
  ],
  [
    'one of two that died at once, where one started',
    [live('c', 11), died('a', 0, 10), died('b', 0, 9)],
    ['b'],
  ],
])('%s', (_, relays, expected) => {
  expect(unreplaced(relays).map(({ instance }) => instance)).toEqual(expected);
});

test('how many ran is counted with those that ended later, and without those that had ended', () => {
  const a = died('a', 0, 10);
  expect(ranWith(a, [a, live('b', 5), died('c', 5, 15), died('d', 0, 9), live('e', 11)])).toEqual({
    before: 3,
    now: 2,
  });
});

test('since each one that is not replaced fewer run than before, whatever came and went', () => {
  let seed = 7;
  const below = (n: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % n;
  };
  for (let round = 0; round < 2_000; round++) {
    const relays = Array.from({ length: 1 + below(6) }, (_, n) => {
      const from = below(20);
      const to = from + below(10);
      return [live, died, stopped][below(3)]!(String(n), from, to);
    });
    for (const relay of unreplaced(relays)) {
      const { before, now } = ranWith(relay, relays);
      expect(now, JSON.stringify(relays)).toBeLessThan(before);
    }
  }
});
