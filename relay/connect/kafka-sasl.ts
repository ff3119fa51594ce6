/**
 * Owns how the relay signs in to Kafka, and when it does so again on a connection that is open (KIP-368). kafkajs does
 * most of it. Three things it does not:
 *
 * - A broker answers a token that it does not accept with a reason and no error code (RFC 7628). kafkajs takes that for
 *   success, and the broker closes the connection at the next request: a wrong audience would look like an outage.
 * - kafkajs signs in again 10 s before the end of the session. With a session that is no longer than that, it would do so
 *   before each request, which brokers refuse within a second.
 * - It asks for the token after the handshake. If none can be had, the connection is of no use any more.
 */
import type { AuthenticationProviderArgs, Mechanism, SASLOptions } from 'kafkajs';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import { type OAuthClient, requestToken } from './credentials/client-credentials.ts';
import { requestMskToken } from './credentials/msk-iam.ts';
import { RenewedToken } from './credentials/renewed-token.ts';
import { describeClaims, type Token, type TokenSource } from './credentials/token.ts';
import { tokenFile } from './credentials/token-file.ts';
import { internal, missingInternal } from './kafkajs-internal.ts';

type Kafka = Config['kafka'];

/** Called before each sign-in, while the connection is as it was. */
const prepare = Symbol('prepare');

type Prepared = Mechanism & { readonly [prepare]: () => Promise<unknown> };

export function saslOptions(kafka: Kafka, log: Logger): SASLOptions | Mechanism | undefined {
  const { saslMechanism: mechanism } = kafka;
  if (mechanism === undefined) return undefined;
  if (mechanism === 'oauthbearer' || mechanism === 'aws-iam')
    return bearer(signInOf(kafka, log), kafka.oauth.extensions);
  return { mechanism, username: kafka.saslUsername ?? '', password: kafka.saslPassword ?? '' } as SASLOptions;
}

type SignIn = { readonly source: TokenSource; readonly refusals: Refusals };

/** One for all clients of a configuration, however many are created: they share the token. */
const signIns = new WeakMap<Kafka, SignIn>();

function signInOf(kafka: Kafka, log: Logger): SignIn {
  const known = signIns.get(kafka);
  if (known !== undefined) return known;
  const signIn = { source: createSource(kafka, log), refusals: new Refusals() };
  signIns.set(kafka, signIn);
  return signIn;
}

function createSource({ saslMechanism, oauth, connectTimeoutMs, ...kafka }: Kafka, log: Logger): TokenSource {
  if (oauth.tokenFile !== undefined) return tokenFile(oauth.tokenFile);
  const onLate = (failure: RelayError, countsUntilMs: number) =>
    log.warn(
      { code: failure.code, reason: failure.message, countsUntil: new Date(countsUntilMs).toISOString() },
      'the token for Kafka cannot be renewed; the current one still counts',
    );
  if (saslMechanism === 'aws-iam')
    return new RenewedToken(() => requestMskToken(kafka.awsRegion ?? '', kafka.awsRoleArn), { onLate });
  // The rules of the configuration see to it that endpoint and client are set.
  const client = oauth as typeof oauth & OAuthClient;
  return new RenewedToken(() => requestToken(client, connectTimeoutMs), { onLate });
}

function bearer({ source, refusals }: SignIn, extensions: Kafka['oauth']['extensions']): Prepared {
  return {
    mechanism: 'oauthbearer',
    [prepare]: () => source.get(),
    authenticationProvider: ({ saslAuthenticate }: AuthenticationProviderArgs) => ({
      async authenticate() {
        const token = await source.get();
        const refusal = await presentToken(saslAuthenticate, token, extensions);
        if (refusal === undefined) return refusals.accepted();
        source.refused(token);
        throw refusals.judge(refusal, token);
      },
    }),
  };
}

const separator = '\u0001';

