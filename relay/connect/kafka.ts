/** Owns how the relay connects to Kafka, and what errors of Kafka mean. */
import type { ConnectionOptions } from 'node:tls';
import { type Admin, type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import type { Logger } from 'pino';
import { forKafkajs, realHost, withRealHosts } from '../config/broker-address.ts';
import type { Config } from '../config/config.ts';
import { type ErrorCode, messageOf, RelayError } from '../errors.ts';
import './compression/codecs.ts';
import './kafkajs-metadata.ts';
import { saslOptions } from './kafka-sasl.ts';
import { internal } from './kafkajs-internal.ts';
import { freshTls, plainMessage, tlsRefusal } from './tls.ts';

const connectSocket = internal<() => ISocketFactory>('kafkajs/src/network/socketFactory')();

/** For `describeConfigs`. Its name in kafkajs, `ConfigResourceTypes.TOPIC`, cannot be imported from an ES module. */
export const topicResource = 2;

/**
 * A client of the cluster. Its own retries are short: the caller decides what a failure means.
 * @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used.
 */
export function createKafka(config: Config, log: Logger): Kafka {
  const { kafka } = config;
  bootstrap = kafka.brokers;
  const sasl = saslOptions(kafka, log);
  const tls = kafka.ssl ? freshTls(kafka) : undefined;
  return new Kafka({
    clientId: kafka.clientId,
    brokers: kafka.brokers.map(forKafkajs),
    socketFactory: ({ host, ...rest }) =>
      connectSocket({ ...rest, host: realHost(host), ssl: tls?.() as ConnectionOptions }),
    connectionTimeout: kafka.connectTimeoutMs,
    authenticationTimeout: kafka.connectTimeoutMs,
    requestTimeout: kafka.requestTimeoutMs,
    enforceRequestTimeout: true,
    ssl: kafka.ssl,
    ...(sasl === undefined ? {} : { sasl }),
    // InitProducerId answers CONCURRENT_TRANSACTIONS while the broker aborts the predecessor's transaction.
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 8 },
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => logKafka(log, entry.level, entry.namespace, entry.log),
  });
}

/** @throws RelayError KAFKA_* */
export function connectAdmin(admin: Admin): Promise<void> {
  return admin.connect().catch((error: unknown) => {
    throw kafkaError(error, 'connecting to Kafka');
  });
}

/** kafkajs logs what it retries as errors. Here these are details of what the relay reports itself. */
function logKafka(
  log: Logger,
  level: logLevel,
  namespace: string,
  entry: { message: string; error?: unknown },
): void {
  const error = typeof entry.error === 'string' ? entry.error : undefined;
  if (level <= logLevel.WARN) log.debug({ namespace, error }, entry.message);
  else log.trace({ namespace }, entry.message);
}

/** Kafka's error types for which a retry does not help, and those that say that another relay took over. */
const codeOfType: Readonly<Record<string, ErrorCode>> = {
  PRODUCER_FENCED: 'PRODUCER_FENCED',
  INVALID_PRODUCER_EPOCH: 'PRODUCER_FENCED',
  TLS_REFUSED: 'TLS_REFUSED',
  SASL_AUTHENTICATION_FAILED: 'KAFKA_UNAUTHORIZED',
  TOPIC_AUTHORIZATION_FAILED: 'KAFKA_UNAUTHORIZED',
  GROUP_AUTHORIZATION_FAILED: 'KAFKA_UNAUTHORIZED',
  CLUSTER_AUTHORIZATION_FAILED: 'KAFKA_UNAUTHORIZED',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'KAFKA_UNAUTHORIZED',
  INVALID_TRANSACTION_TIMEOUT: 'KAFKA_UNSUITABLE',
  POLICY_VIOLATION: 'KAFKA_UNSUITABLE',
  UNSUPPORTED_VERSION: 'KAFKA_UNSUITABLE',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'KAFKA_UNSUITABLE',
};

