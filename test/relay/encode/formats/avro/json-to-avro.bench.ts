/**
 * What one event costs from JSON text to Avro bytes, on a 300-byte order. Goal: 3 µs in all, 1.5 µs of it the writer.
 * `npx vitest bench test/relay/encode/avro`
 */
import { bench, describe } from 'vitest';
import { compileWriter, parseAvroSchema } from '../../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../../relay/encode/formats/json.ts';
import { orderPayload, orderSchema } from './order.ts';

const write = compileWriter(parseAvroSchema(JSON.stringify(orderSchema)));
const sink = new ByteSink();
const text = orderPayload(7);
const bigText = orderPayload(9007199254740993n);
const value = parseLosslessJson(text);

describe('a 300-byte order', () => {
  bench('parse', () => {
    parseLosslessJson(text);
  });
  bench('parse, with an integer beyond 2^53', () => {
    parseLosslessJson(bigText);
  });
  bench('JSON.parse alone, for comparison', () => {
    JSON.parse(text);
  });
  bench('write', () => {
    sink.truncate(0);
    write(value, sink);
  });
  bench('parse and write', () => {
    sink.truncate(0);
    write(parseLosslessJson(text), sink);
  });
});
