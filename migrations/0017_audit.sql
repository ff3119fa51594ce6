-- What `outbox-relay audit` knows: how far it has compared the outbox table with the topics, and what it found. One row a
-- slot, one row a finding. Only the audit writes them. The columns beyond those with a comment are its own.
create table outbox.audit (
  slot                text primary key,
  -- The audit starts again where one of these differs.
  system_identifier   text not null,
  database_oid        oid not null,
  outbox_table        text not null,
  started_at          timestamptz not null,
  started_because     text not null,
  begins_at           timestamptz,
  verified_at         timestamptz,
  verified_lsn        pg_lsn,
  verified_snapshot   pg_snapshot,
  verified_below      xid8,
  missing_open        bigint not null default 0,
  missing             bigint not null default 0,
  duplicate           bigint not null default 0,
  leaked              bigint not null default 0,
  out_of_order        bigint not null default 0,
  undecodable         bigint not null default 0,
  events              bigint not null default 0,
  records             bigint not null default 0,
  windows             bigint not null default 0,
  unjudged            jsonb not null default '{}',
  last_run_at         timestamptz,
  last_run_ms         bigint,
  last_error          text,
  last_error_at       timestamptz,
  held_back           text,
  runs                jsonb not null default '[]',
  state               bytea
);

comment on table outbox.audit is
  'How far `outbox-relay audit` has compared the outbox table with the topics, by slot, and what it found.';
comment on column outbox.audit.started_at is 'Since when the counters count.';
comment on column outbox.audit.started_because is 'Why the audit started at started_at, as `first run`.';
comment on column outbox.audit.begins_at is
  'The audit left out rows that were committed before this time; null: it began with the first row of the table.';
comment on column outbox.audit.verified_at is
  'Clock of the database when verified_snapshot was taken; null before the first window is done.';
comment on column outbox.audit.verified_lsn is 'WAL position of verified_snapshot.';
comment on column outbox.audit.verified_snapshot is
  'Every row that this snapshot showed in the outbox table, and that was committed after begins_at, was compared with the topics.';
comment on column outbox.audit.verified_below is
  'Every committed row with a smaller xmin (as xid8) was compared with the topics, unless begins_at is later. So a partition is compared as a whole if it has no row with this xmin or a greater one. It is published, or a dead letter, if missing_open is 0 too.';
comment on column outbox.audit.missing_open is 'Missing events that have not been published since. 0 counts as of verified_at.';
comment on column outbox.audit.missing is 'Found since started_at, like the other counters.';
comment on column outbox.audit.unjudged is 'What the audit could not judge, by kind.';
comment on column outbox.audit.last_run_at is 'When the last run ended, with or without a result.';
comment on column outbox.audit.held_back is 'Why the last run verified nothing.';
comment on column outbox.audit.runs is 'The last runs, the latest last.';

create table outbox.audit_finding (
  id           bigint generated always as identity primary key,
  slot         text not null references outbox.audit on delete cascade,
  found_at     timestamptz not null default now(),
  kind         text not null check (kind in ('missing', 'duplicate', 'leaked', 'out_of_order', 'undecodable')),
  event_id     text,
  topic        text,
  partition    int,
  "offset"     bigint,
  position     text,
  detail       text,
  resolved_at  timestamptz
);

create index audit_finding_by_slot on outbox.audit_finding (slot, kind, event_id);

comment on table outbox.audit_finding is
  'What `outbox-relay audit` found, without any payload. It keeps at most 10,000 rows of a kind; outbox.audit counts all.';
comment on column outbox.audit_finding.resolved_at is 'When a missing event was found in a topic after all.';

revoke all on outbox.audit, outbox.audit_finding from public;
