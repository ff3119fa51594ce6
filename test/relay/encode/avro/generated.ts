/**
 * Random Avro schemas with values that conform: for each the JSON text, what a reader must decode, and the places
 * where it can be spoilt with the path a refusal must name.
 */
import fc from 'fast-check';

/** Shows up in every spoilt value and in keys and strings: no refusal may repeat it. It is no base64. */
export const canary = 'CANARY-☃';

export interface Generated {
  readonly schema: unknown;
  readonly value: Value;
}

export interface Value {
  readonly text: string;
  readonly decoded: unknown;
  /** Texts of the whole value with one place spoilt. */
  readonly spoilt: readonly Spoilt[];
}

export interface Spoilt {
  readonly path: string;
  readonly text: string;
}

interface Shape {
  readonly kind: 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';
  readonly schema: (names: () => string) => unknown;
  readonly value: fc.Arbitrary<Value>;
}

const canaryText = JSON.stringify(canary);

/** A value without parts; `wrong` are texts that are not of its type. */
function atom(text: string, decoded: unknown, ...wrong: string[]): Value {
  return { text, decoded, spoilt: wrong.map((each) => ({ path: '', text: each })) };
}

const notText = [canaryText, `[${canaryText}]`, `{${canaryText}:1}`, 'null'];
const noString = ['17', `[${canaryText}]`, `{${canaryText}:1}`, 'null'];

const finite = { noNaN: true, noDefaultInfinity: true };
const unicode = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.constant(canary));

/** An integer as a service may write it. */
function integerText(value: bigint, style: number): string {
  if (style === 1) return `${value}.0`;
  return style === 2 && value % 10n === 0n ? `${value / 10n}e1` : String(value);
}

function integer(schema: unknown, bits: bigint, decode: (value: bigint) => unknown): Shape {
  const limit = 2n ** (bits - 1n);
  const value = fc.tuple(fc.bigInt({ min: -limit, max: limit - 1n }), fc.nat(2)).map(([each, style]) => {
    return atom(
      integerText(each, style),
      decode(each),
      ...notText,
      '0.5',
      String(limit),
      String(-limit - 1n),
    );
  });
  return { kind: 'number', schema: () => schema, value };
}

const twosComplement = (value: bigint, size: number) =>
  `0x${BigInt.asUintN(8 * size, value)
    .toString(16)
    .padStart(2 * size, '0')}`;

function shape(kind: Shape['kind'], schema: Shape['schema'], value: fc.Arbitrary<Value>): Shape {
  return { kind, schema, value };
}

