/**
 * How the audit reads logical types. Only the list of their names comes from the relay, so that the compiler asks for a
 * reading of each new one; how values are read is written here a second time on purpose, and shares nothing with the
 * writer.
 */
import type { LogicalName } from '../../encode/formats/avro/logical-types.ts';
import { decimalOf, isSameDecimal, type Json, JsonNumber, readDecimal } from './exact-json.ts';
import { daysOf, durationOf, timeOf, timestampOf } from './temporal.ts';

/** What a logical type adds to the type that it stands on. */
export type Logical =
  /** The integer that a text means; a number means itself. */
  | { readonly on: 'integer'; readonly meantBy: (text: string) => bigint | undefined }
  /** Whether a payload means the bytes. */
  | { readonly on: 'bytes'; readonly isMeant: (bytes: Buffer, json: Json) => boolean };

/** Where a logical type stands; `precision` and `scale` as numbers, undefined where they are none. */
export type LogicalPlace = {
  readonly kind: string;
  /** Of a fixed. */
  readonly size: number | undefined;
  readonly precision: number | undefined;
  readonly scale: number | undefined;
};

/** Undefined where it counts for nothing, and where the values are those of the type that it stands on. */
type Reading = (place: LogicalPlace) => Logical | undefined;

const readings: Readonly<Record<LogicalName, Reading>> = {
  decimal: (place) => {
    const { kind, scale } = place;
    if ((kind !== 'bytes' && kind !== 'fixed') || scale === undefined || !isDecimal(place)) return undefined;
    return { on: 'bytes', isMeant: (bytes, json) => isDecimalMeant(bytes, scale, json) };
  },
  // On a string it is its text.
  uuid: ({ size }) => (size === 16 ? { on: 'bytes', isMeant: isUuidMeant } : undefined),
  duration: ({ size }) => (size === 12 ? { on: 'bytes', isMeant: isDurationMeant } : undefined),
  date: onInteger('int', daysOf),
  'time-millis': onInteger('int', (text) => timeOf(text, 3)),
  'time-micros': onInteger('long', (text) => timeOf(text, 6)),
  'timestamp-millis': onInteger('long', (text) => timestampOf(text, 3, false)),
  'timestamp-micros': onInteger('long', (text) => timestampOf(text, 6, false)),
  'timestamp-nanos': onInteger('long', (text) => timestampOf(text, 9, false)),
  'local-timestamp-millis': onInteger('long', (text) => timestampOf(text, 3, true)),
  'local-timestamp-micros': onInteger('long', (text) => timestampOf(text, 6, true)),
  'local-timestamp-nanos': onInteger('long', (text) => timestampOf(text, 9, true)),
};

/** @param name as the schema has it */
export function logicalOf(name: Json | undefined, place: LogicalPlace): Logical | undefined {
  if (typeof name !== 'string' || !Object.hasOwn(readings, name)) return undefined;
  return readings[name as LogicalName](place);
}

function onInteger(kind: 'int' | 'long', meantBy: (text: string) => bigint | undefined): Reading {
  return (place) => (place.kind === kind ? { on: 'integer', meantBy } : undefined);
}

function isDecimal({ precision, scale, size }: LogicalPlace): boolean {
  if (!Number.isInteger(precision) || !Number.isInteger(scale)) return false;
  const most = size === undefined ? Number.POSITIVE_INFINITY : Math.floor((8 * size - 1) * Math.log10(2));
  return precision! > 0 && precision! <= most && scale! >= 0 && scale! <= precision!;
}

function isDecimalMeant(bytes: Buffer, scale: number, json: Json): boolean {
  const text = json instanceof JsonNumber ? json.source : json;
  return typeof text === 'string' && isSameDecimal(decimalOf(signedOf(bytes), scale), readDecimal(text));
}

/** Two's complement, big endian; no bytes at all are 0. */
function signedOf(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
}

function isUuidMeant(bytes: Buffer, json: Json): boolean {
  return typeof json === 'string' && bytes.toString('hex') === json.toLowerCase().replaceAll('-', '');
}

function isDurationMeant(bytes: Buffer, json: Json): boolean {
  const parts = typeof json === 'string' ? durationOf(json) : undefined;
  return parts?.every((part, index) => BigInt(bytes.readUInt32LE(4 * index)) === part) ?? false;
}
