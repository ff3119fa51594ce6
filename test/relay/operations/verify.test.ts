import { expect, test } from 'vitest';
import { verifyWaitMs } from '../../../relay/operations/verify.ts';

test.each([500, 10_000, 60_000, 3_600_000])(
  'verify waits longer than an idle relay may take to reach its snapshot, with a heartbeat every %d ms',
  (heartbeatMs) => {
    const writtenMs = heartbeatMs;
    const committedMs = heartbeatMs;
    expect(verifyWaitMs({ capture: { heartbeatMs } })).toBeGreaterThan(writtenMs + committedMs);
  },
);

test('verify waits for half a minute at least', () => {
  expect(verifyWaitMs({ capture: { heartbeatMs: 500 } })).toBe(30_000);
});
