import { expect, test } from 'vitest';
import { encodeStatusUpdate } from '../../../relay/capture/status-update.ts';

test('says one LSN as received, flushed and applied, exactly as it was given', () => {
  const lsn = 0x16_b374_d848n;
  const message = encodeStatusUpdate(lsn, 0, false);
  expect(message.length).toBe(34);
  expect(String.fromCharCode(message[0] ?? 0)).toBe('r');
  expect([1, 9, 17].map((offset) => message.readBigUInt64BE(offset))).toEqual([lsn, lsn, lsn]);
  expect(message[33]).toBe(0);
});

test('can say "nothing yet", and LSNs over 2^63', () => {
  expect(encodeStatusUpdate(0n, 0, false).readBigUInt64BE(9)).toBe(0n);
  expect(encodeStatusUpdate(2n ** 64n - 1n, 0, false).readBigUInt64BE(9)).toBe(2n ** 64n - 1n);
});

test('tells the time since 2000 in microseconds', () => {
  const message = encodeStatusUpdate(1n, Date.UTC(2000, 0, 1, 0, 0, 1, 500), true);
  expect(message.readBigInt64BE(25)).toBe(1_500_000n);
  expect(encodeStatusUpdate(1n, Date.UTC(2000, 0, 1) + 0.75, true).readBigInt64BE(25)).toBe(0n);
});

test('asks for a reply only when told to', () => {
  expect(encodeStatusUpdate(1n, 0, true)[33]).toBe(1);
});
