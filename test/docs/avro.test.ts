import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { avroDocument, avroFile, cases, outcomeOf } from '../../docs/avro.ts';
import { logicalNames } from '../../relay/encode/formats/avro/logical-types.ts';
import { primitives } from '../../relay/operations/schemas/model.ts';

test('docs/evidence/avro.md is what the encoder does: npm run docs brings it up to date', async () => {
  expect(await readFile(avroFile, 'utf8')).toBe(await avroDocument());
});

test('every type of Avro has an example that is accepted and one that is not', async () => {
  const byType = new Map<string, string[]>();
  const add = (type: string, outcome: string) => byType.set(type, [...(byType.get(type) ?? []), outcome]);
  for (const { schema, values } of Object.values(cases).flat())
    for (const value of values) add(nameOf(schema), await outcomeOf(schema, value));
  const complex = ['fixed', 'enum', 'array', 'map', 'record', 'union'];
  for (const type of [...primitives, ...complex, ...logicalNames]) {
    expect(byType.get(type), type).toContainEqual(expect.stringMatching(/^accepted/));
    expect(byType.get(type), type).toContainEqual(expect.stringMatching(/^`PAYLOAD_INVALID` at .*expected /));
  }
});

function nameOf(schema: unknown): string {
  if (typeof schema === 'string') return schema;
  if (Array.isArray(schema)) return 'union';
  const { type, logicalType } = schema as { type: string; logicalType?: string };
  return logicalType ?? type;
}
