/**
 * Every setting: type, default, unit and description in one place. The table in docs/reference/settings.md, `outbox-relay config`, the names
 * of the environment variables and the validation all come from here.
 */
import { z } from 'zod';
import { addressFault, parseBrokerAddress } from './broker-address.ts';
import { policies } from './policies.ts';
import { allowList, isLegalTopic, isProgressTopic } from './topic-patterns.ts';
import { urlFault } from './url.ts';

export type SettingMeta = {
  readonly kind: 'string' | 'integer' | 'boolean' | 'list' | 'map';
  readonly description: string;
  /** Environment variable, where it is not the one derived from the path. */
  readonly env?: string;
  /** Shown as `***`; a URL keeps everything but its password. */
  readonly secret?: 'whole' | 'url';
};

const text = (description: string, fallback: string, extra: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1, 'must not be empty')
    .default(fallback)
    .meta({ kind: 'string', description, ...extra });

/** Of which the empty one says that there is none. */
const textOrNone = (description: string, fallback: string) =>
  z.string().default(fallback).meta({ kind: 'string', description });

const optionalText = (description: string, extra: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1)
    .optional()
    .meta({ kind: 'string', description, ...extra });

const integer = (description: string, fallback: number, minimum: number, maximum: number) =>
  z.number().int().min(minimum).max(maximum).default(fallback).meta({ kind: 'integer', description });

const optionalInteger = (description: string, minimum: number, maximum: number) =>
  z.number().int().min(minimum).max(maximum).optional().meta({ kind: 'integer', description });

const flag = (description: string, fallback: boolean) =>
  z.boolean().default(fallback).meta({ kind: 'boolean', description });

const choice = <const T extends readonly [string, ...string[]]>(
  description: string,
  options: T,
  fallback: T[number],
) => z.enum(options).default(fallback).meta({ kind: 'string', description });

/** A section takes its defaults from its keys, so that an absent section equals an empty one. */
const section = <T extends z.ZodRawShape>(shape: T) => z.prefault(z.strictObject(shape), {} as never);

const isBrokerAddress = (text: string): boolean => parseBrokerAddress(text) !== undefined;

const MiB = 1024 * 1024;

