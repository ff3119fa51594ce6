/** Answers as Kafka's Java classes (4.3.1) write them, without the correlation id, which kafkajs takes off. */
import { expect, test } from 'vitest';
import {
  decodeEndTxn5,
  decodeFeatures,
  decodeInitProducerId4,
  decodeProduce12,
} from '../../../../relay/publish/wire/flexible-answers.ts';

const answer = (hex: string): Buffer => Buffer.from(hex, 'hex');

test('Produce, version 12, with an error, its message, refused records and tagged fields', async () => {
  const decoded = await decodeProduce12(
    answer(
      '0003026103000000000000000000012a05f200ffffffffffffffff0000000000000003010000000000010006ffffffff' +
        'ffffffffffffffffffffffffffffffffffffffff02000000020462616400066d6f766564010009000000020000000300' +
        '000262020000000500000000000000000008ffffffffffffffffffffffffffffffff010000000000000901000d020000' +
        '00020268000023840000',
    ),
  );
  expect(decoded).toEqual({
    clientSideThrottleTime: 9,
    topics: [
      {
        topicName: 'a',
        partitions: [
          { partition: 0, errorCode: 0, baseOffset: '5000000000' },
          { partition: 1, errorCode: 6, baseOffset: '-1' },
        ],
      },
      { topicName: 'b', partitions: [{ partition: 5, errorCode: 0, baseOffset: '8' }] },
    ],
  });
});

test('EndTxn, version 5, with the next identity, and refused', async () => {
  expect(await decodeEndTxn5(answer('000000000900000000000000001267000600'))).toEqual({
    clientSideThrottleTime: 9,
    errorCode: 0,
    producerId: 4_711n,
    producerEpoch: 6,
  });
  expect(await decodeEndTxn5(answer('0000000000005affffffffffffffffffff00'))).toMatchObject({
    errorCode: 90,
    producerId: -1n,
  });
});

test('InitProducerId, version 4', async () => {
  expect(await decodeInitProducerId4(answer('000000000900000000000000001267000600'))).toEqual({
    clientSideThrottleTime: 9,
    errorCode: 0,
    producerId: 4_711n,
    producerEpoch: 6,
  });
});

test('ApiVersions, version 3, with the finalized features among other tagged fields', async () => {
  const { errorCode, epoch, levels, supported } = await decodeFeatures(
    answer(
      '00000300000003000c00001a00000005000000000004001a02147472616e73616374696f6e2e76657273696f6e000100' +
        '02000108000000000000004d023003116d657461646174612e76657273696f6e001b000100147472616e73616374696f' +
        '6e2e76657273696f6e0002000000030101',
    ),
  );
  expect({ errorCode, epoch }).toEqual({ errorCode: 0, epoch: 77n });
  expect(Object.fromEntries(levels)).toEqual({ 'metadata.version': 27, 'transaction.version': 2 });
  expect(Object.fromEntries(supported)).toEqual({ 'transaction.version': 2 });
});

test('a broker that does not know version 3 of ApiVersions has told no features', async () => {
  const { errorCode, epoch, levels } = await decodeFeatures(answer('002300000000'));
  expect({ errorCode, epoch, levels: levels.size }).toEqual({ errorCode: 35, epoch: -1n, levels: 0 });
});

test.each([
  [
    'Produce',
    decodeProduce12,
    16,
    '0003026103000000000000000000012a05f200ffffffffffffffff0000000000000003010000000000010006ffffffff' +
      'ffffffffffffffffffffffffffffffffffffffff02000000020462616400066d6f766564010009000000020000000300' +
      '000262020000000500000000000000000008ffffffffffffffffffffffffffffffff010000000000000901000d020000' +
      '00020268000023840000',
  ],
  ['EndTxn', decodeEndTxn5, 1, '000000000900000000000000001267000600'],
] as const)('an answer to %s that is cut off is no answer', async (_, decode, tagBytes, hex) => {
  const whole = answer(hex);
  for (let length = 0; length < whole.length - tagBytes; length++)
    await expect(decode(whole.subarray(0, length)), `${length} bytes`).rejects.toThrow();
});
