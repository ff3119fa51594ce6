/**
 * Owns the request for a token with the credentials of a client (OAuth 2.0, RFC 6749 section 4.4), and what the answers
 * mean. The secret is in no message.
 */
import { version as release } from '../../config/version.ts';
import { RelayError } from '../../errors.ts';
import { describeFailure, exchange, type HttpAnswer, parseObject } from '../http.ts';
import { tlsOptions, tlsRefusal } from '../tls.ts';
import { readSecret } from './file.ts';
import { checkedToken, expiryOf, type Token } from './token.ts';

export type OAuthClient = {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  readonly clientSecretFile?: string | undefined;
  readonly authMethod: 'client_secret_basic' | 'client_secret_post';
  readonly scope?: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  readonly sslCaFile?: string | undefined;
};

/**
 * @throws RelayError CREDENTIALS_REFUSED if the endpoint refuses the client or the request, CREDENTIALS_UNAVAILABLE if it
 * does not answer or answers with something else, TLS_REFUSED, CONFIG_INVALID
 */
export async function requestToken(client: OAuthClient, timeoutMs: number): Promise<Token> {
  const url = new URL(client.tokenEndpoint);
  const secret = await secretOf(client);
  const { headers, body } = encodeRequest(client, secret);
  const signal = AbortSignal.timeout(timeoutMs);
  const askedMs = Date.now();
  const where = `the token endpoint ${url.origin}${url.pathname}`;
  const tls = url.protocol === 'https:' ? tlsOptions(client) : undefined;
  let answer: HttpAnswer;
  try {
    answer = await exchange({ url, method: 'POST', headers, body, tls, agent: false, signal });
  } catch (error) {
    const why = signal.aborted ? `no answer within ${timeoutMs} ms` : describeFailure(error);
    const code = tlsRefusal(error) === undefined ? 'CREDENTIALS_UNAVAILABLE' : 'TLS_REFUSED';
    throw new RelayError(code, `${where}: ${why}`);
  }
  return readAnswer(answer, where, askedMs, secret);
}

/** The file is read for each request: a secret that was changed counts at once. */
async function secretOf({ clientSecret, clientSecretFile }: OAuthClient): Promise<string> {
  if (clientSecretFile === undefined) return clientSecret ?? '';
  const text = await readSecret(clientSecretFile, `the file with the client secret, ${clientSecretFile},`);
  return text.trim();
}

export function encodeRequest(
  { clientId, authMethod, scope, parameters }: OAuthClient,
  secret: string,
): { headers: Record<string, string | number>; body: string } {
  const isBasic = authMethod === 'client_secret_basic';
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(scope === undefined ? {} : { scope }),
    ...parameters,
    ...(isBasic ? {} : { client_id: clientId, client_secret: secret }),
  }).toString();
  const basic = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64');
  return {
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      'user-agent': `outbox-relay/${release}`,
      ...(isBasic ? { authorization: `Basic ${basic}` } : {}),
    },
    body,
  };
}

/** As RFC 6749 wants id and secret before they are joined by a colon. */
const formEncoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

/** Statuses with which a server asks to come again. */
const passing: ReadonlySet<number> = new Set([408, 425, 429]);

export function readAnswer(
  { status, text }: HttpAnswer,
  where: string,
  askedMs: number,
  secret: string,
): Token {
  const answer = parseObject(text);
  if (status !== 200) {
    const isRefusal = status >= 300 && status < 500 && !passing.has(status);
    throw new RelayError(
      isRefusal ? 'CREDENTIALS_REFUSED' : 'CREDENTIALS_UNAVAILABLE',
      `${where} answered ${status}${describeError(answer, secret)}`,
      { context: { status } },
    );
  }
  const { access_token: value, token_type: type, expires_in: seconds } = answer ?? {};
  if (typeof value !== 'string')
    throw new RelayError('CREDENTIALS_UNAVAILABLE', `${where} answered 200, but without an access_token`);
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer')
    throw new RelayError(
      'CREDENTIALS_REFUSED',
      `${where} gives tokens of type ${type.slice(0, 50)}, not Bearer`,
    );
  // A JWT counts whole seconds, and may end up to one earlier.
  const lifeSeconds = Number(seconds) - 1;
  return {
    value: checkedToken(value, `the answer of ${where}`),
    // From the request on: the answer may have taken long.
    expiresAtMs: lifeSeconds >= 0 ? askedMs + lifeSeconds * 1_000 : expiryOf(value),
  };
}

/** @see https://datatracker.ietf.org/doc/html/rfc6749#section-5.2 */
function describeError(answer: Readonly<Record<string, unknown>> | undefined, secret: string): string {
  const { error, error_description: description } = answer ?? {};
  const said = [error, description].filter((part) => typeof part === 'string').join(': ');
  if (said === '') return '';
  const safe = secret === '' ? said : said.replaceAll(secret, '***');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line end in it could forge a line of the log
  return `, ${safe.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 300)}`;
}
