/**
 * The schema registry as the relay may trust it. Promise: only a positive answer counts. A subject is absent when the
 * registry says so with its own error code. A refused connection, a proxy's 404, silence or a page of HTML is an outage,
 * for which events wait.
 *
 * Plain HTTP rather than @kafkajs/confluent-schema-registry, which is at its best as a consumer and serves the audit as
 * one (`audit/stock-reader.ts`). Of a failed request that library keeps a status and a message, so it cannot tell "no such
 * subject" from a proxy's 404, nor a bad request from a refused connection. It has no time limit and keeps no text of a
 * schema. Registering with it fails on a subject that has a compatibility level other than the one it would set.
 */
import type { Config } from '../../config/config.ts';
import { type Answer, notAnswered, type OnAsked, RegistryHttp } from '../../connect/registry-http.ts';
import { RelayError } from '../../errors.ts';
import { formatOf } from '../formats/formats.ts';
import { isPossibleSubject } from '../route.ts';
import type { RegisteredSchema, SchemaSource } from './schemas.ts';

/** A version of another subject that defines a name which a schema uses, as the registry writes it. */
export type Reference = { readonly name: string; readonly subject: string; readonly version: number };

/**
 * How the registry says that there is none: subject, version or schema not found.
 * @see https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
const absentCodes: ReadonlySet<unknown> = new Set([40401, 40402, 40403]);

const invalidSchemaCode = 42201;
/** "Operation not permitted": the mode of the registry or of the subject is READONLY, or IMPORT, and not READWRITE. */
const readOnlyCode = 42205;

/** `version`: undefined from a registry that does not say it. */
export type LatestSchema = RegisteredSchema & { readonly version: number | undefined };

/** The framing has four bytes for the id, and consumers read them as a signed integer. */
const idMax = 2 ** 31 - 1;

export class RegistryClient implements SchemaSource {
  readonly #http: RegistryHttp;

  /** @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used. */
  constructor(registry: Config['registry'], onAsked?: OnAsked) {
    this.#http = new RegistryHttp(registry, onAsked);
  }

  /**
   * The latest version under a subject, with all schemas that it refers to; undefined if the registry says that there is
   * none. Not cached.
   * @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, TLS_REFUSED; REGISTRY_ANSWER_INVALID if something is
   * wrong with this subject alone; SCHEMA_INVALID if its schema has a type that the relay does not write
   */
  async latest(subject: string): Promise<LatestSchema | undefined> {
    if (!isPossibleSubject(subject)) return undefined;
    return this.#version(subject, 'latest', `reading the latest schema of ${subject}`);
  }

  /**
   * One version of a subject, otherwise as `latest`.
   * @throws as `latest`
   */
  async version(subject: string, version: number): Promise<RegisteredSchema | undefined> {
    if (!isPossibleSubject(subject)) return undefined;
    return this.#version(subject, version, `reading version ${version} of ${subject}`);
  }

