-- Rows that are too large to be read whole, and texts that are too long for an index.

-- An event that is refused for its id, among others: only equality is asked, and a B-tree takes no text over 2,704 bytes.
drop index outbox.dead_letter_event;
create index dead_letter_event on outbox.dead_letter using hash (event_id);

-- As in 0011. A payload that was given takes the place of one that was left out.
create or replace function outbox.fix_dead_letter(
  of_slot text, of_lsn pg_lsn, of_ordinal bigint, before text, after text, by_person text, reason text default null)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update outbox.dead_letter set payload = after, context = context - 'leftOut'
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

-- A guard that refuses large events when they are written, where their writer learns of it. Off until somebody sets it, as
-- the owner of the table: it fails the transaction of the application, and rows of COPY are then inserted one by one.
--
--   select outbox.limit_event_bytes(8000000);   -- payload and headers, as text
--   select outbox.limit_event_bytes(null);      -- no limit again
--
-- octet_length, because pg_column_size counts what is stored, which is compressed. A trigger, because a partition that is
-- attached gets it by itself; it would have to have a constraint already.
create function outbox.refuse_large_event() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'an event may have % bytes of payload and headers', tg_argv[0] using errcode = 'check_violation';
end
$$;

revoke execute on function outbox.refuse_large_event() from public;

create function outbox.limit_event_bytes(max_bytes bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if max_bytes is null then
    drop trigger if exists event_bytes on outbox.event;
    return;
  end if;
  execute format(
    'create or replace trigger event_bytes before insert on outbox.event for each row
       when (octet_length(new.payload::text)::bigint + octet_length(new.headers::text) > %s)
       execute function outbox.refuse_large_event(%L)', max_bytes, max_bytes);
end
$$;

revoke execute on function outbox.limit_event_bytes(bigint) from public;
