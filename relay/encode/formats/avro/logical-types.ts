/**
 * The logical types of Avro 1.12: one entry each, with everything the relay knows about it. The writer, the commands that
 * check, compare and type schemas, docs/evidence/avro.md and the tests read this table. The audit reads values with code of its own
 * (`audit/avro/logical.ts`), which does not compile until it has a reading for every name here.
 *
 * On a type that a logical type does not belong on, or with illegal attributes, it counts for nothing: the specification
 * says to take the underlying type as it is.
 */
import type { Codec } from './codec.ts';
import { decimal, isDecimal } from './decimal.ts';
import { duration, durationSizeBytes } from './duration.ts';
import { date, timeOfDay, timestamp } from './temporal.ts';
import { uuidFixed, uuidSizeBytes, uuidString } from './uuid.ts';

/** The type that carries the attribute; `size` in bytes, of a fixed. */
export type Underlying = { readonly kind: string; readonly size?: number | undefined };

/** Of the schema, as they stand there. */
export type Attributes = { readonly precision?: unknown; readonly scale?: unknown };

/** JSON texts of payloads: docs/evidence/avro.md shows what the relay makes of each. */
type Examples = readonly [string, ...string[]];

/** A type that a logical type belongs on. */
export type Base = {
  readonly kind: 'int' | 'long' | 'string' | 'bytes' | 'fixed';
  /** Bytes that a fixed must have; absent where any number will do. */
  readonly size?: number;
  readonly accepted: Examples;
  readonly refused: Examples;
};

/** A type in the generated TypeScript. */
export type PayloadType = { readonly name: string; readonly definition: string; readonly doc: string };

export type LogicalSpec = {
  readonly on: readonly [Base, ...Base[]];
  /** Attributes of the schema in the examples. */
  readonly exampleAttributes?: Attributes;
  /** Whether the attributes are legal; absent where there are none. */
  readonly isLegal?: (attributes: Attributes, underlying: Underlying) => boolean;
  /** Writes payloads. Called once for each place in a schema, where the type and the attributes fit. */
  readonly codec: (attributes: Attributes, underlying: Underlying) => Codec;
  readonly typescript: PayloadType;
  /** Of a count of time. Read in another unit of its family, a value is wrong by a factor and no reader notices. */
  readonly unit?: { readonly family: string; readonly digits: number };
};

const decimalText: PayloadType = {
  name: 'Decimal',
  definition: 'string | number',
  doc: 'A decimal number, as text or as a number: never rounded, refused where it has too many digits.',
};
const dateText: PayloadType = {
  name: 'AvroDate',
  definition: 'string | number',
  doc: 'YYYY-MM-DD, or days since 1970-01-01.',
};
const timeText: PayloadType = {
  name: 'TimeOfDay',
  definition: 'string | number',
  doc: 'hh:mm:ss with a fraction, or units since midnight.',
};
const timestampText: PayloadType = {
  name: 'Timestamp',
  definition: 'string | Long',
  doc: 'ISO 8601 with an offset or Z, or units since 1970.',
};
const localTimestampText: PayloadType = {
  name: 'LocalTimestamp',
  definition: 'string | Long',
  doc: 'ISO 8601 without an offset, or units since 1970.',
};
const durationText: PayloadType = { name: 'Duration', definition: 'string', doc: 'ISO 8601, as P1DT2H.' };
const uuidText: PayloadType = {
  name: 'Uuid',
  definition: 'string',
  doc: 'Hexadecimal digits in groups of 8, 4, 4, 4 and 12, with hyphens between them.',
};

const uuidExample = '"6f1c2e0a-5b0f-4b6e-9d0a-0c1d2e3f4a5b"';

/** Digits of a fraction of a second. */
const [millis, micros, nanos] = [3, 6, 9];