const leaves: readonly Shape[] = [
  shape('null', () => 'null', fc.constant(atom('null', null, canaryText, '0'))),
  shape(
    'boolean',
    () => 'boolean',
    fc.boolean().map((each) => atom(String(each), each, ...notText, '0')),
  ),
  integer('int', 32n, Number),
  integer('long', 64n, (each) => each),
  integer({ type: 'long', logicalType: 'timestamp-micros' }, 64n, (each) => each),
  shape(
    'number',
    () => 'double',
    fc
      .double(finite)
      .map((each) => atom(Object.is(each, -0) ? '-0' : String(each), each, ...notText, '1e400')),
  ),
  shape(
    'number',
    () => 'float',
    fc.float(finite).map((each) => atom(Object.is(each, -0) ? '-0' : String(each), each, ...notText, '1e39')),
  ),
  shape(
    'string',
    () => 'string',
    unicode.map((each) => atom(JSON.stringify(each), each, ...noString, `"${canary}\\ud800"`)),
  ),
  shape(
    'string',
    () => 'bytes',
    fc.uint8Array({ maxLength: 40 }).map((each) => {
      const content = Buffer.from(each);
      return atom(`"${content.toString('base64')}"`, `0x${content.toString('hex')}`, ...noString, canaryText);
    }),
  ),
  shape(
    'string',
    (names) => ({ type: 'fixed', name: names(), size: 5 }),
    fc.uint8Array({ minLength: 5, maxLength: 5 }).map((each) => {
      const content = Buffer.from(each);
      return atom(
        `"${content.toString('base64')}"`,
        `0x${content.toString('hex')}`,
        ...noString,
        '"AQID"',
        canaryText,
      );
    }),
  ),
  shape(
    'string',
    (names) => ({ type: 'enum', name: names(), symbols: ['A', 'B', 'C'] }),
    fc.constantFrom('A', 'B', 'C').map((each) => atom(`"${each}"`, each, ...noString, '"D"', canaryText)),
  ),
  shape(
    'number',
    (names) => ({ type: 'fixed', name: names(), size: 13, logicalType: 'decimal', precision: 30, scale: 10 }),
    fc
      .tuple(fc.bigInt({ min: -(10n ** 30n) + 1n, max: 10n ** 30n - 1n }), fc.boolean())
      .map(([each, quoted]) => {
        const digits = String(each < 0n ? -each : each).padStart(11, '0');
        const text = `${each < 0n ? '-' : ''}${digits.slice(0, -10)}.${digits.slice(-10)}`;
        const wrong = [canaryText, 'null', `[${text}]`, `${text}1`, `1${'0'.repeat(20)}`];
        return atom(quoted ? `"${text}"` : text, twosComplement(each, 13), ...wrong);
      }),
  ),
  shape(
    'string',
    () => ({ type: 'string', logicalType: 'uuid' }),
    fc.uuid().map((each) => atom(`"${each}"`, each, ...noString, canaryText)),
  ),
  shape(
    'string',
    () => ({ type: 'long', logicalType: 'timestamp-millis' }),
    fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }).map((each) => {
      const text = each.toISOString();
      const wrong = [canaryText, 'true', `"${text.slice(0, -1)}"`, `"${text.slice(0, -1)}1Z"`];
      return atom(`"${text}"`, BigInt(each.getTime()), ...wrong);
    }),
  ),
];

/** One part of a composed value spoilt: the others stay, and the path is told the step. */
function spoilParts(
  parts: readonly Value[],
  step: (index: number) => string,
  join: (texts: string[]) => string,
) {
  const texts = parts.map((part) => part.text);
  return parts.flatMap((part, index) =>
    part.spoilt.map((each) => ({ path: step(index) + each.path, text: join(texts.with(index, each.text)) })),
  );
}

function arrayOf(items: Shape): Shape {
  const value = fc.array(items.value, { maxLength: 4 }).map((parts) => {
    const join = (texts: string[]) => `[${texts.join(', ')}]`;
    return {
      text: join(parts.map((part) => part.text)),
      decoded: parts.map((part) => part.decoded),
      spoilt: [
        ...atom('', 0, canaryText, '0', `{${canaryText}:0}`).spoilt,
        ...spoilParts(parts, (i) => `[${i}]`, join),
      ],
    };
  });
  return { kind: 'array', schema: (names) => ({ type: 'array', items: items.schema(names) }), value };
}

function mapOf(values: Shape): Shape {
  // avsc cannot give back __proto__ as a key, so that one has a test of its own.
  const key = unicode.filter((each) => each !== '__proto__');
  const entries = fc.uniqueArray(fc.tuple(key, values.value), { maxLength: 4, selector: ([each]) => each });
  const value = entries.map((pairs) => {
    const parts = pairs.map(([, part]) => part);
    const join = (texts: string[]) =>
      `{${texts.map((text, i) => `${JSON.stringify(pairs[i]?.[0])}:${text}`).join(',')}}`;
    return {
      text: join(parts.map((part) => part.text)),
      decoded: Object.fromEntries(pairs.map(([name, part]) => [name, part.decoded])),
      spoilt: [
        ...atom('', 0, canaryText, '0', `[${canaryText}]`).spoilt,
        ...spoilParts(parts, () => '[*]', join),
      ],
    };
  });
  return { kind: 'object', schema: (names) => ({ type: 'map', values: values.schema(names) }), value };
}

