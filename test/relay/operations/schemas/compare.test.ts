import avsc from 'avsc';
import fc, { type GeneratorValue } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareSchemas, isSilent } from '../../../../relay/operations/schemas/compare.ts';
import { readModel } from '../../../../relay/operations/schemas/model.ts';

const record = (...fields: object[]) => ({ type: 'record', name: 'R', namespace: 'n', fields });
const field = (type: unknown, more: object = {}) => ({ name: 'x', type, ...more });
const model = (schema: unknown) => readModel(JSON.stringify(schema));
const compare = (writer: unknown, reader: unknown, fresh: 'writer' | 'reader' = 'writer') =>
  compareSchemas(model(writer), model(reader), { fresh, other: 'version 3' });
const compareFields = (writer: unknown, reader: unknown) =>
  compare(record(field(writer)), record(field(reader)));
const kinds = (writer: unknown, reader: unknown) => compareFields(writer, reader).map(({ kind }) => kind);
const bytes = (logicalType: string, more: object = {}) => ({ type: 'bytes', logicalType, ...more });
const long = (logicalType: string) => ({ type: 'long', logicalType });
const choice = (symbols: string[], more: object = {}) => ({ type: 'enum', name: 'E', symbols, ...more });

describe('what resolves is let pass', () => {
  test.each<[string, unknown, unknown]>([
    ['int to long', 'int', 'long'],
    ['int to double', 'int', 'double'],
    ['long to float', 'long', 'float'],
    ['string to bytes', 'string', 'bytes'],
    ['bytes to string', 'bytes', 'string'],
    ['a type to a union that has it', 'string', ['null', 'string']],
    ['a type to a union that promotes it', 'int', ['null', 'long']],
    ['a union of one to its branch', ['string'], 'string'],
    ['another order of symbols', choice(['A', 'B']), choice(['B', 'A'])],
    ['a new symbol where the reader has a default', choice(['A', 'B']), choice(['A'], { default: 'A' })],
    ['a UUID read as text', { type: 'string', logicalType: 'uuid' }, 'string'],
    ['a logical type that does not fit, hence none', { type: 'string', logicalType: 'date' }, 'string'],
    ['another order of branches', ['null', 'string', 'int'], ['int', 'string', 'null']],
    [
      'another name with an alias',
      { type: 'fixed', name: 'Old', size: 2 },
      { type: 'fixed', name: 'New', aliases: ['Old'], size: 2 },
    ],
  ])('%s', (_, writer, reader) => {
    expect(compareFields(writer, reader)).toEqual([]);
  });

  test('a field the reader does not know, one it has a default for, and one it knows by an alias', () => {
    const writer = record(field('string'), { name: 'old', type: 'int' });
    const reader = record(
      { name: 'renamed', aliases: ['old'], type: 'int' },
      { name: 'more', type: ['null', 'int'], default: null },
    );
    expect(compare(writer, reader)).toEqual([]);
  });
});

describe('what does not resolve has a kind', () => {
  test.each<[string, string, unknown, unknown]>([
    ['long to int', 'type', 'long', 'int'],
    ['string to int', 'type', 'string', 'int'],
    ['null to a required type', 'type', ['null', 'string'], 'string'],
    ['a branch the reader lacks', 'branch', ['null', 'string', 'int'], ['null', 'string']],
    ['a lost symbol', 'symbols', choice(['A', 'B']), choice(['A'])],
    ['another size', 'size', { type: 'fixed', name: 'F', size: 2 }, { type: 'fixed', name: 'F', size: 3 }],
    ['another name', 'name', choice(['A']), { type: 'enum', name: 'Other', symbols: ['A'] }],
    ['an array and its items', 'type', { type: 'array', items: 'int' }, 'int'],
  ])('%s: %s', (_, kind, writer, reader) => {
    expect(kinds(writer, reader)).toEqual([kind]);
  });

  test('a removed field breaks the consumers of the old version, and the remedy says how to retire it', () => {
    const [finding] = compare(record(), record(field('string')));
    expect(finding).toMatchObject({ path: '$.x', kind: 'field', breaks: 'consumers' });
    expect(finding!.explanation).toBe(
      'consumers with version 3 cannot read events written with this: field `x` was removed and has no default in version 3',
    );
    expect(finding!.remedy).toMatch(/^Keep `x`\..*default/);
  });

  test('a required field breaks what producers wrote, and the remedy makes it optional', () => {
    const [finding] = compare(record(), record(field('string')), 'reader');
    expect(finding).toMatchObject({ path: '$.x', kind: 'field', breaks: 'producers' });
    expect(finding!.explanation).toContain('field `x` is new and has no default');
    expect(finding!.remedy).toContain('"type": ["null", "string"], "default": null');
  });

  test('a renamed field is told as such', () => {
    const [finding] = compare(record({ name: 'y', aliases: ['x'], type: 'int' }), record(field('int')));
    expect(finding!.explanation).toContain('renamed to `y`');
    expect(finding!.remedy).toContain('an alias helps only');
  });

  test('a mismatch deep inside is found at its own place, through arrays, maps and nullable records', () => {
    const nested = (type: unknown) => [
      'null',
      { type: 'array', items: { type: 'map', values: { ...record({ name: 'y', type }), name: 'Inner' } } },
    ];
    expect(compareFields(nested('string'), nested('int'))).toMatchObject([
      { path: '$.x[][*].y', kind: 'type' },
    ]);
  });

  test('a record that holds itself is compared once', () => {
    const list = (type: unknown) => record({ name: 'next', type: ['null', 'n.R'] }, field(type));
    expect(compare(list('int'), list('string'))).toMatchObject([{ path: '$.x', kind: 'type' }]);
  });
});

