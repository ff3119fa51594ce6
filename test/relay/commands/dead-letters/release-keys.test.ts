import { expect, test } from 'vitest';
import { describe } from '../../../../relay/commands/dead-letters/release-keys.ts';
import type { KeyRelease } from '../../../../relay/operations/dead-letters/release-keys.ts';

const release = (key: string, rest: Partial<KeyRelease>): KeyRelease => ({
  topic: 'orders',
  key,
  since: '0000000000000010.00000000',
  parkedAt: '2030-01-01T00:00:00.000Z',
  open: 0,
  parked: 1,
  first: null,
  isBeingReleased: false,
  outcome: 'released',
  published: 1,
  refused: 0,
  setAside: [],
  ...rest,
});

test('a release says what it published, and what ends a topic that is set aside', () => {
  const aside = { outcome: 'set-aside', published: 0, setAside: ['orders'] } as const;
  const keys = [release('a', {}), release('b', aside), release('c', aside)];
  const lines = describe(keys, false).split('\n');
  expect(lines[2]).toMatch(/the topic is set aside, 0 published$/);
  expect(lines.slice(4)).toEqual([
    'orders is set aside: run `outbox-relay resume --topic orders`, which releases its keys',
    'released: 1 of 3 keys; 1 event published',
  ]);
});

test('it names the topic that is set aside, not the one to which events went before', () => {
  const moved = { outcome: 'set-aside', published: 0, setAside: ['orders.v2'] } as const;
  const lines = describe([release('a', moved), release('b', { ...moved, setAside: [] })], false).split('\n');
  expect(lines[3]).toMatch(
    /^orders\.v2 is set aside, where events of orders go now: .*resume --topic orders\.v2`/,
  );
  expect(lines[4]).toMatch(
    /^orders: what waits goes to a topic that is or was set aside, which `outbox-relay status`/,
  );
});

test.each([
  ['released', 2, /released, 1 published, 2 refused again and passed$/],
  ['limited', 2, /not done yet.*, 1 published, 2 refused again and passed$/],
  // The one at which it stops is not passed.
  ['refused', 1, /still refused, 1 published$/],
] as const)('a release that is %s with %i refused says which of them it passed', (outcome, refused, said) => {
  const shown = outcome === 'limited' ? 'pending' : outcome;
  expect(describe([release('a', { outcome: shown, refused })], false).split('\n')[1]).toMatch(said);
});
