/**
 * Owns which logical type goes with which underlying type. Where they do not match (a date on a string, a decimal
 * without a precision) the specification says to take the underlying type as it is.
 */
import type avsc from 'avsc';
import type { Codec } from './codec.ts';
import { decimal, isDecimal } from './decimal.ts';
import { duration, durationSizeBytes } from './duration.ts';
import type { LogicalName, LogicalType } from './schema.ts';
import { date, timeOfDay, timestamp } from './temporal.ts';
import { uuidFixed, uuidSizeBytes, uuidString } from './uuid.ts';

type Maker = (type: LogicalType, underlying: Underlying) => Codec | undefined;

interface Underlying {
  readonly typeName: string;
  /** Bytes, of a fixed. */
  readonly size?: number;
}

const timeDigits = { millis: 3, micros: 6, nanos: 9 } as const;

const makers: Record<LogicalName, Maker> = {
  decimal: (type, { typeName, size }) => {
    const isBinary = typeName === 'bytes' || typeName === 'fixed';
    if (!isBinary || !isDecimal(type.precision, type.scale, size)) return undefined;
    return decimal(type.precision as number, type.scale as number, size);
  },
  uuid: (_, { typeName, size }) => {
    if (typeName === 'string') return uuidString;
    return typeName === 'fixed' && size === uuidSizeBytes ? uuidFixed : undefined;
  },
  duration: (_, { typeName, size }) =>
    typeName === 'fixed' && size === durationSizeBytes ? duration : undefined,
  date: (_, { typeName }) => (typeName === 'int' ? date : undefined),
  'time-millis': (_, { typeName }) =>
    typeName === 'int' ? timeOfDay('time-millis', timeDigits.millis) : undefined,
  'time-micros': onLong((name) => timeOfDay(name, timeDigits.micros)),
  'timestamp-millis': onLong((name) => timestamp(name, timeDigits.millis, false)),
  'timestamp-micros': onLong((name) => timestamp(name, timeDigits.micros, false)),
  'timestamp-nanos': onLong((name) => timestamp(name, timeDigits.nanos, false)),
  'local-timestamp-millis': onLong((name) => timestamp(name, timeDigits.millis, true)),
  'local-timestamp-micros': onLong((name) => timestamp(name, timeDigits.micros, true)),
  'local-timestamp-nanos': onLong((name) => timestamp(name, timeDigits.nanos, true)),
};

/** The codec of a logical type, or `undefined` where the underlying type is to be taken. */
export function logical(type: LogicalType, underlying: avsc.Type): Codec | undefined {
  return makers[type.logicalName](type, underlying);
}

function onLong(make: (logicalName: string) => Codec): Maker {
  return (type, { typeName }) => (typeName === 'abstract:long' ? make(type.logicalName) : undefined);
}
