/** The requests as bytes. The expected ones are what Kafka's Java client (4.3.1) writes for the same values. */
import { expect, test } from 'vitest';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { RecordBatch, recordBound } from '../../../../relay/publish/lean/record-batch.ts';
import {
  apiVersionsRequest,
  endRequest2,
  produceRequest2,
  raiseEpochRequest,
} from '../../../../relay/publish/lean/requests.ts';
import { encodeHead, type WireRequest } from '../../../../relay/publish/wire/kafkajs-wire.ts';

const producer = { transactionalId: 'outbox-relay.slöt', producerId: 4_711n, producerEpoch: 5 };

/** As the socket gets it, without the size at the beginning, which is checked. */
function sent(request: WireRequest): string {
  const bytes = Buffer.concat([encodeHead(request, 7, 'relay'), ...request.body]);
  expect(bytes.readInt32BE(0)).toBe(bytes.length - 4);
  return bytes.subarray(4).toString('hex');
}

/** A batch of one record, sealed and framed. */
function frame(partition: number, value: string): Buffer {
  const record = { key: 'k', value: Buffer.from(value), headers: {}, timestampMs: 1_700_000_000_123 };
  const batch = new RecordBatch(new BufferPool(), partition);
  batch.append(record, recordBound(record));
  return batch.seal({ ...producer, baseSequence: 0 }, 'compact');
}

test('Produce, version 12, with several topics and partitions, and sizes of one and of two bytes', () => {
  const topics = [
    { topic: 'a', frames: [frame(0, 'vvv'), frame(1, 'v'.repeat(200))] },
    { topic: 'b', frames: [frame(5, 'vvv')] },
  ];
  expect(sent(produceRequest2(producer.transactionalId, 15_000, topics))).toBe(
    '0000000c00000007000572656c617900136f7574626f782d72656c61792e736cc3b674ffff00003a9803026103000000' +
      '004900000000000000000000003cffffffff02f6016ba30010000000000000018bcfe5687b0000018bcfe5687b000000' +
      '00000012670005000000000000000114000000026b067676760000000000019002000000000000000000000103ffffff' +
      'ff025d2020d20010000000000000018bcfe5687b0000018bcfe5687b000000000000126700050000000000000001a003' +
      '000000026b90037676767676767676767676767676767676767676767676767676767676767676767676767676767676' +
      '767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676' +
      '767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676' +
      '767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676767676' +
      '767676767676767676767676767676000000026202000000054900000000000000000000003cffffffff02f6016ba300' +
      '10000000000000018bcfe5687b0000018bcfe5687b00000000000012670005000000000000000114000000026b067676' +
      '7600000000',
  );
});

test('EndTxn, version 5', () => {
  expect(sent(endRequest2({ ...producer, producerEpoch: 32_766 }, true))).toBe(
    '001a000500000007000572656c617900136f7574626f782d72656c61792e736cc3b67400000000000012677ffe0100',
  );
});

test('InitProducerId, version 4, with the identity that it raises', () => {
  expect(sent(raiseEpochRequest(producer, 60_000))).toBe(
    '0016000400000007000572656c617900136f7574626f782d72656c61792e736cc3b6740000ea60000000000000126700' +
      '0500',
  );
});

test('ApiVersions, version 3', () => {
  expect(sent(apiVersionsRequest())).toBe('0012000300000007000572656c6179000d6f7574626f782d72656c6179023100');
});

test('a name of 127 bytes or more has a length of two bytes', () => {
  for (const length of [126, 127, 300]) {
    const { body } = endRequest2({ ...producer, transactionalId: 'x'.repeat(length) }, true);
    const [bytes] = body;
    expect(bytes?.length).toBe((length < 127 ? 1 : 2) + length + 12);
    expect(bytes?.at(-2), 'commit').toBe(1);
    expect(bytes?.at(-1), 'no tagged fields').toBe(0);
  }
});
