-- The WAL position of the server, one sample a minute for a day: how fast it writes WAL, and so how long a slot, or the
-- disk, can hold an outage. A row for each minute of a day, which is written again the next day. Every relay writes it.
create table outbox.wal_sample (
  minute_of_day  smallint primary key check (minute_of_day between 0 and 1439),
  taken_at       timestamptz not null,
  lsn            pg_lsn not null
) with (fillfactor = 50);

comment on table outbox.wal_sample is
  'The WAL position of the server, one sample a minute for a day. The relay forecasts from it when a slot or the disk is full.';

revoke all on outbox.wal_sample from public;
