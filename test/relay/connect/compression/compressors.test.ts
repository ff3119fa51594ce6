import { randomBytes } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { codecNames } from '../../../../relay/connect/compression/codec-numbers.ts';
import { decompress } from '../../../../relay/connect/compression/codecs.ts';
import { atOnceMaxBytes, openCompressor } from '../../../../relay/connect/compression/compressors.ts';
import { compressedBound } from '../../../../relay/publish/wire/compression.ts';

const sizes = [0, 1, 1_024, atOnceMaxBytes, atOnceMaxBytes + 1, 800_000];
const text = Buffer.from(Array.from({ length: 90_000 }, (_, n) => `order ${n % 977};`).join(''));

describe.each(codecNames)('%s', (name) => {
  test('is read back as it was written, whatever its size', async () => {
    const compressor = (await openCompressor(name))!;
    for (const plain of [text, randomBytes(800_000), Buffer.alloc(800_000)])
      for (const size of sizes) {
        const input = plain.subarray(0, size);
        const compressed = await compressor.compress(input);
        expect((await decompress(compressor.codec, compressed)).equals(input)).toBe(true);
        expect(compressed.length).toBeLessThanOrEqual(compressedBound(size));
      }
  });

  test('leaves the event loop for a large batch, and returns a small one at once', async () => {
    const compressor = (await openCompressor(name))!;
    expect(compressor.compress(text.subarray(0, atOnceMaxBytes))).toBeInstanceOf(Buffer);
    const large = compressor.compress(text.subarray(0, atOnceMaxBytes + 1));
    expect(large).toBeInstanceOf(Promise);
    await large;
  });
});

test('none has no compressor', async () => {
  expect(await openCompressor('none')).toBeUndefined();
});

test('a codec that the machine lacks is named, with the reason', async () => {
  vi.doMock('snappy', () => {
    throw new Error('Cannot find native binding');
  });
  await expect(openCompressor('snappy')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('publish.compression snappy cannot be used on this machine'),
  });
  vi.doUnmock('snappy');
});
