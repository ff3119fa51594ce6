/**
 * Owns Avro's logical types for time. A JSON number is the count the schema asks for (days, milliseconds…); a string
 * is ISO 8601. A string with more precision than the unit is refused, never truncated. A timestamp is an instant and must
 * have an offset; a local timestamp must not.
 */
import type { ByteSink } from '../byte-sink.ts';
import { describe } from '../mismatch.ts';
import { parseDate, parseTime, parseTimestamp, unitsPerDay } from './calendar.ts';
import { type Codec, leaf, type TryWrite } from './codec.ts';
import { foundNumber, writeBigLong, writeInt, writeLong } from './integers.ts';

/** More digits than any unit has: distinguishes "too precise" from "not a time". */
const anyDigits = 18;

export const date: Codec = temporal(
  'date (YYYY-MM-DD, or days since 1970-01-01)',
  (value, sink) => (typeof value === 'string' ? writeInt(parseDate(value), sink) : writeInt(value, sink)),
  () => false,
);

/** time-millis is an int, the others are longs. */
export function timeOfDay(logicalName: string, unitDigits: number): Codec {
  const end = unitsPerDay(unitDigits);
  const write = unitDigits === 3 ? writeInt : writeLong;
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    const units = typeof value === 'string' ? parseTime(value, unitDigits) : value;
    return typeof units === 'number' && units >= 0 && units < end && write(units, sink);
  };
  return temporal(
    `${logicalName} (hh:mm:ss, or a number)`,
    tryWrite,
    (text) => !Number.isNaN(parseTime(text, anyDigits)),
  );
}

export function timestamp(logicalName: string, unitDigits: number, isLocal: boolean): Codec {
  const perDay = unitsPerDay(unitDigits);
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    if (typeof value !== 'string') return writeLong(value, sink);
    const instant = parseTimestamp(value, unitDigits, isLocal);
    if (instant === undefined) return false;
    const units = instant.days * perDay + instant.units;
    // The sum is exact while it is a safe integer; microseconds exceed that in the year 2255.
    if (Number.isSafeInteger(units)) return writeLong(units, sink);
    return writeBigLong(BigInt(instant.days) * BigInt(perDay) + BigInt(instant.units), sink);
  };
  const form = isLocal ? 'ISO 8601 without an offset' : 'ISO 8601 with an offset or Z';
  return temporal(
    `${logicalName} (${form}, or a number)`,
    tryWrite,
    (text) => parseTimestamp(text, anyDigits, isLocal) !== undefined,
  );
}

function temporal(expected: string, tryWrite: TryWrite, isReadable: (text: string) => boolean): Codec {
  const found = (value: unknown): string => {
    if (typeof value !== 'string') return isNumeric(value) ? foundNumber(value) : describe(value);
    return isReadable(value) ? 'string beyond its precision or range' : 'string in a different format';
  };
  return leaf(expected, ['number', 'string'], tryWrite, found);
}

function isNumeric(value: unknown): boolean {
  return (
    describe(value) !== 'object' && typeof value !== 'boolean' && value !== null && !Array.isArray(value)
  );
}
