-- A release follows the policy of its topic: under `dead-letter` it passes an event that is refused again. And a key whose
-- first event was refused while its topic was set aside is released with the topic.

-- A release that passes refused events may end before all of the key is published. Then the key waits from a later event
-- on, in a row of its own, in the place of the one that the release ended.
alter table outbox.parked_key add column moved_lsn pg_lsn;

comment on column outbox.parked_key.moved_lsn is
  'Commit LSN of the release from which on the key waits here, because it passed refused events; counts once the progress covers it.';

alter table outbox.key_release
  add column refused bigint,
  drop constraint key_release_outcome_check,
  add constraint key_release_outcome_check check (outcome in ('released', 'refused', 'limited', 'set-aside'));

comment on column outbox.key_release.outcome is
  'released: all of them, but those that were passed. refused: up to one that is still refused. limited: as many as one Kafka transaction may hold. set-aside: none, because the topic is.';
comment on column outbox.key_release.refused is 'Events that were refused again: passed, or the one at which it stopped.';

-- Whether a release of the key has stopped already.
create index key_release_refused on outbox.key_release using hash (key) where outcome = 'refused';

-- Requests the release of the next keys that wait because a topic was set aside, in one transaction, so that the stream
-- brings all requests at one place. Each key once for each time that the topic is resumed: one that is refused again stays
-- parked, and is for a person. Returns how many are under way, or 0 where none waits any more: then the row of the pause is
-- gone too.
create or replace function outbox.release_paused(of_slot text, of_topic text, at_most int) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  by_person text;
  resumed timestamptz;
  under_way bigint;
begin
  -- Before any dead letter, as every command on them does.
  perform outbox.take_turn(of_slot);
  select person, resumed_at into by_person, resumed from outbox.pause
    where slot = of_slot and topic = of_topic and mode = 'set-aside' and resumed_at is not null for update;
  if not found then
    return 0;
  end if;
  select count(*) into under_way from outbox.key_release as release
    where release.slot = of_slot and release.topic = of_topic and release.outcome is null;
  if under_way > 0 then
    return under_way;
  end if;
  with waiting as (
    select parked.key, parked.commit_lsn, parked.ordinal
      from outbox.parked_key as parked
     where parked.slot = of_slot and parked.topic = of_topic and parked.is_paused and parked.released_lsn is null
       and parked.system_identifier = (select coalesce(system_identifier, '') from outbox.progress where slot = of_slot)
       and not exists (select from outbox.key_release as tried
                        where tried.slot = of_slot and tried.topic = of_topic and tried.key = parked.key
                          and tried.outcome = 'refused' and tried.requested_at >= resumed)
     order by parked.commit_lsn, parked.ordinal limit at_most),
  requested as (
    insert into outbox.key_release (slot, topic, key, person, note)
      select of_slot, of_topic, key, by_person, 'the topic was resumed' from waiting order by commit_lsn, ordinal
      returning id)
  insert into outbox.heartbeat (slot, beat) select of_slot || '/release', id from requested order by id;
  get diagnostics under_way = row_count;
  delete from outbox.heartbeat where slot = of_slot || '/release';
  if under_way = 0 then
    delete from outbox.pause
      where slot = of_slot and topic = of_topic and mode = 'set-aside' and resumed_at is not null;
  end if;
  return under_way;
end
$$;

revoke execute on function outbox.release_paused(text, text, int) from public;
