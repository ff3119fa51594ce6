-- A day a call, so that each is a transaction of its own: ATTACH locks the default partition ACCESS EXCLUSIVE until the
-- transaction ends, and reads all of it under that lock, to see that no row of the day is there. Whoever inserts a row that
-- goes to the default partition waits for that long.
--
-- Tells what came of it:
--   made, exists
--   rows      the default partition holds rows of that day, which would have to be moved, and be streamed again
--   large     the default partition is larger than may be read under the lock: 16 MB take some 15 ms from memory, and
--             160 ms from a disk that reads 100 MB/s. It grows where rows lie outside the days that are made ahead, or
--             where the days ran out; what is published of it can be deleted, and VACUUM then gives the space back
--   overlap   another partition covers that day, or a part of it
--
-- SECURITY DEFINER and the locks as in 0002, which says why.
create function outbox.ensure_partition(day date, out partition_name text, out outcome text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $$
declare
  readable_bytes constant bigint := 16 * 1024 * 1024;
  today constant date := clock_timestamp()::date;
begin
  -- The bounds guard against a slip of the pen. Yesterday, for a caller whose midnight has passed a moment later.
  if day is null or day not between today - 1 and today + 366 then
    raise exception 'day must be between today and 366 days from now' using errcode = 'invalid_parameter_value';
  end if;
  partition_name := 'event_' || to_char(day, 'YYYYMMDD');
  outcome := 'exists';
  if to_regclass('outbox.' || partition_name) is not null then
    return;
  end if;

  if pg_relation_size('outbox.event_default') > readable_bytes then
    outcome := 'large';
    return;
  end if;

  -- Conflicts with itself: concurrent runs queue here, and the later one looks again.
  lock table outbox.event in share update exclusive mode;
  if to_regclass('outbox.' || partition_name) is not null then
    return;
  end if;

  outcome := 'rows';
  if exists (select from outbox.event_default where created_at >= day and created_at < day + 1) then
    return;
  end if;

  begin
    execute format('create table outbox.%I (like outbox.event including defaults)', partition_name);
    execute format('alter table outbox.%I replica identity nothing', partition_name);
    execute format('alter table outbox.event attach partition outbox.%I for values from (%L) to (%L)',
                   partition_name, day, day + 1);
  exception
    when check_violation then
      return;
    when invalid_object_definition then
      outcome := 'overlap';
      return;
  end;
  outcome := 'made';
end
$$;

revoke execute on function outbox.ensure_partition(date) from public;

-- For cron and the like, as before; all days in the caller's transaction, so that the lock lasts for all of them.
create or replace function outbox.ensure_partitions(days_ahead int default 7) returns setof text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $$
declare
  today constant date := clock_timestamp()::date;
  result record;
begin
  if days_ahead is null or days_ahead not between 0 and 366 then
    raise exception 'days_ahead must be between 0 and 366' using errcode = 'invalid_parameter_value';
  end if;
  for offset_days in 0..days_ahead loop
    select * into result from outbox.ensure_partition(today + offset_days);
    if result.outcome = 'made' then
      return next result.partition_name;
    elsif result.outcome <> 'exists' then
      raise notice '% is not made: %', result.partition_name, result.outcome;
    end if;
  end loop;
end
$$;