/** Of a server: by its protocol, or what is wrong with the rest. */
const address = (protocol: RegExp, message: string, example: string) =>
  z.string({ error: `is required, for example ${example}` }).superRefine((text, context) => {
    const fault = protocol.test(text) ? urlFault(text) : message;
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

export const configSchema = z.strictObject({
  slot: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and _, as Postgres asks of a slot name')
    .default('outbox_relay')
    .meta({
      kind: 'string',
      description:
        'Name of the logical replication slot; also the key of the progress in Kafka. One slot, one stream.',
    }),
  publication: text('Name of the publication that covers the outbox table.', 'outbox_relay'),

  database: section({
    url: address(
      /^postgres(ql)?:\/\//,
      'must start with postgres:// or postgresql://',
      'postgres://relay@db.example:5432/shop',
    ).meta({
      kind: 'string',
      env: 'DATABASE_URL',
      secret: 'url',
      description:
        'Connection string of the database that holds the outbox. Straight to Postgres, not through a pooler. TLS by its parameters: `?sslmode=verify-full&sslrootcert=ca.pem`, and `sslcert`, `sslkey` for a client certificate.',
    }),
    connectTimeoutMs: integer('How long opening a connection may take, in ms.', 10_000, 100, 600_000),
    statementTimeoutMs: integer('How long one bookkeeping statement may take, in ms.', 15_000, 100, 600_000),
  }),

  outbox: section({
    table: z
      .string()
      .regex(/^[^.]+\.[^.]+$/, 'must be schema.table')
      .default('outbox.event')
      .meta({ kind: 'string', description: 'The outbox table, as `schema.table`.' }),
    columns: section({
      id: text('Column of the event id (which has to be unique; travels as the header `id`).', 'id'),
      aggregatetype: text('Column that chooses the topic.', 'aggregatetype'),
      aggregateid: text('Column that becomes the record key; order holds per key.', 'aggregateid'),
      type: text('Column that names the event type, and with it the schema.', 'type'),
      payload: text('Column of the JSON payload (json, jsonb or text).', 'payload'),
      headers: textOrNone(
        'Column of the headers, a JSON object of strings; empty if the table has none.',
        'headers',
      ),
      createdAt: textOrNone(
        'Column of the time the event was written; empty if the table has none.',
        'created_at',
      ),
    }),
    partitionsDaysAhead: integer(
      'How many daily partitions of outbox.event to keep ready; 0 if the table is not ours to partition.',
      7,
      0,
      365,
    ),
  }),

  kafka: section({
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
    clientId: text('Client id shown in the logs and quotas of the brokers.', 'outbox-relay'),
    transactionalIdPrefix: text('The transactional id is `<prefix>.<slot>`.', 'outbox-relay'),
    progressTopic: text(
      'Compacted topic of one partition that holds the progress; created if absent. `{slot}` stands for the name of the slot: with a topic each, an open transaction of one slot holds up no other.',
      'outbox-relay.progress.{slot}',
    ),
    ssl: flag('Speak TLS to the brokers.', false),
    sslCaFile: optionalText('File with the certificate authorities to trust, PEM.'),
    sslCertFile: optionalText('File with the client certificate, PEM.'),
    sslKeyFile: optionalText('File with the client key, PEM.'),
    saslMechanism: z
      .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
      .optional()
      .meta({ kind: 'string', description: 'SASL mechanism: plain, scram-sha-256 or scram-sha-512.' }),
    saslUsername: optionalText('SASL user.'),
    saslPassword: optionalText('SASL password.', { secret: 'whole' }),
    connectTimeoutMs: integer(
      'How long opening a connection to a broker may take, in ms.',
      5_000,
      100,
      600_000,
    ),
    requestTimeoutMs: integer(
      'How long a broker may take to answer before the outcome counts as unknown, in ms.',
      15_000,
      1_000,
      600_000,
    ),
    transactionTimeoutMs: integer(
      'After how long the broker aborts a transaction whose relay went silent, in ms; consumers of its partitions wait that long if nobody takes over.',
      60_000,
      5_000,
      900_000,
    ),
  }),

  registry: section({
    url: address(/^https?:\/\//, 'must start with http:// or https://', 'http://registry:8081').meta({
      kind: 'string',
      env: 'SCHEMA_REGISTRY_URL',
      secret: 'url',
      description: 'Schema registry with the Confluent API.',
    }),
    username: optionalText('User for basic authentication.'),
    password: optionalText('Password for basic authentication.', { secret: 'whole' }),
    // A line end that came along with the token would end as an outage: no such header can be sent.
    token: z
      .string()
      .regex(/^[!-~]+$/, 'must be of printable ASCII without spaces')
      .optional()
      .meta({ kind: 'string', description: 'Token for bearer authentication.', secret: 'whole' }),
    sslCaFile: optionalText('File with the certificate authorities to trust, PEM; for https.'),
    sslCertFile: optionalText('File with the client certificate, PEM.'),
    sslKeyFile: optionalText('File with the client key, PEM.'),
    timeoutMs: integer('How long the registry may take to answer, in ms.', 5_000, 100, 600_000),
    latestTtlMs: integer(
      'For how long the latest version of a subject is kept before it is asked for again, in ms.',
      60_000,
      0,
      86_400_000,
    ),
  }),

  schemas: section({
    directory: text('Directory of `.avsc` files for `outbox-relay schemas register`.', 'schemas'),
    subjectStrategy: choice(
      'Subject of an event: `topic` = `<topic>-value`, `record` = full record name, `topic-record` = `<topic>-<full record name>`.',
      ['topic', 'record', 'topic-record'],
      'topic-record',
    ),
    namespace: textOrNone('Namespace put before a `type` that has no dot, to give the full record name.', ''),
    typeMatch: choice(
      'What `type` has to name: `record` = the record of the schema, in a union the branch, by full name, by alias, or without a namespace by simple name; other events are refused. `any` = a schema of one record takes every type, and where a type names no branch of a union the payload has to: `{"<branch>": …}`.',
      ['record', 'any'],
      'record',
    ),
    versions: z
      .array(z.string().regex(/^[^=\s,]+=[1-9]\d{0,8}$/, 'must be <subject>=<version>'))
      .default([])
      .meta({
        kind: 'list',
        description:
          'Versions that subjects are held at, as `<subject>=<version>`; others take the latest. The header `schema-version` of a row wins.',
      }),
    bytes: choice(
      'How a payload writes Avro bytes and fixed: `base64` (padded), `base64url` (unpadded), `hex`, or `latin1`, the form of Avro’s own JSON: a character a byte.',
      ['base64', 'base64url', 'hex', 'latin1'],
      'base64',
    ),
  }),

  topics: section({
    template: text(
      'Topic of an event; `{aggregatetype}` and `{type}` stand for the columns.',
      'outbox.event.{aggregatetype}',
    ),
    allow: z.array(z.string().min(1)).min(1).default(['outbox.event.*']).meta({
      kind: 'list',
      description:
        'Topics that events may go to; `*` stands for any characters, at the beginning not for `_`. A row can never choose another.',
    }),
    tombstones: z.array(z.string().min(1)).default([]).meta({
      kind: 'list',
      description:
        'Topics that take tombstones, compacted ones; `*` stands for any characters. There an event whose payload is NULL or JSON null becomes a record without a value; elsewhere it is refused.',
    }),
    create: flag('Create an allowed topic that does not exist, with the settings below.', true),
    createMax: integer(
      'The relay creates no topic once topics.allow has this many; their names come from rows, and a topic costs every broker.',
      200,
      0,
      1_000_000,
    ),
    createPerMinute: integer(
      'Most topics that the relay creates in a minute; the stream waits for the next.',
      30,
      1,
      10_000,
    ),
    partitions: integer(
      'Partitions of a topic the relay creates; -1 = the default of the broker.',
      -1,
      -1,
      100_000,
    ),
    replicationFactor: integer(
      'Replicas of a topic the relay creates; -1 = the default of the broker.',
      -1,
      -1,
      100,
    ),
  }),

  publish: section({
    producer: choice(
      'Which producer writes to Kafka: `lean`, our own, or `kafkajs`, the public one of that library, at several times the CPU.',
      ['lean', 'kafkajs'],
      'lean',
    ),
    maxTransactionEvents: integer(
      'Most events in one Kafka transaction; a larger Postgres transaction is split.',
      10_000,
      1,
      1_000_000,
    ),
    maxTransactionBytes: integer(
      'Most bytes in one Kafka transaction; a larger Postgres transaction is split.',
      16 * MiB,
      1_024,
      1024 * MiB,
    ),
    batchEvents: integer(
      'A Kafka transaction takes in no further Postgres transactions once it holds this many events.',
      2_000,
      1,
      1_000_000,
    ),
    batchBytes: integer(
      'A Kafka transaction takes in no further Postgres transactions once it holds this many bytes.',
      MiB,
      1_024,
      1024 * MiB,
    ),
    lingerMs: integer(
      'Least time from the begin of a Kafka transaction to the begin of the next, for events to share it; the first event after a silence waits not at all, with 0 none does.',
      4,
      0,
      10_000,
    ),
    maxRecordBytes: optionalInteger(
      'Largest encoded event, where it is to be less than its topic takes (max.message.bytes); anything over it is a dead letter.',
      1_024,
      100 * MiB,
    ),
    maxRowBytes: optionalInteger(
      'Largest row of the outbox table, as the bytes of its columns in text. It is judged before the payload is read as JSON, which takes up to 31 times its bytes of memory; the dead letter of a larger one holds no payload. Unset: four times publish.maxRecordBytes, or 4 MiB where that is unset too.',
      64 * 1024,
      256 * MiB,
    ),
  }),

  capture: section({
    maxInFlightBytes: integer(
      'Most bytes of events in memory; above it the relay stops reading from Postgres.',
      16 * MiB,
      64 * 1024,
      4096 * MiB,
    ),
    walSenderTimeoutMs: integer(
      'wal_sender_timeout of our own replication connection, in ms: after that long without a sign of life Postgres frees the slot for a standby.',
      10_000,
      3_000,
      600_000,
    ),
    watchdogMs: integer(
      'Reopen the replication connection when nothing arrived for this long, in ms.',
      15_000,
      3_000,
      600_000,
    ),
    standbyPollMs: integer('How often a standby tries to take the slot, in ms.', 500, 50, 60_000),
    failoverSlot: flag(
      'Make the slot as a failover slot where Postgres can (17 and newer), so that a standby server with sync_replication_slots keeps a copy of it.',
      true,
    ),
    heartbeatMs: integer(
      'How often a heartbeat row is written: it moves the slot when only other tables are written and proves that the publication still works.',
      10_000,
      500,
      3_600_000,
    ),
  }),

  deadLetters: section({
    policy: choice(
      'What happens to an event that cannot be published: `dead-letter` sets it aside and goes on, `park-key` has the later events of its topic and key wait too until it is released, `halt` stops the relay.',
      policies,
      'dead-letter',
    ),
    policies: z
      .array(z.string().regex(/^[^=\s,]+=(dead-letter|park-key|halt)$/, 'must be <topic>=<policy>'))
      .default([])
      .meta({
        kind: 'list',
        description:
          'Policies by topic, as `<topic>=<policy>`; `*` stands for any characters, the first that fits counts. Other topics, and events of no topic, have `deadLetters.policy`.',
      }),
    topic: optionalText(
      'Topic that gets a record of each refused event too: its JSON as it is, and the reason in headers. Not one of `topics.allow`.',
    ),
    keepClosed: integer(
      'Closed dead letters (resubmitted, discarded, released) that the relay keeps, the latest ones; 0 = all.',
      0,
      0,
      100_000_000,
    ),
    keepClosedDays: integer(
      'For how many days the relay keeps closed dead letters; 0 = for ever.',
      0,
      0,
      36_500,
    ),
    stormPercent: integer(
      'The relay stops when more than this share of the events of a minute is refused, in percent; 100 = never.',
      50,
      1,
      100,
    ),
    stormMinEvents: integer('Fewer events in that minute than this never stop it.', 1_000, 1, 1_000_000),
  }),

  retry: section({
    initialDelayMs: integer(
      'First pause after a failure, in ms; doubled each time, with full jitter.',
      100,
      1,
      60_000,
    ),
    maxDelayMs: integer('Longest pause after a failure, in ms.', 15_000, 10, 600_000),
    unclearAttempts: integer(
      'How often an event is tried again whose encoding fails for a reason that may or may not pass, such as a defect, before it becomes a dead letter.',
      5,
      0,
      100,
    ),
    notReadyAfterMs: integer('After how long of failing `/readyz` turns false, in ms.', 30_000, 0, 3_600_000),
  }),

  http: section({
    host: text('Address of /livez, /readyz and /metrics.', '127.0.0.1'),
    port: integer('Port of /livez, /readyz and /metrics; 0 = any free one.', 9465, 0, 65_535),
  }),

  log: section({
    level: choice(
      'Least severe level that is logged.',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      'info',
    ),
  }),

  shutdownMs: integer('How long draining may take after SIGTERM, in ms.', 8_000, 100, 600_000),
});

export type Config = z.output<typeof configSchema>;

const namesFiles = (section: Config['kafka'] | Config['registry']): boolean =>
  (section.sslCaFile ?? section.sslCertFile ?? section.sslKeyFile) !== undefined;

/** Events go to other topics, `verify` reads those, and progress and Kafka's own are nobody else's. */
const isDeadLetterTopic = (topic: string, allowed: readonly string[], progressTopic: string): boolean =>
  isLegalTopic(topic) &&
  !isProgressTopic(topic, progressTopic) &&
  !topic.startsWith('__') &&
  !allowList(allowed, progressTopic).test(topic);

/** Each slot has its own progress topic where the setting says so; a row must not reach that of another slot either. */
export function reachesOtherProgress(template: string, { topics, kafka }: Config): boolean {
  const another = template.replaceAll('{slot}', 'of_another_slot');
  return another !== template && allowList(topics.allow, kafka.progressTopic).test(another);
}

/** Rules between settings; each gives the key it concerns. */
export const configRules: readonly ((config: Config) => { key: string; message: string } | undefined)[] = [
  ({ outbox: { columns } }) => {
    const names = Object.values(columns).filter((name) => name !== '');
    return new Set(names).size < names.length
      ? { key: 'outbox.columns', message: 'must name each column once' }
      : undefined;
  },
  (config) =>
    config.kafka.saslMechanism !== undefined &&
    (config.kafka.saslUsername === undefined || config.kafka.saslPassword === undefined)
      ? { key: 'kafka.saslMechanism', message: 'needs kafka.saslUsername and kafka.saslPassword' }
      : undefined,
  ({ kafka }) =>
    kafka.saslMechanism === undefined && (kafka.saslUsername ?? kafka.saslPassword) !== undefined
      ? { key: 'kafka.saslMechanism', message: 'is needed where kafka.saslUsername or kafka.saslPassword is' }
      : undefined,
  ({ kafka }) =>
    !kafka.ssl && namesFiles(kafka)
      ? { key: 'kafka.ssl', message: 'must be true for certificate files to be used' }
      : undefined,
  ({ registry }) =>
    !registry.url.startsWith('https:') && namesFiles(registry)
      ? { key: 'registry.url', message: 'must start with https:// for certificate files to be used' }
      : undefined,
  ({ kafka, registry }) => {
    const half = Object.entries({ kafka, registry }).find(
      ([, { sslCertFile, sslKeyFile }]) => (sslCertFile === undefined) !== (sslKeyFile === undefined),
    );
    return half === undefined
      ? undefined
      : { key: `${half[0]}.sslCertFile`, message: `and ${half[0]}.sslKeyFile must be given together` };
  },
  ({ registry }) =>
    registry.token !== undefined && (registry.username ?? registry.password) !== undefined
      ? { key: 'registry.token', message: 'and registry.username exclude each other' }
      : undefined,
  ({ registry }) =>
    registry.password !== undefined && registry.username === undefined
      ? { key: 'registry.username', message: 'is needed where registry.password is' }
      : undefined,
  (config) =>
    config.publish.batchEvents > config.publish.maxTransactionEvents
      ? { key: 'publish.batchEvents', message: 'must not exceed publish.maxTransactionEvents' }
      : undefined,
  (config) =>
    config.publish.batchBytes > config.publish.maxTransactionBytes
      ? { key: 'publish.batchBytes', message: 'must not exceed publish.maxTransactionBytes' }
      : undefined,
  (config) =>
    config.publish.maxTransactionBytes > config.capture.maxInFlightBytes
      ? { key: 'publish.maxTransactionBytes', message: 'must not exceed capture.maxInFlightBytes' }
      : undefined,
  (config) =>
    config.capture.watchdogMs < config.capture.walSenderTimeoutMs
      ? {
          key: 'capture.watchdogMs',
          message:
            'must not be below capture.walSenderTimeoutMs, since a quiet server speaks only every half of that',
        }
      : undefined,
  (config) =>
    config.topics.allow.includes(config.kafka.progressTopic) ||
    config.topics.template === config.kafka.progressTopic
      ? { key: 'topics.allow', message: 'must not contain kafka.progressTopic' }
      : undefined,
  ({ kafka }) =>
    isLegalTopic(kafka.progressTopic)
      ? undefined
      : {
          key: 'kafka.progressTopic',
          message: 'must be a legal topic name; only {slot} stands for something',
        },
  ({ deadLetters: { topic }, topics, kafka }) =>
    topic !== undefined && !isDeadLetterTopic(topic, topics.allow, kafka.progressTopic)
      ? {
          key: 'deadLetters.topic',
          message: 'must be a legal topic name, outside topics.allow and not internal',
        }
      : undefined,
  (config) =>
    config.retry.initialDelayMs > config.retry.maxDelayMs
      ? { key: 'retry.initialDelayMs', message: 'must not exceed retry.maxDelayMs' }
      : undefined,
];