describe('what resolves, but to another value, is found', () => {
  const decimal = (precision: number, scale: number) => bytes('decimal', { precision, scale });
  test.each<[string, string, unknown, unknown]>([
    ['another scale', 'decimal-scale', decimal(18, 4), decimal(18, 2)],
    ['less precision', 'decimal-precision', decimal(18, 2), decimal(9, 2)],
    ['more precision', 'decimal-precision', decimal(9, 2), decimal(18, 2)],
    ['millis as micros', 'time-unit', long('timestamp-millis'), long('timestamp-micros')],
    ['micros as millis', 'time-unit', long('timestamp-micros'), long('timestamp-millis')],
    [
      'time-millis as time-micros',
      'time-unit',
      { type: 'int', logicalType: 'time-millis' },
      long('time-micros'),
    ],
    ['an instant as a local time', 'logical-type', long('timestamp-millis'), long('local-timestamp-millis')],
    ['a decimal as bytes', 'logical-type', decimal(9, 2), 'bytes'],
    ['text as a UUID', 'logical-type', 'string', { type: 'string', logicalType: 'uuid' }],
    ['in a union', 'decimal-scale', ['null', decimal(9, 2)], ['null', decimal(9, 3)]],
  ])('%s: %s', (_, kind, writer, reader) => {
    const findings = compareFields(writer, reader);
    expect(findings).toMatchObject([{ path: '$.x', kind }]);
    expect(findings.every(isSilent)).toBe(true);
    expect(findings[0]!.explanation).toContain('misread');
    expect(findings[0]!.remedy).toContain('add an optional field');
  });

  test('the factor is named', () => {
    expect(compareFields(decimal(18, 4), decimal(18, 2))[0]!.explanation).toContain('100 times too large');
    expect(compareFields(decimal(18, 2), decimal(18, 4))[0]!.explanation).toContain('100 times too small');
    expect(compareFields(long('timestamp-micros'), long('timestamp-millis'))[0]!.explanation).toContain(
      '1000 times too large',
    );
  });
});

/**
 * Random pairs: the reader is the writer with some places replaced. Names follow the place, so that most of them agree.
 * avsc is the independent implementation; it has no logical types here, as resolution has none.
 */
type Draw = GeneratorValue;
type Shape =
  | { readonly kind: 'primitive'; readonly name: string }
  | {
      readonly kind: 'enum';
      readonly symbols: readonly string[];
      readonly fallback: boolean;
      readonly other: boolean;
    }
  | { readonly kind: 'fixed'; readonly size: number; readonly other: boolean }
  | { readonly kind: 'array' | 'map'; readonly inner: Shape }
  | { readonly kind: 'union'; readonly branches: readonly Shape[] }
  | { readonly kind: 'record'; readonly fields: readonly ShapeField[]; readonly other: boolean };
type ShapeField = {
  readonly name: string;
  readonly was?: string;
  readonly shape: Shape;
  readonly fallback: boolean;
};

const primitiveNames = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'];
const chance = (draw: Draw, oneIn: number) => draw(fc.nat, { max: oneIn - 1 }) === 1 % oneIn;
const pick = <T>(draw: Draw, items: readonly T[]): T => items[draw(fc.nat, { max: items.length - 1 })]!;

function shape(draw: Draw, depth: number, unions: boolean): Shape {
  const kindsHere = ['primitive', 'primitive', 'enum', 'fixed'];
  if (depth > 0) kindsHere.push('array', 'map', 'record', 'record', ...(unions ? ['union', 'union'] : []));
  const kind = pick(draw, kindsHere);
  switch (kind) {
    case 'enum': {
      const symbols = ['A', 'B', 'C'].slice(0, 1 + draw(fc.nat, { max: 2 }));
      return { kind, symbols, fallback: chance(draw, 2), other: chance(draw, 8) };
    }
    case 'fixed':
      return { kind, size: 1 + draw(fc.nat, { max: 1 }), other: chance(draw, 8) };
    case 'array':
    case 'map':
      return { kind, inner: shape(draw, depth - 1, unions) };
    case 'union': {
      const branches = new Map<string, Shape>();
      for (let count = 1 + draw(fc.nat, { max: 2 }); count > 0; count--) {
        const branch = shape(draw, depth - 1, false);
        branches.set(branch.kind === 'primitive' ? branch.name : branch.kind, branch);
      }
      return { kind, branches: [...branches.values()] };
    }
    case 'record': {
      const names = ['a', 'b', 'c'].filter(() => chance(draw, 2));
      const fields = names.map((name) => ({
        name,
        shape: shape(draw, depth - 1, unions),
        fallback: chance(draw, 2),
      }));
      return { kind, fields, other: chance(draw, 8) };
    }
    default:
      return { kind: 'primitive', name: pick(draw, primitiveNames) };
  }
}

