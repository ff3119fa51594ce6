/**
 * Random Avro schemas with values that conform: for each the JSON text, what a reader must decode, and the places
 * where it can be spoilt with the path a refusal must name.
 */
import fc from 'fast-check';
import type { LogicalName } from '../../../../../relay/encode/formats/avro/logical-types.ts';

/** Shows up in every spoilt value and in keys and strings: no refusal may repeat it. It is no base64. */
export const canary = 'CANARY-☃';

export interface Generated {
  readonly schema: unknown;
  readonly value: Value;
}

export interface Value {
  readonly text: string;
  /** As avsc gives it back: what is underneath a logical type, bytes as hexadecimal. */
  readonly decoded: unknown;
  /**
   * What it means, for any reader: null, booleans, arrays and objects as they are, everything else as text, its type
   * first: `long 7`, `double 3ff0000000000000`, `decimal 1.50`, `instant 2026-01-31T08:00:00.000000000`. A time outside
   * of the years 0 to 9999 is `#` and its count.
   */
  readonly meaning: unknown;
  /** Texts of the whole value with one place spoilt. */
  readonly spoilt: readonly Spoilt[];
}

export interface Spoilt {
  readonly path: string;
  readonly text: string;
}

/** A default: as the schema has it, and what comes of it. */
interface Fallback {
  readonly json: unknown;
  readonly decoded: unknown;
  readonly meaning: unknown;
}

interface Shape {
  readonly kind: 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';
  readonly schema: (names: () => string) => unknown;
  readonly value: fc.Arbitrary<Value>;
  /** What a field of this type may have for a default. */
  readonly fallback?: Fallback | undefined;
  /** The name of the branch in a union, where it is no matter of the schema. */
  readonly branch?: string;
}

const canaryText = JSON.stringify(canary);

/** A value without parts; `wrong` are texts that are not of its type. */
function atom(text: string, decoded: unknown, meaning: unknown, ...wrong: string[]): Value {
  return { text, decoded, meaning, spoilt: wrong.map((each) => ({ path: '', text: each })) };
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

type Read = (value: bigint) => unknown;

function integer(schema: unknown, bits: bigint, decode: Read, meaning: Read, fallback?: Fallback): Shape {
  const limit = 2n ** (bits - 1n);
  const value = fc.tuple(fc.bigInt({ min: -limit, max: limit - 1n }), fc.nat(2)).map(([each, style]) => {
    const wrong = [...notText, '0.5', String(limit), String(-limit - 1n)];
    return atom(integerText(each, style), decode(each), meaning(each), ...wrong);
  });
  return { kind: 'number', schema: () => schema, value, fallback };
}

const twosComplement = (value: bigint, size: number) =>
  `0x${BigInt.asUintN(8 * size, value)
    .toString(16)
    .padStart(2 * size, '0')}`;

/** The fewest bytes that hold it. */
function leastBytes(value: bigint): number {
  let size = 1;
  while (BigInt.asIntN(8 * size, value) !== value) size++;
  return size;
}

function bits(value: number, bytes: 4 | 8): string {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeFloatBE(value);
  else buffer.writeDoubleBE(value);
  return `${bytes === 4 ? 'float' : 'double'} ${buffer.toString('hex')}`;
}

function shape(
  kind: Shape['kind'],
  schema: Shape['schema'],
  value: fc.Arbitrary<Value>,
  more: Pick<Shape, 'fallback' | 'branch'> = {},
): Shape {
  return { kind, schema, value, ...more };
}

/** 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the years that ISO 8601 writes with four digits. */
const firstSecond = -62_167_219_200;
const lastSecond = 253_402_300_799;

/** `Date` counts the days here, not the calendar on trial. */
const isoOf = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19);

const floorDiv = (value: bigint, by: bigint) => (value - (((value % by) + by) % by)) / by;

/** `count` units since 1970, a unit being 10^-`digits` seconds. */
function timeMeaning(kind: 'instant' | 'local', count: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const seconds = floorDiv(count, perSecond);
  const fraction = String(count - seconds * perSecond)
    .padStart(digits, '0')
    .padEnd(9, '0');
  const isOrdinary = seconds >= firstSecond && seconds <= lastSecond;
  return `${kind} ${isOrdinary ? isoOf(Number(seconds)) : `#${seconds}`}.${fraction}`;
}

