/** Walks the table of logical types: what one part of the relay forgets of an entry fails here, or does not compile. */
import { describe, expect, test } from 'vitest';
import { avroDocument, logicalCases } from '../../../../../docs/avro.ts';
import { code } from '../../../../../docs/markdown.ts';
import { readAvroSchema } from '../../../../../relay/audit/avro/avro-schema.ts';
import { differenceOf } from '../../../../../relay/audit/avro/compare-value.ts';
import { readJson } from '../../../../../relay/audit/avro/exact-json.ts';
import { logicalNames, specOf } from '../../../../../relay/encode/formats/avro/logical-types.ts';
import { lintSchema } from '../../../../../relay/operations/schemas/lint.ts';
import { type RecordNode, readModel } from '../../../../../relay/operations/schemas/model.ts';
import { generateTypes } from '../../../../../relay/operations/schemas/types.ts';
import { encode, refusal, typeOf } from './encoding.ts';

describe.each(logicalNames)('%s, as every part of the relay knows it:', (name) => {
  const places = logicalCases(name).map(
    ({ type, schema }, index) => [type, schema, specOf(name).on[index]!] as const,
  );

  test.each(places)('on %s it is written, and avsc and the audit read what was meant', (_, schema, base) => {
    const node = readAvroSchema(JSON.stringify(schema), []);
    for (const json of base.accepted) {
      const bytes = encode(typeOf(schema), json);
      expect(() => typeOf(schema).fromBuffer(bytes), json).not.toThrow();
      expect(differenceOf(node, bytes, readJson(json), 'base64'), json).toBeUndefined();
      for (const other of base.refused)
        expect(differenceOf(node, bytes, readJson(other), 'base64'), other).toBeDefined();
    }
    for (const json of base.refused) expect(refusal(schema, json), json).not.toBe('accepted');
  });

  test.each(places)('on %s it is typed, linted and documented', async (type, schema, base) => {
    expect(lintSchema(schema as never)).toEqual([]);
    const record = { type: 'record', name: 'R', fields: [{ name: 'value', type: schema }] };
    const root = readModel(JSON.stringify(record)) as RecordNode;
    expect(root.fields[0]!.type).toMatchObject({ logical: { name } });
    const { typescript } = specOf(name);
    const types = generateTypes([{ aggregatetype: 'a', root }]);
    expect(types).toContain(`  value: ${typescript.name};\n`);
    expect(types).toContain(`export type ${typescript.name} = ${typescript.definition};\n`);
    const document = await avroDocument();
    for (const json of base.accepted) expect(document).toContain(`| ${type} | ${code(json)} | accepted |\n`);
    for (const json of base.refused)
      expect(document).toContain(`| ${type} | ${code(json)} | \`PAYLOAD_INVALID\``);
  });
});
