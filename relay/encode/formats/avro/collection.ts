/** Owns arrays and maps: one block with all items, then the empty block that ends them. */
import type { ByteSink } from '../byte-sink.ts';
import { describe, ValueMismatch, within } from '../mismatch.ts';
import { type Codec, isJsonObject, type TryWrite } from './codec.ts';

export function array(items: Codec): Codec {
  const writeItem: TryWrite = items.tryWrite;
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    if (!Array.isArray(value)) return false;
    if (value.length > 0) sink.writeInt(value.length);
    let index = 0;
    try {
      for (; index < value.length; index++) {
        if (!writeItem(value[index], sink))
          throw new ValueMismatch(items.expected, items.found(value[index]));
      }
    } catch (error) {
      throw within(error, `[${index}]`);
    }
    sink.writeByte(0);
    return true;
  };
  return { expected: 'array', takes: ['array'], tryWrite, found: describe, isContainer: true };
}

export function map(values: Codec): Codec {
  const writeValue: TryWrite = values.tryWrite;
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    if (!isJsonObject(value)) return false;
    const keys = Object.keys(value);
    if (keys.length > 0) sink.writeInt(keys.length);
    try {
      for (const key of keys) {
        if (!sink.writeString(key)) throw new ValueMismatch('string', 'key with a lone surrogate');
        const item = value[key];
        if (!writeValue(item, sink)) throw new ValueMismatch(values.expected, values.found(item));
      }
    } catch (error) {
      // The key is payload: the path leaves it out.
      throw within(error, '[*]');
    }
    sink.writeByte(0);
    return true;
  };
  return { expected: 'map', takes: ['object'], tryWrite, found: describe, isContainer: true };
}
