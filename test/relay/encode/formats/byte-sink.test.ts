import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteSink } from '../../../../relay/encode/formats/byte-sink.ts';
import { typeOf } from './avro/encoding.ts';

const long = typeOf('long');
const string = typeOf('string');

test('a long is written over all 64 bits, from a number or a bigint, as avsc reads it', () => {
  const edges = [6, 7, 13, 20, 27, 30, 31, 32, 34, 47, 48, 52, 53, 55, 62].flatMap((bits) => {
    const edge = 2n ** BigInt(bits);
    return [edge - 1n, edge, edge + 1n, -edge - 1n, -edge, -edge + 1n];
  });
  const values = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(0n, ...edges),
  );
  const sink = new ByteSink(1);
  fc.assert(
    fc.property(values, (value) => {
      sink.truncate(0);
      sink.writeBigLong(value);
      expect(long.fromBuffer(sink.copy())).toBe(value);
      const asNumber = Number(value);
      if (!Number.isSafeInteger(asNumber)) return;
      sink.truncate(0);
      sink.writeLong(asNumber);
      expect(long.fromBuffer(sink.copy())).toBe(value);
    }),
    { numRuns: 5000, examples: [...edges, -(2n ** 63n), 2n ** 63n - 1n].map((edge) => [edge] as [bigint]) },
  );
});

test('a string of any length and script is written as avsc reads it', () => {
  const sink = new ByteSink(1);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), fc.nat(3), (text, repeat) => {
      const long = text.repeat(10 ** repeat);
      sink.truncate(0);
      const isWritten = sink.writeString(long);
      expect(isWritten).toBe(long.isWellFormed());
      expect(isWritten ? string.fromBuffer(sink.copy()) : '').toBe(isWritten ? long : '');
    }),
    { numRuns: 1000 },
  );
});

test('a lone surrogate writes nothing', () => {
  const sink = new ByteSink();
  expect(sink.writeString('a\ud800')).toBe(false);
  expect(sink.writeString(`${'a'.repeat(100)}\udc00`)).toBe(false);
  expect(sink.position).toBe(0);
});

test('truncate takes back a rejected event and leaves the ones before it', () => {
  const sink = new ByteSink(4);
  sink.writeString('kept');
  const start = sink.position;
  sink.writeString('rejected');
  sink.truncate(start);
  sink.writeString('next');
  expect(sink.copy(start).toString('hex')).toBe('086e657874');
  expect(sink.slice().toString('latin1')).toBe('\x08kept\x08next');
  expect(() => sink.truncate(100)).toThrow(RangeError);
});
