/**
 * The schema for the events of each subject: the latest version or a given one, cached for a while. A schema in use stays
 * through an outage of the registry; a schema that was never fetched waits for the registry. A subject is absent only if
 * the registry says so.
 *
 * The promise that a value is valid under the id it carries rests on two things. A writer belongs to the text of a schema,
 * not to its id. And when the ids of a registry change their meaning, all schemas are fetched again.
 */
import { isDeepStrictEqual } from 'node:util';
import { distance, slipOfThePen } from '../../config/nearest-name.ts';
import { asRelayError, type ErrorCode, RelayError } from '../../errors.ts';
import type { CacheUse } from '../../observe/facts.ts';
import type { RelayObserver } from '../../observe/observer.ts';
import { BoundedMap } from '../bounded-map.ts';
import { CacheCount } from '../cache-use.ts';
import type { BytesForm, SchemaWriters } from '../formats/format.ts';
import { formatOf } from '../formats/formats.ts';
import { isPossibleSubject } from '../route.ts';

/** A version as the registry has it; `references` are the texts of the named schemas that it uses. */
export type RegisteredSchema = {
  readonly id: number;
  readonly schemaText: string;
  /** As the registry names it; absent for Avro. */
  readonly schemaType?: string | undefined;
  readonly references: readonly string[];
};

/** The registry. Returns `undefined` only if the registry says "no such subject" or "no such version". */
export interface SchemaSource {
  /** @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, REGISTRY_ANSWER_INVALID, SCHEMA_INVALID */
  latest(subject: string): Promise<RegisteredSchema | undefined>;
  /** @throws as `latest` */
  version(subject: string, version: number): Promise<RegisteredSchema | undefined>;
}

export type UsableSchema = {
  readonly id: number;
  /** The bytes before each value. */
  readonly framing: Buffer;
  readonly writers: SchemaWriters;
  readonly registered: RegisteredSchema;
};

/** Why events of a subject cannot be encoded at present. */
export type UnusableSchema = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id: number | null;
  readonly cause?: Error;
};

/**
 * For the texts of schemas in use, of some kilobytes each: more than any registry has for one relay. Compiled, they take a
 * few times as much.
 */
const usableBytesMax = 32 * 1024 * 1024;

/**
 * For subjects without a usable schema. Their names come from rows, and an application may make them up: this is room for
 * some 10,000 names of usual length. They never displace a schema in use.
 */
const unusableBytesMax = 8 * 1024 * 1024;
/** A stack trace. */
const causeBytes = 2_000;

/**
 * Names that are compared letter by letter, and unknown names at once for which that is done. Each is looked up once a second,
 * and two names of 60 letters take 40 µs: 16 ms of CPU a second at most.
 */
const comparedMax = 20;

type Entry = {
  readonly schema: UsableSchema | UnusableSchema;
  readonly fetchedMs: number;
  /** Of the last schema that could be used. */
  readonly usedId: number | undefined;
  /** How often everything had been doubted before. */
  readonly doubts: number;
};

/**
 * A subject without a usable schema is looked up again after this time. A storm of bad events must not become a storm of
 * requests, yet a person who registers the schema should see it work at once. The time grows with the number of such
 * subjects: up to 2,000 of them cause 200 requests a second, and 10,000 cause 1,000.
 */
const unusableTtlMs = 1_000;
const unusableTtlPerNameMs = 5;
const unusableTtlMaxMs = 10_000;

/**
 * The breaker: after a failed refresh of a schema in use, none is refreshed for this time. Otherwise each event of each
 * subject would open a connection that hangs. A schema that an event waits for is fetched all the same, with its own pauses.
 */
const refreshPauseMs = 5_000;

