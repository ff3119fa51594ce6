import { expect, test } from 'vitest';
import { ByteSink } from '../../../../relay/encode/formats/byte-sink.ts';
import { formatOf } from '../../../../relay/encode/formats/formats.ts';
import { Schemas } from '../../../../relay/encode/registry/schemas.ts';

test('a schema without a type is Avro, in Confluent’s framing', () => {
  for (const schemaType of [undefined, null, 'AVRO']) {
    const format = formatOf(schemaType, 'subject s');
    const sink = new ByteSink(16);
    format.compile('"long"', [], 'base64').write(-1, sink);
    expect(Buffer.concat([format.framing(258), sink.copy()]).toString('hex')).toBe('000000010201');
  }
});

test('a type that no format has is refused by its name, and makes no writer', async () => {
  expect(() => formatOf('PROTOBUF', 'subject s')).toThrow(
    'subject s holds a Protobuf schema; only Avro is supported',
  );
  expect(() => formatOf('x'.repeat(100), 'subject s')).toThrow(`a ${'x'.repeat(40)} schema`);
  // This text reads as Avro, too.
  const registered = { id: 1, schemaType: 'JSON', schemaText: '{"type":"string"}', references: [] };
  const source = { latest: async () => registered, version: async () => registered };
  const schema = await new Schemas(source, 1_000, 'base64').get('s', null);
  expect(schema).toMatchObject({ code: 'SCHEMA_INVALID', id: 1 });
  expect(schema).not.toHaveProperty('writers');
});
