-- What people tell a running relay: pause, resume, rate limits. Stored, so that a relay that starts later obeys too. The
-- relay reads it before it publishes anything, and every second from then on.

create table outbox.control (
  slot                  text   primary key,
  -- Raised by every change. The relay announces the one that it obeys (outbox.relay.control_revision).
  revision              bigint not null default 0,
  -- null: as the settings of the relay say. 0: no limit.
  max_events_per_second bigint check (max_events_per_second >= 0),
  max_bytes_per_second  bigint check (max_bytes_per_second >= 0),
  limit_person          text,
  limit_note            text,
  limited_at            timestamptz
);

comment on table outbox.control is 'What people have told the relay of a slot: rate limits, and the number of the last change.';
comment on column outbox.control.max_events_per_second is 'null: as the settings of the relay say. 0: no limit.';

create table outbox.pause (
  slot         text        not null,
  -- Empty: everything.
  topic        text        not null,
  -- hold: the stream waits before the first event of the topic. set-aside: its events become parked dead letters.
  mode         text        not null check (mode in ('hold', 'set-aside')),
  session_role text        not null default session_user,
  person       text        not null,
  note         text        not null,
  paused_at    timestamptz not null default clock_timestamp(),
  -- Ends by itself then; null: only by `resume`.
  ends_at      timestamptz,
  -- Set aside no more. The row stays until the relay has released every key that waits because of it.
  resumed_at   timestamptz,
  primary key (slot, topic, mode),
  check (topic <> '' or mode = 'hold')
);

comment on table outbox.pause is 'What is paused, by whom, and why.';
comment on column outbox.pause.resumed_at is
  'Set aside no more; the row stays until every key that waits because of it is released.';

-- Keys that wait because their topic was set aside, and not behind a refused event: `resume` releases them.
alter table outbox.parked_key add column is_paused boolean not null default false;

comment on column outbox.parked_key.is_paused is 'Whether it waits because its topic was set aside; `resume` releases it.';

create index parked_key_paused on outbox.parked_key (slot, topic, commit_lsn, ordinal) where is_paused and released_lsn is null;

-- Who did what, beside what is done to dead letters, which outbox.dead_letter_action and outbox.key_release hold.
create table outbox.action (
  id           bigint      generated always as identity primary key,
  slot         text        not null,
  action       text        not null,
  -- For example the topic that was paused.
  target       text,
  session_role text        not null,
  person       text        not null,
  note         text,
  details      jsonb       not null default '{}',
  acted_at     timestamptz not null
);

comment on table outbox.action is 'Audit trail of what people do to a relay. outbox.trail shows all of it.';

create index action_of_slot on outbox.action (slot, id);

create trigger note_actor before insert on outbox.action for each row execute function outbox.note_actor();

-- The whole trail, of dead letters too.
create view outbox.trail as
  select slot, acted_at, action, target, session_role, person, note, details from outbox.action
  union all
  select slot, acted_at, action, commit_lsn::text || ' ' || ordinal, session_role, person, note, '{}' from outbox.dead_letter_action
  union all
  select slot, requested_at, 'release', topic || ' ' || key, session_role, person, note, '{}' from outbox.key_release;

comment on view outbox.trail is 'Who did what to the relay of a slot and to its dead letters, and when.';

-- For actions that no function below does. An entry names who wrote it (session_role), so nobody can write one as another.
create function outbox.record_action(
  of_slot text, what text, of_target text, by_person text, reason text default null, more jsonb default '{}') returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if what is null or what !~ '^[a-z][a-z-]{1,40}$' or what in ('pause', 'resume', 'rate-limit') then
    raise exception 'this action is not recorded this way' using errcode = 'invalid_parameter_value';
  end if;
  insert into outbox.action (slot, action, target, person, note, details)
    values (of_slot, what, of_target, by_person, reason, coalesce(more, '{}'));
end
$$;

revoke execute on function outbox.record_action(text, text, text, text, text, jsonb) from public;

-- One more change. Whoever has raised the number holds the row until the end of the transaction: one change after another.
create function outbox.next_control(of_slot text) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  revised bigint;
begin
  if of_slot is null or of_slot !~ '^[a-z0-9_]{1,63}$' then
    raise exception 'not the name of a slot' using errcode = 'invalid_parameter_value';
  end if;
  insert into outbox.control as held (slot, revision) values (of_slot, 1)
    on conflict (slot) do update set revision = held.revision + 1 returning revision into revised;
  return revised;
end
$$;

revoke execute on function outbox.next_control(text) from public;

-- Pauses a topic, or everything where the topic is empty. Paused once more, it takes the new reason and the new end.
-- Returns the number of the change.
create function outbox.pause(
  of_slot text, of_topic text, how text, for_seconds bigint, by_person text, reason text) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  revised bigint := outbox.next_control(of_slot);
  ends timestamptz := clock_timestamp() + make_interval(secs => for_seconds);
