import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { CompressionTypes } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { codecs, decompress } from '../../../../relay/connect/compression/codecs.ts';
import { decodeFetch, fetchRequest } from '../../../../relay/publish/wire/fetch.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { createTopics, kafkaClient } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';

const lz4Frame = (...blocks: Buffer[]) =>
  Buffer.concat([Buffer.from('04224d18604000', 'hex'), ...blocks, Buffer.alloc(4)]);
const lz4Block = (hex: string) => {
  const bytes = Buffer.from(hex, 'hex');
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  return Buffer.concat([size, bytes]);
};
const snappy = (hex: string) => Buffer.from(hex, 'hex');

describe('records that a broker recompresses are read as they were written:', () => {
  const names = ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'];
  // Runs, text that repeats far apart, noise, and more than one block of each codec.
  const values = [
    Buffer.alloc(0),
    Buffer.from('a'),
    Buffer.alloc(300_000, 'ab'),
    randomBytes(200_000),
    Buffer.concat([randomBytes(70_000), Buffer.from('x'.repeat(15)), randomBytes(100)]),
    Buffer.from(Array.from({ length: 9_000 }, (_, n) => `{"order":${n % 977},"total":${n}}`).join('\n')),
  ];

  test.each(names)('%s', async (codec) => {
    const topic = unique(`codec-${codec}`);
    await createTopics([
      { topic, numPartitions: 1, configEntries: [{ name: 'compression.type', value: codec }] },
    ]);
    const kafka = await kafkaClient();
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    // All in one batch, and each in a batch of its own.
    const messages = values.map((value) => ({ value, partition: 0 }));
    try {
      for (const some of [messages, ...messages.map((message) => [message])])
        await producer.send({ topic, messages: some });
    } finally {
      await producer.disconnect();
    }
    const wire = await Wire.open(kafka, [topic]);
    const read: (Buffer | null)[] = [];
    try {
      for (let fromOffset = 0n; read.length < 2 * values.length; ) {
        const request = fetchRequest({
          topic,
          partition: 0,
          fromOffset,
          maxWaitMs: 1_000,
          maxBytes: 10_000_000,
        });
        const { batches } = await wire.send(await wire.leader(topic, 0), request, decodeFetch);
        read.push(...batches.flatMap(({ records }) => records.map(({ value }) => value)));
        fromOffset = BigInt(read.length);
      }
    } finally {
      await wire.close();
    }
    expect(read.map((value) => value?.toString('base64'))).toEqual(
      [...values, ...values].map((value) => value.toString('base64')),
    );
  });
});

describe('a batch that decompresses to more than the limit is refused before it is in memory:', () => {
  test.each([
    ['gzip', CompressionTypes.GZIP, gzipSync(Buffer.alloc(1_000_001))],
    ['zstd', CompressionTypes.ZSTD, zstdCompressSync(Buffer.alloc(1_000_001))],
    // A length of 2^32 - 1.
    ['snappy that says so', CompressionTypes.Snappy, snappy('ffffffff0f')],
    // One byte, then a match of 1 MB and more: 4000 times 255.
    ['lz4', CompressionTypes.LZ4, lz4Frame(lz4Block(`1f610100${'ff'.repeat(4_000)}00`))],
  ])('%s', async (_, codec, input) => {
    await expect(decompress(codec, input, 1_000_000)).rejects.toThrow('decompresses to more than 1000000');
  });
});

describe('an invalid stream is an error, and nothing worse:', () => {
  test.each([
    ['snappy with a copy from before the beginning', CompressionTypes.Snappy, snappy('04000a01')],
    ['snappy that is shorter than it says', CompressionTypes.Snappy, snappy('050061')],
    [
      'snappy of the Java library, cut off',
      CompressionTypes.Snappy,
      snappy('82534e4150505900000000010000000100000009'),
    ],
    ['lz4 with a match from before the beginning', CompressionTypes.LZ4, lz4Frame(lz4Block('14610900'))],
    ['lz4 whose block is cut off', CompressionTypes.LZ4, lz4Frame(lz4Block('f0')).subarray(0, 12)],
    ['lz4 without its magic number', CompressionTypes.LZ4, Buffer.alloc(8)],
    ['gzip', CompressionTypes.GZIP, Buffer.from('no gzip')],
    ['a codec that Kafka does not have', 7, Buffer.alloc(1)],
  ])('%s', async (_, codec, input) => {
    await expect(decompress(codec, input)).rejects.toMatchObject({
      code: 'KAFKA_UNSUITABLE',
      message: 'a record batch in Kafka cannot be decompressed',
    });
  });

  test('random bytes, and streams with one byte changed', async () => {
    const streams = [
      lz4Frame(lz4Block('1f610100ff00')),
      snappy('0a0061010100'),
      gzipSync('x'.repeat(1_000)),
      zstdCompressSync('x'.repeat(1_000)),
    ];
    for (let round = 0; round < 400; round++) {
      const input = round % 2 === 0 ? randomBytes(1 + (round % 64)) : Buffer.from(streams[round % 4]!);
      input[round % input.length] = round % 256;
      for (const codec of Object.keys(codecs).map(Number)) {
        const bytes = await decompress(codec, input, 100_000).catch((error) => error);
        if (Buffer.isBuffer(bytes)) expect(bytes.length).toBeLessThanOrEqual(100_000);
        else expect(bytes).toMatchObject({ code: 'KAFKA_UNSUITABLE' });
      }
    }
  });
});
