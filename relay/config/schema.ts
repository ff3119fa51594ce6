/**
 * Every setting: type, default, unit and description in one place. The table in docs/reference/settings.md,
 * `outbox-relay config`, the names of the environment variables and the validation of each value come from here.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { addressFault, parseBrokerAddress } from './broker-address.ts';
import { compressionNames } from './compression-names.ts';
import { durationPattern } from './duration.ts';
import { logComponents, logLevels } from './log-components.ts';
import { ownTable } from './own-table.ts';
import { policies } from './policy-names.ts';
import { urlFault } from './url.ts';

export type SettingMeta = {
  readonly kind: 'string' | 'integer' | 'boolean' | 'list' | 'map';
  readonly description: string;
  /** Of a map: the names that it takes. */
  readonly names?: readonly string[];
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

/** Text for which the empty string means that there is none. */
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

/** A length of time as text, such as `3d`; `durationMs` reads it. */
const optionalDuration = (description: string, example: string) =>
  z
    .string()
    .regex(durationPattern, `must be a number and one of s, m, h or d, for example ${example}`)
    .optional()
    .meta({ kind: 'string', description });

const flag = (description: string, fallback: boolean) =>
  z.boolean().default(fallback).meta({ kind: 'boolean', description });

const choice = <const T extends readonly [string, ...string[]]>(
  description: string,
  options: T,
  fallback: T[number],
) => z.enum(options).default(fallback).meta({ kind: 'string', description });

const map = <
  const Name extends readonly [string, ...string[]],
  const Value extends readonly [string, ...string[]],
>(
  description: string,
  names: Name,
  values: Value,
) => z.partialRecord(z.enum(names), z.enum(values)).default({}).meta({ kind: 'map', description, names });

/** A section takes its defaults from its keys, so that an absent section equals an empty one. */
const section = <T extends z.ZodRawShape>(shape: T) => z.prefault(z.strictObject(shape), {} as never);

const isBrokerAddress = (text: string): boolean => parseBrokerAddress(text) !== undefined;

/** Short enough to type, long enough that nobody finds it by trying. */
const tokenLengthMin = 16;

const token = (description: string) =>
  z
    .string()
    .min(tokenLengthMin, `must have at least ${tokenLengthMin} characters`)
    .optional()
    .meta({ kind: 'string', secret: 'whole', description });

/** What the console shows of a payload. */
export const payloadViews = ['off', 'masked', 'full'] as const;

const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/');
  const most = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return (
    most >= 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  );
};

const MiB = 1024 * 1024;

