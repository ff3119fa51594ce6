import { expect, test } from 'vitest';
import { parseLosslessJson } from '../../../../relay/encode/formats/json.ts';
import { lintSchema } from '../../../../relay/operations/schemas/lint.ts';

const warningsOf = (...fields: object[]) =>
  lintSchema(parseLosslessJson(JSON.stringify({ type: 'record', name: 'a.R', fields })));
const field = (type: unknown, more: object = {}) => ({ name: 'f', type, ...more });
const decimal = (more: object) => ({ type: 'bytes', logicalType: 'decimal', ...more });

test.each<[field: object, explanation: string]>([
  [
    field('long', { logicalType: 'timestamp-millis' }),
    'logicalType "timestamp-millis" stands next to the type',
  ],
  [field({ type: 'long' }, { logicalType: 'date' }), 'logicalType "date" stands next to the type'],
  [field(['null', 'long'], { logicalType: 'date' }), 'logicalType "date" stands next to the type'],
  [field({ type: { type: 'long' }, logicalType: 'date' }), 'logicalType "date" stands next to the type'],
  [field({ type: 'long', logicalType: 'timestamp_millis' }), 'Avro has no logical type "timestamp_millis"'],
  [field({ type: 'long', logicalType: 5 }), 'Avro has no logical type 5'],
  [field({ type: 'string', logicalType: 'date' }), 'date does not fit string'],
  [field({ type: 'fixed', name: 'F', size: 15, logicalType: 'uuid' }), 'uuid does not fit fixed'],
  [field(decimal({})), 'the decimal has no precision'],
  [field(decimal({ precision: '10' })), 'the precision "10" is not a whole number'],
  [field(decimal({ precision: 10, scale: '2' })), 'the scale "2" is not a whole number'],
  [field(decimal({ precision: 2, scale: 4 })), 'the scale 4 exceeds the precision 2'],
  [
    field(decimal({ type: 'fixed', name: 'F', size: 1, precision: 9 })),
    'the precision 9 is 0 or does not fit the fixed',
  ],
  [field(['null', 'string'], { default: 'null' }), 'the default is the text "null" instead of null'],
  [field(['string', 'null'], { default: 'null' }), 'the default is the text "null" instead of null'],
  [field(['null', 'string'], { default: '' }), 'the default "" is not of the first type of the union'],
  [field(['string', 'null'], { default: null }), 'the default null is not of the first type of the union'],
  [field(['null', 'long'], { default: 0 }), 'the default 0 is not of the first type of the union'],
  [
    field({ type: 'array', items: { type: 'int', logicalType: 'time-micros' } }),
    'time-micros does not fit int',
  ],
])('%j: %s', (one, explanation) => {
  const warnings = warningsOf(one);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]!.explanation).toContain(explanation);
  expect(warnings[0]!.path).toMatch(/^\$\.f(\[\])?$/);
  expect(warnings[0]!.remedy).toMatch(/\.$/);
});

test('what is as it should be is not warned of', () => {
  const nested = { type: 'record', name: 'N', fields: [field('int', { default: 0 })] };
  const warnings = warningsOf(
    field({ type: 'long', logicalType: 'timestamp-millis' }),
    field(['null', { type: 'int', logicalType: 'date' }], { default: null }),
    field(decimal({ precision: 38, scale: 9 })),
    field({ type: 'fixed', name: 'P', size: 12, logicalType: 'duration' }),
    field({ type: 'string', logicalType: 'uuid' }),
    field(['string', 'null'], { default: '' }),
    field('string', { default: 'null' }),
    field(['a.Other', 'null'], { default: 'X' }),
    field([nested, 'null'], { default: {} }),
    field([{ type: 'array', items: 'int' }, 'null'], { default: [] }),
    field(['double', 'null'], { default: 9.5 }),
    field({ type: 'map', values: 'N' }, { default: {} }),
  );
  expect(warnings).toEqual([]);
});
