/** Which relays that have ended matter still. */
import { expect, test } from 'vitest';
import type { KnownRelay } from '../../../relay/operations/status.ts';
import { unreplaced } from '../../../relay/operations/status-relays.ts';
import { relayOf } from './statuses.ts';

const time = (minutes: number) => new Date(Date.UTC(2026, 0, 2, 1, minutes)).toISOString();
const live = (instance: string, from: number) => relayOf({ instance, startedAt: time(from) });
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
  [
    'one of two that died at once, where one started',
    [live('c', 11), died('a', 0, 10), died('b', 0, 9)],
    ['b'],
  ],
])('%s', (_, relays, expected) => {
  expect(unreplaced(relays).map(({ instance }) => instance)).toEqual(expected);
});
