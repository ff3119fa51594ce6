/**
 * Owns the closed table of everything that can go wrong: a code, what it means for the relay, and what the operator can
 * do. Every error that leaves a room is a `RelayError` with one of these codes. The room that meets a driver's error
 * translates it, by SQLSTATE or by Kafka error type, and keeps it as `cause`.
 *
 * Nothing else decides by the spelling of a code: what a place needs to know about codes is a column here.
 */

/**
 * - `retry`: something outside the relay fails; back off and try again, without end. Nothing is skipped.
 * - `quarantine`: this event cannot be published as it is; it becomes a dead letter.
 * - `stop`: to continue could lose or double events, or cannot work; the process exits.
 */
export type ErrorClass = 'retry' | 'quarantine' | 'stop';

/** Process exit codes, closed: those of sysexits.h where one fits. */
export const exitCodes = {
  ok: 0,
  /** The command ran and found something: a failed check, a missing event. */
  findings: 1,
  /** EX_USAGE: wrong arguments or configuration. */
  usage: 64,
  /** EX_UNAVAILABLE: a server that a one-shot command needs did not answer. */
  unavailable: 69,
  /** EX_SOFTWARE: a bug in the relay. */
  internal: 70,
  /** EX_NOPERM: credentials or rights. */
  unauthorized: 77,
  /** EX_CONFIG: the relay stopped itself; the code and the hint say what to do. A restart does not help. */
  stopped: 78,
} as const;

/** What the relay depends on. `relay` is the relay itself, or any of the servers. */
export const dependencies = ['postgres', 'kafka', 'registry', 'relay'] as const;
export type Dependency = (typeof dependencies)[number];

/** What a person can accept with `outbox-relay adopt`. */
export const adoptions = ['database', 'slot', 'progress', 'new-slot', 'gap'] as const;
export type Adoption = (typeof adoptions)[number];

export type ErrorEntry = {
  readonly class: ErrorClass;
  /**
   * With which code of `exitCodes` the process ends. `run` ends with those of class `stop` only. `findings`: only a command
   * that compares or registers something meets it, and goes on with the rest.
   */
  readonly exit: Exclude<keyof typeof exitCodes, 'ok'>;
  /** Which server `/readyz` and the metrics name for it. */
  readonly dependency: Dependency;
  /** The server does not answer: every other question to it would fail the same way. */
  readonly isOutage?: true;
  /** `outbox-relay recover` repairs it: always, or when it is given this option. */
  readonly recover?: 'always' | '--accept-rewound' | '--skip-unreadable' | '--force';
  /** The slot does not bring what is unpublished. With `slot.whenLost: recover` a relay recovers from it by itself. */
  readonly losesSlot?: true;
  /** `outbox-relay adopt` with this word accepts it. */
  readonly adopt?: Adoption | 'debezium';
  /** The stream may not be the one that the progress belongs to: what arrived before this error is in doubt too. */
  readonly doubtsHistory?: true;
  /** An upkeep duty that finds it ends the stream: events would be missed, or the slot is gone. */
  readonly endsStream?: true;
};

/**
 * A code is `retry` only if a later attempt can succeed with the same settings, rights and data. An SQLSTATE that nothing
 * maps, and every error of the relay's own code, is INTERNAL and stops the relay. A Kafka error that nothing maps is
 * KAFKA_UNAVAILABLE.
 */
