/**
 * Random schemas and values, written by the relay and read by Apache Avro for Java:
 * `node test/relay/encode/formats/avro/compare-java.ts --pairs 20000 --seed 1`. A difference is told in its smallest form; exit
 * code 1.
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import fc from 'fast-check';
import { encode, typeOf } from './encoding.ts';
import { type Generated, generated } from './generated.ts';
import { JavaAvro, missingJavaAvro } from './java-avro.ts';

/** @throws with the smallest pair that Java reads as something else. */
export async function compareWithJava(
  pairs: number,
  seed?: number,
  onPair: (pair: Generated) => void = () => {},
): Promise<void> {
  await using java = await JavaAvro.start();
  const property = fc.asyncProperty(generated, async (pair) => {
    onPair(pair);
    const { schema, value } = pair;
    const read = await java.decode(JSON.stringify(schema), encode(typeOf(schema), value.text));
    if (isDeepStrictEqual(read, value.meaning)) return;
    const [expected, found] = [JSON.stringify(value.meaning), JSON.stringify(read)];
    throw new Error(
      `${JSON.stringify(schema)}\nJSON     ${value.text}\nexpected ${expected}\nJava     ${found}`,
    );
  });
  await fc.assert(property, { numRuns: pairs, ...(seed === undefined ? {} : { seed }) });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { pairs: { type: 'string', default: '20000' }, seed: { type: 'string' } },
  });
  const missing = await missingJavaAvro();
  if (missing !== undefined) throw new Error(missing);
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const schemas = new Set<string>();
  const beganMs = performance.now();
  await compareWithJava(Number(values.pairs), seed, ({ schema }) => schemas.add(JSON.stringify(schema)));
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(0);
  console.log(
    `${values.pairs} pairs of ${schemas.size} schemas, seed ${seed}: no difference to Java Avro (${seconds} s)`,
  );
}

if (import.meta.main) await main();
