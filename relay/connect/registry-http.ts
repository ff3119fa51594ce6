/**
 * Owns one request to the registry over HTTP: with its credentials, over TLS if its URL says so, within its time limit, at
 * the first of its URLs that answers. A missing answer is an error here, and so is one that no registry gives. What a registry
 * means, the caller decides.
 */
import { Agent as HttpsAgent } from 'node:https';
import type { Config } from '../config/config.ts';
import { version as release } from '../config/version.ts';
import { RelayError } from '../errors.ts';
import { HttpAgent } from '../model/node-http.ts';
import { type OAuthClient, requestToken } from './credentials/client-credentials.ts';
import { RenewedToken } from './credentials/renewed-token.ts';
import type { Token, TokenSource } from './credentials/token.ts';
import { tokenFile } from './credentials/token-file.ts';
import { describeFailure, exchange, parseObject } from './http.ts';
import { freshTls, type TlsOptions, tlsRefusal } from './tls.ts';

/** `body` is undefined if it was not a JSON object. */
export type Answer = {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** Host and port that gave it, for a message. */
  readonly at: string;
};

/** Called when a request is over: how long it took, and whether it failed (no answer, or an error of the server). */
export type OnAsked = (tookMs: number, result: 'answered' | 'failed') => void;

const mediaType = 'application/vnd.schemaregistry.v1+json';

/**
 * Calls are minutes apart, and a connection kept for that long is often dead. Only calls within `burstMs` of each other, as
 * for invented types, share connections. One that is idle for `keptMs` is closed; servers and proxies keep it longer.
 */
const burstMs = 100;
const keptMs = 1_000;
const keptMax = 16;

export class RegistryHttp {
  /** undefined without a URL, as where every value is JSON: then nobody may ask. */
  readonly #access: RegistryAccess | undefined;
  readonly #timeoutMs: number;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly #onAsked: OnAsked | undefined;
  #answeredMs = Number.NEGATIVE_INFINITY;
  /** Number of the URL that answered last. */
  #at = 0;

  /** @throws RelayError CONFIG_INVALID if a file of certificates or keys cannot be used */
  constructor(registry: Config['registry'], onAsked?: OnAsked) {
    this.#onAsked = onAsked;
    this.#access = registry.url === undefined ? undefined : registryAccess(registry);
    this.#timeoutMs = registry.timeoutMs;
    const options = { keepAlive: true, maxSockets: keptMax, timeout: keptMs };
    this.#agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  }

  /**
   * One request, on a connection of its own except in a burst. It does not follow a redirect, which leads to a login page:
   * a registry answers by itself.
   * @param doing names the request in errors
   * @param path below the base of the registry, already encoded
   * @throws RelayError REGISTRY_UNAVAILABLE, also where no registry answers; REGISTRY_UNAUTHORIZED, TLS_REFUSED,
   * CREDENTIALS_*
   */
  async ask(doing: string, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    const begunMs = performance.now();
    let status: number | undefined;
    try {
      const answer = await this.#askEach(doing, { method, path, body });
      status = answer.status;
      return ofRegistry(answer, doing);
    } finally {
      const hasFailed = status === undefined || status >= 500;
      this.#onAsked?.(performance.now() - begunMs, hasFailed ? 'failed' : 'answered');
    }
  }

  /** Goes on from a URL that does not answer, or answers with an error of its own, to the next. */
  async #askEach(doing: string, question: Question): Promise<Answer> {
    const access = this.#access;
    if (access === undefined)
      throw new RelayError('CONFIG_INVALID', `${doing}: registry.url is not set (SCHEMA_REGISTRY_URL)`);
    const { urls } = access;
    for (let tried = 1; ; tried++) {
      const at = this.#at;
      try {
        const answer = await this.#askAt(access, urls[at]!, doing, question);
        if (answer.status < 500 || tried === urls.length) return answer;
      } catch (error) {
        const isAway = error instanceof RelayError && error.code === 'REGISTRY_UNAVAILABLE';
        if (!isAway || tried === urls.length) throw error;
      }
      this.#at = (at + 1) % urls.length;
    }
  }

  async #askAt(access: RegistryAccess, url: URL, doing: string, question: Question): Promise<Answer> {
    const { token, headers } = await access.credentials();
    const at = { url, tls: access.tls(url) };
    const answer = await this.#exchange(at, doing, question, headers);
    if (answer.status !== 401 || token === undefined) return answer;
    // Perhaps it was revoked, or the key that it is signed with has changed.
    access.refused(token);
    const next = await access.credentials();
    return next.token?.value === token.value ? answer : this.#exchange(at, doing, question, next.headers);
  }

  async #exchange(
    { url, tls }: Place,
    doing: string,
    { method, path, body }: Question,
    headers: Headers,
  ): Promise<Answer> {
    const isBurst = performance.now() - this.#answeredMs < burstMs;
    const sent = body === undefined ? '' : JSON.stringify(body);
    // From the resolution of the name to the last byte. When it expires, the socket is closed.
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const { status, text } = await exchange({
        url,
        path: `${url.pathname.replace(/\/+$/, '')}${path}`,
        method,
        headers: {
          accept: `${mediaType}, application/json`,
          'user-agent': `outbox-relay/${release}`,
          ...headers,
          ...(sent === '' ? {} : { 'content-type': mediaType, 'content-length': Buffer.byteLength(sent) }),
        },
        body: sent,
        tls,
        agent: isBurst ? this.#agents[url.protocol === 'https:' ? 'https' : 'http'] : false,
        signal,
      });
      this.#answeredMs = performance.now();
      return { status, body: parseObject(text), at: url.host };
    } catch (cause) {
      const why = signal.aborted ? `no answer within ${this.#timeoutMs} ms` : describeFailure(cause);
      const code = tlsRefusal(cause) === undefined ? 'REGISTRY_UNAVAILABLE' : 'TLS_REFUSED';
      throw new RelayError(code, `${doing} at ${url.host}: ${why}`, { cause });
    }
  }
}

