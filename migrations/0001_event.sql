-- The outbox itself: one row is one event, written in the application's own transaction.
-- Every file here is plain SQL for PostgreSQL 14 or newer, to be run once, in order, in one transaction each:
-- `outbox-relay migrate`, any other migration tool, or `psql -1 -v ON_ERROR_STOP=1 -f`. Then `roles.sql`.

create schema if not exists outbox;

-- Column names are those that Debezium's outbox event router reads, so either can publish this table.
--
-- json, not jsonb, and no index: PostgreSQL 18, rows with a payload of 296 bytes, 1,000 a transaction, 100,000 a run,
-- medians of three runs:
--
--   payload  index        WAL bytes a row   insert us a row   decoded rows/s (pgoutput)
--   json     none               410              14.1              123,000
--   jsonb    none               521              15.4              107,000
--   json     id (primary)       501              15.0              114,000
--   jsonb    id (primary)       613              18.9               98,000
--   json     created_at         476              12.7              110,000
--
-- json is also kept as written: key order, digits of numbers and duplicate keys reach the relay unchanged. Values of
-- type jsonb can be inserted as they are (assignment cast). json accepts two things that jsonb refuses: \u0000, which is
-- published as it is, and lone surrogates, of which the relay makes dead letters.
-- Nothing reads single rows back: the relay reads the WAL, and `verify` reads whole partitions.
create table outbox.event (
  id            uuid        not null default gen_random_uuid(),
  aggregatetype text        not null,
  aggregateid   text        not null,
  type          text        not null,
  payload       json,
  headers       json        default '{}',
  created_at    timestamptz not null default clock_timestamp()
) partition by range (created_at);

comment on table outbox.event is
  'Events to publish. Insert only, in the transaction that changes the data. Partitioned by day, UTC.';
comment on column outbox.event.aggregatetype is 'Kind of thing the event is about; names the topic.';
comment on column outbox.event.aggregateid is 'Which one; the Kafka key: events of one id keep their order.';
comment on column outbox.event.type is 'What happened; names the Avro record.';
comment on column outbox.event.payload is 'JSON value of the Avro record.';
comment on column outbox.event.headers is 'JSON object; each member becomes a Kafka header.';

-- Takes what no daily partition takes, so that an insert never fails for want of a partition.
create table outbox.event_default partition of outbox.event default;

-- Only inserts are published, so no old row is ever logged. Not inherited: each partition says so for itself.
alter table outbox.event replica identity nothing;
alter table outbox.event_default replica identity nothing;

-- An event that was published cannot change. And an UPDATE that moves a row to another partition is a DELETE and an
-- INSERT in the WAL: the event would be published twice. Rights do not bind the owner, hence a trigger. It is a row
-- trigger because only those are cloned to partitions, present and future.
create function outbox.refuse_update() returns trigger
language plpgsql
as $$
begin
  raise exception 'events in outbox.event are immutable'
    using errcode = 'restrict_violation',
          hint = 'Write a new event instead. To clean up, delete rows or drop partitions that are published.';
end
$$;

revoke execute on function outbox.refuse_update() from public;

create trigger refuse_update before update on outbox.event
  for each row execute function outbox.refuse_update();
