/** Where events go: the brokers, the topics and the transactions. */
import { z } from 'zod';
import { addressFault, parseBrokerAddress } from '../broker-address.ts';
import { compressionNames } from '../compression-names.ts';
import { choice, flag, integer, MiB, optionalInteger, optionalText, section, text } from '../setting.ts';
import { extensions, oauthClient } from './oauth.ts';

const isBrokerAddress = (text: string): boolean => parseBrokerAddress(text) !== undefined;

export const kafka = section({
  brokers: z
    .array(z.string().refine(isBrokerAddress, { error: ({ input }) => addressFault(String(input)) }), {
      error: 'is required, for example kafka-1:9092,kafka-2:9092',
    })
    .min(1)
    .meta({
      kind: 'list',
      env: 'KAFKA_BROKERS',
      description: 'Bootstrap brokers, `host:port` or `[IPv6]:port`, separated by commas.',
    }),
  clientId: text('Client id, as the brokers log it and apply quotas to it.', 'outbox-relay'),
  transactionalIdPrefix: text('Prefix of the transactional id, which is `<prefix>.<slot>`.', 'outbox-relay'),
  progressTopic: text(
    'Topic that holds the progress: compacted, one partition, created if it does not exist. `{slot}` stands for the name of the slot. With a topic of its own, a slot never waits for an open transaction of another slot.',
    'outbox-relay.progress.{slot}',
  ),
  ssl: flag('Whether connections to the brokers use TLS.', false),
  sslCaFile: optionalText('PEM file with the certificate authorities to trust.'),
  sslCertFile: optionalText('File with the client certificate, PEM.'),
  sslKeyFile: optionalText('File with the client key, PEM.'),
  saslMechanism: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer', 'aws-iam'])
    .optional()
    .meta({
      kind: 'string',
      description:
        'SASL mechanism: `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer` (see `kafka.oauth`) or `aws-iam` for Amazon MSK, which needs the package `aws-msk-iam-sasl-signer-js`.',
    }),
  saslUsername: optionalText('SASL user name, for `plain` and `scram-sha-…`.'),
  saslPassword: optionalText('SASL password, for `plain` and `scram-sha-…`.', { secret: 'whole' }),
  oauth: section({
    ...oauthClient('Kafka'),
    tokenFile: optionalText(
      'File with a token for Kafka, instead of a token endpoint. Something else renews it, such as Kubernetes; the relay reads it each time that it signs in.',
    ),
    extensions,
  }),
  awsRegion: optionalText('AWS region of the MSK cluster, for `aws-iam`.'),
  awsRoleArn: optionalText(
    'ARN of an IAM role to assume, for `aws-iam`. Unset: the relay signs in as the identity that the AWS SDK finds.',
  ),
  connectTimeoutMs: integer('Longest time to open a connection to a broker, in ms.', 5_000, 100, 600_000),
  requestTimeoutMs: integer(
    'How long the relay waits for the answer of a broker, in ms. After that the outcome of the request counts as unknown.',
    15_000,
    1_000,
    600_000,
  ),
  transactionTimeoutMs: integer(
    'Time after which the brokers abort an unfinished transaction, in ms. If a relay dies and no other takes over, consumers of its partitions wait that long.',
    60_000,
    5_000,
    900_000,
  ),
});

export const topics = section({
  template: text(
    'Topic of an event. `{aggregatetype}` and `{type}` stand for the values of these columns.',
    'outbox.event.{aggregatetype}',
  ),
  allow: z.array(z.string().min(1)).min(1).default(['outbox.event.*']).meta({
    kind: 'list',
    description:
      'Topics that events may go to. `*` stands for any characters, but not for `_` at the beginning. No row can choose a topic outside this list.',
  }),
  tombstones: z.array(z.string().min(1)).default([]).meta({
    kind: 'list',
    description:
      'Compacted topics in which an event whose payload is NULL or JSON null becomes a record without a value (a tombstone). In other topics such an event is refused. `*` stands for any characters.',
  }),
  create: flag('Whether the relay creates a topic that `topics.allow` lists and that does not exist.', true),
  createMax: integer(
    'Limit on topics: the relay creates none once this many topics match `topics.allow`. Topic names come from rows, and each topic uses resources of every broker.',
    200,
    0,
    1_000_000,
  ),
  createPerMinute: integer(
    'Most topics that the relay creates per minute. An event that needs another one waits, and so does the stream.',
    30,
    1,
    10_000,
  ),
  partitions: integer(
    'Number of partitions of a topic that the relay creates; -1 = the default of the broker.',
    -1,
    -1,
    100_000,
  ),
  replicationFactor: integer(
    'Replication factor of a topic that the relay creates; -1 = the default of the broker.',
    -1,
    -1,
    100,
  ),
});

