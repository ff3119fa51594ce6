import { describe, expect, test } from 'vitest';
import {
  encodeRequest,
  type OAuthClient,
  readAnswer,
} from '../../../../relay/connect/credentials/client-credentials.ts';
import { RelayError } from '../../../../relay/errors.ts';

const client: OAuthClient = {
  tokenEndpoint: 'https://idp.example/token',
  clientId: 'the relay',
  authMethod: 'client_secret_basic',
  scope: 'kafka:write extra',
  parameters: { audience: 'https://kafka.example/?a=1&b' },
};
const secret = 'se:cr+et/=é';

describe('the request for a token', () => {
  test('has the credentials in the header, form-encoded as the RFC says', () => {
    const { headers, body } = encodeRequest(client, secret);
    const [id, word] = Buffer.from(String(headers.authorization).replace('Basic ', ''), 'base64')
      .toString()
      .split(':')
      .map((part) => new URLSearchParams(`x=${part}`).get('x'));
    expect([id, word]).toEqual(['the relay', secret]);
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'client_credentials',
      scope: client.scope,
      ...client.parameters,
    });
    expect(headers['content-length']).toBe(Buffer.byteLength(body));
  });

  test('has them in the body on request', () => {
    const { headers, body } = encodeRequest({ ...client, authMethod: 'client_secret_post' }, secret);
    expect(headers).not.toHaveProperty('authorization');
    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
      client_id: 'the relay',
      client_secret: secret,
    });
  });
});

const read = (status: number, answer: unknown) => {
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
  return readAnswer({ status, text }, 'the token endpoint', 1_000_000, secret);
};
const failure = (status: number, answer: unknown) => {
  try {
    return read(status, answer);
  } catch (error) {
    return error instanceof RelayError ? [error.code, error.message] : error;
  }
};
const jwt = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;

describe('the answer', () => {
  test.each([
    [{ access_token: 'abc', token_type: 'Bearer', expires_in: 60 }, 1_059_000],
    [{ access_token: 'abc', expires_in: '60' }, 1_059_000],
    [{ access_token: 'abc', token_type: 'bearer' }, undefined],
    [{ access_token: jwt({ exp: 1_234 }) }, 1_234_000],
    [{ access_token: jwt({ exp: 1_234 }), expires_in: 10 }, 1_009_000],
  ])('%j expires at %s', (answer, expiresAtMs) => {
    expect(read(200, answer)).toEqual({ value: answer.access_token, expiresAtMs });
  });

  test.each([
    [401, { error: 'invalid_client' }, 'CREDENTIALS_REFUSED', 'answered 401, invalid_client'],
    [
      400,
      { error: 'invalid_scope', error_description: 'no\nsuch\u001b[2K scope' },
      'CREDENTIALS_REFUSED',
      'answered 400, invalid_scope: no such [2K scope',
    ],
    [
      401,
      { error: 'e', error_description: `your ${secret}!` },
      'CREDENTIALS_REFUSED',
      'answered 401, e: your ***!',
    ],
    [302, '', 'CREDENTIALS_REFUSED', 'answered 302'],
    [404, '<html>', 'CREDENTIALS_REFUSED', 'answered 404'],
    [429, {}, 'CREDENTIALS_UNAVAILABLE', 'answered 429'],
    [408, '', 'CREDENTIALS_UNAVAILABLE', 'answered 408'],
    [500, { error: 5 }, 'CREDENTIALS_UNAVAILABLE', 'answered 500'],
    [503, '', 'CREDENTIALS_UNAVAILABLE', 'answered 503'],
    [200, '<html>', 'CREDENTIALS_UNAVAILABLE', 'answered 200, but without an access_token'],
    [200, { access_token: '' }, 'CREDENTIALS_UNAVAILABLE', 'contains no token'],
    [
      200,
      { access_token: 'a\u0001auth=Bearer b' },
      'CREDENTIALS_UNAVAILABLE',
      'contains something other than a bearer token',
    ],
    [
      200,
      { access_token: 'a', token_type: 'DPoP' },
      'CREDENTIALS_REFUSED',
      'tokens of type DPoP, not Bearer',
    ],
  ])('%s %j is %s', (status, answer, code, message) => {
    expect(failure(status, answer)).toEqual([code, expect.stringContaining(message)]);
  });
});
