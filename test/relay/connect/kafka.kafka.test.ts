import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KafkaJSConnectionError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } from 'kafkajs';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createKafka, kafkaError, kafkaErrorType } from '../../../relay/connect/kafka.ts';
import { RelayError } from '../../../relay/errors.ts';
import { servers } from '../../support/servers.ts';
import { configOf } from '../settings.ts';

const impatient = { KAFKA_CONNECT_TIMEOUT_MS: 500 };
const fewRetries = { retry: { retries: 1, initialRetryTime: 5 } };

/** A port that forwards to another one of this machine; `change` may alter what comes back. */
async function openDoor(host: string, to: number, change = (answer: Buffer) => answer) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(to, '127.0.0.1');
    for (const socket of [client, target]) sockets.add(socket.on('error', () => {}));
    client.pipe(target);
    target.on('data', (answer: Buffer) => client.write(change(answer)));
    target.on('close', () => client.destroy());
  }).listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** In an answer that names brokers, each as a host and a port of four bytes. */
function rewritePort(answer: Buffer, from: number, to: number): Buffer {
  const host = Buffer.from('127.0.0.1');
  const copy = Buffer.from(answer);
  for (let at = copy.indexOf(host); at >= 0; at = copy.indexOf(host, at + 1)) {
    const place = at + host.length;
    if (copy.readInt32BE(place) === from) copy.writeInt32BE(to, place);
  }
  return copy;
}

const silent = pino({ level: 'silent' });

/** As the client wraps what a broker answered. */
const answered = (type: string) => Object.assign(new KafkaJSProtocolError(`answer ${type}`), { type });
const wrapped = (cause: Error) => new KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 3, retryTime: 30 });

describe('an error of the client', () => {
  test.each([
    ['PRODUCER_FENCED', 'PRODUCER_FENCED'],
    ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'],
    ['TOPIC_AUTHORIZATION_FAILED', 'KAFKA_UNAUTHORIZED'],
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'KAFKA_UNAUTHORIZED'],
    ['INVALID_TRANSACTION_TIMEOUT', 'KAFKA_UNSUITABLE'],
    ['NOT_LEADER_FOR_PARTITION', 'KAFKA_UNAVAILABLE'],
    ['REQUEST_TIMED_OUT', 'KAFKA_UNAVAILABLE'],
  ])('%s is %s, bare or wrapped', (type, code) => {
    for (const error of [answered(type), wrapped(answered(type)), wrapped(wrapped(answered(type)))]) {
      const failure = kafkaError(error, 'trying');
      expect([failure.code, failure.context.kafkaError, failure.cause]).toEqual([code, type, error]);
    }
  });

  test('a question that was not answered names the broker', () => {
    const silence = Object.assign(new Error('Request Metadata(key: 3, version: 6) timed out'), {
      name: 'KafkaJSRequestTimeoutError',
      broker: 'b1.example:9092',
    });
    for (const error of [silence, wrapped(silence)])
      expect(kafkaError(error, 'looking up topics').message).toBe(
        'looking up topics: Request Metadata(key: 3, version: 6) timed out; the broker at b1.example:9092 did not answer',
      );
  });

  test.each([
    ['SASL PLAIN authentication failed: Closed connection', 'KAFKA_UNAVAILABLE'],
    ['SASL SCRAM SHA256 authentication failed: Connection error: read ECONNRESET', 'KAFKA_UNAVAILABLE'],
    ['SASL PLAIN authentication failed: Connection timeout', 'KAFKA_UNAVAILABLE'],
    ['SASL PLAIN authentication failed: Not connected', 'KAFKA_UNAVAILABLE'],
    [
      'SASL PLAIN authentication failed: Request SaslAuthenticate(key: 36, version: 1) timed out',
      'KAFKA_UNAVAILABLE',
    ],
    [
      'SASL PLAIN authentication failed: Authentication failed: Invalid username or password',
      'KAFKA_UNAUTHORIZED',
    ],
    ['SASL SCRAM SHA512 authentication failed: Authentication failed', 'KAFKA_UNAUTHORIZED'],
    ['SASL PLAIN mechanism is not supported by the server', 'KAFKA_UNAUTHORIZED'],
    // Brokers without SaslAuthenticate close the connection on a wrong password.
    ['SASL PLAIN authentication failed: Connection closed by the server', 'KAFKA_UNAUTHORIZED'],
  ])('while signing in, "%s" is %s', (message, code) => {
    const error = Object.assign(new Error(message), { name: 'KafkaJSSASLAuthenticationError' });
    createKafka(configOf({ KAFKA_CLIENT_ID: 'who' }), pino({ level: 'silent' }));
    const failure = kafkaError(wrapped(error), 'connecting');
    expect(failure.code).toBe(code);
    // A refusal says who refused.
    if (code === 'KAFKA_UNAUTHORIZED')
      expect(failure.message).toContain(`${message}; refused by the cluster at `);
  });

  test('without a code of its own gets the code of the caller', () => {
    const lost = new KafkaJSConnectionError('Connection lost');
    expect(kafkaError(lost, 'trying').code).toBe('KAFKA_UNAVAILABLE');
    expect(kafkaError(lost, 'publishing', 'PUBLISH_UNCERTAIN').code).toBe('PUBLISH_UNCERTAIN');
    expect(kafkaError('no error at all', 'trying').code).toBe('KAFKA_UNAVAILABLE');
  });

  test('that is a RelayError already is returned unchanged', () => {
    const error = new RelayError('PUBLISH_UNCERTAIN', 'x');
    expect(kafkaError(error, 'y')).toBe(error);
  });

  test('that is its own cause ends the search', () => {
    const loop = new Error('loop');
    loop.cause = loop;
    expect(kafkaErrorType(loop)).toBeUndefined();
  });
});

