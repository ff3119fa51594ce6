import { expect, test } from 'vitest';
import { waitFor } from '../../harness/wait.ts';

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