  async #version(
    subject: string,
    version: number | 'latest',
    doing: string,
  ): Promise<LatestSchema | undefined> {
    try {
      const answer = await this.#ask(doing, 'GET', `/subjects/${subject}/versions/${version}`);
      if (answer === undefined) return undefined;
      const schema = await this.#resolve(answer, doing, `subject ${subject}`);
      const { version: named } = answer.body ?? {};
      const number = typeof named === 'number' ? named : undefined;
      return { id: readId(answer, doing), version: number, ...schema };
    } catch (error) {
      throw await this.#perhapsOnlyHere(error, doing);
    }
  }

  /**
   * An unexpected answer is an outage, unless the registry answers as it should for another subject. Then something is
   * wrong with this subject alone, and the stream must not wait for it forever. Server errors stay outages.
   */
  async #perhapsOnlyHere(error: unknown, doing: string): Promise<unknown> {
    if (!(error instanceof RelayError) || !isOddAnswer(error)) return error;
    try {
      await this.ping();
    } catch {
      return error;
    }
    return new RelayError('REGISTRY_ANSWER_INVALID', error.message, { cause: error, context: { doing } });
  }

  /**
   * The schema of an id, with all schemas that it refers to; undefined if there is none.
   * @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, TLS_REFUSED, SCHEMA_INVALID
   */
  async byId(id: number): Promise<RegisteredSchema | undefined> {
    const doing = `reading schema ${id}`;
    const answer = await this.#ask(doing, 'GET', `/schemas/ids/${id}`);
    return answer === undefined ? undefined : { id, ...(await this.#resolve(answer, doing, `schema ${id}`)) };
  }

  /**
   * The id and the version under which the subject has exactly this schema; undefined if it does not.
   * @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, SCHEMA_INVALID
   */
  async find(
    subject: string,
    schemaText: string,
    references: readonly Reference[] = [],
  ): Promise<{ readonly id: number; readonly version: number } | undefined> {
    const doing = `looking up a schema of ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}`;
    const answer = await this.#ask(doing, 'POST', path, bodyOf(schemaText, references));
    if (answer === undefined) return undefined;
    return { id: readId(answer, doing), version: readVersion(answer, doing) };
  }

  /**
   * Registers a schema under a subject and leaves the compatibility level alone. Idempotent: registering a schema again
   * returns the same id.
   * @throws RelayError SCHEMA_INCOMPATIBLE, SCHEMA_INVALID and REGISTRY_READ_ONLY with the message of the registry;
   * REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED
   */
  async register(
    subject: string,
    schemaText: string,
    references: readonly Reference[] = [],
  ): Promise<number> {
    const doing = `registering a schema under ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    const answer = await this.#ask(doing, 'POST', path, bodyOf(schemaText, references));
    if (answer === undefined) throw unavailable(doing, 'status 404');
    return readId(answer, doing);
  }

  /** Whether the registry answers. @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED, TLS_REFUSED */
  async ping(): Promise<void> {
    // Any subject will do: "there is none" is a positive answer.
    const doing = 'asking whether the registry answers';
    const answer = await this.#ask(doing, 'GET', '/subjects/outbox-relay-ping/versions/latest');
    if (answer !== undefined) readText(answer, doing);
  }

  /** @param holder what holds the schema, for a message */
  async #resolve(answer: Answer, doing: string, holder: string): Promise<Omit<RegisteredSchema, 'id'>> {
    const { schemaType } = formatOf(answer.body?.schemaType, holder);
    const references: string[] = [];
    await this.#collect(readReferences(answer), new Set(), references);
    return { schemaType, schemaText: readText(answer, doing), references };
  }

  /** The texts of the schemas that are referred to, each once, in the order in which they build on each other. */
  async #collect(references: readonly Reference[], seen: Set<string>, texts: string[]): Promise<void> {
    for (const { subject, version } of references) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
      if (seen.has(path)) continue;
      seen.add(path);
      const doing = `reading version ${version} of ${subject}`;
      const answer = await this.#ask(doing, 'GET', path);
      // A reference to nothing makes the schema unusable; its parser reports that.
      if (answer === undefined) continue;
      formatOf(answer.body?.schemaType, `version ${version} of ${subject}`);
      await this.#collect(readReferences(answer), seen, texts);
      texts.push(readText(answer, doing));
    }
  }

  /** The answer; undefined if the registry says that there is none. @throws for everything else */
  async #ask(
    doing: string,
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<Answer | undefined> {
    return judge(await this.#http.ask(doing, method, path, body), doing, method === 'POST');
  }
}

/** @param isOffer whether the request offered a schema, so that the registry's refusal is about that schema */
function judge(answer: Answer, doing: string, isOffer: boolean): Answer | undefined {
  const { status, body } = answer;
  if (status === 200 && body !== undefined) return answer;
  const errorCode = body?.error_code;
  if (status === 404 && absentCodes.has(errorCode)) return undefined;
  const context = { status, registryError: typeof errorCode === 'number' ? errorCode : undefined };
  const said = typeof body?.message === 'string' ? body.message.slice(0, 500) : 'no explanation';
  // An error code of its own shows that the registry answered, and not something in front of it.
  if (status === 409 && errorCode !== undefined)
    throw new RelayError('SCHEMA_INCOMPATIBLE', `${doing}: ${said}`, { context });
  if (status === 422 && errorCode === readOnlyCode)
    throw new RelayError('REGISTRY_READ_ONLY', `${doing}: ${said}`, { context });
  if (status === 422 && (isOffer ? typeof errorCode === 'number' : errorCode === invalidSchemaCode))
    throw new RelayError('SCHEMA_INVALID', `${doing}: ${said}`, { context });
  throw notAnswered(answer, doing, context);
}

function readText({ body, at }: Answer, doing: string): string {
  if (typeof body?.schema !== 'string') throw unavailable(`${doing} at ${at}`, 'the answer has no schema');
  return body.schema;
}

function readId({ body, at }: Answer, doing: string): number {
  const id = body?.id;
  if (typeof id !== 'number' || !Number.isInteger(id))
    throw unavailable(`${doing} at ${at}`, 'the answer has no id');
  if (id < 0 || id > idMax)
    throw new RelayError(
      'REGISTRY_ANSWER_INVALID',
      `${doing}: the id ${id} does not fit into the four bytes before each value`,
    );
  return id;
}

function readVersion({ body, at }: Answer, doing: string): number {
  if (!Number.isInteger(body?.version)) throw unavailable(`${doing} at ${at}`, 'the answer has no version');
  return body?.version as number;
}

/** The body of a request about a schema. */
export function bodyOf(schemaText: string, references: readonly Reference[]): object {
  return references.length === 0 ? { schema: schemaText } : { schema: schemaText, references };
}

function readReferences({ body }: Answer): readonly Reference[] {
  return Array.isArray(body?.references) ? body.references : [];
}

/** A complete answer that is not a server error, throttling or a login. Only answers have a status. */
function isOddAnswer({ code, context: { status } }: RelayError): boolean {
  if (code !== 'REGISTRY_UNAVAILABLE' || typeof status !== 'number') return false;
  return status === 200 || (status >= 400 && status < 500 && ![404, 408, 429].includes(status));
}

/** A success without what it should contain. */
function unavailable(doing: string, why: string): RelayError {
  return new RelayError('REGISTRY_UNAVAILABLE', `${doing}: ${why}`, { context: { status: 200 } });
}
