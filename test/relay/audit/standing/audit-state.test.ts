import { expect, test } from 'vitest';
import { type AuditState, parseState, serializeState } from '../../../../relay/audit/standing/audit-state.ts';
import { CountedXids } from '../../../../relay/audit/standing/counted-xids.ts';

const counted = new CountedXids(2n ** 40n);
counted.add(2n ** 40n + 9n);

const state: AuditState = {
  window: 7,
  snapshot: '10:20:10,15',
  lsn: 0x1_0000_0000n,
  atMs: 1_700_000_000_000.5,
  counted,
  beginsLsn: 16n,
  beginsXid: 2n ** 33n,
  offsets: new Map([['t/0', 2n ** 53n + 1n]]),
  floors: new Map([['t/0', '0000000000000010.00000001']]),
  open: [
    {
      id: 'a',
      topic: 't',
      partition: 0,
      offset: 2n ** 53n + 1n,
      position: '0000000000000010.00000001',
      committedAtMs: 5,
      after: '0000000000000010.00000001',
      window: 6,
    },
  ],
  after: new Map([[6, '10:20:']]),
  unclaimed: new Set(['0/10.1']),
  released: new Set(['0000000000000010.00000001']),
};

test('a state is read as it was written', () => {
  const { counted: read, ...rest } = parseState(serializeState(state))!;
  const { counted: _, ...written } = state;
  expect(rest).toEqual(written);
  expect([read.base, read.has(2n ** 40n + 9n), read.has(2n ** 40n + 8n)]).toEqual([2n ** 40n, true, false]);
});
