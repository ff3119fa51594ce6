/**
 * The settings as a program gives them. Written by `npm run docs` from relay/config/schema.ts; do not edit it.
 */

/** What `relay.yaml` holds, as an object. What is left out has its default. */
export type RelaySettings = {
  readonly slot?: string | {
    /** Name of the logical replication slot, and key of the progress record in Kafka. One slot is one stream. `slot: <name>` is short for it. Default: `outbox_relay`. */
    readonly name?: string | undefined;
    /** What a relay does when its slot is gone, invalidated, or ahead of what is published: `stop` = it stops until a person runs `outbox-relay recover`; `recover` = it does by itself what `outbox-relay recover` does without options, and streams again. It still stops where `recover` would ask a person. Default: `stop`. */
    readonly whenLost?: 'stop' | 'recover' | undefined;
    /** Whether a relay that recovers by itself may sort the events of a key by the time of writing if Postgres did not keep the order of the commits (`track_commit_timestamp`), as `recover --by-writing-order` does. If not, it stops. Default: `false`. */
    readonly recoverByWritingOrder?: boolean | undefined;
    /** Size of the disk, or of the share of it, that Postgres may fill with WAL, in bytes. Postgres cannot tell; with it, the relay forecasts when that is full. The role must be able to list pg_wal (`pg_monitor`). */
    readonly walDiskBytes?: number | undefined;
  } | undefined;
  /** Name of the publication that covers the outbox table. Default: `outbox_relay`. */
  readonly publication?: string | undefined;
  readonly database: {
    /** Connection string of the database that holds the outbox, as libpq takes it. It must lead to Postgres itself, not to a connection pooler. It may name several hosts, of which the relay uses the primary: `postgres://relay@db-1:5432,db-2:5432/shop`. Its parameters set TLS: `?sslmode=verify-full&sslrootcert=ca.pem`, with `sslcert` and `sslkey` for a client certificate. */
    readonly url: string;
    /** File with the password, instead of a password in the URL. The relay reads it for each connection. */
    readonly passwordFile?: string | undefined;
    /** Command that prints the password, as a list of program and arguments: `[gcloud, sql, generate-login-token]`. It runs for each connection, without a shell, for four fifths of `database.connectTimeoutMs` at most. */
    readonly passwordCommand?: readonly string[] | undefined;
    /** `rds-iam`: the password is a token of IAM for RDS and Aurora, as the AWS SDK signs it with the credentials that it finds. This needs the package `@aws-sdk/rds-signer`, and TLS. */
    readonly passwordFrom?: 'rds-iam' | undefined;
    /** For how long the relay goes on if Postgres refuses a password that comes from a file, a command or IAM, and accepted one before, in ms: the new password may reach Postgres and its source at different moments. Then it stops. Default: `300000`. */
    readonly passwordGraceMs?: number | undefined;
    /** Longest time to open a connection to one host, in ms. Default: `10000`. */
    readonly connectTimeoutMs?: number | undefined;
    /** Longest time for one bookkeeping statement, in ms. Default: `15000`. */
    readonly statementTimeoutMs?: number | undefined;
  };
  readonly outbox?: {
    /** The outbox table, as `schema.table`. Default: `outbox.event`. */
    readonly table?: string | undefined;
    readonly columns?: {
      /** Column with the event id. It must be unique; the record has it as the header `id`. Default: `id`. */
      readonly id?: string | undefined;
      /** Column that chooses the topic. Default: `aggregatetype`. */
      readonly aggregatetype?: string | undefined;
      /** Column that becomes the record key. Order is kept per key. Default: `aggregateid`. */
      readonly aggregateid?: string | undefined;
      /** Column with the event type, which selects the schema. Default: `type`. */
      readonly type?: string | undefined;
      /** Column with the payload: JSON, as json, jsonb or text. Default: `payload`. */
      readonly payload?: string | undefined;
      /** Column with further headers, a JSON object of strings; `''` if the table has none. Default: `headers`. */
      readonly headers?: string | undefined;
      /** Column with the time at which the event was written; `''` if the table has none. Default: `created_at`. */
      readonly createdAt?: string | undefined;
    } | undefined;
    /** How many daily partitions of `outbox.event` the relay creates ahead; 0 = none. Default: `7`. */
    readonly partitionsDaysAhead?: number | undefined;
  } | undefined;
  readonly kafka: {
    /** Bootstrap brokers, `host:port` or `[IPv6]:port`, separated by commas. */
    readonly brokers: readonly string[];
    /** Client id, as the brokers log it and apply quotas to it. Default: `outbox-relay`. */
    readonly clientId?: string | undefined;
    /** Prefix of the transactional id, which is `<prefix>.<slot>`. Default: `outbox-relay`. */
    readonly transactionalIdPrefix?: string | undefined;
    /** Topic that holds the progress: compacted, one partition, created if it does not exist. `{slot}` stands for the name of the slot. With a topic of its own, a slot never waits for an open transaction of another slot. Default: `outbox-relay.progress.{slot}`. */
    readonly progressTopic?: string | undefined;
    /** Whether connections to the brokers use TLS. Default: `false`. */
    readonly ssl?: boolean | undefined;
    /** PEM file with the certificate authorities to trust. */
    readonly sslCaFile?: string | undefined;
    /** File with the client certificate, PEM. */
    readonly sslCertFile?: string | undefined;
    /** File with the client key, PEM. */
    readonly sslKeyFile?: string | undefined;
    /** SASL mechanism: `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer` (see `kafka.oauth`) or `aws-iam` for Amazon MSK, which needs the package `aws-msk-iam-sasl-signer-js`. */
    readonly saslMechanism?: 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer' | 'aws-iam' | undefined;
    /** SASL user name, for `plain` and `scram-sha-…`. */
    readonly saslUsername?: string | undefined;
    /** SASL password, for `plain` and `scram-sha-…`. */
    readonly saslPassword?: string | undefined;
    readonly oauth?: {
      /** URL of the token endpoint of the identity provider, where the relay gets tokens for Kafka with its client credentials. */
      readonly tokenEndpoint?: string | undefined;
      /** Client id at the token endpoint. */
      readonly clientId?: string | undefined;
      /** Client secret. */
      readonly clientSecret?: string | undefined;
      /** File with the client secret. The relay reads it for each request. */
      readonly clientSecretFile?: string | undefined;
      /** How the secret goes to the token endpoint: `client_secret_basic` = in the header Authorization, `client_secret_post` = in the body. Default: `client_secret_basic`. */
      readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined;
      /** Scope to ask for; several are separated by spaces. */
      readonly scope?: string | undefined;
      /** Further parameters of the request, such as `audience=…` or `resource=…`, which some identity providers need. */
      readonly parameters?: { readonly [name: string]: string } | undefined;
      /** PEM file with the certificate authorities to trust at the token endpoint. */
      readonly sslCaFile?: string | undefined;
      /** File with a token for Kafka, instead of a token endpoint. Something else renews it, such as Kubernetes; the relay reads it each time that it signs in. */
      readonly tokenFile?: string | undefined;
      /** SASL extensions to send with the token. Confluent Cloud needs `logicalCluster=lkc-…,identityPoolId=pool-…`. */
      readonly extensions?: { readonly [name: string]: string } | undefined;
    } | undefined;
    /** AWS region of the MSK cluster, for `aws-iam`. */
    readonly awsRegion?: string | undefined;
    /** ARN of an IAM role to assume, for `aws-iam`. Unset: the relay signs in as the identity that the AWS SDK finds. */
    readonly awsRoleArn?: string | undefined;
    /** Longest time to open a connection to a broker, in ms. Default: `5000`. */
    readonly connectTimeoutMs?: number | undefined;
    /** How long the relay waits for the answer of a broker, in ms. After that the outcome of the request counts as unknown. Default: `15000`. */
    readonly requestTimeoutMs?: number | undefined;
    /** Time after which the brokers abort an unfinished transaction, in ms. If a relay dies and no other takes over, consumers of its partitions wait that long. Default: `60000`. */
    readonly transactionTimeoutMs?: number | undefined;
  };
  readonly records?: {
    /** Form of the values: `avro` = Avro with the id of a schema of the registry; `json` = the text of the payload, unchanged, without a schema. If every topic is `json`, the relay needs no registry. Default: `avro`. */
    readonly format?: 'avro' | 'json' | undefined;
    /** Formats by topic, as `<topic>=<format>`. `*` stands for any characters; the first match counts. `records.format` applies to all other topics. */
    readonly formats?: readonly string[] | undefined;
    /** Headers with a field of the row: name of the header to field, such as `eventType: type`. Fields: `id`, `type`, `aggregatetype`, `aggregateid`. The headers `id` and `position` are always there under these names. Default: `type=type`. */
    readonly headers?: { readonly [name: string]: 'id' | 'type' | 'aggregatetype' | 'aggregateid' } | undefined;
  } | undefined;
  readonly registry?: {
    /** URL of the schema registry, which must have the Confluent API. Several URLs of one registry are separated by commas: if one does not answer, the relay asks the next. Required unless `records.format` makes every topic `json`. */
    readonly url?: string | undefined;
    /** User name for basic authentication. */
    readonly username?: string | undefined;
    /** Password for basic authentication. */
    readonly password?: string | undefined;
    /** Token for bearer authentication. */
    readonly token?: string | undefined;
    /** File with the token for bearer authentication. Something else renews it; the relay reads it for each request. */
    readonly tokenFile?: string | undefined;
    readonly oauth?: {
      /** URL of the token endpoint of the identity provider, where the relay gets tokens for the registry with its client credentials. */
      readonly tokenEndpoint?: string | undefined;
      /** Client id at the token endpoint. */
      readonly clientId?: string | undefined;
      /** Client secret. */
      readonly clientSecret?: string | undefined;
      /** File with the client secret. The relay reads it for each request. */
      readonly clientSecretFile?: string | undefined;
      /** How the secret goes to the token endpoint: `client_secret_basic` = in the header Authorization, `client_secret_post` = in the body. Default: `client_secret_basic`. */
      readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined;
      /** Scope to ask for; several are separated by spaces. */
      readonly scope?: string | undefined;
      /** Further parameters of the request, such as `audience=…` or `resource=…`, which some identity providers need. */
      readonly parameters?: { readonly [name: string]: string } | undefined;
      /** PEM file with the certificate authorities to trust at the token endpoint. */
      readonly sslCaFile?: string | undefined;
    } | undefined;
    /** Headers of each request. Confluent Cloud needs `target-sr-cluster=lsrc-…,Confluent-Identity-Pool-Id=pool-…` with a token. */
    readonly headers?: { readonly [name: string]: string } | undefined;
    /** PEM file with the certificate authorities to trust, for an https URL. */
    readonly sslCaFile?: string | undefined;
    /** File with the client certificate, PEM. */
    readonly sslCertFile?: string | undefined;
    /** File with the client key, PEM. */
    readonly sslKeyFile?: string | undefined;
    /** How long the relay waits for an answer of the registry, in ms. Default: `5000`. */
    readonly timeoutMs?: number | undefined;
    /** How long the relay uses the latest version of a subject before it asks the registry again, in ms. Default: `60000`. */
    readonly latestTtlMs?: number | undefined;
  } | undefined;
  readonly schemas?: {
    /** Directory with the `.avsc` files that the `schemas` commands read. Default: `schemas`. */
    readonly directory?: string | undefined;
    /** How the subject of an event is named: `topic` = `<topic>-value`, `record` = the full record name, `topic-record` = `<topic>-<full record name>`. Default: `topic-record`. */
    readonly subjectStrategy?: 'topic' | 'record' | 'topic-record' | undefined;
    /** Namespace of every `type` that has no dot; together they give the full record name. */
    readonly namespace?: string | undefined;
    /** Whether `type` must name a type of the schema. `record` = it must name the record, or in a union the branch, by full name, by alias, or (without a namespace) by simple name; other events are refused. `any` = a schema of one record takes every type; in a union, an event whose type names no branch must name it in the payload: `{"<branch>": …}`. Default: `record`. */
    readonly typeMatch?: 'record' | 'any' | undefined;
    /** Subjects with a fixed version, as `<subject>=<version>`; all others use the latest. The header `schema-version` of a row takes precedence. */
    readonly versions?: readonly string[] | undefined;
    /** How payloads write Avro `bytes` and `fixed`: `base64` (padded), `base64url` (unpadded), `hex`, or `latin1` (one character per byte, as in Avro’s own JSON). Default: `base64`. */
    readonly bytes?: 'base64' | 'base64url' | 'hex' | 'latin1' | undefined;
  } | undefined;
  readonly topics?: {
    /** Topic of an event. `{aggregatetype}` and `{type}` stand for the values of these columns. Default: `outbox.event.{aggregatetype}`. */
    readonly template?: string | undefined;
    /** Topics that events may go to. `*` stands for any characters, but not for `_` at the beginning. No row can choose a topic outside this list. Default: `outbox.event.*`. */
    readonly allow?: readonly string[] | undefined;
    /** Compacted topics in which an event whose payload is NULL or JSON null becomes a record without a value (a tombstone). In other topics such an event is refused. `*` stands for any characters. */
    readonly tombstones?: readonly string[] | undefined;
    /** Whether the relay creates a topic that `topics.allow` lists and that does not exist. Default: `true`. */
    readonly create?: boolean | undefined;
    /** Limit on topics: the relay creates none once this many topics match `topics.allow`. Topic names come from rows, and each topic uses resources of every broker. Default: `200`. */
    readonly createMax?: number | undefined;
    /** Most topics that the relay creates per minute. An event that needs another one waits, and so does the stream. Default: `30`. */
    readonly createPerMinute?: number | undefined;
    /** Number of partitions of a topic that the relay creates; -1 = the default of the broker. Default: `-1`. */
    readonly partitions?: number | undefined;
    /** Replication factor of a topic that the relay creates; -1 = the default of the broker. Default: `-1`. */
    readonly replicationFactor?: number | undefined;
  } | undefined;
  readonly publish?: {
    /** Which producer writes to Kafka: `lean`, which is part of the relay, or `kafkajs`, the producer of that library, which takes several times the CPU. Default: `lean`. */
    readonly producer?: 'lean' | 'kafkajs' | undefined;
    /** Which of Kafka’s transaction protocols the producer `lean` uses: `auto` is version 2 where the cluster has `transaction.version` 2 (Kafka 4.0 or newer), and else version 1. `kafkajs` always uses version 1. Default: `1`. */
    readonly transactionVersion?: '1' | 'auto' | undefined;
    /** How record batches are compressed: `none`, `gzip`, `snappy`, `lz4` or `zstd`. Every consumer must be able to read the codec: Java and librdkafka read `lz4`, but kafkajs, kafka-python and aiokafka need a package for it, and otherwise stop. Batches under 1 KiB, and those that compression would not make an eighth smaller, are sent as they are. Default: `lz4`. */
    readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined;
    /** Number of events of a large Postgres transaction that the relay holds in memory at once. It sends them as parts of one Kafka transaction. Default: `10000`. */
    readonly partEvents?: number | undefined;
    /** Number of bytes of a large Postgres transaction that the relay holds in memory at once. Default: `16777216`. */
    readonly partBytes?: number | undefined;
    /** Most events in one Kafka transaction; 0 = without limit. A larger Postgres transaction is split, and so is one that Kafka would abort because of `kafka.transactionTimeoutMs`. Default: `0`. */
    readonly maxTransactionEvents?: number | undefined;
    /** Most bytes in one Kafka transaction; 0 = without limit. A larger Postgres transaction is split. Default: `0`. */
    readonly maxTransactionBytes?: number | undefined;
    /** Number of events at which a Kafka transaction is full: it then takes no further Postgres transactions. One over more than 20 partitions takes more in proportion, at most five times as many, because each partition costs the brokers a record batch and a marker. Default: `2000`. */
    readonly batchEvents?: number | undefined;
    /** Number of bytes at which a Kafka transaction is full: it then takes no further Postgres transactions. More over many partitions, as with `publish.batchEvents`. Default: `1048576`. */
    readonly batchBytes?: number | undefined;
    /** Shortest time between the starts of two Kafka transactions, in ms, so that more events share one. The first event after a pause never waits; with 0 no event waits. Default: `4`. */
    readonly lingerMs?: number | undefined;
    /** Most events per second that the relay publishes; 0 = without limit. `outbox-relay rate-limit` overrides it while the relay runs. Default: `0`. */
    readonly maxEventsPerSecond?: number | undefined;
    /** Most bytes of encoded events per second that the relay publishes; 0 = without limit. `outbox-relay rate-limit` overrides it while the relay runs. Default: `0`. */
    readonly maxBytesPerSecond?: number | undefined;
    /** Largest encoded event, in bytes. Set it only to use a lower limit than `max.message.bytes` of the topic. A larger event becomes a dead letter. */
    readonly maxRecordBytes?: number | undefined;
    /** Largest row of the outbox table, in bytes of its columns as text. A larger row becomes a dead letter without its payload. The relay checks this before it parses the payload, since parsing takes up to 31 times the memory. Unset: four times `publish.maxRecordBytes`, or 4 MiB if that is unset too. */
    readonly maxRowBytes?: number | undefined;
  } | undefined;
  readonly capture?: {
    /** Most bytes of events in memory. Above that the relay stops reading from Postgres until some are published. Default: `16777216`. */
    readonly maxInFlightBytes?: number | undefined;
    /** `wal_sender_timeout` of the relay’s replication connection, in ms. If the relay is silent for that long, Postgres closes the connection, and a standby can take the slot. Default: `10000`. */
    readonly walSenderTimeoutMs?: number | undefined;
    /** Time after which the relay reopens a replication connection on which nothing arrives, in ms. Default: `15000`. */
    readonly watchdogMs?: number | undefined;
    /** How often a standby tries to take the slot, in ms. Default: `500`. */
    readonly standbyPollMs?: number | undefined;
    /** Whether the relay creates the slot as a failover slot, on Postgres 17 and newer. A standby server with `sync_replication_slots` then keeps a copy of it. Default: `true`. */
    readonly failoverSlot?: boolean | undefined;
    /** How often the relay writes a heartbeat row, in ms. The heartbeat advances the slot while only other tables are written, and proves that the publication still works. Default: `10000`. */
    readonly heartbeatMs?: number | undefined;
  } | undefined;
  readonly deadLetters?: {
    /** What happens to an event that cannot be published: `dead-letter` = it becomes a dead letter and the stream continues; `park-key` = later events of its topic and key also wait, until the key is released; `halt` = the relay stops. Default: `dead-letter`. */
    readonly policy?: 'dead-letter' | 'park-key' | 'halt' | undefined;
    /** Policies by topic, as `<topic>=<policy>`. `*` stands for any characters; the first match counts. `deadLetters.policy` applies to all other events. */
    readonly policies?: readonly string[] | undefined;
    /** Topic that also receives each refused event: its JSON unchanged, with the reason in headers. It must be outside `topics.allow`. */
    readonly topic?: string | undefined;
    /** How many closed dead letters (resubmitted, discarded or released) the relay keeps, newest first; 0 = all. Default: `0`. */
    readonly keepClosed?: number | undefined;
    /** How many days the relay keeps closed dead letters; 0 = without limit. Default: `0`. */
    readonly keepClosedDays?: number | undefined;
    /** Percentage of refused events within a minute above which the relay stops; 100 = never. Default: `50`. */
    readonly stormPercent?: number | undefined;
    /** How many events that minute must have for `deadLetters.stormPercent` to apply. Default: `1000`. */
    readonly stormMinEvents?: number | undefined;
  } | undefined;
  readonly cleanup?: {
    /** How long published events stay in the outbox table, by their `created_at`, such as `3d` or `36h`. The relay then drops whole partitions of `outbox.event`, and deletes rows of the default partition and of an outbox table of your own. Unset: it removes nothing. */
    readonly retention?: string | undefined;
    /** What happens to rows that nobody can know to be published: written before the relay first started or before an `adopt`, or brought into the table with a partition that was attached. `keep` = they stay, and so does their partition; `remove` = they go like published ones. Default: `keep`. */
    readonly unproven?: 'keep' | 'remove' | undefined;
    /** Whether only rows go that the standing audit has compared with the topics, on every slot, while it misses no event. Default: `false`. */
    readonly requireVerified?: boolean | undefined;
    /** Directory into which each partition is written as a compressed file of JSON lines before it is dropped. Only whole partitions are archived, so with it no single rows are deleted. */
    readonly archive?: string | undefined;
    /** Most rows that the relay deletes per second, where it deletes rows. Default: `2000`. */
    readonly rowsPerSecond?: number | undefined;
  } | undefined;
  readonly retry?: {
    /** Pause after the first failure, in ms. It doubles with each further failure, with full jitter. Default: `100`. */
    readonly initialDelayMs?: number | undefined;
    /** Longest pause between two attempts, in ms. Default: `15000`. */
    readonly maxDelayMs?: number | undefined;
    /** How many times the relay retries an event whose encoding fails for an unclear reason, such as a bug, before the event becomes a dead letter. Default: `5`. */
    readonly unclearAttempts?: number | undefined;
    /** How long the relay may fail before `/readyz` answers 503, in ms. Default: `30000`. */
    readonly notReadyAfterMs?: number | undefined;
  } | undefined;
  readonly audit?: {
    /** How often the relay that streams runs the audit, in minutes; 0 = never. `outbox-relay audit` runs it in a process of its own instead. Default: `0`. */
    readonly everyMinutes?: number | undefined;
    /** How many rows and records the audit reads per second at most, on average; 0 = no limit. A published event is one of each. Default: `20000`. */
    readonly maxPerSecond?: number | undefined;
    /** Port on which `outbox-relay audit` serves `/metrics` on http.host; 0 = any free port. Default: `9466`. */
    readonly httpPort?: number | undefined;
  } | undefined;
  readonly http?: {
    /** Address on which the relay serves `/livez`, `/readyz` and `/metrics`. Default: `127.0.0.1`. */
    readonly host?: string | undefined;
    /** Port for `/livez`, `/readyz` and `/metrics`; 0 = any free port. Default: `9465`. */
    readonly port?: number | undefined;
    /** Host name or address, without a port, at which other machines reach the relay. `status` shows it and the console uses it. Without it, `http.host`. */
    readonly announce?: string | undefined;
  } | undefined;
  readonly console?: {
    /** Address on which `outbox-relay console` serves its pages. Default: `127.0.0.1`. */
    readonly host?: string | undefined;
    /** Port of the console; 0 = any free port. Default: `9467`. */
    readonly port?: number | undefined;
    /** Host names by which browsers reach the console through a proxy, such as `relay.example.com`. It refuses a request for any other host, except for its own address and loopback. */
    readonly hosts?: readonly string[] | undefined;
    /** Path under which a proxy serves the console, such as `/outbox/`. Default: `/`. */
    readonly pathPrefix?: string | undefined;
    /** Token with which a person may look, and change nothing. */
    readonly viewToken?: string | undefined;
    /** Token with which a person may look and act. Without a token and without userHeader the console makes one up at each start and prints it. */
    readonly operateToken?: string | undefined;
    /** Header in which a trusted proxy names the person, such as `X-Forwarded-User`. The proxy must remove it from what browsers send. */
    readonly userHeader?: string | undefined;
    /** Addresses and networks from which the console believes userHeader. Default: `127.0.0.1,::1`. */
    readonly trustedProxies?: readonly string[] | undefined;
    /** Persons of userHeader who may act; `*` = all of them. The others may look. */
    readonly operators?: readonly string[] | undefined;
    /** How a person who may only look sees payloads: `off` = not at all; `masked` = names and types without values; `full` = as they are. Default: `masked`. */
    readonly viewPayloads?: 'off' | 'masked' | 'full' | undefined;
    /** How a person who may act sees payloads. Editing one needs `full`. Default: `masked`. */
    readonly operatePayloads?: 'off' | 'masked' | 'full' | undefined;
    /** URLs of the relays whose metrics the console reads. Without them it tries the addresses that the relays announce, with which it works on the same machine only. */
    readonly relays?: readonly string[] | undefined;
    /** Dashboard that the console links to. */
    readonly grafanaUrl?: string | undefined;
  } | undefined;
  readonly metrics?: {
    /** Consumer groups whose lag the relay that streams measures every 15 s, in the topics of `topics.allow`. It needs the right Describe on each. */
    readonly consumerGroups?: readonly string[] | undefined;
    /** In how many topics of `topics.allow` the relay that streams looks whether an open transaction keeps consumers under `read_committed` from their ends (`outbox_relay_topic_blocked_seconds`), beside its progress topic; 0 = in none. The right Read on the topics lets it say whose transaction that is. Default: `500`. */
    readonly blockedTopicsMax?: number | undefined;
    /** Pause between two such looks, in ms. A transaction of a relay counts as hanging when it is open for `kafka.transactionTimeoutMs` and two looks. Default: `15000`. */
    readonly blockedTopicsLookMs?: number | undefined;
    /** How many of the hottest keys the metric `outbox_relay_hot_key_ratio` shows; 0 = none, and keys are not counted. Default: `10`. */
    readonly hotKeys?: number | undefined;
    /** Whether `outbox_relay_hot_key_ratio` shows keys themselves. By default it shows the first digits of the SHA-256 of each key. These do not hide a key that can be guessed: its SHA-256 confirms the guess. Default: `false`. */
    readonly showKeys?: boolean | undefined;
    /** How many partitions have a time series of their own in `outbox_relay_partition_events_published_total`; the others of each topic share one. 0 = none. Default: `1000`. */
    readonly partitionsMax?: number | undefined;
  } | undefined;
  readonly log?: {
    /** Lowest level that is logged: `trace`, `debug`, `info`, `warn`, `error` or `fatal`. Default: `info`. */
    readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined;
    /** Levels of single components, such as `kafka: debug`, or `kafka=debug,upkeep=warn` in the variable. `log.level` applies to the others. A line names its component: `relay`, `capture`, `encode`, `publish`, `refusals`, `recover`, `upkeep`, `audit`, `tracing`, `kafka`. */
    readonly levels?: { readonly [Name in 'relay' | 'capture' | 'encode' | 'publish' | 'refusals' | 'recover' | 'upkeep' | 'audit' | 'tracing' | 'kafka']?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined } | undefined;
  } | undefined;
  /** Longest time to finish the work in progress after SIGTERM or SIGINT, in ms. Default: `8000`. */
  readonly shutdownMs?: number | undefined;
};
