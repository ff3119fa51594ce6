import { expect, test } from 'vitest';
import { freePort } from '../../stack/port.ts';

test('a port that was given lately is not given again, though nobody listens there yet', async () => {
  const ports = new Set<number>();
  for (let asked = 0; asked < 600; asked += 1) ports.add(await freePort());
  expect(ports.size).toBe(600);
});