/**
 * kafkajs calls every failure during sign-in a failed authentication, and keeps only the message of the cause. These
 * are the messages of a lost connection, or of a missing answer: a broker that dies at that time must not look like a
 * refusal.
 */
const lostWhileSigningIn =
  /failed: (?:Closed connection|Connection error: |Connection timeout|Failed to connect: |Not connected|Request .* timed out)/;

/**
 * The broker's error type beneath the wrappers of kafkajs, for example `CONCURRENT_TRANSACTIONS`; `TLS_REFUSED` if TLS
 * failed before.
 */
export function kafkaErrorType(error: unknown): string | undefined {
  for (const current of withCauses(error)) {
    if ('type' in current && typeof current.type === 'string' && current.type !== '')
      return isThrottled.test(current.message) ? 'THROTTLING_QUOTA_EXCEEDED' : current.type;
    if (current.name === 'KafkaJSSASLAuthenticationError')
      return lostWhileSigningIn.test(current.message) ? 'NETWORK_EXCEPTION' : 'SASL_AUTHENTICATION_FAILED';
  }
  return tlsRefusal(error) === undefined ? undefined : 'TLS_REFUSED';
}

/** Code 89, for which kafkajs has no name. */
const isThrottled = /^Unknown error code 89$/;

/** kafkajs wraps an error a few times; more than this is a circle. */
const depthMax = 8;

/** An error and those beneath it, the outermost first. */
function* withCauses(error: unknown): Generator<Error> {
  let current = error;
  for (let depth = 0; current instanceof Error && depth < depthMax; depth++) {
    yield current;
    current = causeOf(current);
  }
}

/** createTopics fails with a list of one error per topic; the relay creates one topic at a time. */
function causeOf(error: Error): unknown {
  return 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause;
}

/** The configured addresses of the latest client. */
let bootstrap: readonly string[] = [];

/**
 * An explanation for a failed connection to an address that is not configured: brokers tell clients their addresses,
 * and these may be unreachable from here.
 */
function advertisedAddress(error: unknown): string {
  for (const current of withCauses(error)) {
    const broker = 'broker' in current && typeof current.broker === 'string' ? current.broker : undefined;
    if (current.name !== 'KafkaJSConnectionError' || broker === undefined) continue;
    if (bootstrap.length === 0 || bootstrap.map(forKafkajs).includes(broker)) return '';
    return `; the cluster at ${bootstrap.join(', ')} advertises ${broker} as the address of a broker (advertised.listeners), and it cannot be reached from here`;
  }
  return '';
}

/** kafkajs says only which question was not answered. */
function silentBroker(error: unknown): string {
  for (const current of withCauses(error))
    if (current.name === 'KafkaJSRequestTimeoutError' && 'broker' in current)
      return withRealHosts(`; the broker at ${current.broker} did not answer`);
  return '';
}

/** An error of ours, such as one of signing in, beneath the wrappers of kafkajs. */
function relayErrorOf(error: unknown): RelayError | undefined {
  for (const current of withCauses(error)) if (current instanceof RelayError) return current;
  return undefined;
}

/** Turns a client's error into a `RelayError`. @param otherwise the code of an error without a meaning of its own */
export function kafkaError(
  error: unknown,
  doing: string,
  otherwise: ErrorCode = 'KAFKA_UNAVAILABLE',
): RelayError {
  const own = relayErrorOf(error);
  if (own !== undefined) return own;
  const type = kafkaErrorType(error);
  const message = withRealHosts(plainMessage(messageOf(error)));
  // A refusal of the brokers, which do not say who they are.
  const refusing = type === 'SASL_AUTHENTICATION_FAILED' && bootstrap.length > 0;
  const where = refusing
    ? `; refused by the cluster at ${bootstrap.join(', ')}`
    : advertisedAddress(error) || silentBroker(error);
  return new RelayError(codeOfType[type ?? ''] ?? otherwise, `${doing}: ${message}${where}`, {
    cause: error,
    context: { kafkaError: type },
  });
}
