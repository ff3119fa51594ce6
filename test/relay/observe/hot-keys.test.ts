import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { HotKeys } from '../../../relay/observe/hot-keys.ts';

const minuteMs = 60_000;
const settings = { hotKeys: 3, showKeys: true };
const events = (key: string, count: number, topic = 'orders') =>
  Array.from({ length: count }, () => ({ topic, key }));
const sha = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;

test('the hottest keys of a minute are shown when it is over, with their share', () => {
  const hot = new HotKeys(settings, 0);
  hot.add({ records: [...events('a', 50), ...events('b', 30), ...events('b', 15, 'payments')], every: 1 });
  hot.add({ records: events('c', 1), every: 5 });
  hot.add({ records: events('d', 4), every: 1 });
  expect(hot.over(minuteMs - 1)).toBeUndefined();
  expect(hot.over(minuteMs)).toEqual([
    { topic: 'orders', key: 'a', ratio: 50 / 104 },
    { topic: 'orders', key: 'b', ratio: 30 / 104 },
    { topic: 'payments', key: 'b', ratio: 15 / 104 },
  ]);
  expect(hot.over(2 * minuteMs)).toEqual([]);
});

test('a key is shown as a hash that anyone can compute who knows it', () => {
  const hot = new HotKeys({ ...settings, showKeys: false }, 0);
  hot.add({ records: events('customer-17', 100), every: 1 });
  expect(hot.over(minuteMs)).toEqual([{ topic: 'orders', key: sha('customer-17'), ratio: 1 }]);
});

test('a long key is a hash in any case', () => {
  const hot = new HotKeys(settings, 0);
  const key = 'k'.repeat(101);
  hot.add({ records: events(key, 100), every: 1 });
  expect(hot.over(minuteMs)).toEqual([{ topic: 'orders', key: sha(key), ratio: 1 }]);
});

test('a minute with few events, or with keys that are all alike, shows none', () => {
  const hot = new HotKeys(settings, 0);
  hot.add({ records: events('a', 99), every: 1_000 });
  expect(hot.over(minuteMs)).toEqual([]);
  for (let n = 0; n < 1_000; n++) hot.add({ records: events(`k${n}`, 1), every: 1 });
  expect(hot.over(2 * minuteMs)).toEqual([]);
});
