import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileWriter } from '../../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../../relay/encode/formats/json.ts';
import { ValueMismatch } from '../../../../../relay/encode/formats/mismatch.ts';
import { encode, plain, typeOf } from './encoding.ts';
import { canary, generated } from './generated.ts';

/** `AVRO_PAIRS=30000 npx vitest run test/relay/encode/formats/avro/writer-round-trip.test.ts` for a longer search. */
const numRuns = Number(process.env.AVRO_PAIRS ?? 3000);

test('what is written for a value that conforms, avsc decodes to that value, to the last digit', () => {
  fc.assert(
    fc.property(generated, ({ schema, value }) => {
      const type = typeOf(schema);
      const bytes = encode(type, value.text);
      // Not toStrictEqual: it takes a key called `constructor` for the class.
      expect(isDeepStrictEqual(plain(type.fromBuffer(bytes)), value.decoded)).toBe(true);
    }),
    { numRuns },
  );
});

test('a value spoilt in one place is refused at that place, without a word of the payload', () => {
  let refused = 0;
  fc.assert(
    fc.property(generated, fc.nat(), ({ schema, value }, choice) => {
      const spoilt = value.spoilt[choice % Math.max(1, value.spoilt.length)];
      if (spoilt === undefined) return;
      const mismatch = refusalOf(schema, spoilt.text);
      expect(mismatch?.path).toBe(`$${spoilt.path}`);
      expect(`${mismatch?.message}${mismatch?.stack}`).not.toContain(canary);
      refused++;
    }),
    { numRuns },
  );
  expect(refused).toBeGreaterThan(numRuns / 2);
});

function refusalOf(schema: unknown, text: string): ValueMismatch | undefined {
  try {
    compileWriter(typeOf(schema))(parseLosslessJson(text), new ByteSink());
  } catch (error) {
    if (error instanceof ValueMismatch) return error;
    throw error;
  }
  return undefined;
}