/**
 * Returns the answer if a registry gave it. Anything else, such as a proxy, says nothing about a schema: then the question
 * fails, in the same way for everyone who asks, and the error names the address.
 * @throws RelayError REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED
 */
function ofRegistry(answer: Answer, doing: string): Answer {
  const { status, body, at } = answer;
  const errorCode = body?.error_code;
  const context = { status, registryError: typeof errorCode === 'number' ? errorCode : undefined };
  if (status === 401 || status === 403)
    throw new RelayError('REGISTRY_UNAUTHORIZED', `${doing} at ${at}: status ${status}`, { context });
  const isNoAnswer = status === 404 ? !isOfAbsence(errorCode) : status >= 500 || isElsewhere(answer);
  if (isNoAnswer) throw notAnswered(answer, doing, context);
  return answer;
}

/** Codes of a registry that has no such subject, version or schema are 404 and two digits. */
const isOfAbsence = (code: unknown): boolean => typeof code === 'number' && code > 40_400 && code < 40_500;

/** A registry answers no question with a page or a redirect, and says with a code of its own that it has no such thing. */
const isElsewhere = ({ status, body }: Answer): boolean =>
  status === 404 || (status >= 300 && status < 400) || (status >= 200 && status < 300 && body === undefined);

/** For an answer that says neither yes nor no. @param doing names the request */
export function notAnswered(answer: Answer, doing: string, context: RelayError['context'] = {}): RelayError {
  const { status, body, at } = answer;
  const said = typeof body?.message === 'string' ? body.message.slice(0, 500) : 'no explanation';
  const noRegistry = status === 404 ? noRegistryThere : '';
  return new RelayError('REGISTRY_UNAVAILABLE', `${doing} at ${at}: status ${status}, ${said}${noRegistry}`, {
    context,
    ...(isElsewhere(answer) ? { hint: elsewhereHint } : {}),
  });
}

const elsewhereHint =
  'Something answers at the address of registry.url (SCHEMA_REGISTRY_URL), but not as a schema registry with the Confluent API does. Correct the address and its path: Apicurio has this API below /apis/ccompat/v7, most others at the root. If a proxy or a login stands before the registry, look there.';

/** A registry answers with a code of its own that it has no such thing. */
const noRegistryThere =
  '; no registry with the Confluent API answers below registry.url: perhaps its path is missing, which is /apis/ccompat/v7 for Apicurio';

type Place = {
  readonly url: URL;
  /** For this connection. */
  readonly tls: TlsOptions | undefined;
};

type Question = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: object | undefined;
};

type Headers = Readonly<Record<string, string>>;

export type RegistryAccess = {
  /** Without credentials; at least one. */
  readonly urls: readonly URL[];
  /** For the next request. `token` is one that can be replaced. @throws RelayError CREDENTIALS_* */
  credentials(): Promise<{ readonly headers: Headers; readonly token: Token | undefined }>;
  refused(token: Token): void;
  /** For the next connection. */
  tls(url: URL): TlsOptions | undefined;
};

/**
 * How the registry is reached.
 * @throws RelayError CONFIG_INVALID when there is no URL, or a file of certificates or keys cannot be used
 */
export function registryAccess(registry: Config['registry']): RegistryAccess {
  if (registry.url === undefined)
    throw new RelayError('CONFIG_INVALID', 'registry.url is not set, so the registry cannot be asked');
  const urls = registry.url.split(',').map((text) => new URL(text));
  const fixed = authorizationOf(registry, urls[0]!);
  // Nor parameters, which another client that gets the address would send, or quote.
  for (const url of urls) [url.username, url.password, url.search] = ['', '', ''];
  const tls = urls.some(({ protocol }) => protocol === 'https:') ? freshTls(registry) : undefined;
  const source = tokensOf(registry);
  return {
    urls,
    async credentials() {
      const token = await source?.get();
      const authorization = token === undefined ? fixed : `Bearer ${token.value}`;
      return {
        headers: { ...registry.headers, ...(authorization === undefined ? {} : { authorization }) },
        token,
      };
    },
    refused: (token) => source?.refused(token),
    tls: (url) => (url.protocol === 'https:' ? tls?.() : undefined),
  };
}

/** One for all that ask this registry: they share the token. */
const sources = new WeakMap<Config['registry'], TokenSource>();

function tokensOf(registry: Config['registry']): TokenSource | undefined {
  const { tokenFile: file, oauth, timeoutMs } = registry;
  if (file !== undefined) return tokenFile(file);
  if (oauth.tokenEndpoint === undefined) return undefined;
  const known = sources.get(registry);
  if (known !== undefined) return known;
  // The rules of the configuration see to it that the client is set.
  const source = new RenewedToken(() => requestToken(oauth as typeof oauth & OAuthClient, timeoutMs));
  sources.set(registry, source);
  return source;
}

/** Settings win over the URL. */
function authorizationOf({ token, username, password }: Config['registry'], url: URL): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  const user = username ?? decodeURIComponent(url.username);
  const secret = username === undefined ? decodeURIComponent(url.password) : (password ?? '');
  if (user === '' && secret === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}
