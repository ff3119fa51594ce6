/**
 * Reads values as a consumer with a stock library does: @kafkajs/confluent-schema-registry fetches the schema by its id,
 * with the schemas that it refers to, and avsc decodes the bytes. None of the relay's code takes part; only the address of
 * the registry, its credentials and its certificates are shared. The decoder asks it second, so that a value counts as
 * decodable when two readers that share no code agree.
 *
 * Why it is never the only reader:
 * - Of a failed request the library keeps a status and a message. It cannot tell a schema that the registry does not have
 *   from a proxy's 404, nor a refused certificate from a lost connection. For that reason, and because registering with it
 *   fails on a subject that has a compatibility level, the relay itself uses `encode/registry/registry-client.ts`.
 * - It keeps no text of a schema: defaults beyond 2^53 and logical types are lost.
 * - avsc accepts bytes that a strict reader refuses: a boolean of 3, text that is not UTF-8.
 * - avsc refuses some schemas that Java accepts: a default of another type, a name in an object. Values of these are left
 *   to the first reader.
 */

import { Agent as HttpsAgent } from 'node:https';
import type { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import avsc from 'avsc';
import type { Config } from '../config/config.ts';
import { registryAccess } from '../connect/registry-http.ts';
import { RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import { HttpAgent } from '../model/node-http.ts';

type StockSchema = Awaited<ReturnType<SchemaRegistry['getSchema']>>;

/** Its own client for each question, so that certificates that were renewed count. */
type ClientAt = (url: URL) => SchemaRegistry;

export class StockReader {
  readonly #urls: readonly URL[];
  readonly #clientAt: ClientAt;
  /** By id; undefined if the library refuses the schema. */
  readonly #schemas = new Map<number, StockSchema | undefined>();
  /** Number of the URL that answered last. */
  #at = 0;

  private constructor(urls: readonly URL[], clientAt: ClientAt) {
    this.#urls = urls;
    this.#clientAt = clientAt;
  }

  /** @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used. */
  static async create(settings: Config['registry']): Promise<StockReader> {
    // Loaded for the audit alone: it brings three parsers, and takes 250 ms and 27 MB.
    const { SchemaRegistry, SchemaType } = await import('@kafkajs/confluent-schema-registry');
    const access = registryAccess(settings);
    const { timeoutMs } = settings;
    // The library supports neither tokens nor a time limit. The signal closes the socket; but if an answer breaks off, the
    // library never settles.
    const signIn: Middleware = () => ({
      prepareRequest: async (next) => {
        const { headers } = await access.credentials();
        return (await next()).enhance({ headers, signal: AbortSignal.timeout(timeoutMs) });
      },
      response: (next) => within(timeoutMs, next()),
    });
    return new StockReader(access.urls, (url) => {
      const tls = access.tls(url);
      return new SchemaRegistry(
        {
          host: url.href.replace(/\/+$/, ''),
          agent: tls === undefined ? new HttpAgent() : new HttpsAgent(tls),
          middlewares: [signIn],
          // The first reader has just asked the same question.
          retry: { retries: 0 },
        },
        { [SchemaType.AVRO]: { typeHook: longAsBigint } },
      );
    });
  }

  /** Fetches a schema that the registry has. @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED */
  async prepare(id: number): Promise<void> {
    if (this.#schemas.has(id)) return;
    this.#schemas.set(id, await this.#load(id));
  }

  /** False if the library accepts the schema but cannot decode the bytes with it. */
  decodes(id: number, avro: Buffer): boolean {
    const schema = this.#schemas.get(id);
    if (schema === undefined) return true;
    try {
      schema.fromBuffer(avro);
      return true;
    } catch {
      return false;
    }
  }

  /** Goes on from a URL that fails to the next, as the first reader does; but what refuses us is an answer. */
  async #load(id: number): Promise<StockSchema | undefined> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#clientAt(this.#urls[this.#at]!).getSchema(id);
      } catch (error) {
        // avsc refuses the schema.
        if (error instanceof Error && error.name === 'ConfluentSchemaRegistryArgumentError') return undefined;
        const { status, message } = asFailure(error);
        const isRefused = status === 401 || status === 403;
        if (isRefused || tried === this.#urls.length)
          throw new RelayError(
            isRefused ? 'REGISTRY_UNAUTHORIZED' : 'REGISTRY_UNAVAILABLE',
            `reading schema ${id} as a consumer: ${message.slice(0, 500)}`,
            { cause: error, context: { status } },
          );
        this.#at = (this.#at + 1) % this.#urls.length;
      }
    }
  }
}

/** The library reports a refused connection as status 400. */
function asFailure(error: unknown): { readonly status: number | undefined; readonly message: string } {
  if (!(error instanceof Error)) return { status: undefined, message: String(error) };
  const status = 'status' in error && typeof error.status === 'number' ? error.status : undefined;
  return { status, message: error.message };
}

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number];

async function within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
  const deadline = withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([answer, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** avsc reads a long as a double and refuses those beyond 2^53. */
const bigintLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => Number(left > right) - Number(left < right),
});

function longAsBigint(schema: unknown): avsc.Type | undefined {
  const isLong =
    schema === 'long' ||
    (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long');
  return isLong ? bigintLong : undefined;
}
