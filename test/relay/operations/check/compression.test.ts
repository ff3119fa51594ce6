import { expect, test } from 'vitest';
import type { CompressionName } from '../../../../relay/config/compression-names.ts';
import { judgeCompression } from '../../../../relay/operations/check/compression.ts';

const progress = 'outbox-relay.progress.orders';
const said = (sent: CompressionName, types: Readonly<Record<string, string | undefined>>) =>
  judgeCompression(sent, progress, new Map(Object.entries(types))).message;
const note = '; consumers that use kafkajs, kafka-python or aiokafka need a package for each codec but gzip';

test('topics that store what they are sent are nothing to report, nor is the progress, which is never compressed', () => {
  const types = { [progress]: 'uncompressed', order: 'producer', item: undefined };
  expect(said('lz4', { ...types, parcel: 'lz4' })).toBe(
    `publish.compression is lz4, and no topic sets another compression.type${note}`,
  );
  expect(said('none', { ...types, parcel: 'uncompressed' })).toBe(
    'publish.compression is none, and no topic sets another compression.type',
  );
});

test('topics that store another codec are named, and what consumers need for it', () => {
  expect(said('none', { [progress]: 'zstd', order: 'gzip' })).toBe(
    `publish.compression is none; brokers store gzip: order; zstd: ${progress}; the relay reads every codec${note}`,
  );
  expect(said('gzip', { [progress]: 'gzip', order: 'uncompressed' })).toBe(
    `publish.compression is gzip; brokers store gzip: ${progress}; uncompressed: order; the relay reads every codec`,
  );
});
