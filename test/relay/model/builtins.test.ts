import { expect, test } from 'vitest';
import { Deferrals } from '../../../relay/model/builtins.ts';

test('what was deferred ends in turn, the last first, whatever one of them throws', async () => {
  const ended: number[] = [];
  const scene = async () => {
    await using deferrals = new Deferrals();
    deferrals.defer(() => ended.push(1));
    deferrals.defer(async () => {
      throw new Error('second');
    });
    deferrals.defer(() => ended.push(3));
  };
  await expect(scene()).rejects.toThrow('second');
  expect(ended).toEqual([3, 1]);
});