begin
  if coalesce(reason, '') = '' or coalesce(by_person, '') = '' then
    raise exception 'a pause needs a reason and a person' using errcode = 'invalid_parameter_value';
  end if;
  if for_seconds < 1 then
    raise exception 'a pause of less than a second' using errcode = 'invalid_parameter_value';
  end if;
  -- The relay reads them every second, and compares each event with them.
  if (select count(*) from outbox.pause where slot = of_slot) >= 100
     and not exists (select from outbox.pause where slot = of_slot and topic = of_topic and mode = how) then
    raise exception 'more than 100 pauses of one slot' using errcode = 'program_limit_exceeded';
  end if;
  insert into outbox.pause (slot, topic, mode, session_role, person, note, ends_at)
    values (of_slot, of_topic, how, session_user, by_person, reason, ends)
    on conflict (slot, topic, mode) do update
      set session_role = excluded.session_role, person = excluded.person, note = excluded.note,
          paused_at = case when pause.resumed_at is null then pause.paused_at else excluded.paused_at end,
          ends_at = excluded.ends_at, resumed_at = null;
  insert into outbox.action (slot, action, target, person, note, details)
    values (of_slot, 'pause', nullif(of_topic, ''), by_person, reason, jsonb_build_object('mode', how, 'endsAt', ends));
  return revised;
end
$$;

revoke execute on function outbox.pause(text, text, text, bigint, text, text) from public;

-- Ends the pauses of a topic; of everything where the topic is empty; all of the slot where it is null. Returns the number
-- of the change, or null where nothing was paused.
create function outbox.resume(of_slot text, of_topic text, by_person text, reason text default null) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  revised bigint := outbox.next_control(of_slot);
  ended text[];
begin
  with held as (
    delete from outbox.pause where slot = of_slot and mode = 'hold' and topic = coalesce(of_topic, topic) returning topic),
  aside as (
    update outbox.pause set resumed_at = clock_timestamp()
      where slot = of_slot and mode = 'set-aside' and topic = coalesce(of_topic, topic) and resumed_at is null
      returning topic)
  select array_agg(distinct topic) into ended from (select topic from held union all select topic from aside) as every;
  if ended is null then
    return null;
  end if;
  insert into outbox.action (slot, action, target, person, note)
    select of_slot, 'resume', nullif(topic, ''), by_person, reason from unnest(ended) as one (topic);
  return revised;
end
$$;

revoke execute on function outbox.resume(text, text, text, text) from public;

-- null: as the settings of the relay say. 0: no limit. Returns the number of the change.
create function outbox.limit_rate(
  of_slot text, events_per_second bigint, bytes_per_second bigint, by_person text, reason text default null) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  revised bigint := outbox.next_control(of_slot);
begin
  update outbox.control
     set max_events_per_second = events_per_second, max_bytes_per_second = bytes_per_second,
         limit_person = by_person, limit_note = reason, limited_at = clock_timestamp()
   where slot = of_slot;
  insert into outbox.action (slot, action, person, note, details)
    values (of_slot, 'rate-limit', by_person, reason,
            jsonb_build_object('eventsPerSecond', events_per_second, 'bytesPerSecond', bytes_per_second));
  return revised;
end
$$;

revoke execute on function outbox.limit_rate(text, bigint, bigint, text, text) from public;

-- Ends the pauses whose time is over. The relay calls it; it obeys their end by the clock already.
create function outbox.end_expired_pauses(of_slot text) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  over record;
begin
  perform outbox.next_control(of_slot);
  for over in
    select topic, mode from outbox.pause
      where slot = of_slot and ends_at <= clock_timestamp() and resumed_at is null for update
  loop
    if over.mode = 'hold' then
      delete from outbox.pause where slot = of_slot and topic = over.topic and mode = 'hold';
    else
      update outbox.pause set resumed_at = clock_timestamp()
        where slot = of_slot and topic = over.topic and mode = 'set-aside';
    end if;
    insert into outbox.action (slot, action, target, person, note)
      values (of_slot, 'resume', nullif(over.topic, ''), 'outbox-relay', 'the time of the pause is over');
  end loop;
end
$$;

revoke execute on function outbox.end_expired_pauses(text) from public;

-- Requests the release of the next keys that wait because a topic was set aside, in one transaction, so that the stream
-- brings all requests at one place. Not of a key whose first waiting event was refused: that is for a person. Returns how
-- many are under way, or 0 where none waits any more: then the row of the pause is gone too.
create function outbox.release_paused(of_slot text, of_topic text, at_most int) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  by_person text;
  under_way bigint;
begin
  -- Before any dead letter, as every command on them does.
  perform outbox.take_turn(of_slot);
  select person into by_person from outbox.pause
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
       and (select letter.status from outbox.dead_letter as letter
             where letter.slot = of_slot and letter.topic = of_topic and letter.aggregateid = parked.key
               and hashtextextended(letter.aggregateid, 0) = hashtextextended(parked.key, 0)
               and letter.status in ('open', 'parked') and letter.system_identifier = parked.system_identifier
               and (letter.commit_lsn, letter.ordinal) >= (parked.commit_lsn, parked.ordinal)
             order by letter.commit_lsn, letter.ordinal limit 1) is distinct from 'open'
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

-- Every relay of a slot, whether it streams or waits, and what it last said of itself.
create table outbox.relay (
  slot             text        not null,
  instance         text        not null,
  host             text        not null,
  version          text        not null,
  started_at       timestamptz not null,
  state            text        not null,
  state_since      timestamptz not null,
  seen_at          timestamptz not null default clock_timestamp(),
  -- Seconds after which it counts as gone if it says nothing more.
  says_every       int         not null,
  -- Where it serves /readyz and /metrics.
  http_address     text,
  control_revision bigint,
  -- ready, reason, rate, lag and the last error; never anything of an event.
  facts            jsonb       not null default '{}',
  primary key (slot, instance),
  check (octet_length(facts::text) <= 8192)
);

comment on table outbox.relay is 'The relays of each slot, as each announces itself; one that is not seen for long is gone.';