/** A fraction of a second as a service may write it: all digits, or no zeros behind the last one. */
function fractionText(fraction: number, digits: number, isShort: boolean): string {
  const text = `.${String(fraction).padStart(digits, '0')}`;
  return isShort ? text.replace(/\.?0*$/, '') : text;
}

function offsetText(minutes: number): string {
  if (minutes === 0) return 'Z';
  const pad = (part: number) => String(part).padStart(2, '0');
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** Nanoseconds since 1970 end in the year 2262. */
const secondsOf = (digits: number) =>
  digits === 9
    ? { min: -9_223_000_000, max: 9_223_000_000 }
    : { min: firstSecond + 86_400, max: lastSecond - 86_400 };

function timestampShape(logicalType: string, digits: number): Shape {
  const isLocal = logicalType.startsWith('local-');
  const kind = isLocal ? 'local' : 'instant';
  const value = fc
    .record({
      seconds: fc.integer(secondsOf(digits)),
      fraction: fc.nat(10 ** digits - 1),
      offset: fc.integer({ min: -1439, max: 1439 }),
      isShort: fc.boolean(),
      separator: fc.constantFrom('T', ' '),
    })
    .map(({ seconds, fraction, offset, isShort, separator }) => {
      const count = BigInt(seconds) * 10n ** BigInt(digits) + BigInt(fraction);
      const clock = isoOf(seconds + (isLocal ? 0 : offset * 60)).replace('T', separator);
      const zone = isLocal ? '' : offsetText(offset);
      const otherZone = isLocal ? 'Z' : '';
      const full = fractionText(fraction, digits, false);
      const wrong = [`"${clock}${full}${otherZone}"`, `"${clock}${full}1${zone}"`, canaryText, 'true'];
      const text = `"${clock}${fractionText(fraction, digits, isShort)}${zone}"`;
      return atom(text, count, timeMeaning(kind, count, digits), ...wrong);
    });
  return shape('string', () => ({ type: 'long', logicalType }), value);
}

const msPerDay = 86_400_000;
const dateMeaning = (day: number) => new Date(day * msPerDay).toISOString().slice(0, 10);
const lastDay = Math.floor(lastSecond / 86_400);

const dates = shape(
  'string',
  () => ({ type: 'int', logicalType: 'date' }),
  fc.tuple(fc.integer({ min: firstSecond / 86_400, max: lastDay }), fc.boolean()).map(([day, isText]) => {
    const text = dateMeaning(day);
    return atom(isText ? `"${text}"` : String(day), day, `date ${text}`, canaryText, '"2023-02-29"', '0.5');
  }),
  { fallback: { json: 20_484, decoded: 20_484, meaning: 'date 2026-01-31' } },
);

function timeShape(logicalType: string, digits: number, read: (count: number) => unknown): Shape {
  const perSecond = 10 ** digits;
  const value = fc
    .tuple(fc.nat(86_400 * perSecond - 1), fc.constantFrom('number', 'long', 'short'))
    .map(([count, form]) => {
      const clock = isoOf(Math.floor(count / perSecond)).slice(11);
      const fraction = count % perSecond;
      const full = `${clock}${fractionText(fraction, digits, false)}`;
      const text = form === 'long' ? full : `${clock}${fractionText(fraction, digits, true)}`;
      const meaning = `time ${full.padEnd(18, '0')}`;
      const wrong = [canaryText, 'null', `"${full}1"`, '-1', String(86_400 * perSecond)];
      return atom(form === 'number' ? String(count) : `"${text}"`, read(count), meaning, ...wrong);
    });
  return shape('string', () => ({ type: digits === 3 ? 'int' : 'long', logicalType }), value);
}

const durations = shape(
  'string',
  (names) => ({ type: 'fixed', name: names(), size: 12, logicalType: 'duration' }),
  fc.tuple(fc.nat(9_999), fc.nat(99_999), fc.nat(999_999), fc.nat(999)).map(([months, days, seconds, ms]) => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32LE(months, 0);
    bytes.writeUInt32LE(days, 4);
    bytes.writeUInt32LE(seconds * 1000 + ms, 8);
    const date = `${Math.floor(months / 12)}Y${months % 12}M${days}D`;
    const time = `${Math.floor(seconds / 3600)}H${Math.floor(seconds / 60) % 60}M${seconds % 60}`;
    const text = `"P${date}T${time}${fractionText(ms, 3, false)}S"`;
    const meaning = `duration ${months} ${days} ${seconds * 1000 + ms}`;
    return atom(text, `0x${bytes.toString('hex')}`, meaning, ...noString, canaryText);
  }),
);

