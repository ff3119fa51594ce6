/** Avro as a format of values, in Confluent's framing. */
import type { ValueFormat } from '../format.ts';
import { parseAvroSchema } from './schema.ts';
import { compileSchema } from './writer.ts';

export const avro: ValueFormat = {
  schemaType: 'AVRO',
  compile: (schemaText, references, bytes) => compileSchema(parseAvroSchema(schemaText, references), bytes),
  framing(schemaId) {
    // A zero byte, then the schema id, big endian.
    const prefix = Buffer.alloc(5);
    prefix.writeInt32BE(schemaId, 1);
    return prefix;
  },
};
