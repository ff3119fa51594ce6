-- Replays: what people publish again from the table. Who asked for it and why is in outbox.action. The position of a replay is
-- in Kafka, in the same transaction as its events; what is here of it is a copy that may lag.

create table outbox.replay (
  id           text        primary key,
  slot         text        not null,
  -- Which events, as asked for; and what was known at the start, which fixes the set for good.
  range        jsonb       not null,
  facts        jsonb       not null,
  -- Where all of them go; null: each to its own topic.
  topic        text,
  -- Of events that were committed before the slot was first created: they are published for the first time.
  is_first     boolean     not null,
  total        bigint      not null,
  state        text        not null default 'running' check (state in ('running', 'stopped', 'done')),
  published    bigint      not null default 0,
  refused      bigint      not null default 0,
  gone         bigint      not null default 0,
  message      text,
  started_at   timestamptz not null,
  updated_at   timestamptz not null,
  finished_at  timestamptz
);

comment on table outbox.replay is 'Events that people publish again: which, why, and how far it is.';
comment on column outbox.replay.gone is 'Events that were removed from the table before the replay came to them.';

create index replay_of_slot on outbox.replay (slot, started_at);

-- Events that a replay could not publish. They were published before, or belong to no stream: none is a dead letter.
create table outbox.replay_refusal (
  replay_id    text        not null references outbox.replay on delete cascade,
  event_id     text        not null,
  type         text,
  topic        text,
  code         text        not null,
  message      text        not null,
  refused_at   timestamptz not null default statement_timestamp(),
  primary key (replay_id, event_id)
);

comment on table outbox.replay_refusal is 'Events that a replay skipped because they cannot be published as they are.';

-- Functions in place of rights to write: what a replay is, and who started it, cannot be changed afterwards.

-- False if another one of events from before the first start began since this one was planned.
create function outbox.begin_replay(
  new_id text, of_slot text, of_range jsonb, with_facts jsonb, to_topic text, is_first boolean, events bigint,
  by_person text, why text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if begin_replay.is_first then
    -- Two that begin at the same time would each publish the same events for the first time.
    lock table outbox.replay in share row exclusive mode;
    if (select count(*) from outbox.replay as earlier where earlier.slot = of_slot and earlier.is_first
          and earlier.topic is not distinct from to_topic) <> jsonb_array_length(with_facts -> 'excludes') then
      return false;
    end if;
  end if;
  insert into outbox.replay (id, slot, range, facts, topic, is_first, total, started_at, updated_at)
    values (new_id, of_slot, of_range, with_facts, to_topic, begin_replay.is_first, events, statement_timestamp(),
            statement_timestamp());
  insert into outbox.action (slot, action, target, person, note, details)
    values (of_slot, 'replay', new_id, by_person, why, jsonb_build_object('range', of_range, 'topic', to_topic, 'events', events));
  return true;
end
$$;

revoke execute on function outbox.begin_replay(text, text, jsonb, jsonb, text, boolean, bigint, text, text) from public;

-- Who continues it; nothing of it changes.
create function outbox.resume_replay(of_id text, by_person text, why text) returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with resumed as (
    update outbox.replay set state = 'running', message = null, updated_at = statement_timestamp()
      where id = of_id and state <> 'done' returning slot)
  insert into outbox.action (slot, action, target, person, note)
    select slot, 'replay-resume', of_id, by_person, why from resumed
$$;

revoke execute on function outbox.resume_replay(text, text, text) from public;

-- How far it is. Counts never go back, and what is done stays done.
create function outbox.note_replay(
  of_id text, new_state text, now_published bigint, now_refused bigint, now_gone bigint, said text, by_person text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with noted as (
    update outbox.replay
       set state = new_state, published = greatest(published, now_published), refused = greatest(refused, now_refused),
           gone = greatest(gone, now_gone), message = said, updated_at = statement_timestamp(),
           finished_at = case when new_state = 'done' then statement_timestamp() end
     where id = of_id and state <> 'done'
     returning slot, published, refused, gone)
  insert into outbox.action (slot, action, target, person, note, details)
    select slot, case new_state when 'done' then 'replay-finish' else 'replay-stop' end, of_id, by_person, said,
           jsonb_build_object('published', published, 'refused', refused, 'gone', gone)
      from noted where new_state <> 'running'
$$;

revoke execute on function outbox.note_replay(text, text, bigint, bigint, bigint, text, text) from public;

create function outbox.note_replay_refusals(of_id text, ids text[], types text[], topics text[], codes text[], messages text[])
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into outbox.replay_refusal (replay_id, event_id, type, topic, code, message)
    select of_id, refusal.* from unnest(ids, types, topics, codes, messages) as refusal
    on conflict (replay_id, event_id) do update set code = excluded.code, message = excluded.message
$$;

revoke execute on function outbox.note_replay_refusals(text, text[], text[], text[], text[], text[]) from public;
