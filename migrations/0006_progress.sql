-- For people, and the mark that a slot was initialised. The truth about what is published is in Kafka's progress
-- topic; the columns after the mark are a copy of it that may lag. The mark itself counts: with it, a slot for which
-- Kafka has no progress has lost it; without it, nothing was ever published.
create table outbox.progress (
  slot               text        primary key,
  initialised_at     timestamptz not null,
  system_identifier  text,
  timeline           int,
  end_lsn            pg_lsn,
  partial_commit_lsn pg_lsn,
  partial_ordinal    bigint,
  event_count        bigint,
  instance           text,
  published_at       timestamptz,
  publication        text
);

comment on table outbox.progress is 'Copy of each slot''s progress in Kafka, for people; initialised_at and publication are authoritative.';
comment on column outbox.progress.end_lsn is 'Everything committed before this LSN is published.';
comment on column outbox.progress.partial_commit_lsn is
  'Commit LSN of a transaction of which only the events below partial_ordinal are published.';
comment on column outbox.progress.publication is
  'Identity of the publication that the slot was streamed through; another one stops the relay.';
