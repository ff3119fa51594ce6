/**
 * Decodes values as consumers do: by the schema whose id the value itself names, as the registry has it now. Two readers
 * must agree, and neither shares code with the relay's writer: `avro/`, which is strict and keeps every digit, and the
 * library that consumers in Node use (`stock-reader.ts`). Only the way to the registry is shared.
 */
import type { Config } from '../config/config.ts';
import { type Answer, RegistryHttp } from '../connect/registry-http.ts';
import { RelayError } from '../errors.ts';
import { type AvroNode, NoSchema, readAvroSchema } from './avro/avro-schema.ts';
import { fits } from './avro/compare-value.ts';
import type { StockReader } from './stock-reader.ts';

/** Confluent wire format: a zero byte, the schema id (4 bytes, big endian), Avro. */
const framingBytes = 5;

/** The registry's error code for "schema not found". */
const schemaNotFound = 40403;

export class Decoder {
  readonly #http: RegistryHttp;
  readonly #stock: Pick<StockReader, 'prepare' | 'decodes'>;
  /** By schema id: the schema, or why there is none. */
  readonly #schemas = new Map<number, AvroNode | string>();

  constructor(registry: Config['registry'], stock: Pick<StockReader, 'prepare' | 'decodes'>) {
    this.#http = new RegistryHttp(registry);
    this.#stock = stock;
  }

  /** Fetches the schemas that the values name and that are not known yet. @throws RelayError REGISTRY_*, TLS_REFUSED */
  async prepare(values: Iterable<Buffer | null>): Promise<void> {
    for (const value of values) {
      const id = value === null ? undefined : schemaIdOf(value);
      if (id === undefined || this.#schemas.has(id)) continue;
      const schema = await this.#load(id);
      if (typeof schema !== 'string') await this.#stock.prepare(id);
      this.#schemas.set(id, schema);
    }
  }

  /** Why the value cannot be decoded, without showing any of it; undefined if it can. Call `prepare` first. */
  faultOf(value: Buffer | null): string | undefined {
    if (value === null) return 'no value';
    const id = schemaIdOf(value);
    if (id === undefined) return 'no Confluent framing';
    const schema = this.#schemas.get(id);
    if (schema === undefined || typeof schema === 'string') return `schema ${id}: ${schema ?? 'not fetched'}`;
    const avro = avroOf(value);
    // First by the reader that bounds what it reads.
    if (!fits(schema, avro)) return `schema ${id}: the bytes do not fit it`;
    return this.#stock.decodes(id, avro) ? undefined : `schema ${id}: avsc cannot decode the bytes`;
  }

  /** Only for a value without a fault. */
  schemaOf(value: Buffer): AvroNode {
    return this.#schemas.get(schemaIdOf(value)!) as AvroNode;
  }

  async #load(id: number): Promise<AvroNode | string> {
    const doing = `reading schema ${id}`;
    const answer = await this.#http.ask(doing, 'GET', `/schemas/ids/${id}`);
    if (answer.status === 404 && answer.body?.error_code === schemaNotFound) return 'unknown to the registry';
    const text = textOf(answer, doing);
    const { schemaType = 'AVRO' } = answer.body ?? {};
    if (schemaType !== 'AVRO') return `its type is ${String(schemaType).slice(0, 20)}, not Avro`;
    const references = new Map<string, string>();
    await this.#collect(answer, references);
    try {
      return readAvroSchema(text, [...references.values()]);
    } catch (error) {
      if (error instanceof NoSchema) return `not a valid Avro schema: ${error.message}`;
      throw error;
    }
  }

  /** The texts of all schemas that a schema refers to, directly or not, by their paths. */
  async #collect({ body }: Answer, texts: Map<string, string>): Promise<void> {
    for (const { subject, version } of Array.isArray(body?.references) ? body.references : []) {
      const path = `/subjects/${encodeURIComponent(String(subject))}/versions/${Number(version)}`;
      if (texts.has(path)) continue;
      const doing = `reading version ${Number(version)} of ${subject}`;
      const answer = await this.#http.ask(doing, 'GET', path);
      texts.set(path, textOf(answer, doing));
      await this.#collect(answer, texts);
    }
  }
}

/** @throws RelayError REGISTRY_UNAUTHORIZED, REGISTRY_UNAVAILABLE */
function textOf({ status, body }: Answer, doing: string): string {
  if (status === 200 && typeof body?.schema === 'string') return body.schema;
  const isRefused = status === 401 || status === 403;
  throw new RelayError(
    isRefused ? 'REGISTRY_UNAUTHORIZED' : 'REGISTRY_UNAVAILABLE',
    `${doing}: status ${status}`,
    { context: { status } },
  );
}

/** The bytes after the framing. */
export const avroOf = (value: Buffer): Buffer => value.subarray(framingBytes);

function schemaIdOf(value: Buffer): number | undefined {
  return value.length >= framingBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}
