import { expect, test } from 'vitest';
import {
  addsFirst,
  chooseVersion,
  latestLevel,
  noFeature,
} from '../../../../relay/publish/lean/transaction-version.ts';

const features = (epoch: bigint, level?: number) => ({
  errorCode: 0,
  epoch,
  levels: new Map(level === undefined ? [] : [['transaction.version', level]]),
});

test('the level is that of the latest change, whichever broker told of it', () => {
  const first = latestLevel(noFeature, features(5n, 2));
  expect(first).toEqual({ epoch: 5n, level: 2 });
  expect(latestLevel(first, features(6n, 1)), 'turned off').toEqual({ epoch: 6n, level: 1 });
  expect(latestLevel(first, features(6n)), 'not listed: 0').toEqual({ epoch: 6n, level: 0 });
  expect(latestLevel(first, features(4n, 0)), 'a broker that lags behind').toBe(first);
  expect(latestLevel(first, features(-1n)), 'a broker that does not know').toBe(first);
});

test('protocol 2 needs the feature, brokers that support it, and the setting', () => {
  const level = (value: number) => ({ epoch: 1n, level: value });
  expect(chooseVersion('auto', level(2), true)).toBe(2);
  expect(chooseVersion('auto', level(3), true)).toBe(2);
  expect(chooseVersion('auto', level(1), true)).toBe(1);
  expect(chooseVersion('auto', noFeature, true)).toBe(1);
  expect(chooseVersion('auto', level(2), false)).toBe(1);
  expect(chooseVersion('1', level(2), true)).toBe(1);
});

test('a request of its own adds the partitions where the leaders would have to wait', () => {
  expect(addsFirst(1, 1, 1_000)).toBe(true);
  expect(addsFirst(2, 1, 1_000)).toBe(false);
  expect(addsFirst(2, 1, Number.POSITIVE_INFINITY), 'the first transaction').toBe(false);
  expect(addsFirst(2, 1, 5), 'the previous transaction may still be ending').toBe(true);
  expect(addsFirst(2, 2, 1_000), 'two leaders would meet at the coordinator').toBe(true);
});