const table = {
  // every server
  TLS_REFUSED: { class: 'stop', exit: 'unauthorized', dependency: 'relay' },
  CREDENTIALS_UNAVAILABLE: { class: 'retry', exit: 'unavailable', dependency: 'relay' },
  CREDENTIALS_REFUSED: { class: 'stop', exit: 'unauthorized', dependency: 'relay' },
  // Postgres
  POSTGRES_UNAVAILABLE: { class: 'retry', exit: 'unavailable', dependency: 'postgres', isOutage: true },
  POSTGRES_READ_ONLY: { class: 'retry', exit: 'unavailable', dependency: 'postgres' },
  POSTGRES_MOVED: {
    class: 'retry',
    exit: 'unavailable',
    dependency: 'postgres',
    doubtsHistory: true,
    endsStream: true,
  },
  REPLICATION_STALLED: { class: 'retry', exit: 'unavailable', dependency: 'postgres' },
  SLOT_IN_USE: { class: 'retry', exit: 'unavailable', dependency: 'postgres' },
  SLOT_INVALIDATED: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: 'always',
    losesSlot: true,
    adopt: 'new-slot',
    endsStream: true,
  },
  SLOT_MISSING: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: 'always',
    losesSlot: true,
    adopt: 'new-slot',
    endsStream: true,
  },
  SLOT_WRONG_KIND: { class: 'stop', exit: 'stopped', dependency: 'postgres', endsStream: true },
  PUBLICATION_MISSING: { class: 'stop', exit: 'stopped', dependency: 'postgres', endsStream: true },
  PUBLICATION_GAP: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: 'always',
    adopt: 'gap',
    doubtsHistory: true,
    endsStream: true,
  },
  PUBLICATION_INCOMPLETE: { class: 'stop', exit: 'stopped', dependency: 'postgres', recover: '--force' },
  OUTBOX_TABLE_INVALID: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  ROW_UNREADABLE: { class: 'stop', exit: 'stopped', dependency: 'postgres', recover: '--skip-unreadable' },
  POSTGRES_LIMIT_EXCEEDED: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: '--skip-unreadable',
  },
  POSTGRES_UNAUTHORIZED: { class: 'stop', exit: 'unauthorized', dependency: 'postgres' },
  POSTGRES_ROWS_HIDDEN: { class: 'stop', exit: 'unauthorized', dependency: 'postgres' },
  POSTGRES_UNSUITABLE: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  DATABASE_MISSING: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  MIGRATION_CONFLICT: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  DECODE_FAILED: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  ARCHIVE_FAILED: { class: 'stop', exit: 'stopped', dependency: 'relay' },
  // lineage: which database positions belong to
  LINEAGE_OTHER_DATABASE: { class: 'stop', exit: 'stopped', dependency: 'postgres', adopt: 'database' },
  LINEAGE_REWOUND: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: '--accept-rewound',
    adopt: 'database',
    doubtsHistory: true,
  },
  LINEAGE_SLOT_AHEAD: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: 'always',
    losesSlot: true,
    adopt: 'slot',
  },
  RECOVERY_UNFINISHED: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'postgres',
    recover: 'always',
    losesSlot: true,
  },
  ADOPTION_UNFINISHED: { class: 'stop', exit: 'stopped', dependency: 'postgres', adopt: 'debezium' },
  LINEAGE_PROGRESS_LOST: {
    class: 'stop',
    exit: 'stopped',
    dependency: 'kafka',
    recover: 'always',
    adopt: 'progress',
  },
  PROGRESS_UNREADABLE: { class: 'stop', exit: 'stopped', dependency: 'kafka', adopt: 'progress' },
  // replays
  REPLAY_CHANGED: { class: 'stop', exit: 'stopped', dependency: 'postgres' },
  REPLAY_PROGRESS_LOST: { class: 'stop', exit: 'stopped', dependency: 'kafka' },
  // Kafka
  KAFKA_UNAVAILABLE: { class: 'retry', exit: 'unavailable', dependency: 'kafka', isOutage: true },
  PUBLISH_UNCERTAIN: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  PUBLISH_REFUSED: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  TRANSACTION_EXPIRED: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  PRODUCER_FENCED: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  KAFKA_UNAUTHORIZED: { class: 'stop', exit: 'unauthorized', dependency: 'kafka' },
  KAFKA_UNSUITABLE: { class: 'stop', exit: 'stopped', dependency: 'kafka' },
  TOPIC_NOT_ALLOWED: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  TOPIC_MISSING: { class: 'quarantine', exit: 'stopped', dependency: 'kafka' },
  TOPIC_REFUSED: { class: 'quarantine', exit: 'stopped', dependency: 'kafka' },
  TOPIC_CREATION_PACED: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  RECORD_TOO_LARGE: { class: 'quarantine', exit: 'stopped', dependency: 'kafka' },
  // schemas and payloads
  REGISTRY_UNAVAILABLE: { class: 'retry', exit: 'unavailable', dependency: 'registry', isOutage: true },
  REGISTRY_UNAUTHORIZED: { class: 'stop', exit: 'unauthorized', dependency: 'registry' },
  REGISTRY_ANSWER_INVALID: { class: 'quarantine', exit: 'stopped', dependency: 'registry' },
  REGISTRY_READ_ONLY: { class: 'stop', exit: 'findings', dependency: 'registry' },
  SCHEMA_MISSING: { class: 'quarantine', exit: 'stopped', dependency: 'registry' },
  SCHEMA_INVALID: { class: 'quarantine', exit: 'stopped', dependency: 'registry' },
  TYPE_NOT_IN_SCHEMA: { class: 'quarantine', exit: 'stopped', dependency: 'registry' },
  SCHEMA_INCOMPATIBLE: { class: 'stop', exit: 'findings', dependency: 'registry' },
  PAYLOAD_NOT_JSON: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  PAYLOAD_INVALID: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  ENCODING_UNCLEAR: { class: 'retry', exit: 'unavailable', dependency: 'relay' },
  ENCODING_FAILED: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  EVENT_INVALID: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  EVENT_UNREADABLE: { class: 'quarantine', exit: 'stopped', dependency: 'postgres' },
  KEY_PARKED: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  TOPIC_PAUSED: { class: 'quarantine', exit: 'stopped', dependency: 'relay' },
  // the relay itself
  CONFIG_INVALID: { class: 'stop', exit: 'usage', dependency: 'relay' },
  EVENT_REJECTED: { class: 'stop', exit: 'stopped', dependency: 'relay' },
  DEAD_LETTER_STORM: { class: 'stop', exit: 'stopped', dependency: 'relay' },
  // the audit
  AUDIT_HELD_BACK: { class: 'retry', exit: 'unavailable', dependency: 'kafka' },
  AUDIT_OVERTAKEN: { class: 'retry', exit: 'unavailable', dependency: 'postgres' },
  AUDIT_TOO_FAR_APART: { class: 'stop', exit: 'stopped', dependency: 'relay' },
  INTERNAL: { class: 'stop', exit: 'internal', dependency: 'relay' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof table;

export const errorTable: Readonly<Record<ErrorCode, ErrorEntry>> = table;

/** What happened and what to do about it, for the operator. */
export const hints: Readonly<Record<ErrorCode, string>> = {
  TLS_REFUSED:
    'One side does not accept the other’s TLS. The message names the server and the reason: a certificate that is expired, for another host name or from an unknown authority, a client certificate that is missing or not accepted, or a port that does not speak TLS. Retrying will not help. Correct the certificate or the setting, then start the relay again.',
  CREDENTIALS_UNAVAILABLE:
    'The relay cannot get the token or the password with which it signs in. The message names where it asked: a token endpoint, a file, a command, or AWS. Check that first, not the server that it signs in to.',
  CREDENTIALS_REFUSED:
    'The token endpoint refused to give the relay a token. The message holds its answer. `invalid_client`: correct the client id or secret. `invalid_scope`, `invalid_target`: correct `scope` or `parameters`. Or the URL leads to something else. Retrying will not help.',

  POSTGRES_UNAVAILABLE:
    'The relay cannot reach Postgres, or Postgres closed the connection. Check that the server runs and that DATABASE_URL is correct.',
  POSTGRES_READ_ONLY:
    'A server that takes no writes is a standby: after a failover it stays one until it is promoted, and it may lack the latest. Promote it, or let the address in DATABASE_URL lead to the primary. No action was done, and nothing is lost. What waits goes on by itself once the server takes writes.',
  POSTGRES_MOVED:
    'New connections lead to another server than the stream, as after a failover. The relay drops its connections, takes the slot at the server where the address leads now, and compares the progress with it. If this repeats, two servers take writes at the addresses of database.url: end the old primary.',
  REPLICATION_STALLED:
    'Nothing arrived on the replication connection for longer than capture.watchdogMs. The relay reconnects.',
  SLOT_IN_USE:
    'Another relay streams from this slot. This one waits in standby. `outbox-relay status` names the active one.',
  SLOT_INVALIDATED:
    'Postgres invalidated the slot (see wal_status and invalidation_reason in pg_replication_slots). WAL that was not published may be gone. Run `outbox-relay recover`: it creates a new slot and publishes the missing events that the outbox table still holds. `--dry-run` shows them first.',
  SLOT_MISSING:
    'The slot that this relay used no longer exists, and it may have missed events that are no longer in the WAL. Run `outbox-relay recover`: it creates a new slot and publishes the missing events that the outbox table still holds. `--dry-run` shows them first.',
  SLOT_WRONG_KIND:
    'A replication slot of this name exists, but it is not a pgoutput logical slot of this database. Choose another `slot`, or drop that one.',
  PUBLICATION_MISSING:
    "The publication does not exist, or does not publish inserts into the outbox table. In a new database, run `outbox-relay migrate`. If the publication was dropped, create it again, which `migrate` does not repeat: `CREATE PUBLICATION … FOR TABLE outbox.event, outbox.heartbeat WITH (publish = 'insert', publish_via_partition_root = true)`, with your table in place of `outbox.event`. If it was altered, run `ALTER PUBLICATION … SET TABLE outbox.event, outbox.heartbeat` and `ALTER PUBLICATION … SET (publish = 'insert', publish_via_partition_root = true)`. Then start the relay: it checks whether it missed any events.",
  PUBLICATION_GAP:
    'The publication did not cover the outbox table for some time, so Postgres did not stream the events written then. Run `outbox-relay recover` to publish those that are missing, or `outbox-relay adopt gap` to continue without them.',
  PUBLICATION_INCOMPLETE:
    'The publication omits a column that the relay needs. If it has a column list, add the column or remove the list (`ALTER PUBLICATION … SET TABLE …`). If the column is generated, make it an ordinary one or, from Postgres 18 on, run `ALTER PUBLICATION … SET (publish_generated_columns = stored)`. Events written before the change lack the column in the stream. `outbox-relay recover --force` publishes them from the table.',
  OUTBOX_TABLE_INVALID:
    'In a new database, run `outbox-relay migrate`. Otherwise the outbox table, or a column named under `outbox.columns`, does not exist or cannot be streamed; the message says which. Correct the mapping. If a column was renamed while events were waiting, run the relay with the old name until it stops with this error, then with the new one.',
  ROW_UNREADABLE:
    'Postgres cannot send a row: it holds bytes that are not text in the encoding of the database (an SQL_ASCII database accepts such bytes), or it is larger than 1 GB as text. Everything before it is published. Run `outbox-relay recover --skip-unreadable`: it stores the row as a dead letter and publishes what comes after it, so that `run` can continue. `--dry-run` shows the row first.',
  POSTGRES_LIMIT_EXCEEDED:
    'A value, a row or a statement exceeds a limit of Postgres. The message names the limit (1 GB for a text or a row, the size of an index entry, max_stack_depth). Retrying will not help. If a row of the outbox table is larger than 1 GB, `outbox-relay recover --skip-unreadable` skips it. Otherwise raise the limit if it is a setting, or reduce the size of what exceeds it.',
  POSTGRES_UNAUTHORIZED:
    'Postgres refused the role. If it refused the password, correct it where it comes from: DATABASE_URL, or database.password*. If pg_hba.conf has no entry for the role, add one. If the role of the relay lacks a right, `outbox-relay check` names it, and `outbox-relay migrate --roles` grants what migrations/roles.sql lists. A command for people, such as `outbox-relay pause`, needs the role outbox_operator or the owner.',
  POSTGRES_ROWS_HIDDEN:
    'Row-level security is enabled on a table that this command reads and would hide rows from its role, so the command did not read it. Run `outbox-relay migrate --roles` as the owner: it creates a policy that shows every row of the schema `outbox` to the relay and the operators. For an outbox table in another schema, create the same policy (`create policy outbox_relay on … to outbox_relay, outbox_operator using (true) with check (true)`), or grant BYPASSRLS to the role. `outbox-relay check` names the tables.',
  POSTGRES_UNSUITABLE:
    'The server, or what answers in its place, lacks something that the relay needs: version 14 or newer, wal_level = logical, a free replication slot, and a connection without a pooler. `outbox-relay check` lists what is missing.',
  DATABASE_MISSING:
    'The server has no database of the name that DATABASE_URL ends with. Create it and run `outbox-relay migrate`, or correct the name in DATABASE_URL.',
  MIGRATION_CONFLICT:
    'The database does not match the migrations of this release. The message says where. Nothing more was applied. If a migration differs from its file or is unknown to this release, deploy the release that matches the database. If another tool or role created something in the schema `outbox`, remove it, or continue with that tool.',
  DECODE_FAILED:
    'The replication stream holds a message that this release cannot read. Nothing was skipped. Report it with the version of Postgres.',
  ARCHIVE_FAILED:
    'Cleanup could not write a partition to the directory cleanup.archive, or not read back what it wrote. Nothing was dropped. Check that the directory exists, that the relay may write to it, and that the disk has space.',

  LINEAGE_OTHER_DATABASE:
    'The progress in Kafka belongs to another Postgres cluster. Correct DATABASE_URL or kafka.progressTopic. If you moved to this cluster on purpose, run `outbox-relay adopt database`.',
  LINEAGE_REWOUND:
    'The database is behind what was published: it was restored from an earlier backup, or lost its latest transactions. `outbox-relay verify` lists the events that only Kafka has. Run `outbox-relay recover --accept-rewound` to continue with this database: it creates a new slot and publishes what Kafka lacks, nothing twice. `--dry-run` shows the events first.',
  LINEAGE_SLOT_AHEAD:
    'The slot starts after the progress: it was recreated or advanced by hand, and the relay never read the events in between. Run `outbox-relay recover` to publish those that are missing, or `outbox-relay adopt slot` to continue without them.',
  RECOVERY_UNFINISHED:
    'A run of `outbox-relay recover` ended before it finished, so the slot would deliver again what that run published. Run `outbox-relay recover` again: it publishes the rest, nothing twice.',
  ADOPTION_UNFINISHED:
    'A run of `outbox-relay adopt debezium` ended before it finished, so events that the connector left unpublished may still be missing in Kafka. Keep the connector stopped and its slot in place, and run it again: it publishes the rest, nothing twice.',
  LINEAGE_PROGRESS_LOST:
    'The relay has published from this slot before, but the progress topic holds no progress for it. Early releases kept the progress of all slots in the topic outbox-relay.progress: after an upgrade from one of them, set kafka.progressTopic to that name. Otherwise restore the topic or correct kafka.progressTopic. If the topic cannot be restored, run `outbox-relay recover`: it compares the outbox table with Kafka and publishes what is missing. `outbox-relay adopt progress` continues from the slot instead, and may publish events twice: run `outbox-relay verify` first.',
  PROGRESS_UNREADABLE:
    'The progress topic holds a record that this release cannot read, perhaps written by a newer one. Run that release, or `outbox-relay adopt progress`.',

  REPLAY_CHANGED:
    'A replay cannot continue, because what it had fixed at its start has changed: rows of a transaction that is published in part were removed, or Postgres no longer keeps the commit times that give the order. It published nothing twice. `outbox-relay replay show` says how far it came. Start another replay for the rest, with a narrower --from.',
  REPLAY_PROGRESS_LOST:
    'A replay has published events before, but its progress topic (kafka.progressTopic with -replay at the end) does not show them, so continuing could publish events twice. Restore the topic, or correct kafka.progressTopic. Otherwise look in the target topic for the last record with this replay-id, and start another replay for what comes after it.',

  KAFKA_UNAVAILABLE:
    'No broker answered, or a leader or coordinator is not available. Check KAFKA_BROKERS, the cluster, and whether the port expects TLS or SASL (kafka.ssl, kafka.saslMechanism).',
  PUBLISH_UNCERTAIN:
    'The outcome of a Kafka transaction is unknown. The relay fences its own producer, reads the progress and resends only what the progress does not cover.',
  PUBLISH_REFUSED:
    'Kafka refused a record of a transaction. Nothing of the transaction is visible. The message names the topic and what to change. The relay checks the topics again and retries. After retry.unclearAttempts failures without any progress it stops with KAFKA_UNSUITABLE.',
  TRANSACTION_EXPIRED:
    'A Kafka transaction took longer than kafka.transactionTimeoutMs, and the broker aborted it. Nothing of it is visible. The next transactions hold one Postgres transaction each, and one that expires again is split. Look for a quota of the client id or user (producer_byte_rate, request_percentage) or a slow cluster. Raise the quota or kafka.transactionTimeoutMs.',
  PRODUCER_FENCED: 'Another relay with the same transactional id took over. This one returns to standby.',
  KAFKA_UNAUTHORIZED:
    'Kafka refused the credentials, or a right is missing. docs/guides/kafka.md lists the rights. `outbox-relay check` names those that are missing.',
  KAFKA_UNSUITABLE:
    'The relay cannot use the cluster as it is configured. `outbox-relay check` names the setting.',
  TOPIC_NOT_ALLOWED:
    'The event routes to a topic that `topics.allow` does not list, or whose name is not valid in Kafka. Add the topic to `topics.allow` and restart the relay, then resubmit the event. If its aggregatetype is wrong, discard it and write it again.',
  TOPIC_MISSING:
    'The topic does not exist, and the relay cannot create it: topics.create is off, topics.createMax is reached, or the cluster has a topic whose name differs only in `.` and `_`. Create the topic, then resubmit the event.',
  TOPIC_REFUSED:
    'Kafka does not let the relay use or create the topic of this event, but lets it use others. The message holds its answer: a missing right, a policy, or settings that the cluster refuses. Correct the row’s aggregatetype, or grant the right or create the topic, then resubmit the event.',
  TOPIC_CREATION_PACED:
    'The relay created topics.createPerMinute topics within a minute and waits before it creates another one. If rows contain invented names, correct their writer or narrow topics.allow. If you need that many topics, create them beforehand or raise topics.createPerMinute.',
  RECORD_TOO_LARGE:
    'The encoded event exceeds the limit of its topic (max.message.bytes, segment.bytes) or publish.maxRecordBytes, or its row exceeds publish.maxRowBytes. In the last case the dead letter holds no payload.',

  REGISTRY_UNAVAILABLE:
    'The schema registry cannot be reached, is slow, or answers with an error of its own. The message says which. Check that it runs, and that SCHEMA_REGISTRY_URL is correct.',
  REGISTRY_UNAUTHORIZED:
    'The schema registry refused the credentials. Correct registry.username and registry.password, registry.token, or what registry.oauth asks for.',
  REGISTRY_ANSWER_INVALID:
    'The registry answered with something that the relay cannot use for this subject. The message says what. Check the subject in the registry, then resubmit the events that failed on it.',
  REGISTRY_READ_ONLY:
    'The registry accepts no new versions: it or the subject is in mode READONLY or IMPORT. Register at the registry that accepts writes, or set the mode to READWRITE (`PUT {"mode": "READWRITE"}` to <registry>/mode, or /mode/<subject>).',
  SCHEMA_MISSING:
    'The registry has no schema under the subject of this event, or not the version that `schemas.versions` or the header `schema-version` names. If the `type` or the aggregatetype of the event is mistyped, correct its writer, discard it and write it again. Otherwise register the schema (`outbox-relay schemas register`), or correct `schemas.versions`, then resubmit the event.',
  SCHEMA_INVALID:
    'The relay cannot use this Avro schema. The message says why. Correct it, in the registry or in the file, then resubmit the events that failed on it.',
  TYPE_NOT_IN_SCHEMA:
    'The schema of the subject has no type with the name in the event’s `type`, so the relay does not know which type the payload follows. Register a schema with this type and resubmit the event, or write the event again with the correct type. If the values of `type` are not names of records, set `schemas.typeMatch` to `any`.',
  SCHEMA_INCOMPATIBLE:
    'The registry refused the new version of a schema as incompatible with earlier ones. `outbox-relay schemas check` says which field breaks which readers, and how to make the change instead.',
  PAYLOAD_NOT_JSON: 'The payload is NULL or not JSON. Correct the event and resubmit it.',
  PAYLOAD_INVALID:
    'The payload does not match its Avro schema at the path in the message. Correct the writer first. For this event, correct the payload with `dead-letters fix`, or register a schema that accepts it. Then publish it with `dead-letters resubmit`, or with `dead-letters release` if its key is parked. `dead-letters discard` gives the event up.',
  ENCODING_UNCLEAR:
    'Encoding an event failed for a reason that may be temporary. The relay retries `retry.unclearAttempts` times before the event becomes a dead letter.',
  ENCODING_FAILED:
    'A bug in the relay: encoding this event failed on every attempt. Report it with the stack in the dead letter, and resubmit the event once a release fixes it.',
  EVENT_INVALID:
    'A column of the event is missing or malformed (id, aggregatetype, aggregateid, type or headers). Discard the dead letter, and write the event again.',
  EVENT_UNREADABLE:
    'Postgres cannot return the row as text, and `recover --skip-unreadable` skipped it. The message says where the row is and which columns are unreadable. The dead letter lacks these columns. If only the payload is unreadable, `dead-letters fix --payload` and `dead-letters resubmit` publish the event. Otherwise discard it, and write the event again as valid text.',
  KEY_PARKED:
    'An earlier event with the same topic and key was refused, and the policy of the topic is `park-key`; or its topic was set aside. Fix or discard the refused event, then release the key with `dead-letters release`. `outbox-relay resume --topic` releases keys of a topic that was set aside.',
  TOPIC_PAUSED:
    'Somebody paused the topic with `outbox-relay pause --topic … --set-aside`. `outbox-relay status` shows who and why. `outbox-relay resume --topic …` publishes the events in order.',

  CONFIG_INVALID:
    'Correct the setting or the file that the message names. `outbox-relay config` shows where the value of each setting comes from.',
  EVENT_REJECTED:
    'An event cannot be published, and the policy of its topic is `halt`. Correct the schema or the topic and start again. If the event itself is wrong, it cannot be changed any more: start with the policy `dead-letter` until the event is dead-lettered, then publish it with `dead-letters fix` and `dead-letters resubmit`.',
  DEAD_LETTER_STORM:
    'Most events of the last minute were refused, for example after a faulty deployment. Correct the cause and start again. If you want these events dead-lettered, raise `deadLetters.stormPercent`.',
  AUDIT_HELD_BACK:
    'The audit cannot begin now, because the progress has not reached the present. Start the relay, or wait until it has caught up, and run the command again.',
  AUDIT_OVERTAKEN:
    'Two audits of one slot run at the same time. The other one has stored its result first; nothing is lost or counted twice. Run one: `outbox-relay audit`, or `audit.everyMinutes` in the relay.',
  AUDIT_TOO_FAR_APART:
    'The rows of the table and the records of the topics do not belong together: more of them wait for their counterparts than memory may hold. Run `outbox-relay verify`, then `outbox-relay audit --once --start now`, which leaves out everything that is committed now.',
  INTERNAL: 'A bug in the relay. Nothing was skipped. Report it with the log.',
};

/** Context that may be logged: identifiers and numbers, never a payload or a secret. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null | undefined>>;

export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly code: ErrorCode;
  readonly context: ErrorContext;
  /** What to do: that of the code, unless this error knows better. */
  readonly hint: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; context?: ErrorContext; hint?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
    this.hint = options.hint ?? hints[code];
  }

  /** Its row of the table. */
  get entry(): ErrorEntry {
    return errorTable[this.code];
  }

  get class(): ErrorClass {
    return this.entry.class;
  }
}

/**
 * What was asked for cannot be done as it was asked: it names nothing that exists, is malformed, or there is nothing to do.
 * Nothing was changed. It is no failure of the relay or of a server, so it has no code. Never with a value of a payload.
 */
export class RequestInvalid extends Error {
  override readonly name = 'RequestInvalid';
}

/** What is said of anything thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // If a host has several addresses and all refuse, the error has a list of errors and no message.
  return error.message || ('code' in error ? String(error.code) : error.name);
}

/** A `RelayError` as it is, anything else as `INTERNAL` with its cause: an unexpected error stops, it never drops. */
export function asRelayError(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  return new RelayError('INTERNAL', messageOf(error), { cause: error });
}
