/**
 * Owns records: every declared field is present or has a default, and no undeclared field is present. The promise that
 * no part of a payload is silently dropped rests on the count of keys at the end.
 */
import type { ByteSink } from '../byte-sink.ts';
import { describe, ValueMismatch, within } from '../mismatch.ts';
import { type Codec, isJsonObject, type JsonObject, kindOf, type TryWrite } from './codec.ts';
import { enterRecord, leaveRecord } from './nesting.ts';

export interface RecordField {
  readonly name: string;
  readonly codec: Codec;
  /** Writes the default, if the schema has one. False: the default does not fit the field. */
  readonly writeDefault: ((sink: ByteSink) => boolean) | undefined;
}

/** `fields` is filled after the codec is made: a record may hold itself. */
export function record(name: string, fields: readonly RecordField[]): Codec {
  const tryWrite: TryWrite = (value, sink) => {
    if (!isJsonObject(value)) return false;
    enterRecord();
    let present = 0;
    let index = 0;
    try {
      for (; index < fields.length; index++) {
        const field = fields[index]!;
        const item = ownValue(value, field.name);
        if (item === undefined) {
          writeAbsent(field, sink);
        } else {
          if (!field.codec.tryWrite(item, sink))
            throw new ValueMismatch(field.codec.expected, field.codec.found(item));
          present++;
        }
      }
    } catch (error) {
      leaveRecord();
      throw within(error, `.${fields[index]!.name}`);
    }
    leaveRecord();
    if (countKeys(value) !== present) {
      // A name that no schema declares is payload: the message leaves it out.
      throw new ValueMismatch(`only fields of record ${name}`, 'an undeclared field');
    }
    return true;
  };
  const mayTake = (value: unknown): boolean => isJsonObject(value) && hasFittingFields(value, fields);
  return {
    expected: `record ${name}`,
    takes: ['object'],
    tryWrite,
    found: describe,
    isContainer: true,
    mayTake,
  };
}

/** By names and kinds only: for records that hold each other, a full trial would double the work at each level. */
function hasFittingFields(value: JsonObject, fields: readonly RecordField[]): boolean {
  let present = 0;
  for (const { name, codec, writeDefault } of fields) {
    const item = ownValue(value, name);
    if (item === undefined ? writeDefault === undefined : !codec.takes.includes(kindOf(item))) return false;
    if (item !== undefined) present++;
  }
  return countKeys(value) === present;
}

/** A field may be called `constructor` or `toString`: what an object inherits is not part of the payload. */
function ownValue(value: JsonObject, name: string): unknown {
  const item = value[name];
  if ((typeof item === 'function' || item === Object.prototype) && !Object.hasOwn(value, name))
    return undefined;
  return item;
}

function writeAbsent(field: RecordField, sink: ByteSink): void {
  if (field.writeDefault === undefined) throw new ValueMismatch(field.codec.expected, 'nothing');
  if (!field.writeDefault(sink))
    throw new ValueMismatch(field.codec.expected, 'nothing, and the default in the schema does not fit');
}

function countKeys(value: JsonObject): number {
  let count = 0;
  // Cheaper than Object.keys, which makes an array. JSON objects inherit nothing enumerable.
  for (const _ in value) count++;
  return count;
}