/** `sizeBytes` of the fixed underneath, or undefined for bytes. */
function decimalShape(precision: number, scale: number, sizeBytes?: number): Shape {
  const limit = 10n ** BigInt(precision);
  const value = fc
    .tuple(fc.bigInt({ min: 1n - limit, max: limit - 1n }), fc.boolean())
    .map(([each, isQuoted]) => {
      const digits = String(each < 0n ? -each : each).padStart(scale + 1, '0');
      const point = scale === 0 ? '' : `.${digits.slice(-scale)}`;
      const text = `${each < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${point}`;
      const wrong = [canaryText, 'null', `[${text}]`, `${text}${scale === 0 ? '.' : ''}1`, String(limit)];
      const decoded = twosComplement(each, sizeBytes ?? leastBytes(each));
      return atom(isQuoted ? `"${text}"` : text, decoded, `decimal ${text}`, ...wrong);
    });
  const attributes = { logicalType: 'decimal', precision, scale };
  return shape(
    'number',
    (names) =>
      sizeBytes === undefined
        ? { type: 'bytes', ...attributes }
        : { type: 'fixed', name: names(), size: sizeBytes, ...attributes },
    value,
  );
}

function binary(
  schema: Shape['schema'],
  lengths: fc.IntArrayConstraints,
  tag: string,
  more: string[],
): Shape {
  const value = fc.uint8Array(lengths).map((each) => {
    const hex = Buffer.from(each).toString('hex');
    const text = `"${Buffer.from(each).toString('base64')}"`;
    return atom(text, `0x${hex}`, `${tag} ${hex}`, ...noString, ...more, canaryText);
  });
  const length = lengths.minLength ?? 2;
  const hex = 'ff41000102'.slice(0, 2 * length);
  const json = Buffer.from(hex, 'hex').toString('latin1');
  return shape('string', schema, value, {
    fallback: { json, decoded: `0x${hex}`, meaning: `${tag} ${hex}` },
    ...(tag === 'bytes' ? { branch: 'bytes' } : {}),
  });
}

const numberText = (each: number) => (Object.is(each, -0) ? '-0' : String(each));

/** The compiler asks for the values of a new logical type here. */
const logicalShapes: Readonly<Record<LogicalName, readonly Shape[]>> = {
  decimal: [decimalShape(30, 10, 13), decimalShape(20, 4), decimalShape(12, 0)],
  uuid: [
    shape(
      'string',
      () => ({ type: 'string', logicalType: 'uuid' }),
      fc.uuid().map((each) => atom(`"${each}"`, each, `uuid ${each}`, ...noString, canaryText)),
    ),
    shape(
      'string',
      (names) => ({ type: 'fixed', name: names(), size: 16, logicalType: 'uuid' }),
      fc
        .uuid()
        .map((each) =>
          atom(`"${each}"`, `0x${each.replaceAll('-', '')}`, `uuid ${each}`, ...noString, canaryText),
        ),
    ),
  ],
  date: [dates],
  'time-millis': [timeShape('time-millis', 3, Number)],
  'time-micros': [timeShape('time-micros', 6, BigInt)],
  'timestamp-millis': [timestampShape('timestamp-millis', 3)],
  'timestamp-micros': [
    timestampShape('timestamp-micros', 6),
    integer(
      { type: 'long', logicalType: 'timestamp-micros' },
      64n,
      (each) => each,
      (each) => timeMeaning('instant', each, 6),
      { json: 0, decoded: 0n, meaning: 'instant 1970-01-01T00:00:00.000000000' },
    ),
  ],
  'timestamp-nanos': [timestampShape('timestamp-nanos', 9)],
  'local-timestamp-millis': [timestampShape('local-timestamp-millis', 3)],
  'local-timestamp-micros': [timestampShape('local-timestamp-micros', 6)],
  'local-timestamp-nanos': [timestampShape('local-timestamp-nanos', 9)],
  duration: [durations],
};

