/** Shared by the tests of the Avro encoder: write a JSON text under a schema and decode it again, or see the refusal. */
import type avsc from 'avsc';
import { compileWriter, parseAvroSchema } from '../../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../../relay/encode/formats/json.ts';
import { ValueMismatch } from '../../../../../relay/encode/formats/mismatch.ts';

export function typeOf(schema: unknown): avsc.Type {
  return parseAvroSchema(JSON.stringify(schema));
}

export function encode(type: avsc.Type, json: string): Buffer {
  const sink = new ByteSink(16);
  compileWriter(type)(parseLosslessJson(json), sink);
  return sink.copy();
}

/** What avsc reads back. */
export function roundTrip(schema: unknown, json: string): unknown {
  const type = typeOf(schema);
  return plain(type.fromBuffer(encode(type, json)));
}

/** `path: expected <- found` of the refusal. */
export function refusal(schema: unknown, json: string): string {
  const type = typeOf(schema);
  try {
    encode(type, json);
  } catch (error) {
    if (error instanceof ValueMismatch) return `${error.path}: ${error.expected} <- ${error.found}`;
    throw error;
  }
  return 'accepted';
}

/** Without avsc's classes; bytes as hexadecimal. */
export function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return `0x${value.toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
