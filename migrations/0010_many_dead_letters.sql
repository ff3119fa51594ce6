-- Dead letters by the million: what the relay asks at every heartbeat, what a session asks when it begins, what people
-- list and close, and what retention removes must not cost more with each one that is already closed.

-- When a dead letter was closed; so far it was worked out from the trail for each, 100 s for a million. A default that is
-- dropped or kept costs no rewrite: all that are there count as closed now, which keeps some of them longer than they
-- need be and none too short.
alter table outbox.dead_letter add column closed_at timestamptz not null default now();

comment on column outbox.dead_letter.closed_at is 'When it was closed; means nothing while it is open or parked.';

-- Whoever closes it, by a command or by hand.
create function outbox.note_closing() returns trigger
language plpgsql
as $$
begin
  new.closed_at := pg_catalog.now();
  return new;
end
$$;

revoke execute on function outbox.note_closing() from public;

create trigger note_closing before update of status on outbox.dead_letter
  for each row when (old.status in ('open', 'parked') and new.status in ('resubmitted', 'discarded', 'released'))
  execute function outbox.note_closing();

-- What is open or parked, in order, and enough to count it and to find the oldest without looking at the rows.
create index dead_letter_unfinished on outbox.dead_letter (slot, commit_lsn, ordinal) include (status, first_seen)
  where status in ('open', 'parked');
-- Was for that, whatever the slot; and has every closed one too.
drop index outbox.dead_letter_status;

-- What retention removes first comes first, and enough to count off how many are kept without looking at the rows.
create index dead_letter_closed on outbox.dead_letter (slot, closed_at, commit_lsn, ordinal) include (status, released_lsn)
  where status in ('resubmitted', 'discarded', 'released');

-- Whether a key is parked, and whether its release is under way: asked for each release, and for each dead letter that
-- is listed or closed. By hash, since a key can be longer than an entry of a B-tree may be.
create index parked_key_key on outbox.parked_key using hash (key) where released_lsn is null;
create index key_release_key on outbox.key_release using hash (key) where outcome is null;

-- What a session takes back that the progress does not cover.
create index key_release_processed on outbox.key_release (slot, processed_lsn) where processed_lsn is not null;

-- Removes the first 10,000 that were closed before a point of the order (closed_at, commit_lsn, ordinal), with their
-- trails, and returns how many. 10,000 take about a second and 8 MB of WAL, most of it for the trails: little beside the
-- relay's heartbeat of 10 s and `database.statementTimeoutMs` of 15 s, and locks on rows that nobody needs. Those that
-- another call is removing are left to it. Of released ones only those that the progress covers: nothing can undo these
-- any more.
create function outbox.remove_closed(
  of_slot text, statuses text[], before_time timestamptz, before_lsn pg_lsn, before_ordinal bigint) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  covered constant pg_lsn := (select end_lsn from outbox.progress where slot = of_slot);
  removed bigint;
begin
  if statuses is null or not statuses <@ array['resubmitted', 'discarded', 'released'] then
    raise exception 'only resubmitted, discarded and released dead letters can be purged'
      using errcode = 'invalid_parameter_value';
  end if;
  delete from outbox.dead_letter where ctid = any (array(
    select ctid from outbox.dead_letter
      where slot = of_slot and status in ('resubmitted', 'discarded', 'released') and status = any (statuses)
        and (closed_at, commit_lsn, ordinal) < (before_time, before_lsn, before_ordinal)
        and (released_lsn is null or released_lsn < covered)
      order by closed_at, commit_lsn, ordinal limit 10000 for update skip locked));
  get diagnostics removed = row_count;
  return removed;
end
$$;

revoke execute on function outbox.remove_closed(text, text[], timestamptz, pg_lsn, bigint) from public;

-- Retention by age: at most 10,000 a call; call it again until it returns less. The first of them that were closed.
create or replace function outbox.purge_dead_letters(of_slot text, older_than interval, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if older_than is null or older_than < interval '0' then
    raise exception 'older_than must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  return outbox.remove_closed(of_slot, statuses, now() - older_than, '0/0', 0);
end
$$;

-- Retention by count, likewise: those beyond the `keep` that were closed last.
create or replace function outbox.purge_dead_letters_beyond(of_slot text, keep bigint, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  kept_time timestamptz := 'infinity';
  kept_lsn pg_lsn := '0/0';
  kept_ordinal bigint := 0;
begin
  if keep is null or keep < 0 then
    raise exception 'keep must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  if keep > 0 then
    select closed_at, commit_lsn, ordinal into kept_time, kept_lsn, kept_ordinal from outbox.dead_letter
      where slot = of_slot and status in ('resubmitted', 'discarded', 'released') and status = any (statuses)
      order by closed_at desc, commit_lsn desc, ordinal desc offset keep - 1 limit 1;
  end if;
  -- Nulls where there are not so many: nothing is before them.
  return outbox.remove_closed(of_slot, statuses, kept_time, kept_lsn, kept_ordinal);
end
$$;

drop function outbox.dead_letter_closed_at(outbox.dead_letter);
drop function outbox.dead_letter_is_final(outbox.dead_letter);
