/**
 * Owns which schema an event is encoded with, or that its topic holds JSON, which needs none. The promise that each record is valid under the schema whose id it carries
 * rests on it, and so does it that bad events and made-up types do not flood the registry.
 */
import type { OutboxEvents } from '../capture/event.ts';
import type { CapturedRow, OutboxRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { nameLengthMax } from '../config/row-size.ts';
import { type ValueFormatName, valueFormatByTopic } from '../config/value-format.ts';
import type { CacheUse } from '../observe/facts.ts';
import { BoundedMap } from './bounded-map.ts';
import { CacheCount } from './cache-use.ts';
import type { Destination, Destinations } from './destinations.ts';
import { type TypeMatch, writerOf } from './event-type.ts';
import type { ValueWriter } from './formats/format.ts';
import { HeadersInvalid, mayNameVersion, namedVersion } from './headers.ts';
import { type Names, NotPublishable } from './not-publishable.ts';
import { isUsable, type Schemas, type UnusableSchema, type UsableSchema } from './registry/schemas.ts';
import type { Router } from './route.ts';

/** A target is put together again after this long. That asks only maps, unless they are stale. */
const targetTtlMs = 1_000;
/** Types come from rows and may be as long as one: room for some 10,000 usual kinds. */
const targetBytesMax = 4 * 1024 * 1024;
/** Schemas that the events of one transaction wait for at the same time: made-up types must neither queue nor flood the registry. */
const lookupsMax = 16;
/** A refused event asks for a newer schema only if ours is older than this, so that bad events cannot flood the registry. */
const refusedRefreshMs = 1_000;

/** Where an event goes, and how its value is written. */
export type Target = Destination & {
  /** For the reason why an event cannot be published. */
  readonly names: Names;
} & (WithSchema | AsJson);

type WithSchema = {
  readonly subject: string;
  readonly schema: UsableSchema;
  /** Of the type of the schema that the event's type names. */
  readonly write: ValueWriter;
  /** The version that the subject is held at; null for the latest. */
  readonly version: number | null;
};

/** The value is the text of the payload. */
type AsJson = { readonly subject: null; readonly schema: null; readonly write: null; readonly version: null };

const asJson: AsJson = { subject: null, schema: null, write: null, version: null };

type WantedSchema = readonly [subject: string, version: number | null];

export class Targets {
  readonly #router: Router;
  readonly #destinations: Destinations;
  readonly #schemas: Schemas;
  readonly #namespace: string;
  readonly #typeMatch: TypeMatch;
  /** Versions that the configuration holds subjects at. */
  #versions: ReadonlyMap<string, number>;
  /** From which these were read. They change without a restart; a change is another list. */
  #versionList: readonly string[];
  readonly #settings: Pick<Config['schemas'], 'versions'>;
  readonly #formatOf: (topic: string) => ValueFormatName;
  /** By aggregatetype and type, as long as all of it is fresh. */
  readonly #targets = new BoundedMap<{ target: Target; untilMs: number }>(targetBytesMax);
  readonly #count = new CacheCount();
  #generation = 0;

  constructor(
    { schemas: settings, records }: Pick<Config, 'schemas' | 'records'>,
    router: Router,
    destinations: Destinations,
    schemas: Schemas,
  ) {
    this.#formatOf = valueFormatByTopic(records);
    this.#router = router;
    this.#destinations = destinations;
    this.#schemas = schemas;
    this.#namespace = settings.namespace;
    this.#typeMatch = settings.typeMatch;
    this.#settings = settings;
    this.#versionList = settings.versions;
    this.#versions = heldVersions(settings.versions);
  }

  forget(): void {
    this.#targets.clear();
  }

  /**
   * Forgets what was put together from schemas that the registry no longer stands by, or from other settings. The latest
   * version of a subject that was held is as old as the hold, and nobody asked for it since. That of every other is doubted:
   * between two looks, the list may have changed twice.
   */
  dropDistrusted(): void {
    if (this.#settings.versions !== this.#versionList) {
      const before = this.#versions;
      this.#versionList = this.#settings.versions;
      this.#versions = heldVersions(this.#versionList);
      this.#targets.clear();
      this.#schemas.doubtLatest([...before.keys()].filter((subject) => !this.#versions.has(subject)));
    }
    if (this.#generation === this.#schemas.generation) return;
    this.#generation = this.#schemas.generation;
    this.#targets.clear();
  }

  /** The target of a row, where it is known and fresh. */
  fresh(row: OutboxRow): Target | undefined {
    if (mayNameVersion(row.headers)) return undefined;
    const entry = this.#targets.get(targetKey(row));
    if (entry !== undefined && performance.now() < entry.untilMs) {
      this.#count.hits += 1;
      return entry.target;
    }
    this.#count.misses += 1;
    return undefined;
  }

  get cacheUse(): CacheUse {
    return this.#count.use('targets', this.#targets.size);
  }

  /** @throws NotPublishable; RelayError REGISTRY_* or KAFKA_* where the target cannot be learned now */
  async find(row: OutboxRow): Promise<Target> {
    this.dropDistrusted();
    const versions = this.#versions;
    const target = await this.#make(row).catch((error: unknown) => {
      if (this.#areOutdated(versions)) return undefined;
      throw error;
    });
    // What was learned while the settings changed is of the old ones. Each turn takes one more change.
    if (target === undefined || this.#areOutdated(versions)) return this.find(row);
    if (!mayNameVersion(row.headers))
      this.#targets.set(targetKey(row), { target, untilMs: performance.now() + targetTtlMs }, 0);
    return target;
  }

  #areOutdated(versions: ReadonlyMap<string, number>): boolean {
    this.dropDistrusted();
    return versions !== this.#versions;
  }

  async #make(row: OutboxRow): Promise<Target> {
    const destination = await this.#destinations.of(row);
    const { topic, info } = destination;
    return this.#formatOf(topic) === 'json'
      ? { topic, info, names: { topic }, ...asJson }
      : this.#withSchema(row, destination);
  }

  async #withSchema(row: OutboxRow, { topic, info }: Destination): Promise<Target> {
    // Not empty, or the row has no destination.
    const subject = this.#router.subject(topic, row.type!);
    const version = this.#version(row, { topic, subject });
    const { schema, write } = await this.#schemaOf(row, topic, subject, version);
    return { topic, info, names: { topic, subject, schemaId: schema.id }, subject, schema, write, version };
  }

  /**
   * The target with a newer schema: the writer of an event may be ahead of the schema that we know. Where the settings changed
   * meanwhile, the target by them.
   * @returns undefined where the registry has no newer one that could write the event
   */
  async newer(row: OutboxRow, target: Target): Promise<Target | undefined> {
    // A version that the subject is held at never changes; JSON has no schema.
    if (target.version !== null || target.schema === null) return undefined;
    const versions = this.#versions;
    const newer = await this.#schemas.refresh(target.subject, null, refusedRefreshMs);
    if (this.#areOutdated(versions)) return this.find(row);
    if (!isUsable(newer) || newer === target.schema) return undefined;
    const write = this.#writerOf(newer, row);
    if (typeof write === 'string') return undefined;
    this.#targets.clear();
    return { ...target, names: { ...target.names, schemaId: newer.id }, schema: newer, write };
  }

  /**
   * Where the event at `from` has to wait for the registry, asks for the schemas of it and all later events side by side.
   * An event whose schema cannot be learned here asks for it again.
   * @returns whether it looked at the later events, which is done once
   */
  async prepare(events: OutboxEvents, from: number): Promise<boolean> {
    const wanted = new Map<string, WantedSchema>();
    for (let index = from; index < events.length; index++) {
      const one = this.#awaitedSchema(events.at(index)!.row);
      if (one !== undefined) wanted.set(one.join('\0'), one);
      else if (index === from) return false;
    }
    const queue = [...wanted.values()];
    const work = async () => {
      for (let one = queue.pop(); one !== undefined; one = queue.pop()) await this.#schemas.get(...one);
    };
    // One that fails ends the others: it is an outage, which each event would only meet again.
    const stop = () => void queue.splice(0);
    await Promise.all(Array.from({ length: lookupsMax }, () => work().catch(stop)));
    return true;
  }

  /** Only of an event that needs no more than its schema: what is refused anyway asks the registry nothing. */
  #awaitedSchema({ aggregatetype, type, payload, headers, leftOut }: CapturedRow): WantedSchema | undefined {
    if (aggregatetype === null || !type || payload === null || leftOut !== undefined) return undefined;
    const topic = this.#router.topic(aggregatetype, type);
    if (topic === undefined || !this.#destinations.isKnown(topic)) return undefined;
    if (this.#formatOf(topic) === 'json') return undefined;
    // Events that name a version are few, and their headers may be wrong.
    if (type.length > nameLengthMax || mayNameVersion(headers)) return undefined;
    const subject = this.#router.subject(topic, type);
    const version = this.#versions.get(subject) ?? null;
    return this.#schemas.isAwaited(subject, version) ? [subject, version] : undefined;
  }

  async #schemaOf(
    row: OutboxRow,
    topic: string,
    subject: string,
    version: number | null,
  ): Promise<Pick<WithSchema, 'schema' | 'write'>> {
    let schema = await this.#schemas.get(subject, version);
    if (!isUsable(schema)) throw unusable(schema, topic, subject);
    let write = this.#writerOf(schema, row);
    if (typeof write === 'string' && version === null) {
      // The writer of the event may be ahead of the schema that we know: the latest one may have one more branch.
      schema = await this.#schemas.refresh(subject, null, refusedRefreshMs);
      if (!isUsable(schema)) throw unusable(schema, topic, subject);
      write = this.#writerOf(schema, row);
    }
    if (typeof write === 'string')
      throw new NotPublishable('TYPE_NOT_IN_SCHEMA', write, { topic, subject, schemaId: schema.id });
    return { schema, write };
  }

  #writerOf(schema: UsableSchema, row: OutboxRow): ValueWriter | string {
    return writerOf(schema.writers, row.type!, this.#namespace, this.#typeMatch);
  }

  /** The row's own wish wins. */
  #version(row: OutboxRow, names: { topic: string; subject: string }): number | null {
    try {
      return namedVersion(row.headers) ?? this.#versions.get(names.subject) ?? null;
    } catch (error) {
      if (!(error instanceof HeadersInvalid)) throw error;
      throw new NotPublishable('EVENT_INVALID', error.message, names);
    }
  }
}

/** NUL cannot occur in a text column, so the pair is never ambiguous. */
function targetKey(row: OutboxRow): string {
  return `${row.aggregatetype}\0${row.type}`;
}

/** The versions that subjects are held at. @param list of `<subject>=<version>` */
export function heldVersions(list: readonly string[]): ReadonlyMap<string, number> {
  return new Map(list.map(readVersion));
}

/** `<subject>=<version>` */
function readVersion(setting: string): [string, number] {
  const at = setting.lastIndexOf('=');
  return [setting.slice(0, at), Number(setting.slice(at + 1))];
}

function unusable(schema: UnusableSchema, topic: string, subject: string): NotPublishable {
  const { code, message, id, cause } = schema;
  const names = { topic, subject, ...(id === null ? {} : { schemaId: id }) };
  return new NotPublishable(code, message, names, { cause });
}
