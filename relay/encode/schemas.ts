/**
 * The schema that each subject's events are encoded with: the latest version, kept for a while. A schema in use is kept
 * through an outage of the registry; what was never fetched waits for it. Absence counts only when the registry says so.
 */
import { asRelayError, type ErrorCode, RelayError } from '../errors.ts';
import { type AvroWriter, compileWriter, parseAvroSchema } from './avro/writer.ts';

/** A version as the registry gives it; `references` are the texts of the named schemas it uses. */
export type RegisteredSchema = {
  readonly id: number;
  readonly schemaText: string;
  readonly references: readonly string[];
};

/** The registry. `undefined` only for a positive "no such subject". */
export interface SchemaSource {
  /** @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED */
  latest(subject: string): Promise<RegisteredSchema | undefined>;
}

/** `framing` is what stands before the Avro bytes. */
export type UsableSchema = { readonly id: number; readonly framing: Buffer; readonly write: AvroWriter };

/** Why a subject cannot be encoded with for now. */
export type UnusableSchema = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id: number | null;
};

/** Types and topics come from rows: an application that makes up names without end must not fill the memory. */
const namesMax = 10_000;

type Entry = { readonly schema: UsableSchema | UnusableSchema; readonly fetchedMs: number };

/**
 * A subject without a usable schema is asked for again after this long: a storm of bad events must not become a storm of
 * requests, and a schema registered meanwhile should be seen at once by a person's standards.
 */
const unusableTtlMs = 1_000;

export class Schemas {
  readonly #source: SchemaSource;
  readonly #ttlMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #compiled = new Map<number, UsableSchema>();

  constructor(source: SchemaSource, ttlMs: number) {
    this.#source = source;
    this.#ttlMs = ttlMs;
  }

  /**
   * The schema to encode with. One that has outlived its time is still given, and refreshed behind the event.
   * @throws RelayError REGISTRY_* when the subject was never fetched and cannot be now.
   */
  async get(subject: string): Promise<UsableSchema | UnusableSchema> {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return this.refresh(subject, 0);
    const ageMs = performance.now() - entry.fetchedMs;
    if (!isUsable(entry.schema))
      return ageMs < unusableTtlMs ? entry.schema : this.refresh(subject, unusableTtlMs);
    // An outage is no reason to stop encoding with what is known; the next event asks again.
    if (ageMs >= this.#ttlMs) this.#fetch(subject).catch(() => {});
    return entry.schema;
  }

  /** The schema no older than `maxAgeMs`: for an event that was refused, whose writer may be ahead of what we know. */
  async refresh(subject: string, maxAgeMs: number): Promise<UsableSchema | UnusableSchema> {
    const entry = this.#entries.get(subject);
    if (entry === undefined || performance.now() - entry.fetchedMs > maxAgeMs) await this.#fetch(subject);
    return this.#entries.get(subject)!.schema;
  }

  #fetch(subject: string): Promise<void> {
    const underWay = this.#underWay.get(subject);
    if (underWay !== undefined) return underWay;
    const fetched = this.#source
      .latest(subject)
      .then((found) => {
        if (this.#entries.size >= namesMax) this.#entries.clear();
        this.#entries.set(subject, { schema: this.#compile(subject, found), fetchedMs: performance.now() });
      })
      .finally(() => this.#underWay.delete(subject));
    this.#underWay.set(subject, fetched);
    return fetched;
  }

  #compile(subject: string, found: RegisteredSchema | undefined): UsableSchema | UnusableSchema {
    if (found === undefined)
      return { code: 'SCHEMA_MISSING', message: `the registry has no subject ${subject}`, id: null };
    const known = this.#compiled.get(found.id);
    if (known !== undefined) return known;
    try {
      const write = compileWriter(parseAvroSchema(found.schemaText, [...found.references]));
      const usable = { id: found.id, framing: framing(found.id), write };
      this.#compiled.set(found.id, usable);
      return usable;
    } catch (error) {
      const failure = asRelayError(error);
      if (failure.code !== 'SCHEMA_INVALID')
        throw new RelayError('INTERNAL', failure.message, { cause: error });
      return { code: failure.code, message: failure.message, id: found.id };
    }
  }
}

export function isUsable(schema: UsableSchema | UnusableSchema): schema is UsableSchema {
  return 'write' in schema;
}

/** Confluent wire format: a zero byte, then the schema id. */
function framing(schemaId: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeInt32BE(schemaId, 1);
  return prefix;
}
