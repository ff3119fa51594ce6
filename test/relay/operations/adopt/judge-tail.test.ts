import { expect, test } from 'vitest';
import { judgeTail, type TailEvent } from '../../../../relay/operations/adopt/judge-tail.ts';
import { destinationOf, TailIndex } from '../../../../relay/operations/adopt/tail-index.ts';

const event: TailEvent = { isPublished: false, number: 5, lastPublished: undefined, sight: 'whole' };

test.each<[string, Partial<TailEvent>, string]>([
  ['is in Kafka', { isPublished: true, lastPublished: 9, sight: 'part' }, 'published'],
  ['is nowhere, and the topic is whole', {}, 'missing'],
  ['comes after the last published one of its key', { lastPublished: 4 }, 'missing'],
  ['comes before a published one of its key', { lastPublished: 6 }, 'overtaken'],
  [
    'comes before a published one, wherever Kafka removed records',
    { lastPublished: 6, sight: 'part' },
    'overtaken',
  ],
  ['may have been removed', { sight: 'part' }, 'unjudged'],
  ['goes to a topic that nobody read', { sight: 'unrouted' }, 'unjudged'],
])('an event that %s', (_, facts, judgement) => {
  expect(judgeTail({ ...event, ...facts })).toBe(judgement);
});

test('the index tells the events of a long tail apart, by id, topic, key and partition', () => {
  const index = new TailIndex();
  const count = 3_000;
  for (let n = 0; n < count; n++)
    index.add(`id ${n}`, n % 3 === 0 ? undefined : `t${n % 3}`, n % 5 === 0 ? null : `k${n}`);
  index.add('id 7', 't1', 'k7');
  expect([index.size, index.repeated, index.topics]).toEqual([count, 1, [undefined, 't1', 't2']]);
  for (let n = 0; n < count; n++) {
    const [topic, key] = [n % 3 === 0 ? undefined : `t${n % 3}`, n % 5 === 0 ? null : `k${n}`];
    expect([index.find(`id ${n}`), index.name(n), index.topic(n)]).toEqual([n, `id ${n}`, topic]);
    expect(index.destination(n)).toBe(destinationOf(topic, key));
  }
  expect(index.find('id 3000')).toBeUndefined();
  // As Kafka's own client chooses it for this key.
  expect([index.partition(1, 12), index.partition(5, 12)]).toEqual([expect.any(Number), undefined]);
  expect(destinationOf('t', null)).not.toBe(destinationOf('t', ''));
  expect(destinationOf('t', 'a')).not.toBe(destinationOf('ta', ''));
});