export const logicalTypes = {
  decimal: {
    on: [
      {
        kind: 'bytes',
        accepted: ['1.25', '"1.25"', '"1.250"', '"1.25e2"', '-999.99'],
        refused: ['1.255', '1000', '"AQID!"', 'null'],
      },
      { kind: 'fixed', accepted: ['1.25'], refused: ['1000'] },
    ],
    exampleAttributes: { precision: 5, scale: 2 },
    isLegal: ({ precision, scale = 0 }, { size }) => isDecimal(precision, scale, size),
    codec: ({ precision, scale = 0 }, { size }) => decimal(precision as number, scale as number, size),
    typescript: decimalText,
  },
  uuid: {
    on: [
      { kind: 'string', accepted: [uuidExample], refused: ['"6f1c2e0a5b0f4b6e9d0a0c1d2e3f4a5b"', '1'] },
      { kind: 'fixed', size: uuidSizeBytes, accepted: [uuidExample], refused: ['"AQID"'] },
    ],
    codec: (_, { kind }) => (kind === 'string' ? uuidString : uuidFixed),
    typescript: uuidText,
  },
  date: {
    on: [
      {
        kind: 'int',
        accepted: ['"2026-01-31"', '20484'],
        refused: ['"2026-02-30"', '"31.01.2026"', '0.5'],
      },
    ],
    codec: () => date,
    typescript: dateText,
  },
  'time-millis': {
    on: [
      {
        kind: 'int',
        accepted: ['"08:00:00.125"', '28800125'],
        refused: ['"08:00:00.1255"', '"24:00:00"', '86400000'],
      },
    ],
    codec: () => timeOfDay('time-millis', millis),
    typescript: timeText,
    unit: { family: 'time', digits: millis },
  },
  'time-micros': {
    on: [{ kind: 'long', accepted: ['"08:00:00.000001"', '28800000001'], refused: ['"8:00"', '-1'] }],
    codec: () => timeOfDay('time-micros', micros),
    typescript: timeText,
    unit: { family: 'time', digits: micros },
  },
  'timestamp-millis': instant('timestamp-millis', millis, {
    accepted: ['"2026-01-31T08:00:00.125Z"', '"2026-01-31 08:00:00+01:00"', '1769846400125'],
    refused: ['"2026-01-31T08:00:00"', '"2026-01-31T08:00:00.1255Z"', '"2026-01-31"'],
  }),
  'timestamp-micros': instant('timestamp-micros', micros, {
    accepted: ['"2026-01-31T08:00:00.000001Z"'],
    refused: ['"2026-01-31T08:00:00.0000001Z"'],
  }),
  'timestamp-nanos': instant('timestamp-nanos', nanos, {
    accepted: ['"2026-01-31T08:00:00.000000001Z"'],
    refused: ['"3000-01-01T00:00:00Z"'],
  }),
  'local-timestamp-millis': local('local-timestamp-millis', millis, {
    accepted: ['"2026-01-31T08:00:00.125"'],
    refused: ['"2026-01-31T08:00:00Z"'],
  }),
  'local-timestamp-micros': local('local-timestamp-micros', micros, {
    accepted: ['"2026-01-31T08:00:00.000001"'],
    refused: ['"2026-01-31T08:00:00Z"'],
  }),
  'local-timestamp-nanos': local('local-timestamp-nanos', nanos, {
    accepted: ['"2026-01-31T08:00:00.000000001"'],
    refused: ['"2026-01-31T08:00:00Z"'],
  }),
  duration: {
    on: [
      {
        kind: 'fixed',
        size: durationSizeBytes,
        accepted: ['"P1DT2H"', '"P2W"'],
        refused: ['"-P1D"', '3600'],
      },
    ],
    codec: () => duration,
    typescript: durationText,
  },
} satisfies Readonly<Record<string, LogicalSpec>>;

export type LogicalName = keyof typeof logicalTypes;

export const logicalNames = Object.keys(logicalTypes) as readonly LogicalName[];

export function isLogicalName(name: unknown): name is LogicalName {
  return typeof name === 'string' && Object.hasOwn(logicalTypes, name);
}

export function specOf(name: LogicalName): LogicalSpec {
  return logicalTypes[name];
}

/** Whether a logical type belongs on the underlying type. */
export function belongsOn(name: LogicalName, { kind, size }: Underlying): boolean {
  return specOf(name).on.some(
    (base) => base.kind === kind && (base.size === undefined || base.size === size),
  );
}

/** Whether a logical type counts where it stands. */
export function counts(name: LogicalName, attributes: Attributes, underlying: Underlying): boolean {
  return belongsOn(name, underlying) && (specOf(name).isLegal?.(attributes, underlying) ?? true);
}

function instant(name: string, digits: number, examples: Omit<Base, 'kind'>): LogicalSpec {
  return {
    on: [{ kind: 'long', ...examples }],
    codec: () => timestamp(name, digits, false),
    typescript: timestampText,
    unit: { family: 'timestamp', digits },
  };
}

function local(name: string, digits: number, examples: Omit<Base, 'kind'>): LogicalSpec {
  return {
    on: [{ kind: 'long', ...examples }],
    codec: () => timestamp(name, digits, true),
    typescript: localTimestampText,
    unit: { family: 'local-timestamp', digits },
  };
}
