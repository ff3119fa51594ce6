/** Where events come from: Postgres, the slot and the outbox table. */
import { z } from 'zod';
import { ownTable } from '../own-table.ts';
import {
  address,
  choice,
  flag,
  integer,
  MiB,
  optionalInteger,
  optionalText,
  section,
  text,
  textOrNone,
} from '../setting.ts';
import { slotNameMax } from '../slot-name.ts';

export const slot = section({
  name: z
    .string()
    .regex(
      new RegExp(`^[a-z0-9_]{1,${slotNameMax}}$`),
      `must be 1 to ${slotNameMax} characters of a-z, 0-9 and _, as Postgres requires for a slot name`,
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
});

export const publication = text('Name of the publication that covers the outbox table.', 'outbox_relay');

export const database = section({
  url: address(
    /^postgres(ql)?:\/\//,
    'must start with postgres:// or postgresql://',
    'postgres://relay@db.example:5432/shop',
  ).meta({
    kind: 'string',
    env: 'DATABASE_URL',
    secret: 'url',
    description:
      'Connection string of the database that holds the outbox, as libpq takes it. It must lead to Postgres itself, not to a connection pooler. It may name several hosts, of which the relay uses the primary: `postgres://relay@db-1:5432,db-2:5432/shop`. Its parameters set TLS: `?sslmode=verify-full&sslrootcert=ca.pem`, with `sslcert` and `sslkey` for a client certificate.',
  }),
  passwordFile: optionalText(
    'File with the password, instead of a password in the URL. The relay reads it for each connection.',
  ),
  passwordCommand: z.array(z.string().min(1)).default([]).meta({
    kind: 'list',
    description:
      'Command that prints the password, as a list of program and arguments: `[gcloud, sql, generate-login-token]`. It runs for each connection, without a shell, for four fifths of `database.connectTimeoutMs` at most.',
  }),
  passwordFrom: z.enum(['rds-iam']).optional().meta({
    kind: 'string',
    description:
      '`rds-iam`: the password is a token of IAM for RDS and Aurora, as the AWS SDK signs it with the credentials that it finds. This needs the package `@aws-sdk/rds-signer`, and TLS.',
  }),
  passwordGraceMs: integer(
    'For how long the relay goes on if Postgres refuses a password that comes from a file, a command or IAM, and accepted one before, in ms: the new password may reach Postgres and its source at different moments. Then it stops.',
    300_000,
    0,
    3_600_000,
  ),
  connectTimeoutMs: integer('Longest time to open a connection to one host, in ms.', 10_000, 100, 600_000),
  statementTimeoutMs: integer('Longest time for one bookkeeping statement, in ms.', 15_000, 100, 600_000),
});

export const outbox = section({
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
      "Column with further headers, a JSON object of strings; `''` if the table has none.",
      'headers',
    ),
    createdAt: textOrNone(
      "Column with the time at which the event was written; `''` if the table has none.",
      'created_at',
    ),
  }),
  partitionsDaysAhead: integer(
    'How many daily partitions of `outbox.event` the relay creates ahead; 0 = none.',
    7,
    0,
    365,
  ),
});

export const capture = section({
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
});
