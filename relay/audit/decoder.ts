/**
 * Decodes values as a consumer would: with the registry library that Node consumers use, by the schema whose id the value
 * itself names. So nothing of the relay's own writer or registry client is trusted here.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avsc from 'avsc';
import type { Config } from '../config.ts';
import { bigLong } from '../encode/avro/schema.ts';
import { RelayError } from '../errors.ts';
import { tlsOptions } from '../tls.ts';

/** Confluent wire format: a zero byte, the schema id (4 bytes, big endian), Avro. */
const framingBytes = 5;

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number];

export class Decoder {
  readonly #registry: SchemaRegistry;
  readonly #agent: HttpAgent;
  readonly #timeoutMs: number;
  /** By schema id: the type, or why there is none. */
  readonly #types = new Map<number, avsc.Type | string>();

  constructor(registry: Config['registry']) {
    const { url, username, password, token, timeoutMs } = registry;
    const { host, auth, isSecure } = splitUrl(url, username, password);
    this.#agent = isSecure ? new HttpsAgent(tlsOptions(registry)) : new HttpAgent();
    this.#timeoutMs = timeoutMs;
    this.#registry = new SchemaRegistry(
      {
        host,
        agent: this.#agent,
        retry: { retries: 0 },
        ...(auth === undefined ? {} : { auth }),
        ...(token === undefined ? {} : { middlewares: [bearer(token)] }),
      },
      { [SchemaType.AVRO]: { typeHook: longsAsBigints } },
    );
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

  /** The library has no time limit of its own, and reports a refused connection as status 400. */
  async #load(id: number): Promise<avsc.Type | string> {
    const late = new RelayError(
      'REGISTRY_UNAVAILABLE',
      `the registry did not answer within ${this.#timeoutMs} ms`,
    );
    const expired = Promise.withResolvers<never>();
    const timer = setTimeout(() => expired.reject(late), this.#timeoutMs);
    try {
      const schema = await Promise.race([this.#registry.getSchema(id), expired.promise]);
      return avsc.Type.isType(schema) ? (schema as avsc.Type) : 'not Avro';
    } catch (error) {
      if (error === late) throw late;
      return faultOfLoading(error, id);
    } finally {
      clearTimeout(timer);
      this.#agent.destroy();
    }
  }
}

/** Of an answer the library keeps the status; an error without one came from parsing the schema. */
function faultOfLoading(error: unknown, id: number): string {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : undefined;
  if (status === undefined) return 'not a legal Avro schema';
  if (status === 404) return 'unknown to the registry';
  const isRefused = status === 401 || status === 403;
  throw new RelayError(
    isRefused ? 'REGISTRY_UNAUTHORIZED' : 'REGISTRY_UNAVAILABLE',
    `the registry did not give schema ${id} (status ${status})`,
    { cause: error },
  );
}

function longsAsBigints(schema: unknown): avsc.Type | undefined {
  const isLong = schema === 'long' || (schema as { type?: unknown; logicalType?: unknown }).type === 'long';
  return isLong ? bigLong : undefined;
}

function bearer(token: string): Middleware {
  const authorization = `Bearer ${token}`;
  return () => ({ prepareRequest: async (next) => (await next()).enhance({ headers: { authorization } }) });
}

/** The library takes credentials apart from the address. */
function splitUrl(text: string, username: string | undefined, password: string | undefined) {
  const url = new URL(text);
  const user = username ?? decodeURIComponent(url.username);
  const secret = username === undefined ? decodeURIComponent(url.password) : (password ?? '');
  url.username = '';
  url.password = '';
  return {
    host: url.href.replace(/\/$/, ''),
    auth: user === '' ? undefined : { username: user, password: secret },
    isSecure: url.protocol === 'https:',
  };
}

function schemaIdOf(value: Buffer): number | undefined {
  return value.length >= framingBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}
