import { expect, test } from 'vitest';
import { whyBehind } from '../../../../relay/audit/standing/reach.ts';
import { controlOf } from '../../model/controls.ts';

test.each([
  ['nothing is paused', [], 'is a relay streaming?'],
  [
    'a topic is set aside: its events wait, and the progress goes on',
    [{ topic: 'orders', mode: 'set-aside' }],
    'is a relay streaming?',
  ],
  ['a pause is over', [{ isOver: true }], 'is a relay streaming?'],
  ['everything is paused', [{ topic: 'orders' }, {}], 'everything is paused by ada: upgrade'],
  [
    'a topic is held',
    [{ topic: 'orders' }],
    'topic orders is paused by ada, and everything behind its first event waits: upgrade',
  ],
] as const)('what holds the audit back: %s', (_, pauses, why) => {
  expect(whyBehind(controlOf([...pauses]))).toBe(why);
});
