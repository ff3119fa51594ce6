import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failureShown, masked, previewShown, shown } from '../../../console/server/payloads.ts';

/** Values that no word of ours holds: a mark, and what is unlikely to be a length. */
const mark = '§';
const text = fc.string({ minLength: 3, maxLength: 40 }).map((rest) => `${mark}${rest}`);
const number = fc.bigInt({ min: 10n ** 9n, max: 10n ** 30n }).map(String);
const fraction = fc.integer({ min: 10 ** 8, max: 2 ** 31 - 1 }).map((digits) => `0.${digits}1`);
/** A JSON text, and the values in it as they are written. */
type Tree = { readonly json: string; readonly values: readonly string[] };
const leaf: fc.Arbitrary<Tree> = fc.oneof(
  text.map((value) => ({ json: JSON.stringify(value), values: [JSON.stringify(value).slice(1, -1), value] })),
  fc.oneof(number, fraction).map((value) => ({ json: value, values: [value] })),
  fc.constantFrom('null', 'true', 'false').map((json) => ({ json, values: [] })),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('tree'), { maxLength: 5 }).map((items) => ({
      json: `[${items.map(({ json }) => json).join()}]`,
      values: items.flatMap(({ values }) => values),
    })),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom('name', 'amount', 'id'), text), tie('tree')), { maxLength: 5 })
      .map((members) => ({
        json: `{${members.map(([name, { json }]) => `${JSON.stringify(name)}:${json}`).join()}}`,
        // The key of a map is a value too.
        values: members.flatMap(([name, { values }]) => (name.startsWith(mark) ? [name, ...values] : values)),
      })),
  ),
}));

test('no value of a payload survives masking, wherever it is', () => {
  fc.assert(
    fc.property(tree, ({ json, values }) => {
      const seen = masked(json);
      for (const value of values) expect(seen).not.toContain(value);
      expect(seen).not.toContain(mark);
      expect(() => JSON.parse(seen)).not.toThrow();
    }),
  );
});

test('nothing of what is not JSON survives either', () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(masked(`{"a": ${value}`)).not.toContain(value);
    }),
  );
});

test('structure, names and types stay', () => {
  const payload =
    '{"id":9223372036854775807,"lines":[{"price":"9.90","is_gift":true,"note":null}],"by":{"Ada L":1.5}}';
  expect(JSON.parse(masked(payload))).toEqual({
    id: 'integer',
    lines: [{ price: 'string(4)', is_gift: 'boolean', note: null }],
    by: { 'key 1 (5)': 'number' },
  });
});

test('a payload nested more deeply than a stack is masked all the same', () => {
  const deep = `${'['.repeat(200_000)}"secret"${']'.repeat(200_000)}`;
  expect(masked(deep)).not.toContain('secret');
});

test('each view shows what it may', () => {
  expect(shown('full', '{"a": 1.10}')).toBe('{"a": 1.10}');
  expect(shown('masked', '{"a":"secret"}')).toBe('{\n  "a": "string(6)"\n}');
  expect(shown('off', '{"a":1}')).toBeNull();
  expect(shown('full', null)).toBeNull();
});

test('a failure keeps where it happened, not what it said', () => {
  const failure = { attempts: 3, stack: 'Error: no secret-value\nof two lines\n    at encode (x.ts:1:2)' };
  expect(failureShown('masked', failure)).toEqual({ attempts: 3, stack: '    at encode (x.ts:1:2)' });
  expect(failureShown('full', failure)).toBe(failure);
});

test('a preview masks both sides', () => {
  const letter = { position: 'p', eventId: null, key: 'k', outcome: 'publishable', reason: null } as const;
  const sameValue = { read: 0, total: 1, operations: [] };
  const preview = {
    total: 1,
    sameValue,
    shown: [{ ...letter, before: '{"a":"secret"}', after: '{"a":"hidden"}' }],
  };
  expect(JSON.stringify(previewShown('masked', preview))).not.toMatch(/secret|hidden/);
});
