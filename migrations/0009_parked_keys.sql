-- The policy `park-key`: after a refused event, the later events of its key wait until a person releases the key.

-- Raised by whoever begins to publish from the slot. What an earlier session still writes about dead letters is refused.
alter table outbox.progress add column session bigint not null default 0;

comment on column outbox.progress.session is 'Number of the relay session that may write dead letters.';

-- parked: waits behind a refused event of its key. released: published at the position where its key was released.
alter table outbox.dead_letter
  drop constraint dead_letter_status_check,
  add constraint dead_letter_status_check
    check (status in ('open', 'parked', 'resubmitted', 'discarded', 'released')),
  add column released_lsn pg_lsn;

comment on column outbox.dead_letter.released_lsn is
  'Commit LSN of the release that published it; counts once the progress covers it.';

-- What a release publishes, in order. A key can be longer than an index entry may be, hence its hash.
create index dead_letter_waiting on outbox.dead_letter
  (slot, topic, hashtextextended(aggregateid, 0), commit_lsn, ordinal) where status in ('open', 'parked');

-- What a session takes back that the progress does not cover.
create index dead_letter_released on outbox.dead_letter (slot, released_lsn) where status = 'released';

create table outbox.parked_key (
  slot         text        not null,
  -- Position of the refused event, from which on the key's events wait.
  commit_lsn   pg_lsn      not null,
  ordinal      bigint      not null,
  topic        text        not null,
  key          text        not null,
  parked_at    timestamptz not null default now(),
  released_lsn pg_lsn,
  primary key (slot, commit_lsn, ordinal)
);

comment on table outbox.parked_key is 'Keys whose events wait in outbox.dead_letter, in order, behind a refused one.';
comment on column outbox.parked_key.released_lsn is 'Commit LSN of the release that ended it; null while it is parked.';

create table outbox.key_release (
  id            bigint      generated always as identity primary key,
  slot          text        not null,
  topic         text        not null,
  key           text        not null,
  -- Who logged in, which nobody can choose, and who says to have done it.
  session_role  text        not null default session_user,
  person        text        not null,
  note          text,
  requested_at  timestamptz not null default now(),
  -- Written by the relay: where it met the request, and what came of it. null while it has not.
  processed_lsn pg_lsn,
  outcome       text        check (outcome in ('released', 'refused', 'limited')),
  published     bigint,
  processed_at  timestamptz
);

comment on table outbox.key_release is 'Requests to release a parked key, and what came of them: the audit trail of releases.';
comment on column outbox.key_release.outcome is
  'released: all of them. refused: up to one that is still refused. limited: as many as one Kafka transaction may hold.';

create index key_release_pending on outbox.key_release (slot) where outcome is null;

-- Requests the release of a parked key and returns the number of the request; null where the key is not parked. Pressed
-- twice it stays one request.
--
-- A release has to have a place in the stream, or a crash could make it come earlier for some events than for others. A
-- row of the heartbeat's table is that place: every publication of a relay covers it, and no slot is called `.../release`.
-- Only the INSERT is streamed; the row itself does not stay.
--
-- SECURITY DEFINER, so that a person who may release a key need not be able to write heartbeats.
create function outbox.request_release(of_slot text, of_topic text, of_key text, by_person text, reason text default null)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  request bigint;
begin
  -- The turn that every command on the dead letters of a slot takes: none of them is changed while a release is pending.
  perform pg_advisory_xact_lock(hashtextextended('outbox-relay dead letters ' || of_slot, 0));
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

revoke execute on function outbox.request_release(text, text, text, text, text) from public;

-- When a dead letter was closed: by the last action of a person, or by the relay.
create function outbox.dead_letter_closed_at(letter outbox.dead_letter) returns timestamptz
language sql
stable
as $$
  select coalesce((select max(acted_at) from outbox.dead_letter_action as action
                     where action.slot = letter.slot and action.commit_lsn = letter.commit_lsn
                       and action.ordinal = letter.ordinal), letter.last_seen)
$$;

revoke execute on function outbox.dead_letter_closed_at(outbox.dead_letter) from public;

-- Whether nothing can undo it any more: a release counts once the progress covers it, and the copy of it may lag.
create function outbox.dead_letter_is_final(letter outbox.dead_letter) returns boolean
language sql
stable
as $$
  select letter.released_lsn is null
      or exists (select from outbox.progress where slot = letter.slot and letter.released_lsn < end_lsn)
$$;

revoke execute on function outbox.dead_letter_is_final(outbox.dead_letter) from public;

-- Retention by age, as before, with the new status.
create or replace function outbox.purge_dead_letters(of_slot text, older_than interval, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  purged bigint;
begin
  if older_than is null or older_than < interval '0' then
    raise exception 'older_than must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  if statuses is null or not statuses <@ array['resubmitted', 'discarded', 'released'] then
    raise exception 'only resubmitted, discarded and released dead letters can be purged'
      using errcode = 'invalid_parameter_value';
  end if;
  delete from outbox.dead_letter as letter
    where slot = of_slot and status = any (statuses) and outbox.dead_letter_is_final(letter)
      and outbox.dead_letter_closed_at(letter) < now() - older_than;
  get diagnostics purged = row_count;
  return purged;
end
$$;

-- Retention by count: removes closed ones beyond the `keep` that were closed last, none that is open or parked. At most
-- 10,000 a call, so that each is short; call it again until it returns less.
create function outbox.purge_dead_letters_beyond(of_slot text, keep bigint, statuses text[]) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  purged bigint;
begin
  if keep is null or keep < 0 then
    raise exception 'keep must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  if statuses is null or not statuses <@ array['resubmitted', 'discarded', 'released'] then
    raise exception 'only resubmitted, discarded and released dead letters can be purged'
      using errcode = 'invalid_parameter_value';
  end if;
  delete from outbox.dead_letter as letter using (
    select commit_lsn, ordinal from outbox.dead_letter as closed where slot = of_slot and status = any (statuses)
      order by outbox.dead_letter_closed_at(closed) desc, commit_lsn desc, ordinal desc offset keep limit 10000) as surplus
    where letter.slot = of_slot and letter.commit_lsn = surplus.commit_lsn and letter.ordinal = surplus.ordinal
      and outbox.dead_letter_is_final(letter);
  get diagnostics purged = row_count;
  return purged;
end
$$;

revoke execute on function outbox.purge_dead_letters_beyond(text, bigint, text[]) from public;
