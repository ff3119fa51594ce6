-- A sign of life that travels the whole way. The relay deletes its row and inserts the next one in one transaction;
-- the INSERT comes back on its own stream. A beat that does not come back means that the publication or the stream is
-- broken, which PostgreSQL itself does not tell.
create table outbox.heartbeat (
  slot    text        not null,
  beat    bigint      not null,
  beat_at timestamptz not null default clock_timestamp()
);

comment on table outbox.heartbeat is 'Last beat of each relay slot; streamed so that the relay sees its own beat return.';

-- For this publication NOTHING would do. FULL costs some 50 bytes of WAL a beat and keeps the relay's DELETE legal
-- when somebody adds a publication FOR ALL TABLES, as for an upgrade by logical replication.
alter table outbox.heartbeat replica identity full;
