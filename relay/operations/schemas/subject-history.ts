/**
 * What the registry knows about a subject: versions, compatibility level, and its verdict on a new version. For commands that
 * a person or CI runs; the relay itself does not need it (`encode/registry-client.ts`). As there, a
 * subject is absent only when the registry says so.
 * @see https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
import type { Config } from '../../config/config.ts';
import { type Answer, notAnswered, RegistryHttp } from '../../connect/registry-http.ts';
import { avro } from '../../encode/formats/avro/format.ts';
import { formatOf } from '../../encode/formats/formats.ts';
import { bodyOf, type Reference, RegistryClient } from '../../encode/registry/registry-client.ts';
import { RelayError } from '../../errors.ts';

export const levels = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const;
export type Level = (typeof levels)[number];

/**
 * What decides over the next version of a subject. `UNKNOWN`: the registry says NONE, and refuses incompatible schemas all the
 * same, by a level that its API does not show.
 */
export type AppliedLevel = Level | 'UNKNOWN';

/** `isOwn`: it is set for the subject, not for the registry. */
export type LevelOfSubject = { readonly level: AppliedLevel; readonly isOwn: boolean };

/** A version with all that it refers to. */
export type Version = {
  readonly version: number;
  readonly schemaText: string;
  readonly references: readonly string[];
};

export type Compatibility = { readonly isCompatible: boolean; readonly messages: readonly string[] };

/** Neither reads what another schema wrote, nor the reverse: no schema is a `fixed` of this name and size. */
const unlikeAny = '{"type":"fixed","name":"UnlikeAny","namespace":"outbox.relay.probe","size":1}';

/** Subject, version, schema or level not found. */
const absentCodes: ReadonlySet<unknown> = new Set([40401, 40402, 40403, 40408]);

export class SubjectHistory {
  readonly #http: RegistryHttp;
  readonly #client: RegistryClient;

  constructor(registry: Config['registry']) {
    this.#http = new RegistryHttp(registry);
    this.#client = new RegistryClient(registry);
  }

  /** The numbers of a subject's versions, ascending; none where there is no subject. @throws RelayError REGISTRY_* */
  async versions(subject: string): Promise<number[]> {
    const doing = `reading the versions of ${subject}`;
    const body = await this.#ask(doing, 'GET', `/subjects/${encodeURIComponent(subject)}/versions`);
    if (body === undefined) return [];
    if (!Array.isArray(body)) throw unavailable(doing, 'the answer is not a list');
    return (body as number[]).toSorted((left, right) => left - right);
  }

