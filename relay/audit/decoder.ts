/**
 * Decodes values as consumers do, each by its own form: the setting may have changed since it was written. A value that
 * begins with a zero byte, which no JSON does, is Avro under the schema whose id it names, as the registry has it now. Two
 * readers must agree, and neither shares code with the relay's writer: `avro/`, which is strict and keeps every digit, and
 * the library that consumers in Node use (`stock-reader.ts`). Only the way to the registry is shared. Any other value must
 * be JSON.
 */
import type { Config } from '../config/config.ts';
import { type Answer, RegistryHttp } from '../connect/registry-http.ts';
import { RelayError } from '../errors.ts';
import { type AvroNode, NoSchema, readAvroSchema } from './avro/avro-schema.ts';
import { fits } from './avro/compare-value.ts';
import { StockReader } from './stock-reader.ts';

/** Confluent wire format: a zero byte, the schema id (4 bytes, big endian), Avro. */
const framingBytes = 5;

/** The registry's error code for "schema not found". */
const schemaNotFound = 40403;

type Stock = Pick<StockReader, 'prepare' | 'decodes'>;

export class Decoder {
  readonly #http: RegistryHttp;
  /** undefined where there is no registry: then no value in Avro can be decoded. */
  readonly #stock: Stock | undefined;
  /** By schema id: the schema, or why there is none. */
  readonly #schemas = new Map<number, AvroNode | string>();

  constructor(registry: Config['registry'], stock: Stock | undefined) {
    this.#http = new RegistryHttp(registry);
    this.#stock = stock;
  }

  /** @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used */
  static async create(registry: Config['registry']): Promise<Decoder> {
    return new Decoder(registry, registry.url === undefined ? undefined : await StockReader.create(registry));
  }

  /** Fetches the schemas that the values name and that are not known yet. @throws RelayError REGISTRY_*, TLS_REFUSED */
  async prepare(values: Iterable<Buffer | null>): Promise<void> {
    for (const value of values) {
      const id = value === null ? undefined : schemaIdOf(value);
      if (id === undefined || this.#schemas.has(id) || this.#stock === undefined) continue;
      const schema = await this.#load(id);
      if (typeof schema !== 'string') await this.#stock.prepare(id);
      this.#schemas.set(id, schema);
    }
  }

  /** Why the value cannot be decoded, without showing any of it; undefined if it can. Call `prepare` first. */
  faultOf(value: Buffer | null): string | undefined {
    if (value === null) return 'no value';
    if (!isAvro(value)) return isJson(value) ? undefined : 'neither Confluent framing nor JSON';
    const id = schemaIdOf(value);
    if (id === undefined) return 'no Confluent framing';
    if (this.#stock === undefined) return `Avro with schema ${id}, but registry.url is not set`;
    const schema = this.#schemas.get(id);
    if (schema === undefined || typeof schema === 'string') return `schema ${id}: ${schema ?? 'not fetched'}`;
    const avro = avroOf(value);
    // First by the reader that bounds what it reads.
    if (!fits(schema, avro)) return `schema ${id}: the bytes do not fit it`;
    return this.#stock.decodes(id, avro) ? undefined : `schema ${id}: avsc cannot decode the bytes`;
  }

  /** Only for a value without a fault; undefined for JSON. */
  schemaOf(value: Buffer): AvroNode | undefined {
    return isAvro(value) ? (this.#schemas.get(schemaIdOf(value)!) as AvroNode) : undefined;
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

/** Whether the value is framed. Text of JSON begins with no zero byte. */
export const isAvro = (value: Buffer): boolean => value[0] === 0;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isJson(value: Buffer): boolean {
  try {
    JSON.parse(utf8.decode(value));
    return true;
  } catch {
    return false;
  }
}

/** The bytes after the framing. */
export const avroOf = (value: Buffer): Buffer => value.subarray(framingBytes);

function schemaIdOf(value: Buffer): number | undefined {
  return value.length >= framingBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}
