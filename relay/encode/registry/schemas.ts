/**
 * The schema that each subject's events are encoded with: the latest version or one that is asked for, kept for a while. A
 * schema in use is kept through an outage of the registry; what was never fetched waits for it. Absence counts only when
 * the registry says so.
 *
 * That the bytes behind an id are of the schema that the registry means by it rests on two things: a writer belongs to a
 * text and not to an id, and a registry whose ids mean something else than before is trusted anew in everything.
 */
import { isDeepStrictEqual } from 'node:util';
import { asRelayError, type ErrorCode, RelayError } from '../../errors.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { BytesForm, SchemaWriters } from '../formats/format.ts';
import { formatOf } from '../formats/formats.ts';
import { isPossibleSubject } from '../route.ts';

/** A version as the registry gives it; `references` are the texts of the named schemas it uses. */
export type RegisteredSchema = {
  readonly id: number;
  readonly schemaText: string;
  /** As the registry names it; absent for Avro. */
  readonly schemaType?: string | undefined;
  readonly references: readonly string[];
};

/** The registry. `undefined` only for a positive "no such subject" or "no such version". */
export interface SchemaSource {
  /** @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, REGISTRY_ANSWER_INVALID, SCHEMA_INVALID */
  latest(subject: string): Promise<RegisteredSchema | undefined>;
  /** @throws as `latest` */
  version(subject: string, version: number): Promise<RegisteredSchema | undefined>;
}

export type UsableSchema = {
  readonly id: number;
  /** What stands before each value. */
  readonly framing: Buffer;
  readonly writers: SchemaWriters;
  readonly registered: RegisteredSchema;
};

/** Why a subject cannot be encoded with for now. */
export type UnusableSchema = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id: number | null;
  readonly cause?: Error;
};

/**
 * Texts of schemas in use, of some kilobytes each: more than any registry has for one relay. What is compiled of them
 * takes a few times as much.
 */
const usableBytesMax = 32 * 1024 * 1024;

/**
 * Subjects without a schema that can be used. Their names come from rows: room for some 10,000 usual names that an
 * application makes up. They never displace a schema in use.
 */
const unusableBytesMax = 8 * 1024 * 1024;
/** A stack. */
const causeBytes = 2_000;

/** What is told of a registry that was replaced or restored. */
export type SchemaLog = { warn(context: object, message: string): void };

type Entry = { readonly schema: UsableSchema | UnusableSchema; readonly fetchedMs: number };

/**
 * A subject without a usable schema is asked for again after this long: a storm of bad events must not become a storm of
 * requests, and a schema registered meanwhile should be seen at once by a person's standards. The more of them there are,
 * the later: names that come again and again cause 200 requests a second, and 1,000 where there are 10,000.
 */
const unusableTtlMs = 1_000;
const unusableTtlPerNameMs = 5;
const unusableTtlMaxMs = 10_000;

/**
 * The breaker: once the registry fails to refresh a schema in use, none is refreshed for so long. Otherwise each event of
 * each subject would open a connection that hangs. What an event waits for is asked for all the same, with its own pauses.
 */
const refreshPauseMs = 5_000;

/**
 * A registry that gives one id to two schemas, which it must not, contradicts itself with every event: it is fetched from
 * anew so often and no more, and the log says so as often.
 */
const distrustPauseMs = 60_000;

export class Schemas {
  readonly #source: SchemaSource;
  readonly #ttlMs: number;
  readonly #bytes: BytesForm;
  readonly #usable = new BoundedMap<Entry>(usableBytesMax);
  readonly #unusable = new BoundedMap<Entry>(unusableBytesMax);
  readonly #underWay = new Map<string, Promise<UsableSchema | UnusableSchema>>();
  /** By id. */
  readonly #compiled = new BoundedMap<UsableSchema>(usableBytesMax);
  readonly #log: SchemaLog | undefined;
  #generation = 0;
  #distrustedMs = Number.NEGATIVE_INFINITY;
  #refreshFromMs = 0;

  /** @param bytes how payloads write Avro bytes */
  constructor(source: SchemaSource, ttlMs: number, bytes: BytesForm, log?: SchemaLog) {
    this.#source = source;
    this.#ttlMs = ttlMs;
    this.#bytes = bytes;
    this.#log = log;
  }

  /** Rises when all that was given before has to be asked for again. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * The schema to encode with. One that has outlived its time is still given, and refreshed behind the event.
   * @param version null for the latest
   * @throws RelayError REGISTRY_* when the subject was never fetched and cannot be now.
   */
  async get(subject: string, version: number | null): Promise<UsableSchema | UnusableSchema> {
    const entry = this.#known(subject, version);
    if (entry === undefined) return this.refresh(subject, version, 0);
    const ageMs = performance.now() - entry.fetchedMs;
    if (!isUsable(entry.schema)) {
      const ttlMs = this.#unusableTtlMs();
      return ageMs < ttlMs ? entry.schema : this.refresh(subject, version, ttlMs);
    }
    // An outage is no reason to stop encoding with what is known; the next event asks again.
    if (ageMs >= this.#ttlMs) this.#refreshBehind(subject, version);
    return entry.schema;
  }

  /** Whether `get` would have to wait for the registry. */
  isAwaited(subject: string, version: number | null): boolean {
    const entry = this.#known(subject, version);
    if (entry === undefined) return isPossibleSubject(subject);
    return !isUsable(entry.schema) && performance.now() - entry.fetchedMs >= this.#unusableTtlMs();
  }

  #known(subject: string, version: number | null): Entry | undefined {
    const key = keyOf(subject, version);
    return this.#usable.get(key) ?? this.#unusable.get(key);
  }