function recordOf(fields: readonly Shape[]): Shape {
  const nameOf = (index: number) =>
    ['id', 'constructor', 'amount', '_x', 'lines', 'toString'][index] ?? `f${index}`;
  const order = fc.shuffledSubarray(
    fields.map((_, index) => index),
    { minLength: fields.length },
  );
  const value = fc.tuple(fc.tuple(...fields.map((each) => each.value)), order).map(([parts, shuffled]) => {
    const entry = (texts: string[], index: number) => `"${nameOf(index)}": ${texts[index]}`;
    const join = (texts: string[]) => `{${shuffled.map((index) => entry(texts, index)).join(',')}}`;
    const texts = parts.map((part) => part.text);
    const without = (missing: number) =>
      `{${shuffled.filter((index) => index !== missing).map((index) => entry(texts, index))}}`;
    const undeclared = `{${[`${canaryText}:0`, ...shuffled.map((index) => entry(texts, index))]}}`;
    return {
      text: join(texts),
      decoded: Object.fromEntries(parts.map((part, index) => [nameOf(index), part.decoded])),
      spoilt: [
        ...atom('', 0, canaryText, '0', `[${canaryText}]`, undeclared).spoilt,
        ...parts.map((_, index) => ({ path: `.${nameOf(index)}`, text: without(index) })),
        ...spoilParts(parts, (index) => `.${nameOf(index)}`, join),
      ],
    };
  });
  const schema = (names: () => string) => ({
    type: 'record',
    name: names(),
    fields: fields.map((each, index) => ({ name: nameOf(index), type: each.schema(names) })),
  });
  return { kind: 'object', schema, value };
}

function nullableOf(other: Shape, isNullFirst: boolean): Shape {
  if (other.kind === 'null') return other;
  const absent = atom('null', null, ...(other.kind === 'boolean' ? [] : ['true']));
  const present = other.value.map((value) => ({
    ...value,
    spoilt: value.spoilt.filter((each) => each.text !== 'null'),
  }));
  const schema = (names: () => string) => {
    const branches = ['null', other.schema(names)];
    return isNullFirst ? branches : branches.reverse();
  };
  return { kind: 'null', schema, value: fc.oneof(fc.constant(absent), present) };
}

/** At most one branch for each kind of JSON value, so that the branch is beyond doubt; logical types take two. */
function unionOf(shapes: readonly Shape[]): Shape {
  const plain = shapes.filter((each) => !hasLogicalType(each));
  const branches = [...new Map(plain.map((each) => [each.kind, each])).values()];
  if (branches.length === 0) return leaves[0]!;
  const value = fc
    .oneof(...branches.map((each) => each.value))
    .map(({ text, decoded }) => ({ text, decoded, spoilt: [] }));
  return { kind: 'null', schema: (names) => branches.map((each) => each.schema(names)), value };
}

const hasLogicalType = (each: Shape) => Object.hasOwn(Object(each.schema(() => 'N')), 'logicalType');
const isNoUnion = (each: Shape) => !Array.isArray(each.schema(() => 'N'));

const shapes = fc.letrec<{ any: Shape; plain: Shape }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: tie('plain') },
    {
      weight: 2,
      arbitrary: fc.tuple(tie('plain'), fc.boolean()).map(([each, first]) => nullableOf(each, first)),
    },
    { weight: 1, arbitrary: fc.array(tie('plain'), { minLength: 1, maxLength: 4 }).map(unionOf) },
  ),
  plain: fc
    .oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 3, arbitrary: fc.constantFrom(...leaves) },
      { weight: 1, arbitrary: tie('any').map(arrayOf) },
      { weight: 1, arbitrary: tie('any').map(mapOf) },
      { weight: 3, arbitrary: fc.array(tie('any'), { maxLength: 6 }).map(recordOf) },
    )
    .filter(isNoUnion),
}));

export const generated: fc.Arbitrary<Generated> = shapes.any.chain((each) => {
  let count = 0;
  const schema = each.schema(() => `test.Type${count++}`);
  return each.value.map((value) => ({ schema, value }));
});
