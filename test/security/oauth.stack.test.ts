/**
 * Signing in with OAuth, on a real broker that verifies signed tokens and ends sessions with them, and a real identity
 * provider that gives them.
 */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type RelayProcess, settingsEnv } from '../../harness/relay-process.ts';
import { type ErrorCode, hints } from '../../relay/errors.ts';
import { fixOf } from '../../relay/operations/check/finding.ts';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { openRun, type Run } from '../../stack/run.ts';
import { expectOnceInOrder } from '../relay/once-in-order.ts';
import { World } from '../relay/world.ts';
import { audience, type OidcServer, scope, startOidc } from '../support/oidc.ts';
import { check, said, startRelay } from './relay-run.ts';

/** What no log may hold. */
const secret = 'se:cret/canary+=';
const security = 'org.apache.kafka.common.security.oauthbearer';

let run: Run;
let oidc: OidcServer;
let kafka: Kafka;

beforeAll(async () => {
  run = await openRun();
  oidc = await startOidc(secret, ['lean', 'kafkajs', 'relay']);
  kafka = await startKafka({
    run,
    quickStart: true,
    listeners: { OAUTH: 'SASL_PLAINTEXT' },
    settings: {
      'listener.name.oauth.sasl.enabled.mechanisms': 'OAUTHBEARER',
      'listener.name.oauth.oauthbearer.sasl.server.callback.handler.class': `${security}.OAuthBearerValidatorCallbackHandler`,
      'listener.name.oauth.oauthbearer.sasl.jaas.config': `${security}.OAuthBearerLoginModule required;`,
      // Kafka 4.1.0 otherwise takes the one that clients use, which verifies neither signature nor audience.
      'sasl.oauthbearer.jwt.validator.class': `${security}.BrokerJwtValidator`,
      'listener.name.oauth.oauthbearer.sasl.oauthbearer.jwks.endpoint.url': oidc.jwksUri,
      'sasl.oauthbearer.expected.audience': audience,
      'sasl.oauthbearer.expected.issuer': oidc.issuer,
      // Sessions end with their token, and connections with their session.
      'listener.name.oauth.oauthbearer.connections.max.reauth.ms': 3_600_000,
    },
    jvmArgs: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${oidc.jwksUri}`],
  });
});

afterAll(async () => {
  await run?.end();
  await oidc?.[Symbol.asyncDispose]();
});

/** Each relay signs in as a client of its own. */
const signIn = (client: string, change: Record<string, string> = {}) => ({
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_OAUTH_TOKEN_ENDPOINT: oidc.tokenEndpoint,
  KAFKA_OAUTH_CLIENT_ID: client,
  KAFKA_OAUTH_CLIENT_SECRET: secret,
  KAFKA_OAUTH_SCOPE: scope,
  KAFKA_OAUTH_PARAMETERS: `resource=${audience}`,
  ...change,
});

const addresses = () => ({
  KAFKA_BROKERS: kafka.brokersOf('OAUTH').join(','),
  OUTBOX_RELAY_SCHEMAS_DIRECTORY: '/nonexistent',
});

/** No secret of the client, no token (the beginning of every JWT), no header with either. */
function expectNoSecret(all: unknown): void {
  expect(JSON.stringify(all)).not.toMatch(/canary|eyJ|Basic |Bearer [^-]/);
}

afterEach(() => expectNoSecret(said.splice(0)));

const sessions = ({ lines }: RelayProcess) => lines.filter(({ state }) => state === 'streaming').length;

test('relays with both producers publish while tokens expire again and again, and while none can be had', async () => {
  oidc.lifeSeconds = 5;
  const scenes = await Promise.all(
    (['lean', 'kafkajs'] as const).map(async (producer) => {
      const world = await World.create(6, { brokers: kafka.brokers });
      const settings = { PUBLISH_PRODUCER: producer, LOG_LEVEL: 'trace', ...signIn(producer) };
      const relay = world.startRelay(settings, addresses());
      await relay.streaming();
      const ids: string[] = [];
      const write = async () => {
        const seq = ids.length;
        ids.push(...(await world.write([{ key: `key-${seq % 5}`, seq }])));
      };
      return { producer, world, relay, ids, write };
    }),
  );
  try {
    await Promise.all(
      scenes.map(async ({ producer, relay, write }) => {
        const goal = oidc.given(producer) + 3;
        while (oidc.given(producer) < goal) await write();
        // In place: a renewal costs no session, unless this machine is too busy for one of them to come in time.
        expect(sessions(relay)).toBeLessThanOrEqual(2);
      }),
    );
    await oidc.close();
    await Promise.all(
      scenes.map(async ({ relay, write }) => {
        await relay.line(({ err }) => err?.code === 'CREDENTIALS_UNAVAILABLE');
        await write();
      }),
    );
    await oidc.listen();
    for (const { world, relay, ids } of scenes) {
      expectOnceInOrder(await world.read(ids), ids);
      expectNoSecret([relay.lines, relay.strays, relay.stderr]);
    }
  } finally {
    await Promise.all(scenes.map(({ world }) => world[Symbol.asyncDispose]()));
  }
});

type Case = readonly [what: string, code: ErrorCode, words: RegExp, change: () => Record<string, string>];

const wrong: readonly Case[] = [
  [
    'a wrong client secret',
    'CREDENTIALS_REFUSED',
    /\/token answered 401, invalid_client/,
    () => ({ KAFKA_OAUTH_CLIENT_SECRET: `${secret}wrong` }),
  ],
  [
    'a scope that the client may not have',
    'CREDENTIALS_REFUSED',
    /\/token answered 400, invalid_scope/,
    () => ({ KAFKA_OAUTH_SCOPE: 'other' }),
  ],
  [
    'an audience that the broker does not expect',
    'KAFKA_UNAUTHORIZED',
    /the broker refused the token: .*invalid_token.*; its claims are .* aud "https:\/\/other\.example"/,
    () => ({ KAFKA_OAUTH_PARAMETERS: 'resource=https://other.example' }),
  ],
];

test.each(wrong)(
  '%s ends the relay with one message, and is one red line in check',
  async (_, code, words, change) => {
    await using world = await World.create(1, { brokers: kafka.brokers });
    const env = { ...world.env, ...settingsEnv(signIn('relay', change())), ...addresses() };
    await using run = startRelay(env);
    const [found, { error }] = await Promise.all([check(env), run.stopped]);
    expect([error.code, error.message, error.hint]).toEqual([
      code,
      expect.stringMatching(words),
      hints[code],
    ]);
    expect(found.filter(({ status }) => status === 'fail')).toEqual([
      expect.objectContaining({ message: expect.stringMatching(words), fix: fixOf({ code }) }),
    ]);
    const told = run.lines.filter((line) => line.includes('stopped itself;'));
    expect(told).toEqual([expect.stringMatching(code)]);
  },
);

test('a token file that has expired is one message, until it is renewed', async () => {
  const file = path.join(run.dir, 'token');
  const expired = Buffer.from(JSON.stringify({ exp: 1_700_000_000 })).toString('base64url');
  await writeFile(file, `eyJhbGciOiJSUzI1NiJ9.${expired}.c2ln`);
  await using world = await World.create(1, { brokers: kafka.brokers });
  const settings = { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_TOKEN_FILE: file };
  const env = { ...world.env, ...settingsEnv(settings), ...addresses() };
  await using relay = startRelay(env);
  await relay.heard('session failed');
  const [red] = (await check(env)).filter(({ status }) => status === 'fail');
  expect(red?.message).toMatch(/token expired at 2023-11-14T22:13:20.000Z/);
  oidc.lifeSeconds = 300;
  const token = await oidc.token('relay');
  await writeFile(file, token);
  await relay.streaming;
  const reported = relay.lines.filter((line) => line.includes('"level":"warn"') && line.includes('"err"'));
  const codes = reported.map((line) => (JSON.parse(line) as { err: { code: string } }).err.code);
  expect(new Set(codes)).toEqual(new Set(['CREDENTIALS_UNAVAILABLE']));
  await rm(file);
});