/**
 * A registry that gives one id to two schemas, which it must not do, contradicts itself with every event. All schemas are
 * fetched again at most this often, and each time the log says so.
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
  readonly #observer: RelayObserver;
  readonly #count = new CacheCount();
  #generation = 0;
  #distrustedMs = Number.NEGATIVE_INFINITY;
  #refreshFromMs = 0;
  #doubts = 0;
  /** A latest version that was learned before so many doubts is asked for again before it is used. */
  #doubtedBefore = 0;

  /** @param bytes how payloads write bytes */
  constructor(source: SchemaSource, ttlMs: number, bytes: BytesForm, observer: RelayObserver = {}) {
    this.#source = source;
    this.#ttlMs = ttlMs;
    this.#bytes = bytes;
    this.#observer = observer;
  }

  /** Rises when everything that was returned before must be looked up again. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * The schema to encode with. An expired one is still returned, and refreshed in the background.
   * @param version null for the latest
   * @throws RelayError REGISTRY_* if the subject was never fetched and cannot be fetched now.
   */
  async get(subject: string, version: number | null): Promise<UsableSchema | UnusableSchema> {
    const entry = this.#known(subject, version);
    if (entry === undefined) {
      this.#count.misses += 1;
      return this.refresh(subject, version, 0);
    }
    const ageMs = performance.now() - entry.fetchedMs;
    const ttlMs = this.#unusableTtlMs();
    if (!isUsable(entry.schema) && ageMs >= ttlMs) {
      this.#count.misses += 1;
      return this.refresh(subject, version, ttlMs);
    }
    this.#count.hits += 1;
    if (!isUsable(entry.schema)) return entry.schema;
    if (this.#isDoubted(entry, version)) return this.#confirm(subject, entry.schema);
    // During an outage, events are encoded with what is known; the next event asks again.
    if (ageMs >= this.#ttlMs) this.#refreshBehind(subject, version);
    return entry.schema;
  }

  /**
   * Which versions the settings name has changed: who asks for the latest from now on gets one that was asked for later. A
   * registry that is away is no reason to stand still for that: then the one that is known serves on.
   * @param released subjects of which the settings named a version and name none any more. What was known of their latest is
   * as old as that, and they wait for the registry.
   */
  doubtLatest(released: Iterable<string>): void {
    this.#doubts += 1;
    this.#doubtedBefore = this.#doubts;
    this.#unusable.clear();
    // An answer to a question of before may be of before.
    this.#underWay.clear();
    for (const subject of released) this.#usable.delete(keyOf(subject, null));
  }

  get cacheUse(): CacheUse {
    return this.#count.use('schemas', this.#usable.size + this.#unusable.size);
  }

  /** Whether `get` would have to wait for the registry. */
  isAwaited(subject: string, version: number | null): boolean {
    const entry = this.#known(subject, version);
    if (entry === undefined) return isPossibleSubject(subject);
    if (isUsable(entry.schema)) return this.#isDoubted(entry, version);
    return performance.now() - entry.fetchedMs >= this.#unusableTtlMs();
  }

  #isDoubted({ doubts }: Entry, version: number | null): boolean {
    return version === null && doubts < this.#doubtedBefore;
  }

  /** The latest version of now. Once the registry could not be asked, no other subject waits for that either. */
  async #confirm(subject: string, known: UsableSchema): Promise<UsableSchema | UnusableSchema> {
    try {
      return await this.#fetch(subject, null);
    } catch {
      this.#doubtedBefore = 0;
      this.#refreshFromMs = performance.now() + refreshPauseMs;
      return known;
    }
  }

  #known(subject: string, version: number | null): Entry | undefined {
    const key = keyOf(subject, version);
    return this.#usable.get(key) ?? this.#unusable.get(key);
  }

  #unusableTtlMs(): number {
    return Math.min(Math.max(this.#unusable.size * unusableTtlPerNameMs, unusableTtlMs), unusableTtlMaxMs);
  }

  /** Pinned versions too: their text never changes, but their id does if the registry is recreated. */
  #refreshBehind(subject: string, version: number | null): void {
    if (performance.now() < this.#refreshFromMs) return;
    this.#fetch(subject, version).catch(() => {
      this.#refreshFromMs = performance.now() + refreshPauseMs;
    });
  }

  /** The schema, fetched at most `maxAgeMs` ago. For a refused event, whose application may know a newer schema. */
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
    // A request that began before `doubtLatest` answers who waits for it, and nobody else.
    const isCurrent = () => this.#underWay.get(key) === fetched;
    const fetched: Promise<UsableSchema | UnusableSchema> = this.#read(subject, version)
      .then((schema) => {
        if (isCurrent()) this.#remember(key, schema);
        return schema;
      })
      .finally(() => {
        if (isCurrent()) this.#underWay.delete(key);
      });
    this.#underWay.set(key, fetched);
    return fetched;
  }

  #remember(key: string, schema: UsableSchema | UnusableSchema): void {
    const usedId = isUsable(schema) ? schema.id : (this.#usable.get(key) ?? this.#unusable.get(key))?.usedId;
    const entry = { schema, fetchedMs: performance.now(), usedId, doubts: this.#doubts };
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
      // Without a cause, the registry said so plainly; retrying would not change that.
      return { code, message, id: null, ...(error.cause === undefined ? {} : { cause: error }) };
    }
  }

  /** The ids of this registry are not the known ones: everything is fetched again before it is used. */
  #distrust(subject: string, schemaId: number): void {
    // Even so, the event is written with this schema under this id.
    if (performance.now() - this.#distrustedMs < distrustPauseMs) return;
    this.#distrustedMs = performance.now();
    this.#usable.clear();
    this.#unusable.clear();
    this.#generation += 1;
    this.#observer.schemasDistrusted?.({ schemaId, subject });
  }

  /** Of a subject in use, which costs no question: what a mistyped `type` was meant to be. */
  #nameNear(subject: string): string | undefined {
    // A storm of invented names is no slip of the pen.
    if (this.#unusable.size > comparedMax) return undefined;
    let near: string | undefined;
    let [least, compared] = [slipOfThePen + 1, 0];
    for (const key of this.#usable.keys()) {
      const name = key.replace(/\0.*$/s, '');
      if (Math.abs(name.length - subject.length) > slipOfThePen) continue;
      if (++compared > comparedMax) break;
      const letters = distance(name, subject);
      if (letters < least) [near, least] = [name, letters];
    }
    return near;
  }

  #compile(
    subject: string,
    version: number | null,
    found: RegisteredSchema | undefined,
  ): UsableSchema | UnusableSchema {
    const entry = this.#known(subject, version);
    if (found === undefined) {
      const what = version === null ? 'no subject' : `no version ${version} of subject`;
      const near = version === null ? this.#nameNear(subject) : undefined;
      const meant = near === undefined ? '' : `; did you mean ${near}?`;
      const told = entry?.usedId === undefined ? meant : goneText(entry.usedId);
      return { code: 'SCHEMA_MISSING', message: `the registry has ${what} ${subject}${told}`, id: null };
    }
    const known = this.#compiled.get(String(found.id));
    const before = entry?.schema;
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

/** The registry answers, so this is no outage; but nobody deletes the schema of events that are still written. */
const goneText = (id: number): string =>
  `, of which this relay has used the schema with id ${id}: it was deleted, or the registry was emptied or replaced`;

/** For a name that no registry can hold. The message leaves the name out: it may be as long as a row. */
const impossible: UnusableSchema = {
  code: 'SCHEMA_MISSING',
  message:
    'topic and type do not make a valid subject name: at most 1,000 letters, digits and the characters . _ -',
  id: null,
};

function bytesOf({ schemaText, references }: RegisteredSchema): number {
  return 2 * references.reduce((length, text) => length + text.length, schemaText.length);
}

/** Not an outage, but a problem of this one subject. */
function isAboutSubject(code: ErrorCode): boolean {
  return code === 'REGISTRY_ANSWER_INVALID' || code === 'SCHEMA_INVALID';
}

function isSameText({ registered }: UsableSchema, { schemaText, references }: RegisteredSchema): boolean {
  return registered.schemaText === schemaText && isDeepStrictEqual(registered.references, references);
}

/** A subject never contains NUL. */
function keyOf(subject: string, version: number | null): string {
  return version === null ? subject : `${subject}\0${version}`;
}

export function isUsable(schema: UsableSchema | UnusableSchema): schema is UsableSchema {
  return 'writers' in schema;
}
