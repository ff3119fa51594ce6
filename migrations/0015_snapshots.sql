-- Snapshots of transaction numbers, by which `outbox-relay recover` tells what was never published from what was published
-- and removed from Kafka since, and from what was written before the relay first started. See relay/settle/snapshots.ts.
alter table outbox.progress
  add column snapshots_of      text,
  add column first_snapshot    pg_snapshot,
  add column streamed_snapshot pg_snapshot,
  add column covered_snapshot  pg_snapshot,
  add column covered_at        timestamptz,
  add column covered_beat      bigint;

comment on column outbox.progress.snapshots_of is
  'System identifier of the cluster and object id of the database that the snapshots are of.';
comment on column outbox.progress.first_snapshot is
  'Taken before the slot was made: what is visible in it was committed before the relay first started.';
comment on column outbox.progress.streamed_snapshot is 'What is not visible in it comes on the stream of the slot.';
comment on column outbox.progress.covered_snapshot is
  'What is visible in it, and not in streamed_snapshot, is in Kafka or in outbox.dead_letter.';
comment on column outbox.progress.covered_at is 'When covered_snapshot was taken.';
comment on column outbox.progress.covered_beat is 'The heartbeat that was written with covered_snapshot.';
