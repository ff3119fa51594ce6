/** Against an implementation of Avro that shares nothing with ours; `compare-java.ts` runs longer searches. */
import { expect, test } from 'vitest';
import { compareWithJava } from './compare-java.ts';
import { JavaAvro, missingJavaAvro } from './java-avro.ts';

const missing = await missingJavaAvro();

test.skipIf(missing !== undefined)(
  'what is written for a value that conforms, Java Avro decodes to that value, logical types included',
  () => compareWithJava(1_000),
  180_000,
);

test.skipIf(missing !== undefined)('a byte that is wrong does not pass the comparison', async () => {
  await using java = await JavaAvro.start();
  const decimal = '{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}';
  expect(await java.decode(decimal, Buffer.from([2, 125]))).toBe('decimal 1.25');
  expect(await java.decode(decimal, Buffer.from([2, 126]))).toBe('decimal 1.26');
  expect(await java.decode(decimal, Buffer.from([2, 125, 0]))).toBe('bytes are left over');
  expect(await java.decode(decimal, Buffer.from([4, 125]))).toMatch(/^Java fails/);
});