function mutate(draw: Draw, from: Shape, depth: number, unions: boolean): Shape {
  if (chance(draw, 8)) return shape(draw, depth, unions);
  if (unions && from.kind !== 'union' && chance(draw, 8))
    return { kind: 'union', branches: [mutate(draw, from, depth, false)] };
  switch (from.kind) {
    case 'array':
    case 'map':
      return { kind: from.kind, inner: mutate(draw, from.inner, depth - 1, unions) };
    case 'record': {
      const kept = from.fields.filter(() => !chance(draw, 6));
      const fields: ShapeField[] = kept.map((each) => ({
        ...each,
        shape: mutate(draw, each.shape, depth - 1, unions),
        ...(chance(draw, 6) ? { name: `${each.name}2`, was: each.name } : {}),
      }));
      if (chance(draw, 4))
        fields.push({ name: 'added', shape: shape(draw, 0, false), fallback: chance(draw, 2) });
      return { ...from, fields };
    }
    default:
      return from;
  }
}

function toSchema(of: Shape, place = 'T'): unknown {
  switch (of.kind) {
    case 'primitive':
      return of.name;
    case 'enum':
      return {
        type: 'enum',
        name: `${place}E${of.other ? 'x' : ''}`,
        symbols: of.symbols,
        ...(of.fallback ? { default: 'A' } : {}),
      };
    case 'fixed':
      return { type: 'fixed', name: `${place}F${of.other ? 'x' : ''}`, size: of.size };
    case 'array':
      return { type: 'array', items: toSchema(of.inner, `${place}i`) };
    case 'map':
      return { type: 'map', values: toSchema(of.inner, `${place}v`) };
    case 'union':
      return of.branches.map((branch) => toSchema(branch, `${place}u`));
    case 'record':
      return {
        type: 'record',
        name: `${place}R${of.other ? 'x' : ''}`,
        fields: of.fields.map(({ name, was, shape: inner, fallback }) => {
          const value = fallback ? defaultOf(inner) : undefined;
          const type = toSchema(inner, `${place}_${was ?? name}`);
          const aliases = was === undefined ? {} : { aliases: [was] };
          return { name, type, ...aliases, ...(value === undefined ? {} : { default: value }) };
        }),
      };
  }
}

function defaultOf(of: Shape): unknown {
  switch (of.kind) {
    case 'primitive':
      return (
        { null: null, boolean: true, bytes: 'z', string: 'z' }[of.name] ?? (of.name === 'null' ? null : 1)
      );
    case 'enum':
      return 'A';
    case 'fixed':
      return 'z'.repeat(of.size);
    case 'array':
      return [];
    case 'map':
      return {};
    case 'union':
      return defaultOf(of.branches[0]!);
    case 'record':
      return undefined;
  }
}

const parse = (schema: unknown) => avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true });
// Names count without their namespaces, as the specification has it; avsc asks for this to be said.
const resolverOf = (writer: avsc.Type, reader: avsc.Type) =>
  reader.createResolver(writer, { ignoreNamespaces: true } as never);

function drawPair(draw: Draw) {
  const from = shape(draw, 3, true);
  return { writer: toSchema(from), reader: toSchema(mutate(draw, from, 3, true)) };
}

describe('beside avsc', () => {
  test('every pair of simple types is judged alike', () => {
    for (const writer of primitiveNames)
      for (const reader of primitiveNames) {
        const resolve = () => resolverOf(parse(writer), parse(reader));
        const isCompatible = compareSchemas(model(writer), model(reader)).length === 0;
        if (isCompatible) expect(resolve, `${writer} as ${reader}`).not.toThrow();
        else expect(resolve, `${writer} as ${reader}`).toThrow();
      }
  });

  test('what is said to be compatible resolves and decodes', () => {
    let compatible = 0;
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const { writer, reader } = drawPair(draw);
        fc.pre(compareSchemas(model(writer), model(reader)).length === 0);
        compatible++;
        const [from, to] = [parse(writer), parse(reader)];
        const resolver = resolverOf(from, to);
        for (let count = 0; count < 5; count++) to.fromBuffer(from.toBuffer(from.random()), resolver);
      }),
      { numRuns: 2_000, maxSkipsPerRun: 50 },
    );
    expect(compatible).toBeGreaterThanOrEqual(2_000);
  });

  test('what is said to be incompatible does not resolve', () => {
    fc.assert(
      fc.property(fc.gen(), (draw) => {
        const { writer, reader } = drawPair(draw);
        fc.pre(compareSchemas(model(writer), model(reader)).length > 0);
        expect(() => resolverOf(parse(writer), parse(reader))).toThrow();
      }),
      { numRuns: 2_000, maxSkipsPerRun: 50 },
    );
  });
});
