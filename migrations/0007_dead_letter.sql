-- Events that can never be published as they are, each exactly once: the key is the position, so that the relay can
-- repeat an upsert after a crash.
create table outbox.dead_letter (
  slot             text        not null,
  commit_lsn       pg_lsn      not null,
  ordinal          bigint      not null,
  -- The event's columns as text, since being malformed may be what is wrong with them.
  event_id         text,
  aggregatetype    text,
  aggregateid      text,
  type             text,
  payload          text,
  headers          text,
  event_created_at text,
  topic            text,
  code             text        not null,
  message          text        not null,
  path             text,
  attempts         int         not null default 1,
  context          jsonb       not null default '{}',
  first_seen       timestamptz not null default now(),
  last_seen        timestamptz not null default now(),
  status           text        not null default 'open' check (status in ('open', 'resubmitted', 'discarded')),
  primary key (slot, commit_lsn, ordinal)
);

comment on table outbox.dead_letter is 'Events the relay could not publish, with the reason.';
comment on column outbox.dead_letter.ordinal is 'Number of the event in its transaction, from 0.';
comment on column outbox.dead_letter.code is 'A code of the relay''s error table.';
comment on column outbox.dead_letter.path is 'Where in the payload the fault is.';

-- "What is open, oldest first": the question that people and alerts ask.
create index dead_letter_status on outbox.dead_letter (status, first_seen);
