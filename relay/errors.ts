/**
 * The closed table of everything that can go wrong: a code, what the relay does about it, and what the operator
 * should do. Every error that leaves a stage is a `RelayError` with one of these codes; drivers' errors become one by
 * SQLSTATE or Kafka error type at the stage that met them, and stay reachable as `cause`.
 */

/**
 * - `retry`: the outside world is failing; back off and try again, for ever. Nothing is skipped.
 * - `quarantine`: this event can never be published as it is; it goes to `outbox.dead_letter`.
 * - `stop`: going on could lose or double events, or cannot work; exit with `exitCode` and the hint.
 */
export type ErrorClass = 'retry' | 'quarantine' | 'stop';

type ErrorEntry = { readonly class: ErrorClass; readonly hint: string };

export const errorTable = {
  // every server
  TLS_REFUSED: {
    class: 'stop',
    hint: 'One side did not accept the other’s TLS: a certificate of an unknown authority, of another host name or expired, a client certificate that is missing or not accepted, or a port that does not speak TLS. Waiting does not mend it; the message names the server and the reason. Files are read at the start.',
  },

  // Postgres
  POSTGRES_UNAVAILABLE: {
    class: 'retry',
    hint: 'Postgres cannot be reached or closed the connection; check that it runs and that DATABASE_URL is right.',
  },
  REPLICATION_STALLED: {
    class: 'retry',
    hint: 'Nothing arrived on the replication connection for longer than capture.watchdogMs; the connection is reopened.',
  },
  SLOT_IN_USE: {
    class: 'retry',
    hint: 'Another relay streams from this slot; this one waits in standby. `outbox-relay status` names the active one.',
  },
  SLOT_INVALIDATED: {
    class: 'stop',
    hint: 'Postgres invalidated the slot (see wal_status and invalidation_reason in pg_replication_slots); WAL that was not yet published may be gone. `outbox-relay recover` makes a new slot and publishes what is missing, as far as the outbox table still holds it; `--dry-run` shows what it would do.',
  },
  SLOT_MISSING: {
    class: 'stop',
    hint: 'The slot this relay had initialised no longer exists, so events may have been committed that it can never read. `outbox-relay recover` makes a new slot and publishes what is missing, as far as the outbox table still holds it; `--dry-run` shows what it would do.',
  },
  SLOT_WRONG_KIND: {
    class: 'stop',
    hint: 'A replication slot of this name exists, but it is not a pgoutput logical slot of this database; choose another `slot`, or drop that one.',
  },
  PUBLICATION_MISSING: {
    class: 'stop',
    hint: "The publication does not exist or does not publish inserts of the outbox table. In a new database run `outbox-relay migrate`. Where it was dropped, make it again with `psql -f migrations/0005_publication.sql`, which `migrate` does not repeat. Where it was changed: `ALTER PUBLICATION … SET TABLE outbox.event, outbox.heartbeat` and `ALTER PUBLICATION … SET (publish = 'insert', publish_via_partition_root = true)`. Then start: events written meanwhile are looked for.",
  },
  PUBLICATION_GAP: {
    class: 'stop',
    hint: 'The publication did not cover the outbox for a while, so events written then were never streamed. `outbox-relay recover` publishes those that are missing; `outbox-relay adopt gap` goes on without them.',
  },
  PUBLICATION_INCOMPLETE: {
    class: 'stop',
    hint: 'The publication leaves out a column that the relay needs. A column list: add the column, or remove the list (`ALTER PUBLICATION … SET TABLE …`). A generated column: make it an ordinary one, or from Postgres 18 on `ALTER PUBLICATION … SET (publish_generated_columns = stored)`. Events written before that lack the column on the stream; `outbox-relay recover --force` publishes them from the table.',
  },
  OUTBOX_TABLE_INVALID: {
    class: 'stop',
    hint: 'The outbox table, or one of the columns named under `outbox.columns`, does not exist or is of a kind that cannot be streamed; the message says which. In a new database run `outbox-relay migrate`, otherwise correct the mapping. Where a column was renamed while events waited: run the relay with the old name until it stops with this error, then with the new one.',
  },
  ROW_UNREADABLE: {
    class: 'stop',
    hint: 'Postgres cannot send a row: it holds bytes that are not text in the encoding of the database (as an SQL_ASCII database takes them), or is larger than 1 GB as text. Everything before it is published. `outbox-relay recover --skip-unreadable` makes a dead letter of the row, publishes what is behind it, and lets `run` go on; `--dry-run` shows it first.',
  },
  POSTGRES_LIMIT_EXCEEDED: {
    class: 'stop',
    hint: 'A value, a row or a statement exceeds a limit that is built into Postgres or set there; the message names the limit (1 GB for a text or a row, the size of an index entry, max_stack_depth). Waiting does not help. Where a row of the outbox table is over 1 GB, `outbox-relay recover --skip-unreadable` passes it over. Otherwise raise the limit, if it is a setting, or make what exceeds it smaller.',
  },
  POSTGRES_UNAUTHORIZED: {
    class: 'stop',
    hint: 'Postgres refused the role: its password, pg_hba.conf, or a right. `migrations/roles.sql` has the rights of each role, `outbox-relay check` names those that the relay lacks.',
  },
  POSTGRES_ROWS_HIDDEN: {
    class: 'stop',
    hint: 'Row-level security is on for a table that this command reads, and would hide rows from its role, so Postgres refused. Run `migrations/roles.sql` again as the owner: it makes a policy that shows the relay and the operators every row in the schema `outbox`. For an outbox table elsewhere make the same (`create policy outbox_relay on … to outbox_relay using (true) with check (true)`), or give the role BYPASSRLS. `outbox-relay check` names the tables.',
  },
  POSTGRES_UNSUITABLE: {
    class: 'stop',
    hint: 'The server, or what answers in its place, cannot do what the relay needs: the database of that name, version 14 or newer, wal_level = logical, a free replication slot, and no connection pooler in between; `outbox-relay check` lists them.',
  },
  MIGRATION_CONFLICT: {
    class: 'stop',
    hint: 'The database does not fit the migrations of this release, and nothing more was applied; the message says where. A migration that differs from its file or is unknown here: deploy the release that matches the database. Something that another tool or role made in the schema `outbox`: remove it, or go on with what made it.',
  },
  DECODE_FAILED: {
    class: 'stop',
    hint: 'The replication stream holds a message this release cannot read; nothing was skipped. Report it with the Postgres version.',
  },

  // lineage: which database positions belong to
  LINEAGE_OTHER_DATABASE: {
    class: 'stop',
    hint: 'The progress in Kafka belongs to another Postgres cluster. Correct DATABASE_URL or kafka.progressTopic; if the move was meant, run `outbox-relay adopt database`.',
  },
  LINEAGE_REWOUND: {
    class: 'stop',
    hint: 'The database is behind what was published: it was restored from an earlier backup or lost its latest transactions. `outbox-relay verify` lists the events that only Kafka has. `outbox-relay recover --accept-rewound` then goes on with this database: it makes a new slot and publishes what Kafka lacks, nothing twice; `--dry-run` shows what it would do.',
  },
  LINEAGE_SLOT_AHEAD: {
    class: 'stop',
    hint: 'The slot starts after the progress: it was recreated or advanced by hand, and events in between were never read. `outbox-relay recover` publishes those that are missing; `outbox-relay adopt slot` goes on without them.',
  },
  RECOVERY_UNFINISHED: {
    class: 'stop',
    hint: 'A run of `outbox-relay recover` was ended before it was done, and the slot would bring again what it has published. Run `outbox-relay recover` once more: it publishes the rest, nothing twice.',
  },
  LINEAGE_PROGRESS_LOST: {
    class: 'stop',
    hint: 'The slot has published before, but its progress topic holds no progress for it. Earlier releases kept the progress of all slots in the topic outbox-relay.progress: after an upgrade from one set kafka.progressTopic to that name. Otherwise restore the topic or correct kafka.progressTopic; if it is gone for good run `outbox-relay verify`, then `outbox-relay adopt progress`.',
  },
  PROGRESS_UNREADABLE: {
    class: 'stop',
    hint: 'The progress topic holds a record that this release cannot read, perhaps from a newer one; run that release, or `outbox-relay adopt progress`.',
  },

  // Kafka
  KAFKA_UNAVAILABLE: {
    class: 'retry',
    hint: 'No broker answered, or no leader or coordinator is available; check KAFKA_BROKERS, the cluster, and whether the port asks for TLS or SASL (kafka.ssl, kafka.saslMechanism).',
  },
  PUBLISH_UNCERTAIN: {
    class: 'retry',
    hint: 'The outcome of a Kafka transaction is not known; the relay fences its own producer, reads the progress and resends only what it does not cover.',
  },
  PUBLISH_REFUSED: {
    class: 'retry',
    hint: 'Kafka refused what a transaction was to hold; nothing of it is visible. The message names the topic and what to change. The relay looks at the topics again and retries; after retry.unclearAttempts such failures without any progress it stops with KAFKA_UNSUITABLE.',
  },
  TRANSACTION_EXPIRED: {
    class: 'retry',
    hint: 'A Kafka transaction took longer than kafka.transactionTimeoutMs, and the broker aborted it; nothing of it is visible. The next ones hold one Postgres transaction each; one that expires again is split. Look for a quota of the client id or user (producer_byte_rate, request_percentage) or a slow cluster; raise the quota or kafka.transactionTimeoutMs.',
  },
  PRODUCER_FENCED: {
    class: 'retry',
    hint: 'Another relay with the same transactional id took over; this one goes back to standby.',
  },
  KAFKA_UNAUTHORIZED: {
    class: 'stop',
    hint: 'Kafka refused the credentials or a right is missing: docs/guides/kafka.md lists the rights, `outbox-relay check` those that are missing.',
  },
  KAFKA_UNSUITABLE: {
    class: 'stop',
    hint: 'The cluster cannot serve the relay as configured; `outbox-relay check` names the setting.',
  },
  TOPIC_NOT_ALLOWED: {
    class: 'quarantine',
    hint: 'The event routes to a topic that `topics.allow` does not list, or that is not a legal topic name.',
  },
  TOPIC_MISSING: {
    class: 'quarantine',
    hint: 'The topic does not exist, and topics.create is off, topics.createMax is reached, or the cluster does not take its name (`.` and `_` count as one); create it, then resubmit the event.',
  },
  TOPIC_REFUSED: {
    class: 'quarantine',
    hint: 'Kafka does not let the relay use or create the topic of this event, while it lets it use others: a missing right, a policy, or settings that the cluster does not take. The message has its answer. Correct the row’s aggregatetype, or grant or create the topic, then resubmit the event.',
  },
  TOPIC_CREATION_PACED: {
    class: 'retry',
    hint: 'The relay created topics.createPerMinute topics within a minute, and waits before it creates another. If rows make up names, correct their writer or narrow topics.allow; if many topics are meant, create them beforehand or raise topics.createPerMinute.',
  },
  RECORD_TOO_LARGE: {
    class: 'quarantine',
    hint: 'The encoded event exceeds what its topic takes (max.message.bytes, segment.bytes) or publish.maxRecordBytes, or its row publish.maxRowBytes; the dead letter of such a row holds no payload.',
  },

  // schemas and payloads
  REGISTRY_UNAVAILABLE: {
    class: 'retry',
    hint: 'The schema registry cannot be reached, is slow or answers with an error; check SCHEMA_REGISTRY_URL. Events wait, none is skipped.',
  },
  REGISTRY_UNAUTHORIZED: {
    class: 'stop',
    hint: 'The schema registry refused the credentials; correct registry.username and registry.password, or registry.token.',
  },
  REGISTRY_ANSWER_INVALID: {
    class: 'quarantine',
    hint: 'The registry answers, but for this subject with something that cannot be used; the message says what. Look at the subject in the registry, then resubmit the events that met it.',
  },
  REGISTRY_READ_ONLY: {
    class: 'stop',
    hint: 'The registry answers, and takes no new versions: it or the subject is in the mode READONLY or IMPORT. Register at the registry that is written to, or set the mode to READWRITE (`PUT {"mode": "READWRITE"}` to <registry>/mode, or /mode/<subject>).',
  },
  SCHEMA_MISSING: {
    class: 'quarantine',
    hint: 'The registry has no schema under the subject of this event, or not the version it is held at; register it (`outbox-relay schemas register`), then resubmit the event.',
  },
  SCHEMA_INVALID: {
    class: 'quarantine',
    hint: 'The schema is not an Avro schema that can be used: the message says why. Correct it, in the registry or in the file, then resubmit the events that met it.',
  },
  TYPE_NOT_IN_SCHEMA: {
    class: 'quarantine',
    hint: 'The `type` of the event names no type that the schema of its subject has, so it is not known which one the payload is meant for. Register a schema that has its type and resubmit it, or write the event again with the right type. Where types are no names of records, `schemas.typeMatch` = `any`.',
  },
  SCHEMA_INCOMPATIBLE: {
    class: 'stop',
    hint: 'The registry refused the new version of a schema as incompatible with earlier ones; `outbox-relay schemas check` says which field breaks whom, and how to do it instead.',
  },
  PAYLOAD_NOT_JSON: {
    class: 'quarantine',
    hint: 'The payload is NULL or not JSON; correct the event and resubmit it.',
  },
  PAYLOAD_INVALID: {
    class: 'quarantine',
    hint: 'The payload does not fit its Avro schema at the path given; correct the event or evolve the schema, then resubmit it.',
  },
  ENCODING_UNCLEAR: {
    class: 'retry',
    hint: 'An event could not be encoded for a reason that may or may not pass; it is tried again `retry.unclearAttempts` times before it becomes a dead letter.',
  },
  ENCODING_FAILED: {
    class: 'quarantine',
    hint: 'A defect in the relay met with this event each time it was tried; report it with the stack in the dead letter, and resubmit the event to a release that has it fixed.',
  },
  EVENT_INVALID: {
    class: 'quarantine',
    hint: 'A column of the event is missing or malformed (id, aggregatetype, aggregateid, type or headers).',
  },
  EVENT_UNREADABLE: {
    class: 'quarantine',
    hint: 'Postgres cannot give the row as text, and `recover --skip-unreadable` passed it over; the message says where it is and which columns cannot be read. The dead letter lacks those. Where it is the payload alone, `dead-letters fix --payload` and `dead-letters resubmit` publish the event; otherwise discard it, and write the event again as valid text.',
  },
  KEY_PARKED: {
    class: 'quarantine',
    hint: 'An earlier event of the same topic and key was refused, and the policy of the topic is `park-key`. Fix or discard that one, then release the key with `dead-letters release`.',
  },

  // the relay itself
  CONFIG_INVALID: {
    class: 'stop',
    hint: 'Correct what is listed. Of a setting, `outbox-relay config` shows where its value comes from.',
  },
  EVENT_REJECTED: {
    class: 'stop',
    hint: 'An event cannot be published and the policy of its topic is `halt`. Correct the schema or the topic and start again. Where the event itself is wrong, which cannot be changed any more: start with the policy `dead-letter` until it is set aside; then `dead-letters fix` and `dead-letters resubmit` publish it.',
  },
  DEAD_LETTER_STORM: {
    class: 'stop',
    hint: 'Most events of the last minute were refused, as after a wrong deployment. Correct the cause and start again; if they are meant to be set aside, raise `deadLetters.stormPercent`.',
  },
  INTERNAL: { class: 'stop', hint: 'A defect in the relay. Nothing was skipped; report it with the log.' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/** Process exit codes, closed: sysexits.h where one fits. */
export const exitCodes = {
  ok: 0,
  /** The command ran and found what it looks for: a failed check, a missing event. */
  findings: 1,
  /** EX_USAGE: wrong arguments or configuration. */
  usage: 64,
  /** EX_UNAVAILABLE: a server a one-shot command needs did not answer. */
  unavailable: 69,
  /** EX_SOFTWARE: a defect in the relay. */
  internal: 70,
  /** EX_NOPERM: credentials or rights. */
  unauthorized: 77,
  /** EX_CONFIG: the relay stopped itself; the code and the hint say what to do. Restarting does not help. */
  stopped: 78,
} as const;

/** Context that may be logged: identifiers and numbers, never a payload or a secret. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null | undefined>>;

export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; context?: ErrorContext } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
  }

  get class(): ErrorClass {
    return errorTable[this.code].class;
  }

  get hint(): string {
    return errorTable[this.code].hint;
  }
}

/** A `RelayError` as it is, anything else as `INTERNAL` with its cause: an unexpected error stops, it never drops. */
export function asRelayError(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RelayError('INTERNAL', message, { cause: error });
}

export function exitCodeOf(error: RelayError): number {
  switch (error.code) {
    case 'CONFIG_INVALID':
      return exitCodes.usage;
    case 'INTERNAL':
      return exitCodes.internal;
    case 'POSTGRES_UNAUTHORIZED':
    case 'POSTGRES_ROWS_HIDDEN':
    case 'KAFKA_UNAUTHORIZED':
    case 'REGISTRY_UNAUTHORIZED':
    case 'TLS_REFUSED':
      return exitCodes.unauthorized;
    default:
      return error.class === 'retry' ? exitCodes.unavailable : exitCodes.stopped;
  }
}
