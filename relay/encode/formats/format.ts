/**
 * The seam for formats that values are written in. A format is a folder beside this file that exports one `ValueFormat`,
 * and a line in `formats.ts`. The encoder, the registry and the choice of a type by the event's `type` know only what
 * stands here.
 */
import type { ByteSink } from './byte-sink.ts';

export interface ValueFormat {
  /** As the registry names it. */
  readonly schemaType: string;
  /**
   * The writers of a schema. Compiling is done once per schema; the writers run for every event.
   * @param references texts of the named schemas that the schema uses, in any order
   * @param bytes how payloads write bytes
   * @throws RelayError SCHEMA_INVALID
   */
  compile(schemaText: string, references: readonly string[], bytes: BytesForm): SchemaWriters;
  /** The bytes before a value. They name the schema to consumers. */
  framing(schemaId: number): Buffer;
}

/** How a payload writes bytes; see `avro/binary-text.ts`. */
export type BytesForm = 'base64' | 'base64url' | 'hex' | 'latin1';

/**
 * Appends `value`, as `parseLosslessJson` gives it, to `sink`. Throws `ValueMismatch` where it does not fit; the caller
 * truncates what was written until then.
 */
export type ValueWriter = (value: unknown, sink: ByteSink) => void;

/** A type with a name, and its writer. */
export type NamedWriter = {
  readonly name: string;
  /** Full names that the type had before. */
  readonly aliases: readonly string[];
  readonly write: ValueWriter;
};

export type SchemaWriters = {
  /** Writes whatever fits the schema; in a union the value decides the branch. */
  readonly write: ValueWriter;
  readonly isUnion: boolean;
  /** The named types that a value can be of: those of a union, else the type itself; empty where it has no name. */
  readonly named: readonly NamedWriter[];
  /** For a union: writes a value that names its branch itself, as in Avro's own JSON. */
  readonly writeWrapped: ValueWriter;
  /**
   * Defaults that do not fit their types, in words. Events that give these fields are written all the same, as Java does
   * it; events that leave one out are refused.
   */
  readonly faults: readonly string[];
};
