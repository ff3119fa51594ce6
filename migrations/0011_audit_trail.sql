-- What people do to dead letters goes through functions that write the trail themselves. A right to UPDATE the status and
-- to INSERT into the trail let an operator name somebody else in it, or none: close an open dead letter by hand and
-- remove it, with its trail, at once.

-- One row a slot: whoever locks it has the turn at the dead letters of the slot. An advisory lock would do, if not
-- everybody who may connect could take that too, and keep it.
create table outbox.dead_letter_turn (
  slot text primary key
);

comment on table outbox.dead_letter_turn is 'Locked by the command that works on the dead letters of a slot.';

-- Waits until nobody else has the turn; it ends with the transaction.
create function outbox.take_turn(of_slot text) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into outbox.dead_letter_turn (slot) values (of_slot) on conflict do nothing;
  perform from outbox.dead_letter_turn where slot = of_slot for update;
end
$$;

revoke execute on function outbox.take_turn(text) from public;

-- As in 0009, but for the lock.
create or replace function outbox.request_release(
  of_slot text, of_topic text, of_key text, by_person text, reason text default null)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  request bigint;
begin
  -- The turn that every command on the dead letters of a slot takes: none of them is changed while a release is pending.
  perform outbox.take_turn(of_slot);
  if not exists (select from outbox.parked_key as parked where parked.slot = of_slot and parked.topic = of_topic
                   and parked.key = of_key and parked.released_lsn is null) then
    return null;
  end if;
  select min(id) into request from outbox.key_release as release
    where release.slot = of_slot and release.topic = of_topic and release.key = of_key and release.outcome is null;
  if request is null then
    insert into outbox.key_release (slot, topic, key, person, note)
      values (of_slot, of_topic, of_key, by_person, reason) returning id into request;
  end if;
  insert into outbox.heartbeat (slot, beat) values (of_slot || '/release', request);
  delete from outbox.heartbeat where slot = of_slot || '/release';
  return request;
end
$$;

-- Who and when is not for the one to say who writes the trail. The time of the statement, not of the transaction, which
-- may have been begun long before.
create function outbox.note_actor() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.session_role := session_user;
  new.acted_at := statement_timestamp();
  return new;
end
$$;

revoke execute on function outbox.note_actor() from public;

create trigger note_actor before insert on outbox.dead_letter_action
  for each row execute function outbox.note_actor();

create or replace function outbox.note_closing() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.closed_at := statement_timestamp();
  return new;
end
$$;

-- Closes those of the positions that are open or parked and under nobody else's hands, and returns them.
create function outbox.close_dead_letters(
  of_slot text, lsns pg_lsn[], ordinals bigint[], new_status text, by_person text, reason text default null)
returns table (closed_lsn pg_lsn, closed_ordinal bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new_status is null or new_status not in ('resubmitted', 'discarded') then
    raise exception 'people close dead letters as resubmitted or discarded' using errcode = 'invalid_parameter_value';
  end if;
  return query
    with chosen as (
      select letter.commit_lsn, letter.ordinal, letter.status
        from outbox.dead_letter as letter
        join unnest(lsns, ordinals) as named (commit_lsn, ordinal) using (commit_lsn, ordinal)
       where letter.slot = of_slot and letter.status in ('open', 'parked')
       order by letter.commit_lsn, letter.ordinal for update of letter skip locked),
    closed as (
      update outbox.dead_letter as letter set status = new_status from chosen
       where letter.slot = of_slot and letter.commit_lsn = chosen.commit_lsn and letter.ordinal = chosen.ordinal
       returning letter.commit_lsn, letter.ordinal, chosen.status as from_status)
    insert into outbox.dead_letter_action as noted
        (slot, commit_lsn, ordinal, action, from_status, to_status, person, note)
      select of_slot, closed.commit_lsn, closed.ordinal,
             case new_status when 'resubmitted' then 'resubmit' else 'discard' end,
             closed.from_status, new_status, by_person, reason
        from closed order by closed.commit_lsn, closed.ordinal
      returning noted.commit_lsn, noted.ordinal;
end
$$;

revoke execute on function outbox.close_dead_letters(text, pg_lsn[], bigint[], text, text, text) from public;

-- Replaces the payload of an open dead letter, if it is still `before`. False where it is not.
create function outbox.fix_dead_letter(
  of_slot text, of_lsn pg_lsn, of_ordinal bigint, before text, after text, by_person text, reason text default null)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update outbox.dead_letter set payload = after
    where slot = of_slot and commit_lsn = of_lsn and ordinal = of_ordinal and status = 'open'
      and payload is not distinct from before;
  if not found then
    return false;
  end if;
  insert into outbox.dead_letter_action
      (slot, commit_lsn, ordinal, action, from_status, to_status, person, note, previous_payload)
    values (of_slot, of_lsn, of_ordinal, 'fix', 'open', 'open', by_person, reason, before);
  return true;
end
$$;

revoke execute on function outbox.fix_dead_letter(text, pg_lsn, bigint, text, text, text, text) from public;

-- Retention as people may ask for it. A dead letter stays a day after it was closed, whatever they ask for: the trail
-- then is in a nightly backup, and a day's alert has shown it. The relay's own settings have no such limit, for those who
-- deploy it are not those who close dead letters.
create function outbox.purge_old_dead_letters(of_slot text, older_than interval, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if older_than is null or older_than < interval '1 day' then
    raise exception 'older_than must be a day or more' using errcode = 'invalid_parameter_value';
  end if;
  return outbox.purge_dead_letters(of_slot, older_than, statuses);
end
$$;

revoke execute on function outbox.purge_old_dead_letters(text, interval, text[]) from public;

create function outbox.purge_old_dead_letters_beyond(of_slot text, keep bigint, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  day_old constant timestamptz := now() - interval '1 day';
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
  if kept_time > day_old then
    kept_time := day_old;
    kept_lsn := '0/0';
    kept_ordinal := 0;
  end if;
  return outbox.remove_closed(of_slot, statuses, kept_time, kept_lsn, kept_ordinal);
end
$$;

revoke execute on function outbox.purge_old_dead_letters_beyond(text, bigint, text[]) from public;
