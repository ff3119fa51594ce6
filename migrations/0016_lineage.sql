-- Dead letters, parked keys and releases belong to the cluster whose WAL their positions are of. After a move to another
-- cluster and `outbox-relay adopt database` the LSNs of the old one say nothing about what the progress covers: the relay
-- and its commands compare positions only within one cluster.

-- A position of the earlier cluster may come again in the new one; the trail follows a dead letter that gives way.
alter table outbox.dead_letter_action drop constraint dead_letter_action_slot_commit_lsn_ordinal_fkey;
alter table outbox.dead_letter_action add constraint dead_letter_action_slot_commit_lsn_ordinal_fkey
  foreign key (slot, commit_lsn, ordinal) references outbox.dead_letter on update cascade on delete cascade;

-- What is there belongs to the cluster of the copy of the progress, but for positions that this server has not reached:
-- these are of a cluster that nobody remembers, an empty text. Almost always all slots are of one cluster: as a default,
-- which is dropped again, its name costs no rewrite of a million rows.
do $$
declare
  usual constant text := coalesce((select min(system_identifier) from outbox.progress), '');
  reached constant pg_lsn := pg_current_wal_insert_lsn();
  of_table text;
  own record;
begin
  foreach of_table in array array['dead_letter', 'parked_key', 'key_release'] loop
    execute format('alter table outbox.%I add column system_identifier text not null default %L', of_table, usual);
    execute format('alter table outbox.%I alter column system_identifier set default %L', of_table, '');
    execute format('comment on column outbox.%I.system_identifier is %L', of_table,
                   'The cluster that its positions are of.');
  end loop;
  for own in select slot, coalesce(system_identifier, '') as home from outbox.progress loop
    if own.home <> usual then
      update outbox.dead_letter set system_identifier = own.home where slot = own.slot;
      update outbox.parked_key set system_identifier = own.home where slot = own.slot;
      update outbox.key_release set system_identifier = own.home where slot = own.slot;
    end if;
    update outbox.dead_letter set system_identifier = '' where slot = own.slot and commit_lsn >= reached;
    update outbox.dead_letter set system_identifier = ''
      where slot = own.slot and status = 'released' and released_lsn >= reached;
    update outbox.parked_key set system_identifier = ''
      where slot = own.slot and (commit_lsn >= reached or released_lsn >= reached);
    update outbox.key_release set system_identifier = '' where slot = own.slot and processed_lsn >= reached;
  end loop;
end
$$;

-- Whoever writes such a row, a relay of the release before among them. The session that writes holds a lock on the row of
-- outbox.progress, so this is the cluster of that session.
create function outbox.note_lineage() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.system_identifier = '' then
    new.system_identifier := coalesce((select system_identifier from outbox.progress where slot = new.slot), '');
  end if;
  return new;
end
$$;

revoke execute on function outbox.note_lineage() from public;

create trigger note_lineage before insert on outbox.parked_key
  for each row execute function outbox.note_lineage();
create trigger note_lineage before insert on outbox.key_release
  for each row execute function outbox.note_lineage();
create trigger note_lineage before insert on outbox.dead_letter
  for each row execute function outbox.note_lineage();

-- A dead letter of another cluster at the position of a new one makes room, by an ordinal that no transaction reaches, and
-- that a position has place for (8 hexadecimal digits): the upsert of the relay would take it for the new one, and set the
-- event aside nowhere. After note_lineage, by its name.
create function outbox.yield_position() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  free bigint := 2147483648 + new.ordinal;
begin
  if not exists (select from outbox.dead_letter as earlier
                   where earlier.slot = new.slot and earlier.commit_lsn = new.commit_lsn
                     and earlier.ordinal = new.ordinal and earlier.system_identifier <> new.system_identifier) then
    return new;
  end if;
  while exists (select from outbox.dead_letter as earlier
                  where earlier.slot = new.slot and earlier.commit_lsn = new.commit_lsn and earlier.ordinal = free) loop
    free := free + 1;
  end loop;
  update outbox.dead_letter set ordinal = free
    where slot = new.slot and commit_lsn = new.commit_lsn and ordinal = new.ordinal;
  return new;
end
$$;

revoke execute on function outbox.yield_position() from public;

create trigger yield_position before insert on outbox.dead_letter
  for each row execute function outbox.yield_position();

-- The last adoption of another history that was applied to the dead letters of the slot.
alter table outbox.progress add column adoption text;

comment on column outbox.progress.adoption is
  'The last `outbox-relay adopt database` after which all parking was ended.';

-- As in 0010, but for the cluster: nothing of another one can be undone any more.
create or replace function outbox.remove_closed(
  of_slot text, statuses text[], before_time timestamptz, before_lsn pg_lsn, before_ordinal bigint) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  covered pg_lsn;
  home text;
  removed bigint;
begin
  if statuses is null or not statuses <@ array['resubmitted', 'discarded', 'released'] then
    raise exception 'only resubmitted, discarded and released dead letters can be purged'
      using errcode = 'invalid_parameter_value';
  end if;
  select end_lsn, coalesce(system_identifier, '') into covered, home from outbox.progress where slot = of_slot;
  delete from outbox.dead_letter where ctid = any (array(
    select ctid from outbox.dead_letter
      where slot = of_slot and status in ('resubmitted', 'discarded', 'released') and status = any (statuses)
        and (closed_at, commit_lsn, ordinal) < (before_time, before_lsn, before_ordinal)
        and (released_lsn is null or released_lsn < covered or system_identifier <> home)
      order by closed_at, commit_lsn, ordinal limit 10000 for update skip locked));
  get diagnostics removed = row_count;
  return removed;
end
$$;
