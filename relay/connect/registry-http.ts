/**
 * One question and one answer over HTTP: with the registry's credentials, over TLS where its URL says so, within its time
 * limit. What an answer means is for others to judge; that there was none is said here.
 */
import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import type { Config } from '../config/config.ts';
import { version as release } from '../config/version.ts';
import { RelayError } from '../errors.ts';
import { plainMessage, type TlsOptions, tlsOptions, tlsRefusal } from './tls.ts';

/** `body` is undefined where it was not a JSON object. */
export type Answer = {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> | undefined;
};

const mediaType = 'application/vnd.schemaregistry.v1+json';

/** A schema is some kilobytes; an answer that does not end is none. */
const answerLengthMax = 16 * 1024 * 1024;

/**
 * Calls are minutes apart, and a connection that is kept for so long would only be found dead. Only calls that follow each
 * other within `burstMs`, as for types that somebody makes up, share connections; and one that is idle for `keptMs`, less
 * than any server or proxy keeps it, is closed.
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
  #answeredMs = Number.NEGATIVE_INFINITY;

  /** @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used. */
  constructor(registry: Config['registry']) {
    const { url, headers, tls } = registryAccess(registry);
    this.#authorization = headers;
    this.#base = url;
    this.#connection = { ...urlToHttpOptions(url), ...tls };
    this.#timeoutMs = registry.timeoutMs;
    const Agent = url.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: keptMax, timeout: keptMs });
  }

  /**
   * One request, on a connection of its own except in a burst. A redirect is not followed: a registry answers by itself,
   * so it leads to a login page.
   * @param doing names the question in errors
   * @param path below the registry's base, with what stands in it encoded
   * @throws RelayError REGISTRY_UNAVAILABLE, TLS_REFUSED
   */
  async ask(doing: string, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    // From the name's resolution to the last byte; when it strikes, the socket is closed.
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    try {
      return await this.#exchange(deadline, method, path, body === undefined ? '' : JSON.stringify(body));
    } catch (cause) {
      const why = deadline.aborted ? `no answer within ${this.#timeoutMs} ms` : describe(cause);
      const code = tlsRefusal(cause) === undefined ? 'REGISTRY_UNAVAILABLE' : 'TLS_REFUSED';
      throw new RelayError(code, `${doing}: ${why}`, { cause });
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
    // A failure after the head of the answer is met while reading it.
    request.on('error', () => {});
    request.end(body);
    const [response] = (await once(request, 'response').catch((error) => {
      // The server closed a kept connection just now: it did not take the request.
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

/** What is set as settings wins over what stands in the URL. */
function authorizationOf({ token, username, password }: Config['registry'], url: URL): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  const user = username ?? decodeURIComponent(url.username);
  const secret = username === undefined ? decodeURIComponent(url.password) : (password ?? '');
  if (user === '' && secret === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A host of several addresses that all refuse gives a list of errors and no message.
  return plainMessage(error.message) || ('code' in error ? String(error.code) : error.name);
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > answerLengthMax) throw new Error('the answer does not end');
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
