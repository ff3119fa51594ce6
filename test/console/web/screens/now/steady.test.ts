import { expect, test } from 'vitest';
import { steady } from '../../../../../console/web/screens/now/steady.ts';

const relay = (instance: string, state: 'streaming' | 'standby', isGone = false) => ({
  instance,
  state,
  isGone,
});

test('relays keep their places, whichever was heard of last', () => {
  const relays = [
    relay('c', 'standby'),
    relay('b', 'streaming', true),
    relay('a', 'standby'),
    relay('d', 'streaming'),
  ];
  const shown = ['d', 'a', 'c', 'b'];
  expect(steady(relays).map(({ instance }) => instance)).toEqual(shown);
  expect(steady(relays.toReversed()).map(({ instance }) => instance)).toEqual(shown);
});
