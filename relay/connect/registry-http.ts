/**
 * Owns one request to the registry over HTTP: with its credentials, over TLS if its URL says so, within its time limit. A
 * missing answer is an error here. What an answer means, the caller decides.
 */
import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import type { Config } from '../config/config.ts';
import { version as release } from '../config/version.ts';
import { RelayError } from '../errors.ts';
import { plainMessage, type TlsOptions, tlsOptions, tlsRefusal } from './tls.ts';

/** `body` is undefined if it was not a JSON object. */
export type Answer = {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> | undefined;
};

/** Called when a request is over: how long it took, and whether it failed (no answer, or an error of the server). */
export type OnAsked = (tookMs: number, result: 'answered' | 'failed') => void;

const mediaType = 'application/vnd.schemaregistry.v1+json';

/** A schema has some kilobytes; a longer answer counts as none. */
const answerLengthMax = 16 * 1024 * 1024;

/**
 * Calls are minutes apart, and a connection kept for that long is often dead. Only calls within `burstMs` of each other, as
 * for invented types, share connections. One that is idle for `keptMs` is closed; servers and proxies keep it longer.
 */
const burstMs = 100;
const keptMs = 1_000;
const keptMax = 16;

export class RegistryHttp {
  readonly #base: URL;
  readonly #connection: object;
  readonly #authorization: { readonly authorization?: string };
  readonly #timeoutMs: number;
  readonly #agent: HttpAgent;
  readonly #onAsked: OnAsked | undefined;
  #answeredMs = Number.NEGATIVE_INFINITY;

  /** @throws RelayError CONFIG_INVALID if a file of certificates or keys cannot be used */
  constructor(registry: Config['registry'], onAsked?: OnAsked) {
    this.#onAsked = onAsked;
    const { url, headers, tls } = registryAccess(registry);
    this.#authorization = headers;
    this.#base = url;
    this.#connection = { ...urlToHttpOptions(url), ...tls };
    this.#timeoutMs = registry.timeoutMs;
    const Agent = url.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: keptMax, timeout: keptMs });
  }

  /**
   * One request, on a connection of its own except in a burst. It does not follow a redirect, which leads to a login page:
   * a registry answers by itself.
   * @param doing names the request in errors
   * @param path below the base of the registry, already encoded
   * @throws RelayError REGISTRY_UNAVAILABLE, TLS_REFUSED
   */
  async ask(doing: string, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    // From the resolution of the name to the last byte. When it expires, the socket is closed.
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    const begunMs = performance.now();
    let status: number | undefined;
    try {
      const answer = await this.#exchange(
        deadline,
        method,
        path,
        body === undefined ? '' : JSON.stringify(body),
      );
      status = answer.status;
      return answer;
    } catch (cause) {
      const why = deadline.aborted ? `no answer within ${this.#timeoutMs} ms` : describe(cause);
      const code = tlsRefusal(cause) === undefined ? 'REGISTRY_UNAVAILABLE' : 'TLS_REFUSED';
      throw new RelayError(code, `${doing}: ${why}`, { cause });
    } finally {
      const hasFailed = status === undefined || status >= 500;
      this.#onAsked?.(performance.now() - begunMs, hasFailed ? 'failed' : 'answered');
    }
  }

  async #exchange(deadline: AbortSignal, method: string, path: string, body: string): Promise<Answer> {
    const isBurst = performance.now() - this.#answeredMs < burstMs;
    const send = this.#base.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send({
      ...this.#connection,
      agent: isBurst ? this.#agent : false,
      method,
      path: `${this.#base.pathname.replace(/\/+$/, '')}${path}`,
      headers: {
        accept: `${mediaType}, application/json`,
        'user-agent': `outbox-relay/${release}`,
        ...this.#authorization,
        ...(body === '' ? {} : { 'content-type': mediaType, 'content-length': Buffer.byteLength(body) }),
      },
      signal: deadline,
    });
    // A failure after the headers shows while the body is read.
    request.on('error', () => {});
    request.end(body);
    const [response] = (await once(request, 'response').catch((error) => {
      // The server has just closed a kept connection, and did not receive the request.
      if (!request.reusedSocket || deadline.aborted) throw error;
      this.#answeredMs = Number.NEGATIVE_INFINITY;
      return undefined;
    })) ?? [undefined];
    if (response === undefined) return this.#exchange(deadline, method, path, body);
    const answer = { status: response.statusCode ?? 0, body: parseObject(await readAll(response)) };
    this.#answeredMs = performance.now();
    return answer;
  }
}

export type RegistryAccess = {
  /** Without credentials. */
  readonly url: URL;
  readonly headers: { readonly authorization?: string };
  readonly tls: TlsOptions | undefined;
};

/** How the registry is reached. @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used. */
export function registryAccess(registry: Config['registry']): RegistryAccess {
  const url = new URL(registry.url);
  const authorization = authorizationOf(registry, url);
  [url.username, url.password] = ['', ''];
  return {
    url,
    headers: authorization === undefined ? {} : { authorization },
    tls: url.protocol === 'https:' ? tlsOptions(registry) : undefined,
  };
}

/** Settings win over the URL. */
function authorizationOf({ token, username, password }: Config['registry'], url: URL): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  const user = username ?? decodeURIComponent(url.username);
  const secret = username === undefined ? decodeURIComponent(url.password) : (password ?? '');
  if (user === '' && secret === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // If a host has several addresses and all refuse, the error has a list of errors and no message.
  return plainMessage(error.message) || ('code' in error ? String(error.code) : error.name);
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > answerLengthMax) throw new Error('the answer is longer than 16 MB');
  }
  return text;
}

function parseObject(text: string): Answer['body'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Answer['body']) : undefined;
  } catch {
    return undefined;
  }
}
