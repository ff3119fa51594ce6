/** How the relay connects to Kafka, and what its errors mean. */
import { createRequire } from 'node:module';
import { type ISocketFactory, Kafka, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from 'pino';
import { forKafkajs, realHost, withRealHosts } from '../config/broker-address.ts';
import type { Config } from '../config/config.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import './compression/codecs.ts';
import { plainMessage, tlsOptions, tlsRefusal } from './tls.ts';

const kafkajsSocketFactory = createRequire(import.meta.url)(
  'kafkajs/src/network/socketFactory',
) as () => ISocketFactory;
const connectSocket = kafkajsSocketFactory();

/**
 * A client of the cluster. Its own retries are short: whoever calls decides what a failure means.
 * @throws RelayError CONFIG_INVALID when a file of certificates or keys cannot be used.
 */
export function createKafka(config: Config, log: Logger): Kafka {
  const { kafka } = config;
  bootstrap = kafka.brokers;
  const sasl = saslOptions(config);
  return new Kafka({
    clientId: kafka.clientId,
    brokers: kafka.brokers.map(forKafkajs),
    socketFactory: ({ host, ...rest }) => connectSocket({ host: realHost(host), ...rest }),
    connectionTimeout: kafka.connectTimeoutMs,
    authenticationTimeout: kafka.connectTimeoutMs,
    requestTimeout: kafka.requestTimeoutMs,
    enforceRequestTimeout: true,
    ssl: kafka.ssl && tlsOptions(kafka),
    ...(sasl === undefined ? {} : { sasl }),
    // InitProducerId answers CONCURRENT_TRANSACTIONS while the predecessor's transaction is being aborted.
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 8 },
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => logKafka(log, entry.level, entry.namespace, entry.log),
  });
}

/** kafkajs logs what it retries as errors; here they are details of something the relay reports itself. */
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

function saslOptions({ kafka }: Config): SASLOptions | undefined {
  if (kafka.saslMechanism === undefined) return undefined;
  return {
    mechanism: kafka.saslMechanism,
    username: kafka.saslUsername ?? '',
    password: kafka.saslPassword ?? '',
  } as SASLOptions;
}

/** Kafka's error types that do not pass by waiting, and the one that says that another relay took over. */
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
 * kafkajs calls whatever ends the sign-in a failed authentication, and keeps of the cause only its words: those of a
 * connection that was lost, or on which no answer came. A broker that dies just then must not look like a refusal.
 */
const lostWhileSigningIn =
  /failed: (?:Closed connection|Connection error: |Connection timeout|Failed to connect: |Not connected|Request .* timed out)/;

/**
 * The broker's error type at the bottom of kafkajs's wrappers, for example `CONCURRENT_TRANSACTIONS`; `TLS_REFUSED` where
 * it did not come to that.
 */
export function kafkaErrorType(error: unknown): string | undefined {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = causeOf(current), depth++
  ) {
    if ('type' in current && typeof current.type === 'string' && current.type !== '')
      return isThrottled.test(current.message) ? 'THROTTLING_QUOTA_EXCEEDED' : current.type;
    if (current.name === 'KafkaJSSASLAuthenticationError')
      return lostWhileSigningIn.test(current.message) ? 'NETWORK_EXCEPTION' : 'SASL_AUTHENTICATION_FAILED';
  }
  return tlsRefusal(error) === undefined ? undefined : 'TLS_REFUSED';
}

/** Of code 89, which kafkajs has no name for. */
const isThrottled = /^Unknown error code 89$/;

/** createTopics gives a list of one error a topic; we create one at a time. */
function causeOf(error: Error): unknown {
  return 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause;
}

/** The addresses of the configuration that the latest client was made with. */
let bootstrap: readonly string[] = [];

/**
 * What to say of a connection that failed to an address that nobody configured: brokers tell clients where they are, and
 * that may be a name or a port that is out of reach from here.
 */
function advertisedAddress(error: unknown): string {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = causeOf(current), depth++
  ) {
    const broker = 'broker' in current && typeof current.broker === 'string' ? current.broker : undefined;
    if (current.name !== 'KafkaJSConnectionError' || broker === undefined) continue;
    if (bootstrap.length === 0 || bootstrap.map(forKafkajs).includes(broker)) return '';
    return `; ${broker} is the address that the cluster at ${bootstrap.join(', ')} gives for a broker (advertised.listeners), and it cannot be reached from here`;
  }
  return '';
}

/** A client's error as a `RelayError`; `otherwise` is the code of whatever has no meaning of its own. */
export function kafkaError(
  error: unknown,
  doing: string,
  otherwise: ErrorCode = 'KAFKA_UNAVAILABLE',
): RelayError {
  if (error instanceof RelayError) return error;
  const type = kafkaErrorType(error);
  const message = withRealHosts(plainMessage(error instanceof Error ? error.message : String(error)));
  const advertised = advertisedAddress(error);
  return new RelayError(codeOfType[type ?? ''] ?? otherwise, `${doing}: ${message}${advertised}`, {
    cause: error,
    context: { kafkaError: type },
  });
}
