/**
 * A real provider of OpenID Connect (`oidc-provider`, certified) on loopback: it checks clients, scopes and resources, and
 * signs the access tokens as JWTs. A test sets how long they live, and takes the provider away and back.
 */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import Provider, { errors } from 'oidc-provider';
import { freePort } from '../../stack/port.ts';

export const audience = 'https://kafka.example';
export const scope = 'kafka';

export type OidcServer = AsyncDisposable & {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** Of tokens to come. */
  lifeSeconds: number;
  /** How many tokens the client got. */
  given(client: string): number;
  /** A token as the client gets it. */
  token(client: string): Promise<string>;
  /** Refuses connections until `listen`. */
  close(): Promise<void>;
  listen(): Promise<void>;
};

/** @param clients their ids, each with the same secret */
export async function startOidc(secret: string, clients: readonly string[]): Promise<OidcServer> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const state = { lifeSeconds: 300 };
  const given = new Map<string, number>();
  const provider = new Provider(issuer, {
    clients: clients.map((id) => ({
      client_id: id,
      client_secret: secret,
      scope,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    scopes: [scope, 'other'],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'first' }] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => {
          if (!resource.startsWith('https://')) throw new errors.InvalidTarget();
          return {
            scope: `${scope} other`,
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: state.lifeSeconds,
          };
        },
      },
    },
  });
  provider.on('client_credentials.issued', ({ clientId = '' }) => {
    given.set(clientId, (given.get(clientId) ?? 0) + 1);
  });
  let server: Server | undefined;
  const oidc: OidcServer = {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: `${issuer}/jwks`,
    get lifeSeconds() {
      return state.lifeSeconds;
    },
    set lifeSeconds(seconds) {
      state.lifeSeconds = seconds;
    },
    given: (client) => given.get(client) ?? 0,
    async token(client) {
      const answer = await fetch(oidc.tokenEndpoint, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client}:${encodeURIComponent(secret)}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
      });
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    async close() {
      server?.close();
      server?.closeAllConnections();
      if (server?.listening) await once(server, 'close');
      server = undefined;
    },
    async listen() {
      server = createServer(provider.callback()).listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    [Symbol.asyncDispose]: () => oidc.close(),
  };
  await oidc.listen();
  return oidc;
}