  /** One version. @throws RelayError REGISTRY_* */
  async version(subject: string, version: number): Promise<Version> {
    const doing = `reading version ${version} of ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
    const answer = await this.#ask(doing, 'GET', path);
    formatOf(read(answer, 'schemaType'), `version ${version} of ${subject}`, [avro]);
    const id = read(answer, 'id');
    if (typeof id !== 'number') throw unavailable(doing, 'the answer has no id');
    // By id, since that resolves what the schema refers to.
    const schema = await this.#client.byId(id);
    if (schema === undefined) throw unavailable(doing, `schema ${id} does not exist`);
    return { version, schemaText: schema.schemaText, references: schema.references };
  }

  /** Every subject of the registry, of whatever use; by name. @throws RelayError REGISTRY_* */
  async subjects(): Promise<string[]> {
    const doing = 'listing the subjects';
    const body = await this.#ask(doing, 'GET', '/subjects');
    if (!Array.isArray(body)) throw unavailable(doing, 'the answer is not a list');
    return body.map(String).toSorted();
  }

  /** What the latest version refers to, as a next version may; none where there is no version. @throws RelayError REGISTRY_* */
  async latestReferences(subject: string): Promise<Reference[]> {
    const doing = `reading the references of ${subject}`;
    const answer = await this.#ask(doing, 'GET', `/subjects/${encodeURIComponent(subject)}/versions/latest`);
    return (read(answer, 'references') as Reference[] | undefined) ?? [];
  }

  /**
   * The level that decides over the next version of a subject: its own, else the registry's.
   *
   * A registry that says NONE may mean another level. Apicurio says it of every subject without a level of its own, and of
   * itself where REGISTRY_RULES_GLOBAL_COMPATIBILITY sets the level. So NONE counts only if the registry also accepts, after
   * the latest version, a schema that every other level refuses.
   * @param ofRegistry where it is known already
   * @throws RelayError REGISTRY_*
   */
  async level(subject: string, ofRegistry?: Level): Promise<LevelOfSubject> {
    const doing = `reading the compatibility level of ${subject}`;
    const answer = await this.#ask(doing, 'GET', `/config/${encodeURIComponent(subject)}`);
    const own = answer === undefined ? undefined : readLevel(answer, doing);
    if (own !== undefined && own !== 'NONE') return { level: own, isOwn: true };
    const registry = ofRegistry ?? (await this.registryLevel());
    if (own === undefined && registry !== 'NONE') return { level: registry, isOwn: false };
    // Without a version there is nothing to judge by, and what it says counts.
    const latest = (await this.versions(subject)).at(-1);
    if (latest !== undefined && !(await this.judge(subject, unlikeAny, [latest])).isCompatible)
      return { level: registry === 'NONE' ? 'UNKNOWN' : registry, isOwn: false };
    return { level: 'NONE', isOwn: registry !== 'NONE' };
  }

  /** The level of subjects that have none of their own. @throws RelayError REGISTRY_* */
  async registryLevel(): Promise<Level> {
    const doing = 'reading the compatibility level of the registry';
    return readLevel(await this.#ask(doing, 'GET', '/config'), doing);
  }

  /**
   * Whether the registry would accept a schema after each of some versions, by its level for the subject. One version at a
   * time: not every registry can judge all of them at once.
   * @throws RelayError REGISTRY_*
   */
  async judge(
    subject: string,
    schemaText: string,
    versions: readonly number[],
    references: readonly Reference[] = [],
  ): Promise<Compatibility> {
    const messages: string[] = [];
    let isCompatible = true;
    for (const version of versions) {
      const doing = `asking whether ${subject} may change after version ${version}`;
      const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/${version}?verbose=true`;
      const body = await this.#ask(doing, 'POST', path, bodyOf(schemaText, references));
      const verdict = read(body, 'is_compatible');
      if (typeof verdict !== 'boolean') throw unavailable(doing, 'the answer has no verdict');
      if (verdict) continue;
      isCompatible = false;
      const said = read(body, 'messages');
      if (Array.isArray(said)) messages.push(...said.map((each) => String(each).slice(0, 500)));
    }
    return { isCompatible, messages };
  }

  /** The body of a success, or undefined if the registry says that there is none. */
  async #ask(doing: string, method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    return judgeAnswer(await this.#http.ask(doing, method, path, body), doing);
  }
}

function judgeAnswer(answer: Answer, doing: string): unknown {
  const { status, body } = answer;
  if (status === 200 && body !== undefined) return body;
  const errorCode = read(body, 'error_code');
  if (status === 404 && absentCodes.has(errorCode)) return undefined;
  const said = String(read(body, 'message') ?? 'no explanation').slice(0, 500);
  if (status === 422 && errorCode === 42201) throw new RelayError('SCHEMA_INVALID', `${doing}: ${said}`);
  throw notAnswered(answer, doing);
}

function readLevel(body: unknown, doing: string): Level {
  const level = read(body, 'compatibilityLevel');
  const known = levels.find((each) => each === level);
  if (known === undefined) throw unavailable(doing, 'the answer has no level');
  return known;
}

function read(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}

function unavailable(doing: string, why: string): RelayError {
  return new RelayError('REGISTRY_UNAVAILABLE', `${doing}: ${why}`);
}