describe('connecting', () => {
  test('reaches the brokers', async () => {
    const { brokers } = await servers();
    const admin = createKafka(configOf({}, { brokers }), silent).admin();
    await admin.connect();
    expect((await admin.describeCluster()).brokers.length).toBeGreaterThan(0);
    await admin.disconnect();
  });

  test('to a closed port fails as unavailable', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const config = configOf({ KAFKA_CONNECT_TIMEOUT_MS: 200 }, { brokers: [`127.0.0.1:${port}`] });
    const admin = createKafka(config, silent).admin({ retry: { retries: 1, initialRetryTime: 5 } });
    const failure = await admin.connect().then(
      () => undefined,
      (error: unknown) => kafkaError(error, 'connecting'),
    );
    await admin.disconnect();
    expect(failure?.code).toBe('KAFKA_UNAVAILABLE');
  });

  test('reaches a broker at an IPv6 address, and quotes the address as configured if it fails', async () => {
    const [broker] = (await servers()).brokers;
    await using door = await openDoor('::1', Number(broker!.split(':')[1]));
    const ask = async (address: string) => {
      const admin = createKafka(configOf(impatient, { brokers: [address] }), silent).admin(fewRetries);
      try {
        await admin.connect();
        return (await admin.describeCluster()).brokers.length;
      } finally {
        await admin.disconnect();
      }
    };
    expect(await ask(`[::1]:${door.port}`)).toBeGreaterThan(0);
    const failure = await ask('[::1]:1').catch((error: unknown) => kafkaError(error, 'connecting'));
    expect(failure).toMatchObject({ message: expect.stringContaining('ECONNREFUSED ::1:1') });
  });

  test('names an advertised address that cannot be reached, and the cluster that advertises it', async () => {
    const [broker] = (await servers()).brokers;
    const port = Number(broker!.split(':')[1]);
    // As with a wrong advertised.listeners: the broker answers, and sends its clients to a closed port.
    await using door = await openDoor('127.0.0.1', port, (answer) => rewritePort(answer, port, 1));
    const address = `127.0.0.1:${door.port}`;
    const admin = createKafka(configOf(impatient, { brokers: [address] }), silent).admin(fewRetries);
    const asked = admin.connect().then(() => admin.fetchTopicMetadata({ topics: [] }));
    const failure = await asked.catch((error: unknown) => kafkaError(error, 'looking up topics'));
    await admin.disconnect();
    expect(failure).toMatchObject({
      code: 'KAFKA_UNAVAILABLE',
      message: expect.stringMatching(
        `the cluster at ${address} advertises 127.0.0.1:1 as the address of a broker`,
      ),
    });
  });

  test('with a certificate file that cannot be read is a configuration error', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'relay-'));
    const file = path.join(folder, 'missing.pem');
    const config = configOf({ KAFKA_SSL: true, KAFKA_SSL_CA_FILE: file }, { brokers: ['x:1'] });
    expect(() => createKafka(config, silent)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    await rm(folder, { recursive: true });
  });
});

test('errors that kafkajs logs are logged at debug level, because it retries most of them', async () => {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const kafka = createKafka(configOf({}, { brokers: ['x:1'] }), log);
  kafka.logger().error('it failed', { error: 'why' });
  kafka.logger().info('it goes on');
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    [20, 'it failed'],
    [10, 'it goes on'],
  ]);
});
