/** Owns what a bearer token is, and what can be read from one without knowing its key. */
import { RelayError } from '../../errors.ts';
import { parseObject } from '../http.ts';

export type Token = {
  readonly value: string;
  /** In ms since 1970; undefined where nobody says. */
  readonly expiresAtMs: number | undefined;
};

/** Where tokens come from. It hands out each for as long as it is of use. */
export type TokenSource = {
  /** @throws RelayError CREDENTIALS_*, CONFIG_INVALID; without a cause, so that no wrapper of kafkajs hides it */
  get(): Promise<Token>;
  /** The server that the token is for refused it: the next one must be another. */
  refused(token: Token): void;
};

/** Every other character could end the header, or the message of SASL, that carries the token (RFC 6750, b64token). */
const tokenPattern = /^[A-Za-z0-9\-._~+/]+=*$/;

/** @param where it was read from, for the message */
export function checkedToken(text: string, where: string): string {
  if (tokenPattern.test(text)) return text;
  const fault = text === '' ? 'contains no token' : 'contains something other than a bearer token';
  throw new RelayError('CREDENTIALS_UNAVAILABLE', `${where} ${fault}`);
}

type Claims = Readonly<Record<string, unknown>>;

/** The claims of a JWT, unverified; undefined for any other token. */
export function claimsOf(token: string): Claims | undefined {
  const [, payload, ...rest] = token.split('.');
  if (payload === undefined || rest.length !== 1) return undefined;
  return parseObject(Buffer.from(payload, 'base64url').toString());
}

export function expiryOf(token: string): number | undefined {
  const expiry = claimsOf(token)?.exp;
  return typeof expiry === 'number' ? expiry * 1_000 : undefined;
}

/** The claims that a server decides by, for the message of a refusal. None of them is a secret. */
export function describeClaims(token: string): string {
  const claims = claimsOf(token);
  if (claims === undefined) return 'it is no JWT';
  const known = ['iss', 'aud', 'sub', 'scope', 'scp'].filter((name) => claims[name] !== undefined);
  const said = known.map((name) => `${name} ${JSON.stringify(claims[name]).slice(0, 200)}`);
  const expiry = expiryOf(token);
  if (expiry !== undefined) said.push(`exp ${new Date(expiry).toISOString()}`);
  return `its claims are ${said.join(', ') || 'none that the relay knows'}`;
}
