import { expect, test } from 'vitest';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import type { OutboundRecord, Refusal } from '../../../relay/encode/record.ts';
import { capturedFact, encodedFact } from '../../../relay/stream/facts.ts';

const secret = 'a value of the payload';

const row = {
  id: 'id',
  aggregatetype: 'order',
  aggregateid: secret,
  type: 'Placed',
  payload: secret,
  headers: secret,
  createdAt: null,
};

const transaction: CommittedTransaction = {
  commitLsn: 16n,
  endLsn: 32n,
  xid: 7,
  committedAtMs: 1_700_000_000_000,
  firstOrdinal: 0,
  rows: { length: 3, at: () => row, giveUp: () => {} },
  bytes: 99,
};

const record: OutboundRecord = {
  topic: 'orders',
  partition: 2,
  key: secret,
  value: Buffer.from(secret),
  headers: { id: 'id', position: '0000000000000010.00000000', own: secret },
  timestampMs: 1,
  bytes: 1,
  maxBatchBytes: 1,
};

const refusal: Refusal = {
  position: { commitLsn: 16n, ordinal: 1 },
  committedAtMs: 1,
  row,
  code: 'PAYLOAD_INVALID',
  message: secret,
  path: secret,
  topic: 'orders',
  subject: null,
  schemaId: null,
};

test('events that are published already are not counted as captured', () => {
  expect(capturedFact(transaction, 1)).toEqual({
    commitLsn: 16n,
    committedAtMs: 1_700_000_000_000,
    events: 2,
    bytes: 99,
  });
});

test('what is said of records and refusals is where they are, and nothing of what is in them', () => {
  expect(encodedFact(transaction, [record, refusal])).toEqual({
    commitLsn: 16n,
    committedAtMs: 1_700_000_000_000,
    records: [{ topic: 'orders', partition: 2, position: '0000000000000010.00000000' }],
    refused: [{ commitLsn: 16n, ordinal: 1, code: 'PAYLOAD_INVALID', topic: 'orders' }],
  });
});
