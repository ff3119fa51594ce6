/** Signing in to a real registry: behind a proxy that lets through who a real identity provider gave a token. */
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Decoder } from '../../../relay/audit/decoder.ts';
import { RegistryHttp } from '../../../relay/connect/registry-http.ts';
import { RegistryClient } from '../../../relay/encode/registry/registry-client.ts';
import type { RelayError } from '../../../relay/errors.ts';
import { versionsOfSchema } from '../../../relay/operations/find-event/schema-versions.ts';
import { SubjectHistory } from '../../../relay/operations/schemas/subject-history.ts';
import { audience, type OidcServer, scope, startOidc } from '../../support/oidc.ts';
import { servers } from '../../support/servers.ts';
import { configOf } from '../settings.ts';

const secret = 'canary-secret';
let oidc: OidcServer;
let registryUrl: URL;
let proxy: Server;
/** What the proxy saw last, and which token it lets through; undefined for every one. */
let headers: NodeJS.Dict<string | string[]> = {};
let refused = new Set<string>();

beforeAll(async () => {
  oidc = await startOidc(secret, ['registry']);
  registryUrl = new URL((await servers()).registryUrl);
  proxy = createServer(async (asked, answer) => {
    headers = asked.headers;
    const token = /^Bearer (.+)$/.exec(asked.headers.authorization ?? '')?.[1] ?? '';
    const [, claims = ''] = token.split('.');
    const known = claims !== '' && JSON.parse(Buffer.from(claims, 'base64url').toString()).aud === audience;
    if (!known || refused.has(token)) return void answer.writeHead(401).end('{}');
    const { hostname, port } = registryUrl;
    const { method, url } = asked;
    const behind = httpRequest({ hostname, port, method, path: url?.replace('/prefix', '') }, (said) => {
      answer.writeHead(said.statusCode ?? 502);
      said.pipe(answer);
    });
    asked.pipe(behind);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await oidc[Symbol.asyncDispose]();
});
beforeEach(() => {
  refused = new Set();
});

const url = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/prefix${registryUrl.pathname}`;

const oauth = (change: Record<string, string> = {}) => ({
  REGISTRY_OAUTH_TOKEN_ENDPOINT: oidc.tokenEndpoint,
  REGISTRY_OAUTH_CLIENT_ID: 'registry',
  REGISTRY_OAUTH_CLIENT_SECRET: secret,
  REGISTRY_OAUTH_AUTH_METHOD: 'client_secret_basic',
  REGISTRY_OAUTH_SCOPE: scope,
  REGISTRY_OAUTH_PARAMETERS: `resource=${audience}`,
  ...change,
});

const registryAt = (urls: string, settings: Record<string, string>) =>
  new RegistryHttp({ ...configOf(settings).registry, url: urls });

/** The status of the answer, also of one that refuses. */
const subjects = (http: RegistryHttp): Promise<unknown> =>
  http.ask('asking', 'GET', '/subjects').then(
    ({ status }) => status,
    (error: RelayError) => {
      if (error.code !== 'REGISTRY_UNAUTHORIZED') throw error;
      return error.context.status;
    },
  );

test('a token of the endpoint opens the registry below its path, with the headers that it wants', async () => {
  const http = registryAt(url(), {
    ...oauth(),
    REGISTRY_HEADERS: 'target-sr-cluster=lsrc-1,Confluent-Identity-Pool-Id=pool-1',
  });
  const before = oidc.given('registry');
  expect([await subjects(http), await subjects(http)]).toEqual([200, 200]);
  expect(headers).toMatchObject({ 'target-sr-cluster': 'lsrc-1', 'confluent-identity-pool-id': 'pool-1' });
  expect(oidc.given('registry') - before).toBe(1);
});

test('a token that the registry refuses is replaced once; then the answer counts', async () => {
  const http = registryAt(url(), oauth());
  expect(await subjects(http)).toBe(200);
  const first = String(headers.authorization).replace('Bearer ', '');
  refused = new Set([first]);
  expect(await subjects(http)).toBe(200);
  expect(headers.authorization).not.toContain(first);
  const other = registryAt(url(), oauth({ REGISTRY_OAUTH_PARAMETERS: 'resource=https://other.example' }));
  expect(await subjects(other)).toBe(401);
});

test('an endpoint that refuses the client is told apart from a registry that is away', async () => {
  const failure = (http: RegistryHttp) =>
    subjects(http).catch(({ code, message }: RelayError) => `${code}: ${message}`);
  const wrong = await failure(registryAt(url(), oauth({ REGISTRY_OAUTH_CLIENT_SECRET: `${secret}x` })));
  expect(wrong).toMatch(/^CREDENTIALS_REFUSED: the token endpoint .* answered 401, invalid_client/);
  expect(wrong).not.toContain('canary');
  expect(await failure(registryAt('http://127.0.0.1:1/', oauth()))).toMatch(
    /^REGISTRY_UNAVAILABLE: asking at 127\.0\.0\.1:1: /,
  );
});

test('TLS at a port without TLS does not pass by waiting, and a path that is missing is named', async () => {
  const { registry } = configOf({});
  const failureAt = async (url: string) =>
    new RegistryClient({ ...registry, url })
      .ping()
      .catch(({ code, message }: RelayError) => `${code}: ${message}`);
  expect(await failureAt(registryUrl.href.replace('http:', 'https:'))).toMatch(
    /^TLS_REFUSED: .*wrong version number/,
  );
  expect(await failureAt(registryUrl.origin)).toMatch(
    /^REGISTRY_UNAVAILABLE: .*status 404.*; no registry .*perhaps its path is missing/,
  );
});

test('whoever asks at a wrong path is told its address and what to correct, also of a schema by its id', async () => {
  const registry = { ...configOf({}).registry, url: registryUrl.origin };
  // A framed value of schema 305.
  const value = Buffer.from([0, 0, 0, 1, 49, 2]);
  const asked = [
    async () => (await Decoder.create(registry)).prepare([value]),
    () => versionsOfSchema(new RegistryHttp(registry), 305),
    () => new RegistryClient(registry).byId(305),
    () => new SubjectHistory(registry).level('a'),
  ];
  for (const ask of asked)
    await expect(ask()).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(
        RegExp(`at ${registryUrl.host}: status 404.*perhaps its path is missing`),
      ),
      hint: expect.stringContaining('Correct the address and its path'),
    });
});

test('a token file is read for each request', async () => {
  const file = path.join(tmpdir(), `registry-token-${process.pid}`);
  const http = registryAt(url(), { REGISTRY_TOKEN_FILE: file });
  await writeFile(file, `${await oidc.token('registry')}\n`);
  expect(await subjects(http)).toBe(200);
  await writeFile(file, 'another');
  expect(await subjects(http)).toBe(401);
  await rm(file);
});

test('of several URLs the first that answers is asked, and stays the first until it fails', async () => {
  const http = registryAt(`http://127.0.0.1:1/,${url()}`, oauth());
  expect(await subjects(http)).toBe(200);
  expect(await subjects(http)).toBe(200);
  const away = registryAt('http://127.0.0.1:1/,http://127.0.0.1:2/', oauth());
  await expect(subjects(away)).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    message: expect.stringContaining('127.0.0.1:2'),
  });
});
