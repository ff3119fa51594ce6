/** What a value of a topic must be, so that a figure is that of the contender whose name it bears. */
import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { hasForm } from '../../bench/reader.ts';

test('framed Avro is told from the text of a JSON object', () => {
  const avro = Buffer.from([0, 0, 0, 0, 7, 2, 65]);
  const json = Buffer.from('{"a":1}');
  expect([hasForm(avro, 'avro'), hasForm(json, 'json')]).toEqual([true, true]);
  expect([hasForm(json, 'avro'), hasForm(avro, 'json')]).toEqual([false, false]);
  // As Connect writes a text that is a value of its JSON converter, and as it writes a schema beside it.
  expect(hasForm(Buffer.from('"{\\"a\\":1}"'), 'json')).toBe(false);
  expect(hasForm(null, 'avro')).toBe(false);
  expect(hasForm(Buffer.from([0, 0, 0, 0, 7]), 'avro')).toBe(false);
});

test('the reader has a codec for each compression that growth is measured with', () => {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  // Without one, kafkajs throws as soon as it is asked for the codec.
  for (const type of [CompressionTypes.GZIP, CompressionTypes.LZ4, CompressionTypes.ZSTD])
    expect(() => (CompressionCodecs as Record<number, () => unknown>)[type]!()).not.toThrow();
});