/** Of a server: by its protocol, or what is wrong with the rest. */
const address = (protocol: RegExp, message: string, example: string) =>
  z.string({ error: `is required, for example ${example}` }).superRefine((text, context) => {
    const fault = protocol.test(text) ? urlFault(text) : message;
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

export const configSchema = z.strictObject({
  slot: section({
    name: z
      .string()
      .regex(
        /^[a-z0-9_]{1,63}$/,
        'must be 1 to 63 characters of a-z, 0-9 and _, as Postgres requires for a slot name',
      )
      .default('outbox_relay')
      .meta({
        kind: 'string',
        env: 'OUTBOX_RELAY_SLOT',
        description:
          'Name of the logical replication slot, and key of the progress record in Kafka. One slot is one stream. `slot: <name>` is short for it.',
      }),
    whenLost: choice(
      'What a relay does when its slot is gone, invalidated, or ahead of what is published: `stop` = it stops until a person runs `outbox-relay recover`; `recover` = it does by itself what `outbox-relay recover` does without options, and streams again. It still stops where `recover` would ask a person.',
      ['stop', 'recover'],
      'stop',
    ),
    recoverByWritingOrder: flag(
      'Whether a relay that recovers by itself may sort the events of a key by the time of writing if Postgres did not keep the order of the commits (`track_commit_timestamp`), as `recover --by-writing-order` does. If not, it stops.',
      false,
    ),
    walDiskBytes: optionalInteger(
      'Size of the disk, or of the share of it, that Postgres may fill with WAL, in bytes. Postgres cannot tell; with it, the relay forecasts when that is full. The role must be able to list pg_wal (`pg_monitor`).',
      64 * MiB,
      Number.MAX_SAFE_INTEGER,
    ),
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
        'Connection string of the database that holds the outbox. It must lead to Postgres itself, not to a connection pooler. Its parameters set TLS: `?sslmode=verify-full&sslrootcert=ca.pem`, with `sslcert` and `sslkey` for a client certificate.',
    }),
    connectTimeoutMs: integer('Longest time to open a connection, in ms.', 10_000, 100, 600_000),
    statementTimeoutMs: integer('Longest time for one bookkeeping statement, in ms.', 15_000, 100, 600_000),
  }),

  outbox: section({
    table: z
      .string()
      .regex(/^[^.]+\.[^.]+$/, 'must be schema.table')
      .default(ownTable)
      .meta({ kind: 'string', description: 'The outbox table, as `schema.table`.' }),
    columns: section({
      id: text('Column with the event id. It must be unique; the record has it as the header `id`.', 'id'),
      aggregatetype: text('Column that chooses the topic.', 'aggregatetype'),
      aggregateid: text('Column that becomes the record key. Order is kept per key.', 'aggregateid'),
      type: text('Column with the event type, which selects the schema.', 'type'),
      payload: text('Column with the payload: JSON, as json, jsonb or text.', 'payload'),
      headers: textOrNone(
        'Column with further headers, a JSON object of strings; empty if the table has none.',
        'headers',
      ),
      createdAt: textOrNone(
        'Column with the time at which the event was written; empty if the table has none.',
        'created_at',
      ),
    }),
    partitionsDaysAhead: integer(
      'How many daily partitions of `outbox.event` the relay creates ahead; 0 = none.',
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
    clientId: text('Client id, as the brokers log it and apply quotas to it.', 'outbox-relay'),
    transactionalIdPrefix: text(
      'Prefix of the transactional id, which is `<prefix>.<slot>`.',
      'outbox-relay',
    ),
    progressTopic: text(
      'Topic that holds the progress: compacted, one partition, created if it does not exist. `{slot}` stands for the name of the slot. With a topic of its own, a slot never waits for an open transaction of another slot.',
      'outbox-relay.progress.{slot}',
    ),
    ssl: flag('Whether connections to the brokers use TLS.', false),
    sslCaFile: optionalText('PEM file with the certificate authorities to trust.'),
    sslCertFile: optionalText('File with the client certificate, PEM.'),
    sslKeyFile: optionalText('File with the client key, PEM.'),
    saslMechanism: z
      .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
      .optional()
      .meta({ kind: 'string', description: 'SASL mechanism: `plain`, `scram-sha-256` or `scram-sha-512`.' }),
    saslUsername: optionalText('SASL user name.'),
    saslPassword: optionalText('SASL password.', { secret: 'whole' }),
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
  }),

  registry: section({
    url: address(/^https?:\/\//, 'must start with http:// or https://', 'http://registry:8081').meta({
      kind: 'string',
      env: 'SCHEMA_REGISTRY_URL',
      secret: 'url',
      description: 'URL of the schema registry, which must have the Confluent API.',
    }),
    username: optionalText('User name for basic authentication.'),
    password: optionalText('Password for basic authentication.', { secret: 'whole' }),
    // No header can hold a line end: one pasted with the token would look like an outage.
    token: z
      .string()
      .regex(/^[!-~]+$/, 'must be printable ASCII without spaces')
      .optional()
      .meta({ kind: 'string', description: 'Token for bearer authentication.', secret: 'whole' }),
    sslCaFile: optionalText('PEM file with the certificate authorities to trust, for an https URL.'),
    sslCertFile: optionalText('File with the client certificate, PEM.'),
    sslKeyFile: optionalText('File with the client key, PEM.'),
    timeoutMs: integer('How long the relay waits for an answer of the registry, in ms.', 5_000, 100, 600_000),
    latestTtlMs: integer(
      'How long the relay uses the latest version of a subject before it asks the registry again, in ms.',
      60_000,
      0,
      86_400_000,
    ),
  }),

  schemas: section({
    directory: text('Directory with the `.avsc` files that the `schemas` commands read.', 'schemas'),
    subjectStrategy: choice(
      'How the subject of an event is named: `topic` = `<topic>-value`, `record` = the full record name, `topic-record` = `<topic>-<full record name>`.',
      ['topic', 'record', 'topic-record'],
      'topic-record',
    ),
    namespace: textOrNone(
      'Namespace of every `type` that has no dot; together they give the full record name.',
      '',
    ),
    typeMatch: choice(
      'Whether `type` must name a type of the schema. `record` = it must name the record, or in a union the branch, by full name, by alias, or (without a namespace) by simple name; other events are refused. `any` = a schema of one record takes every type; in a union, an event whose type names no branch must name it in the payload: `{"<branch>": …}`.',
      ['record', 'any'],
      'record',
    ),
    versions: z
      .array(z.string().regex(/^[^=\s,]+=[1-9]\d{0,8}$/, 'must be <subject>=<version>'))
      .default([])
      .meta({
        kind: 'list',
        description:
          'Subjects with a fixed version, as `<subject>=<version>`; all others use the latest. The header `schema-version` of a row takes precedence.',
      }),
    bytes: choice(
      'How payloads write Avro `bytes` and `fixed`: `base64` (padded), `base64url` (unpadded), `hex`, or `latin1` (one character per byte, as in Avro’s own JSON).',
      ['base64', 'base64url', 'hex', 'latin1'],
      'base64',
    ),
  }),

  topics: section({
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
    create: flag(
      'Whether the relay creates a topic that `topics.allow` lists and that does not exist.',
      true,
    ),
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
  }),

  publish: section({
    producer: choice(
      'Which producer writes to Kafka: `lean`, which is part of the relay, or `kafkajs`, the producer of that library, which takes several times the CPU.',
      ['lean', 'kafkajs'],
      'lean',
    ),
    compression: choice(
      'How record batches are compressed: `none`, `gzip`, `snappy`, `lz4` or `zstd`. Every consumer must be able to read the codec: Java and librdkafka read `lz4`, but kafkajs, kafka-python and aiokafka need a package for it, and otherwise stop. Batches under 1 KiB, and those that compression would not make an eighth smaller, are sent as they are.',
      compressionNames,
      'lz4',
    ),
    maxTransactionEvents: integer(
      'Most events in one Kafka transaction. A larger Postgres transaction is split.',
      10_000,
      1,
      1_000_000,
    ),
    maxTransactionBytes: integer(
      'Most bytes in one Kafka transaction. A larger Postgres transaction is split.',
      16 * MiB,
      1_024,
      1024 * MiB,
    ),
    batchEvents: integer(
      'Number of events at which a Kafka transaction is full: it then takes no further Postgres transactions.',
      2_000,
      1,
      1_000_000,
    ),
    batchBytes: integer(
      'Number of bytes at which a Kafka transaction is full: it then takes no further Postgres transactions.',
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
  }),

  capture: section({
    maxInFlightBytes: integer(
      'Most bytes of events in memory. Above that the relay stops reading from Postgres until some are published.',
      16 * MiB,
      64 * 1024,
      4096 * MiB,
    ),
    walSenderTimeoutMs: integer(
      '`wal_sender_timeout` of the relay’s replication connection, in ms. If the relay is silent for that long, Postgres closes the connection, and a standby can take the slot.',
      10_000,
      3_000,
      600_000,
    ),
    watchdogMs: integer(
      'Time after which the relay reopens a replication connection on which nothing arrives, in ms.',
      15_000,
      3_000,
      600_000,
    ),
    standbyPollMs: integer('How often a standby tries to take the slot, in ms.', 500, 50, 60_000),
    failoverSlot: flag(
      'Whether the relay creates the slot as a failover slot, on Postgres 17 and newer. A standby server with `sync_replication_slots` then keeps a copy of it.',
      true,
    ),
    heartbeatMs: integer(
      'How often the relay writes a heartbeat row, in ms. The heartbeat advances the slot while only other tables are written, and proves that the publication still works.',
      10_000,
      500,
      3_600_000,
    ),
  }),

  deadLetters: section({
    policy: choice(
      'What happens to an event that cannot be published: `dead-letter` = it becomes a dead letter and the stream continues; `park-key` = later events of its topic and key also wait, until the key is released; `halt` = the relay stops.',
      policies,
      'dead-letter',
    ),
    policies: z
      .array(z.string().regex(new RegExp(`^[^=\\s,]+=(${policies.join('|')})$`), 'must be <topic>=<policy>'))
      .default([])
      .meta({
        kind: 'list',
        description:
          'Policies by topic, as `<topic>=<policy>`. `*` stands for any characters; the first match counts. `deadLetters.policy` applies to all other events.',
      }),
    topic: optionalText(
      'Topic that also receives each refused event: its JSON unchanged, with the reason in headers. It must be outside `topics.allow`.',
    ),
    keepClosed: integer(
      'How many closed dead letters (resubmitted, discarded or released) the relay keeps, newest first; 0 = all.',
      0,
      0,
      100_000_000,
    ),
    keepClosedDays: integer(
      'How many days the relay keeps closed dead letters; 0 = without limit.',
      0,
      0,
      36_500,
    ),
    stormPercent: integer(
      'Percentage of refused events within a minute above which the relay stops; 100 = never.',
      50,
      1,
      100,
    ),
    stormMinEvents: integer(
      'How many events that minute must have for `deadLetters.stormPercent` to apply.',
      1_000,
      1,
      1_000_000,
    ),
  }),

  cleanup: section({
    retention: optionalDuration(
      'How long published events stay in the outbox table, by their `created_at`, such as `3d` or `36h`. The relay then drops whole partitions of `outbox.event`, and deletes rows of the default partition and of an outbox table of your own. Unset: it removes nothing.',
      '3d',
    ),
    unproven: choice(
      'What happens to rows that nobody can know to be published: written before the relay first started or before an `adopt`, or brought into the table with a partition that was attached. `keep` = they stay, and so does their partition; `remove` = they go like published ones.',
      ['keep', 'remove'],
      'keep',
    ),
    requireVerified: flag(
      'Whether only rows go that the standing audit has compared with the topics, on every slot, while it misses no event.',
      false,
    ),
    archive: optionalText(
      'Directory into which each partition is written as a compressed file of JSON lines before it is dropped. Only whole partitions are archived, so with it no single rows are deleted.',
    ),
    rowsPerSecond: integer(
      'Most rows that the relay deletes per second, where it deletes rows.',
      2_000,
      1,
      1_000_000,
    ),
  }),

  retry: section({
    initialDelayMs: integer(
      'Pause after the first failure, in ms. It doubles with each further failure, with full jitter.',
      100,
      1,
      60_000,
    ),
    maxDelayMs: integer('Longest pause between two attempts, in ms.', 15_000, 10, 600_000),
    unclearAttempts: integer(
      'How many times the relay retries an event whose encoding fails for an unclear reason, such as a bug, before the event becomes a dead letter.',
      5,
      0,
      100,
    ),
    notReadyAfterMs: integer(
      'How long the relay may fail before `/readyz` answers 503, in ms.',
      30_000,
      0,
      3_600_000,
    ),
  }),

  audit: section({
    everyMinutes: integer(
      'How often the relay that streams runs the audit, in minutes; 0 = never. `outbox-relay audit` runs it in a process of its own instead.',
      0,
      0,
      1_440,
    ),
    maxPerSecond: integer(
      'How many rows and records the audit reads per second at most, on average; 0 = no limit. A published event is one of each.',
      20_000,
      0,
      10_000_000,
    ),
    httpPort: integer(
      'Port on which `outbox-relay audit` serves `/metrics` on http.host; 0 = any free port.',
      9466,
      0,
      65_535,
    ),
  }),

  http: section({
    host: text('Address on which the relay serves `/livez`, `/readyz` and `/metrics`.', '127.0.0.1'),
    port: integer('Port for `/livez`, `/readyz` and `/metrics`; 0 = any free port.', 9465, 0, 65_535),
  }),

  console: section({
    host: text('Address on which `outbox-relay console` serves its pages.', '127.0.0.1'),
    port: integer('Port of the console; 0 = any free port.', 9467, 0, 65_535),
    hosts: z.array(z.string().min(1).max(253)).max(100).default([]).meta({
      kind: 'list',
      description:
        'Host names by which browsers reach the console through a proxy, such as `relay.example.com`. It refuses a request for any other host, except for its own address and loopback.',
    }),
    pathPrefix: z
      .string()
      .regex(/^\/([\w.-]+\/)*$/, 'must start and end with /, for example /outbox/')
      .default('/')
      .meta({
        kind: 'string',
        description: 'Path under which a proxy serves the console, such as `/outbox/`.',
      }),
    viewToken: token('Token with which a person may look, and change nothing.'),
    operateToken: token(
      'Token with which a person may look and act. Without a token and without userHeader the console makes one up at each start and prints it.',
    ),
    userHeader: optionalText(
      'Header in which a trusted proxy names the person, such as `X-Forwarded-User`. The proxy must remove it from what browsers send.',
    ),
    trustedProxies: z
      .array(z.string().refine(isNetwork, 'must be an address or a network, for example 10.0.0.0/8'))
      .max(100)
      .default(['127.0.0.1', '::1'])
      .meta({
        kind: 'list',
        description: 'Addresses and networks from which the console believes userHeader.',
      }),
    operators: z.array(z.string().min(1).max(200)).max(1_000).default([]).meta({
      kind: 'list',
      description: 'Persons of userHeader who may act; `*` = all of them. The others may look.',
    }),
    viewPayloads: choice(
      'How a person who may only look sees payloads: `off` = not at all; `masked` = names and types without values; `full` = as they are.',
      payloadViews,
      'masked',
    ),
    operatePayloads: choice(
      'How a person who may act sees payloads. Editing one needs `full`.',
      payloadViews,
      'masked',
    ),
    relays: z
      .array(
        z
          .string()
          .refine(
            (text) => /^https?:\/\//.test(text) && urlFault(text) === undefined,
            'must be a URL, for example http://relay-0:9465',
          ),
      )
      .max(50)
      .default([])
      .meta({
        kind: 'list',
        description:
          'URLs of the relays whose metrics the console reads. Without them it tries the addresses that the relays announce, with which it works on the same machine only.',
      }),
    grafanaUrl: z
      .string()
      .refine(
        (text) => /^https?:\/\//.test(text) && urlFault(text) === undefined,
        'must be a URL, for example https://grafana.example.com/d/outbox',
      )
      .optional()
      .meta({ kind: 'string', description: 'Dashboard that the console links to.' }),
  }),

  metrics: section({
    consumerGroups: z.array(z.string().min(1).max(249)).max(100).default([]).meta({
      kind: 'list',
      description:
        'Consumer groups whose lag the relay that streams measures every 15 s, in the topics of `topics.allow`. It needs the right Describe on each.',
    }),
    hotKeys: integer(
      'How many of the hottest keys the metric `outbox_relay_hot_key_ratio` shows; 0 = none, and keys are not counted.',
      10,
      0,
      100,
    ),
    showKeys: flag(
      'Whether `outbox_relay_hot_key_ratio` shows keys themselves. By default it shows the first digits of the SHA-256 of each key. These do not hide a key that can be guessed: its SHA-256 confirms the guess.',
      false,
    ),
    partitionsMax: integer(
      'How many partitions have a time series of their own in `outbox_relay_partition_events_published_total`; the others of each topic share one. 0 = none.',
      1_000,
      0,
      100_000,
    ),
  }),

  log: section({
    level: choice(
      'Lowest level that is logged: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.',
      logLevels,
      'info',
    ),
    levels: map(
      `Levels of single components, such as \`kafka: debug\`, or \`kafka=debug,upkeep=warn\` in the variable. \`log.level\` applies to the others. A line names its component: ${logComponents.map((name) => `\`${name}\``).join(', ')}.`,
      logComponents,
      logLevels,
    ),
  }),

  shutdownMs: integer(
    'Longest time to finish the work in progress after SIGTERM or SIGINT, in ms.',
    8_000,
    100,
    600_000,
  ),
});

/**
 * Settings that change without a restart: what reads one of them reads it again each time. Any other is read once, or says
 * where the relay connects and what its progress belongs to.
 */
export const reloadable: ReadonlySet<string> = new Set([
  'log.level',
  'log.levels',
  'publish.maxEventsPerSecond',
  'publish.maxBytesPerSecond',
  'schemas.versions',
  'deadLetters.policy',
  'deadLetters.policies',
  'deadLetters.keepClosed',
  'deadLetters.keepClosedDays',
  'deadLetters.stormPercent',
  'deadLetters.stormMinEvents',
  'cleanup.retention',
  'cleanup.unproven',
  'cleanup.requireVerified',
  'cleanup.rowsPerSecond',
]);

export type Config = z.output<typeof configSchema>;
