-- Daily partitions, made ahead, so that cleanup can drop whole days.

-- Makes the missing partitions of outbox.event from today to `days_ahead` days later (UTC) and returns the names of
-- those it made. Run it as often as you like, from anywhere: the relay does, and so may cron.
--
-- SECURITY DEFINER, because a partition belongs to the owner of the table and the relay is not the owner.
--
-- Locks: made apart and then attached. ATTACH takes SHARE UPDATE EXCLUSIVE on the root, which writers do not feel,
-- where CREATE TABLE ... PARTITION OF takes ACCESS EXCLUSIVE, which waits for every open writing transaction and makes
-- all later ones wait behind it. The default partition is locked ACCESS EXCLUSIVE in both; it is normally empty. Who
-- does need it waits at most lock_timeout, after which this call fails (55P03) and can be repeated: with a week made
-- ahead, nothing is lost by a day's failures.
--
-- A day of which the default partition already holds rows is skipped: its rows would have to be moved, and a moved
-- row is streamed as a second INSERT. That day stays in the default partition.
create function outbox.ensure_partitions(days_ahead int default 7) returns setof text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $$
declare
  day date;
  partition_name text;
begin
  -- The upper bound only guards against a slip of the pen: every partition costs planning time and a file.
  if days_ahead is null or days_ahead not between 0 and 366 then
    raise exception 'days_ahead must be between 0 and 366' using errcode = 'invalid_parameter_value';
  end if;

  for offset_days in 0..days_ahead loop
    day := clock_timestamp()::date + offset_days;
    partition_name := 'event_' || to_char(day, 'YYYYMMDD');
    continue when to_regclass('outbox.' || partition_name) is not null;

    -- Conflicts with itself: concurrent runs queue here, and the later one looks again.
    lock table outbox.event in share update exclusive mode;
    continue when to_regclass('outbox.' || partition_name) is not null;

    if exists (select from outbox.event_default where created_at >= day and created_at < day + 1) then
      raise notice 'outbox.event_default holds rows of %, no partition made', day;
      continue;
    end if;

    begin
      execute format('create table outbox.%I (like outbox.event including defaults)', partition_name);
      execute format('alter table outbox.%I replica identity nothing', partition_name);
      execute format('alter table outbox.event attach partition outbox.%I for values from (%L) to (%L)',
                     partition_name, day, day + 1);
    exception when check_violation then
      raise notice 'outbox.event_default received rows of % meanwhile, no partition made', day;
      continue;
    end;
    return next partition_name;
  end loop;
end
$$;

revoke execute on function outbox.ensure_partitions(int) from public;

select outbox.ensure_partitions();