const leaves: readonly Shape[] = [
  shape('null', () => 'null', fc.constant(atom('null', null, null, canaryText, '0')), { branch: 'null' }),
  shape(
    'boolean',
    () => 'boolean',
    fc.boolean().map((each) => atom(String(each), each, each, ...notText, '0')),
    { branch: 'boolean', fallback: { json: true, decoded: true, meaning: true } },
  ),
  {
    ...integer('int', 32n, Number, (each) => `int ${each}`, { json: -7, decoded: -7, meaning: 'int -7' }),
    branch: 'int',
  },
  {
    ...integer(
      'long',
      64n,
      (each) => each,
      (each) => `long ${each}`,
      { json: Number.MAX_SAFE_INTEGER, decoded: 2n ** 53n - 1n, meaning: `long ${Number.MAX_SAFE_INTEGER}` },
    ),
    branch: 'long',
  },
  shape(
    'number',
    () => 'double',
    fc.double(finite).map((each) => atom(numberText(each), each, bits(each, 8), ...notText, '1e400')),
    { branch: 'double', fallback: { json: 0.1, decoded: 0.1, meaning: bits(0.1, 8) } },
  ),
  shape(
    'number',
    () => 'float',
    fc.float(finite).map((each) => atom(numberText(each), each, bits(each, 4), ...notText, '1e39')),
    { branch: 'float', fallback: { json: -0.5, decoded: -0.5, meaning: bits(-0.5, 4) } },
  ),
  shape(
    'string',
    () => 'string',
    unicode.map((each) =>
      atom(JSON.stringify(each), each, `string ${each}`, ...noString, `"${canary}\\ud800"`),
    ),
    { branch: 'string', fallback: { json: 'é "☃"', decoded: 'é "☃"', meaning: 'string é "☃"' } },
  ),
  binary(() => 'bytes', { maxLength: 40 }, 'bytes', []),
  binary((names) => ({ type: 'fixed', name: names(), size: 5 }), { minLength: 5, maxLength: 5 }, 'fixed', [
    '"AQID"',
  ]),
  shape(
    'string',
    (names) => ({ type: 'enum', name: names(), symbols: ['A', 'B', 'C'] }),
    fc
      .constantFrom('A', 'B', 'C')
      .map((each) => atom(`"${each}"`, each, `enum ${each}`, ...noString, '"D"', canaryText)),
    { fallback: { json: 'C', decoded: 'C', meaning: 'enum C' } },
  ),
  ...Object.values(logicalShapes).flat(),
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

/** The same of each part. */
const ofAll = (parts: readonly Value[], pick: 'decoded' | 'meaning') => parts.map((part) => part[pick]);

function arrayOf(items: Shape): Shape {
  const value = fc.array(items.value, { maxLength: 4 }).map((parts) => {
    const join = (texts: string[]) => `[${texts.join(', ')}]`;
    return {
      text: join(parts.map((part) => part.text)),
      decoded: ofAll(parts, 'decoded'),
      meaning: ofAll(parts, 'meaning'),
      spoilt: [
        ...atom('', 0, 0, canaryText, '0', `{${canaryText}:0}`).spoilt,
        ...spoilParts(parts, (i) => `[${i}]`, join),
      ],
    };
  });
  const fallback = { json: [], decoded: [], meaning: [] };
  return {
    kind: 'array',
    schema: (names) => ({ type: 'array', items: items.schema(names) }),
    value,
    fallback,
  };
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
      meaning: Object.fromEntries(pairs.map(([name, part]) => [name, part.meaning])),
      spoilt: [
        ...atom('', 0, 0, canaryText, '0', `[${canaryText}]`).spoilt,
        ...spoilParts(parts, () => '[*]', join),
      ],
    };
  });
  const fallback = { json: {}, decoded: {}, meaning: {} };
  return {
    kind: 'object',
    schema: (names) => ({ type: 'map', values: values.schema(names) }),
    value,
    fallback,
  };
}

