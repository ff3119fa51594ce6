import { expect, test } from 'vitest';
import { endOf, waitFor } from '../../harness/wait.ts';

test('waits until the condition is met', async () => {
  let looks = 0;
  await waitFor(() => ++looks === 3, 'the third look', 5_000);
  expect(looks).toBe(3);
});

test('gives up in time, and says what it waited for', async () => {
  await expect(waitFor(() => false, 'the end of time', 20)).rejects.toThrow(
    'waited 20 ms for the end of time',
  );
});

test('passes on what work returns or throws, and leaves no timer behind', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await expect(endOf(Promise.resolve(7), 'a number', 60_000)).resolves.toBe(7);
  await expect(endOf(Promise.reject(new Error('broken')), 'a number', 60_000)).rejects.toThrow('broken');
  expect(timers()).toBe(before);
});

test('gives up on work that never ends, whatever becomes of it later', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  await expect(endOf(promise, 'the fault to end', 20)).rejects.toThrow('waited 20 ms for the fault to end');
  reject(new Error('much later'));
});