  #unusableTtlMs(): number {
    return Math.min(Math.max(this.#unusable.size * unusableTtlPerNameMs, unusableTtlMs), unusableTtlMaxMs);
  }

  /** A held version too: its text never changes, but its id does where a registry is made again. */
  #refreshBehind(subject: string, version: number | null): void {
    if (performance.now() < this.#refreshFromMs) return;
    this.#fetch(subject, version).catch(() => {
      this.#refreshFromMs = performance.now() + refreshPauseMs;
    });
  }

  /** The schema no older than `maxAgeMs`: for an event that was refused, whose writer may be ahead of what we know. */
  async refresh(
    subject: string,
    version: number | null,
    maxAgeMs: number,
  ): Promise<UsableSchema | UnusableSchema> {
    if (!isPossibleSubject(subject)) return impossible;
    const entry = this.#known(subject, version);
    if (entry !== undefined && performance.now() - entry.fetchedMs <= maxAgeMs) return entry.schema;
    return this.#fetch(subject, version);
  }

  #fetch(subject: string, version: number | null): Promise<UsableSchema | UnusableSchema> {
    const key = keyOf(subject, version);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const fetched = this.#read(subject, version)
      .then((schema) => {
        this.#remember(key, schema);
        return schema;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, fetched);
    return fetched;
  }

  #remember(key: string, schema: UsableSchema | UnusableSchema): void {
    const entry = { schema, fetchedMs: performance.now() };
    this.#usable.delete(key);
    this.#unusable.delete(key);
    if (isUsable(schema)) this.#usable.set(key, entry, bytesOf(schema.registered));
    else this.#unusable.set(key, entry, 2 * schema.message.length + (schema.cause ? causeBytes : 0));
  }

  async #read(subject: string, version: number | null): Promise<UsableSchema | UnusableSchema> {
    try {
      const found =
        version === null ? await this.#source.latest(subject) : await this.#source.version(subject, version);
      return this.#compile(subject, version, found);
    } catch (error) {
      if (!(error instanceof RelayError) || !isAboutSubject(error.code)) throw error;
      const { code, message } = error;
      // Without a cause it is the registry's plain word, which trying again would not change.
      return { code, message, id: null, ...(error.cause === undefined ? {} : { cause: error }) };
    }
  }

  /** The ids of this registry are not those we know: what was fetched before is asked for again before it is used. */
  #distrust(subject: string, schemaId: number): void {
    // Its own schema goes out with its own bytes all the same.
    if (performance.now() - this.#distrustedMs < distrustPauseMs) return;
    this.#distrustedMs = performance.now();
    this.#usable.clear();
    this.#unusable.clear();
    this.#generation += 1;
    this.#log?.warn(
      { schemaId, subject },
      'the registry gives a schema another id than before, or an id another schema: it was replaced or restored. All schemas are fetched again. Records published before may name an id that now means something else',
    );
  }

  #compile(
    subject: string,
    version: number | null,
    found: RegisteredSchema | undefined,
  ): UsableSchema | UnusableSchema {
    if (found === undefined) {
      const what = version === null ? 'no subject' : `no version ${version} of subject`;
      return { code: 'SCHEMA_MISSING', message: `the registry has ${what} ${subject}`, id: null };
    }
    const known = this.#compiled.get(String(found.id));
    const before = this.#known(subject, version)?.schema;
    if (known !== undefined && isSameText(known, found)) return known;
    const isMoved = before !== undefined && isUsable(before) && isSameText(before, found);
    if (known !== undefined || isMoved) this.#distrust(subject, found.id);
    try {
      const format = formatOf(found.schemaType, `subject ${subject}`);
      const writers = format.compile(found.schemaText, found.references, this.#bytes);
      const usable = { id: found.id, framing: format.framing(found.id), writers, registered: found };
      this.#compiled.set(String(found.id), usable, bytesOf(found));
      return usable;
    } catch (error) {
      const failure = asRelayError(error);
      if (failure.code !== 'SCHEMA_INVALID')
        throw new RelayError('INTERNAL', failure.message, { cause: error });
      return { code: failure.code, message: failure.message, id: found.id, cause: failure };
    }
  }
}

/** Told of what no registry can hold, without the name: it may be as long as a row. */
const impossible: UnusableSchema = {
  code: 'SCHEMA_MISSING',
  message:
    'topic and type make no name that a subject can have: at most 1,000 letters, digits and the characters . _ -',
  id: null,
};

function bytesOf({ schemaText, references }: RegisteredSchema): number {
  return 2 * references.reduce((length, text) => length + text.length, schemaText.length);
}

/** No outage, but something about this one subject. */
function isAboutSubject(code: ErrorCode): boolean {
  return code === 'REGISTRY_ANSWER_INVALID' || code === 'SCHEMA_INVALID';
}

function isSameText({ registered }: UsableSchema, { schemaText, references }: RegisteredSchema): boolean {
  return registered.schemaText === schemaText && isDeepStrictEqual(registered.references, references);
}

/** No subject that is asked for has a NUL. */
function keyOf(subject: string, version: number | null): string {
  return version === null ? subject : `${subject}\0${version}`;
}

export function isUsable(schema: UsableSchema | UnusableSchema): schema is UsableSchema {
  return 'writers' in schema;
}