interface FieldShape {
  readonly type: Shape;
  /** Undefined for a field that must be there. */
  readonly fallback: Fallback | undefined;
}

const fieldNames = ['id', 'constructor', 'amount', '_x', 'lines', 'toString'];
const fieldName = (index: number) => fieldNames[index] ?? `f${index}`;

function recordOf(fields: readonly FieldShape[]): Shape {
  const order = fc.shuffledSubarray(
    fields.map((_, index) => index),
    { minLength: fields.length },
  );
  const leftOut = fc.tuple(
    ...fields.map(({ fallback }) => (fallback === undefined ? fc.constant(false) : fc.boolean())),
  );
  const values = fc.tuple(...fields.map(({ type }) => type.value));
  const value = fc.tuple(values, order, leftOut).map(([given, shuffled, isOut]) => {
    const parts = given.map((part, index) =>
      isOut[index] ? { ...part, ...fields[index]!.fallback, spoilt: [] } : part,
    );
    const present = shuffled.filter((index) => !isOut[index]);
    const entry = (texts: string[], index: number) => `"${fieldName(index)}": ${texts[index]}`;
    const join = (texts: string[]) => `{${present.map((index) => entry(texts, index)).join(',')}}`;
    const texts = parts.map((part) => part.text);
    const without = (missing: number) =>
      `{${present.filter((index) => index !== missing).map((index) => entry(texts, index))}}`;
    const undeclared = `{${[`${canaryText}:0`, ...present.map((index) => entry(texts, index))]}}`;
    const required = present.filter((index) => fields[index]!.fallback === undefined);
    const object = (pick: 'decoded' | 'meaning') =>
      Object.fromEntries(parts.map((part, index) => [fieldName(index), part[pick]]));
    return {
      text: join(texts),
      decoded: object('decoded'),
      meaning: object('meaning'),
      spoilt: [
        ...atom('', 0, 0, canaryText, '0', `[${canaryText}]`, undeclared).spoilt,
        ...required.map((index) => ({ path: `.${fieldName(index)}`, text: without(index) })),
        ...spoilParts(parts, (index) => `.${fieldName(index)}`, join),
      ],
    };
  });
  const schema = (names: () => string) => ({
    type: 'record',
    name: names(),
    fields: fields.map(({ type, fallback }, index) => ({
      name: fieldName(index),
      type: type.schema(names),
      ...(fallback === undefined ? {} : { default: fallback.json }),
    })),
  });
  return { kind: 'object', schema, value, fallback: recordFallback(fields) };
}

function recordFallback(fields: readonly FieldShape[]): Fallback | undefined {
  const fallbacks = fields.map(({ type }) => type.fallback);
  if (fallbacks.includes(undefined)) return undefined;
  const object = (pick: keyof Fallback) =>
    Object.fromEntries(fallbacks.map((each, index) => [fieldName(index), each?.[pick]]));
  return { json: object('json'), decoded: object('decoded'), meaning: object('meaning') };
}

/** A named type that its record names again, within an array too. */
function namedAgain(named: Shape): Shape {
  let name = '';
  const schema = (names: () => string) => {
    const defined = named.schema(names);
    name = (defined as { name: string }).name;
    return defined;
  };
  // A record's fields are asked in their order, so the definition comes first.
  const again = { ...named, schema: () => name };
  const fields = [{ ...named, schema }, again, arrayOf(again)];
  return recordOf(fields.map((type) => ({ type, fallback: undefined })));
}