/** @see https://datatracker.ietf.org/doc/html/rfc7628#section-3.1 */
function firstMessage(token: Token, extensions: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(extensions).map(([name, value]) => `${name}=${value}${separator}`);
  return `n,,${separator}auth=Bearer ${token.value}${separator}${pairs.join('')}${separator}`;
}

/** @returns why the broker refuses the token; undefined if it accepts it. @throws the client's errors */
async function presentToken(
  saslAuthenticate: AuthenticationProviderArgs['saslAuthenticate'],
  token: Token,
  extensions: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const reason = await exchange(firstMessage(token, extensions));
  if (reason === '') return undefined;
  // The broker ends the exchange, with an error, only after this message.
  await exchange(separator).catch(() => {});
  return reason;

  async function exchange(message: string): Promise<string> {
    const bytes = Buffer.from(message);
    const frame = Buffer.alloc(4 + bytes.length);
    frame.writeInt32BE(bytes.length, 0);
    bytes.copy(frame, 4);
    const said = await saslAuthenticate<string>({
      request: { encode: () => frame },
      // The bytes come with their length before them.
      response: { decode: (answer) => answer, parse: (answer) => answer.subarray(4).toString() },
    });
    return said ?? '';
  }
}

/**
 * A broker that has not seen the newest signing key of the issuer yet refuses good tokens for a moment. A process whose
 * tokens were accepted before therefore goes on trying for some time; one that was never accepted stops at once.
 */
export class Refusals {
  readonly #now: () => number;
  #wasAccepted = false;
  #sinceMs: number | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  accepted(): void {
    this.#wasAccepted = true;
    this.#sinceMs = undefined;
  }

  judge(reason: string, token: Token): Error {
    const said = `OAUTHBEARER: the broker refused the token: ${reason.slice(0, 300)}; ${describeClaims(token.value)}`;
    this.#sinceMs ??= this.#now();
    const mayPass = this.#wasAccepted && this.#now() - this.#sinceMs < refusedForMs;
    // By its name, `kafkaErrorType` knows it.
    if (!mayPass) return Object.assign(new Error(said), { name: 'KafkaJSSASLAuthenticationError' });
    return new RelayError(
      'KAFKA_UNAVAILABLE',
      `${said}; the broker accepted tokens before, so the relay retries`,
    );
  }
}

const refusedForMs = 30_000;

type Authenticator = {
  readonly connection: { readonly sasl: Partial<Prepared>; reauthenticationThreshold: number };
  /** In ms, as text; 0 for no limit. */
  readonly sessionLifetime: string;
};

/**
 * The part of a session after which to sign in again. As in Kafka's own client: many clients that signed in together do
 * not come back together.
 */
const [earliest, latest] = [0.85, 0.95];
/** A broker refuses to be asked again within a second. */
const leastMs = 1_100;
/** A request that waits for its turn on a busy machine must not come after the end of the session. */
const slackMs = 1_000;

/** How long before its end a session is renewed. A whole number, which is all that kafkajs takes. */
export function thresholdMs(lifetimeMs: number, random: () => number = Math.random): number {
  const part = lifetimeMs * (earliest + (latest - earliest) * random());
  return Math.round(lifetimeMs - Math.max(leastMs, Math.min(part, lifetimeMs - slackMs)));
}

function patchAuthenticator(): void {
  const module = 'kafkajs/src/broker/saslAuthenticator';
  const { prototype } = internal<{
    prototype: { authenticate(this: Authenticator): Promise<void> };
  }>(module);
  const { authenticate } = prototype;
  if (typeof authenticate !== 'function') throw missingInternal(module);
  prototype.authenticate = async function () {
    const { connection } = this;
    await connection.sasl[prepare]?.();
    await authenticate.call(this);
    const lifetimeMs = Number(this.sessionLifetime);
    if (lifetimeMs > 0) connection.reauthenticationThreshold = thresholdMs(lifetimeMs);
  };
}
patchAuthenticator();
