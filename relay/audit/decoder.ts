/**
 * Decodes values as a consumer would: by the schema whose id the value itself names, fetched from the registry. Apart
 * from the relay's own registry client, which looks schemas up by subject.
 */
import type { Type } from 'avsc';
import type { Config } from '../config.ts';
import { parseAvroSchema } from '../encode/avro/schema.ts';
import { RelayError } from '../errors.ts';

/** Confluent wire format: a zero byte, the schema id (4 bytes, big endian), Avro. */
const framingBytes = 5;

type Reference = { readonly name: string; readonly subject: string; readonly version: number };
type SchemaAnswer = {
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly Reference[];
};

export class Decoder {
  readonly #registry: Config['registry'];
  /** By schema id: the type, or why there is none. */
  readonly #types = new Map<number, Type | string>();

  constructor(registry: Config['registry']) {
    this.#registry = registry;
  }

  /** Fetches the schemas that the values name and that are not known yet. @throws RelayError REGISTRY_* */
  async prepare(values: Iterable<Buffer | null>): Promise<void> {
    for (const value of values) {
      const id = value === null ? undefined : schemaIdOf(value);
      if (id !== undefined && !this.#types.has(id)) this.#types.set(id, await this.#load(id));
    }
  }

  /** Why the value cannot be decoded, in words without any of it; undefined where it can. Call `prepare` before. */
  faultOf(value: Buffer | null): string | undefined {
    if (value === null) return 'no value';
    const id = schemaIdOf(value);
    if (id === undefined) return 'no Confluent framing';
    const type = this.#types.get(id);
    if (type === undefined || typeof type === 'string') return `schema ${id}: ${type ?? 'not fetched'}`;
    try {
      // Throws for too few bytes and for too many.
      type.fromBuffer(value.subarray(framingBytes));
      return undefined;
    } catch {
      return `schema ${id}: the bytes do not fit it`; // avsc's own message may quote the value
    }
  }

  async #load(id: number): Promise<Type | string> {
    const answer = await this.#get(`/schemas/ids/${id}`);
    if (answer === undefined) return 'unknown to the registry';
    if ((answer.schemaType ?? 'AVRO') !== 'AVRO') return `not Avro but ${answer.schemaType}`;
    try {
      return parseAvroSchema(answer.schema, await this.#references(answer.references ?? []));
    } catch (error) {
      if (error instanceof RelayError && error.code === 'SCHEMA_INVALID') return 'not a legal Avro schema';
      throw error;
    }
  }

  async #references(references: readonly Reference[]): Promise<string[]> {
    const texts: string[] = [];
    for (const { subject, version } of references) {
      const answer = await this.#get(`/subjects/${encodeURIComponent(subject)}/versions/${version}`);
      if (answer === undefined) continue; // the schema that needs it will not parse
      texts.push(answer.schema, ...(await this.#references(answer.references ?? [])));
    }
    return texts;
  }

  async #get(path: string): Promise<SchemaAnswer | undefined> {
    const { url, username, password, timeoutMs } = this.#registry;
    const credentials = Buffer.from(`${username ?? ''}:${password ?? ''}`).toString('base64');
    let response: Response;
    try {
      response = await fetch(url.replace(/\/$/, '') + path, {
        signal: AbortSignal.timeout(timeoutMs),
        headers: username === undefined ? {} : { authorization: `Basic ${credentials}` },
      });
      if (response.ok) return (await response.json()) as SchemaAnswer;
    } catch (cause) {
      throw new RelayError('REGISTRY_UNAVAILABLE', `the registry does not answer ${path}`, { cause });
    }
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    const isRefused = response.status === 401 || response.status === 403;
    throw new RelayError(
      isRefused ? 'REGISTRY_UNAUTHORIZED' : 'REGISTRY_UNAVAILABLE',
      `the registry answered ${response.status} to ${path}`,
    );
  }
}

function schemaIdOf(value: Buffer): number | undefined {
  return value.length >= framingBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}