/** A record that holds itself, as a list does. */
function listOf(item: Shape): Shape {
  const value = fc.array(item.value, { minLength: 1, maxLength: 5 }).map((parts) => {
    const join = (texts: string[]) =>
      texts.reduceRight((next, text) => `{"next":${next},"item":${text}}`, 'null');
    const nest = (pick: 'decoded' | 'meaning') =>
      parts.reduceRight<unknown>((next, part) => ({ item: part[pick], next }), null);
    return {
      text: join(parts.map((part) => part.text)),
      decoded: nest('decoded'),
      meaning: nest('meaning'),
      spoilt: spoilParts(parts, (index) => `${'.next'.repeat(index)}.item`, join),
    };
  });
  const schema = (names: () => string) => {
    const name = names();
    const fields = [
      { name: 'item', type: item.schema(names) },
      { name: 'next', type: ['null', name], default: null },
    ];
    return { type: 'record', name, fields };
  };
  return { kind: 'object', schema, value };
}

function nullableOf(other: Shape, isNullFirst: boolean): Shape {
  if (other.kind === 'null') return other;
  const absent = atom('null', null, null, ...(other.kind === 'boolean' ? [] : ['true']));
  const present = other.value.map((value) => ({
    ...value,
    spoilt: value.spoilt.filter((each) => each.text !== 'null'),
  }));
  const schema = (names: () => string) => {
    const branches = ['null', other.schema(names)];
    return isNullFirst ? branches : branches.reverse();
  };
  const fallback = isNullFirst ? { json: null, decoded: null, meaning: null } : other.fallback;
  return { kind: 'null', schema, value: fc.oneof(fc.constant(absent), present), fallback };
}

/** At most one branch for each kind of JSON value, so that the branch is beyond doubt; logical types take two. */
function unionOf(shapes: readonly Shape[]): Shape {
  const plain = shapes.filter((each) => !hasLogicalType(each));
  const branches = [...new Map(plain.map((each) => [each.kind, each])).values()];
  if (branches.length === 0) return leaves[0]!;
  // Beside an object, which may have such a field, the wrapped form says less.
  const mayWrap = branches.every(({ kind }) => kind !== 'object');
  const written = ({ value, branch }: Shape) =>
    fc.tuple(value, fc.boolean()).map(([{ text, decoded, meaning }, isWrapped]) => {
      const wrapped = `{"${branch}":${text}}`;
      const form = isWrapped && mayWrap && branch !== undefined && branch !== 'null' ? wrapped : text;
      return { text: form, decoded, meaning, spoilt: [] };
    });
  const value = fc.oneof(...branches.map(written));
  const schema = (names: () => string) => branches.map((each) => each.schema(names));
  return { kind: 'null', schema, value, fallback: branches[0]?.fallback };
}

const hasLogicalType = (each: Shape) => Object.hasOwn(Object(each.schema(() => 'N')), 'logicalType');
const isNoUnion = (each: Shape) => !Array.isArray(each.schema(() => 'N'));
const isNamed = (each: Shape) => Object.hasOwn(Object(each.schema(() => 'N')), 'name');

const shapes = fc.letrec<{ any: Shape; plain: Shape }>((tie) => {
  const fields = fc.array(
    fc.tuple(tie('any'), fc.boolean()).map(([type, mayBeLeftOut]) => {
      return { type, fallback: mayBeLeftOut ? type.fallback : undefined };
    }),
    { maxLength: 6 },
  );
  return {
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
        { weight: 6, arbitrary: fc.constantFrom(...leaves) },
        { weight: 2, arbitrary: tie('any').map(arrayOf) },
        { weight: 2, arbitrary: tie('any').map(mapOf) },
        { weight: 6, arbitrary: fields.map(recordOf) },
        { weight: 1, arbitrary: tie('any').map(listOf) },
        { weight: 1, arbitrary: tie('plain').map((each) => (isNamed(each) ? namedAgain(each) : each)) },
      )
      .filter(isNoUnion),
  };
});

/** A name without a namespace takes that of the record around it. */
const nameForms = ['test.Type', 'Type', 'other.place.Type'];

export const generated: fc.Arbitrary<Generated> = shapes.any.chain((each) => {
  let count = 0;
  const schema = each.schema(() => `${nameForms[count % nameForms.length]}${count++}`);
  return each.value.map((value) => ({ schema, value }));
});