export const publish = section({
  producer: choice(
    'Which producer writes to Kafka: `lean`, which is part of the relay, or `kafkajs`, the producer of that library, which takes several times the CPU.',
    ['lean', 'kafkajs'],
    'lean',
  ),
  transactionVersion: choice(
    'Which of Kafka’s transaction protocols the producer `lean` uses: `auto` is version 2 where the cluster has `transaction.version` 2 (Kafka 4.0 or newer), and else version 1. `kafkajs` always uses version 1.',
    ['auto', '1'],
    '1',
  ),
  compression: choice(
    'How record batches are compressed: `none`, `gzip`, `snappy`, `lz4` or `zstd`. Every consumer must be able to read the codec: Java and librdkafka read `lz4`, but kafkajs, kafka-python and aiokafka need a package for it, and otherwise stop. Batches under 1 KiB, and those that compression would not make an eighth smaller, are sent as they are.',
    compressionNames,
    'lz4',
  ),
  partEvents: integer(
    'Number of events of a large Postgres transaction that the relay holds in memory at once. It sends them as parts of one Kafka transaction.',
    10_000,
    1,
    1_000_000,
  ),
  partBytes: integer(
    'Number of bytes of a large Postgres transaction that the relay holds in memory at once.',
    16 * MiB,
    1_024,
    1024 * MiB,
  ),
  maxTransactionEvents: integer(
    'Most events in one Kafka transaction; 0 = without limit. A larger Postgres transaction is split, and so is one that Kafka would abort because of `kafka.transactionTimeoutMs`.',
    0,
    0,
    1_000_000_000,
  ),
  maxTransactionBytes: integer(
    'Most bytes in one Kafka transaction; 0 = without limit. A larger Postgres transaction is split.',
    0,
    0,
    1024 * 1024 * MiB,
  ),
  batchEvents: integer(
    'Number of events at which a Kafka transaction is full: it then takes no further Postgres transactions. One over more than 20 partitions takes more in proportion, at most five times as many, because each partition costs the brokers a record batch and a marker.',
    2_000,
    1,
    1_000_000,
  ),
  batchBytes: integer(
    'Number of bytes at which a Kafka transaction is full: it then takes no further Postgres transactions. More over many partitions, as with `publish.batchEvents`.',
    MiB,
    1_024,
    1024 * MiB,
  ),
  lingerMs: integer(
    'Shortest time between the starts of two Kafka transactions, in ms, so that more events share one. The first event after a pause never waits; with 0 no event waits.',
    4,
    0,
    10_000,
  ),
  maxEventsPerSecond: integer(
    'Most events per second that the relay publishes; 0 = without limit. `outbox-relay rate-limit` overrides it while the relay runs.',
    0,
    0,
    1_000_000_000,
  ),
  maxBytesPerSecond: integer(
    'Most bytes of encoded events per second that the relay publishes; 0 = without limit. `outbox-relay rate-limit` overrides it while the relay runs.',
    0,
    0,
    1_000_000_000_000,
  ),
  maxRecordBytes: optionalInteger(
    'Largest encoded event, in bytes. Set it only to use a lower limit than `max.message.bytes` of the topic. A larger event becomes a dead letter.',
    1_024,
    100 * MiB,
  ),
  maxRowBytes: optionalInteger(
    'Largest row of the outbox table, in bytes of its columns as text. A larger row becomes a dead letter without its payload. The relay checks this before it parses the payload, since parsing takes up to 31 times the memory. Unset: four times `publish.maxRecordBytes`, or 4 MiB if that is unset too.',
    64 * 1024,
    256 * MiB,
  ),
});
