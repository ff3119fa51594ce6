-- The three roles around the outbox and exactly the rights they need. Not numbered: run it after the migrations, and
-- again after each later one; it may be run any number of times and ends in the same state. Whoever runs it owns the
-- schema `outbox` (or is superuser) and may create roles with REPLICATION: a superuser, or from PostgreSQL 16 on a
-- role that has CREATEROLE and REPLICATION itself.
--
-- outbox_writer  a group without login. Grant it to each application that writes events:
--                  grant outbox_writer to my_app;
-- outbox_relay   the relay's login, since REPLICATION is an attribute that membership does not pass on. Made without a
--                password; set one with psql's \password outbox_relay, which sends it hashed (ALTER ROLE would leave it
--                in the history and in the server's log), or use certificates or GSSAPI.
--                Where a managed service has a role in place of the attribute (as `rds_replication`), make the role
--                outbox_relay with LOGIN beforehand and grant it that one: this file then leaves its attributes alone.
--
-- outbox_operator  a group without login, for the people who look after the relay, for the console and for jobs: they read
--                everything, events with their payloads included, and repair what could not be published. They change
--                nothing that was published, and they cannot run a relay.
--                  grant outbox_operator to my_colleague;
--
-- No role owns anything. No right is given to PUBLIC; the migrations revoke those that PostgreSQL gives.

begin;

-- Whoever may create in a schema of the search_path could make a function that is taken for one of PostgreSQL's, and run
-- as whoever runs this file.
set local search_path = pg_catalog, pg_temp;

-- A role that appears meanwhile was made from another database of this server.
do $$
begin
  if to_regrole('outbox_writer') is null then
    create role outbox_writer nologin;
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;

do $$
begin
  if to_regrole('outbox_operator') is null then
    create role outbox_operator nologin;
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;

do $$
begin
  if to_regrole('outbox_relay') is null then
    create role outbox_relay login replication;
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;

-- From nothing, so that a right an earlier release gave does not linger.
revoke all on schema outbox from public, outbox_writer, outbox_relay, outbox_operator;
revoke all on all tables in schema outbox from public, outbox_writer, outbox_relay, outbox_operator;
revoke all on all functions in schema outbox from public, outbox_writer, outbox_relay, outbox_operator;

do $$
begin
  -- All: CONNECT, which matters where it was revoked from PUBLIC.
  execute format('grant connect on database %I to outbox_writer, outbox_relay, outbox_operator', current_database());
end
$$;

-- All: to name objects in the schema.
grant usage on schema outbox to outbox_writer, outbox_relay, outbox_operator;

-- The writer ----------------------------------------------------------------------------------------------------------
-- Write events. On the root only: partitions are reached through it. No SELECT, UPDATE, DELETE or TRUNCATE.
grant insert on outbox.event to outbox_writer;
-- The same in one call; emit() runs with the caller's rights and so needs the INSERT above.
grant execute on function outbox.emit(text, text, text, text, text) to outbox_writer;
grant execute on function outbox.emit(text, text, text, json, json) to outbox_writer;
grant execute on function outbox.emit(text, text, text, jsonb, jsonb) to outbox_writer;

-- The relay -----------------------------------------------------------------------------------------------------------
-- Streaming, and making its slot, come from REPLICATION. pg_replication_slots, pg_publication and
-- pg_publication_tables are readable by everybody.
-- `outbox-relay verify` compares the table with the topics.
grant select on outbox.event to outbox_relay;
-- Replace its own beat: DELETE ... WHERE reads the row, hence SELECT.
grant select, insert, delete on outbox.heartbeat to outbox_relay;
-- Upsert the mark and the copy of the progress; `status` reads it. No DELETE: the mark must not be lost.
grant select, insert, update on outbox.progress to outbox_relay;
-- Upsert dead letters, list them and change their status. No DELETE: what is open stays.
grant select, insert, update on outbox.dead_letter to outbox_relay;
-- Park keys, and take back what a crashed session parked beyond the progress.
grant select, insert, update, delete on outbox.parked_key to outbox_relay;
-- Read which keys are to be released and tell what came of it.
grant select, update on outbox.key_release to outbox_relay;
-- `outbox-relay audit` keeps how far it came, and what it found; it removes nothing.
grant select, insert, update on outbox.audit, outbox.audit_finding to outbox_relay;
-- Sample the WAL position every minute, for the forecast.
grant select, insert, update on outbox.wal_sample to outbox_relay;
-- Replay: read what was replayed, which `verify` knows records by; start one and note how far it is through functions that
-- write the audit trail.
grant select on outbox.replay, outbox.replay_refusal, outbox.action to outbox_relay;
grant execute on function outbox.begin_replay(text, text, jsonb, jsonb, text, boolean, bigint, text, text) to outbox_relay;
grant execute on function outbox.resume_replay(text, text, text) to outbox_relay;
grant execute on function outbox.note_replay(text, text, bigint, bigint, bigint, text, text) to outbox_relay;
grant execute on function outbox.note_replay_refusals(text, text[], text[], text[], text[], text[]) to outbox_relay;
-- Make partitions ahead, keep the settings' share of closed dead letters; functions run with their owner's rights.
grant execute on function outbox.ensure_partition(date) to outbox_relay;
grant execute on function outbox.ensure_partitions(int) to outbox_relay;
grant execute on function outbox.purge_dead_letters(text, interval, text[]) to outbox_relay;
grant execute on function outbox.purge_dead_letters_beyond(text, bigint, text[]) to outbox_relay;
-- Obey what people say (pause, rate limit); end what is over, and release what waited because a topic was set aside.
grant select on outbox.control, outbox.pause to outbox_relay;
grant execute on function outbox.end_expired_pauses(text) to outbox_relay;
grant execute on function outbox.release_paused(text, text, int) to outbox_relay;
-- Announce itself, and remove relays that are gone.
grant select, insert, update, delete on outbox.relay to outbox_relay;
-- Write into the trail what `recover` and `adopt` do.
grant execute on function outbox.record_action(text, text, text, text, text, jsonb) to outbox_relay;
-- Remove what is published: partitions and rows of the default one through functions that run with their owner's rights
-- and prove first that nothing is lost. On an outbox table of your own the relay needs DELETE, and uses the others.
grant select on outbox.removal to outbox_relay;
grant execute on function outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean) to outbox_relay;
grant execute on function outbox.drop_partition(text, interval, boolean, boolean, text, bigint, numeric) to outbox_relay;
grant execute on function outbox.remove_default_rows(bigint, bigint, interval, boolean, boolean, bigint) to outbox_relay;
grant execute on function outbox.partition_lines(text, bigint, bigint) to outbox_relay;
grant execute on function
  outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean),
  outbox.remove_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean, bigint),
  outbox.judging_query(regclass, name, name), outbox.slot_proofs(), outbox.covered_by(outbox.slot_proof[]),
  outbox.streamed_by(outbox.slot_proof[]), outbox.attached_at(oid),
  outbox.audit_proofs(oid), outbox.verified_by(outbox.audit_proof[]), outbox.compared_xids(outbox.audit_proof[]),
  outbox.is_by_xid(outbox.audit_proof[]),
  outbox.is_left_out(bigint, timestamptz, bigint, outbox.audit_proof[]),
  outbox.came_on_stream(bigint, timestamptz, boolean, outbox.slot_proof[]),
  outbox.note_removal(text, timestamptz, bigint, bigint, text) to outbox_relay;

-- The operator --------------------------------------------------------------------------------------------------------
-- What each right is for: docs/guides/security.md.
-- Look at everything: dead letters, parked keys and the trail; what the relays do and what was replayed; what the audit found
-- and what cleanup removed. All of it changes through functions alone, which run with their owner's rights and write who did
-- it and when: nobody but the owner can change the trail, or remove what is open.
grant select on outbox.dead_letter, outbox.dead_letter_action, outbox.parked_key, outbox.key_release, outbox.progress,
  outbox.control, outbox.pause, outbox.relay, outbox.action, outbox.trail, outbox.wal_sample, outbox.replay,
  outbox.replay_refusal, outbox.audit, outbox.audit_finding, outbox.removal to outbox_operator;
-- Find events, compare the table with the topics, try recent rows with a new schema. A dead letter has its payload too, and
-- operators may replace that and publish it. To keep operators from reading what is published, revoke this one after each run
-- of this file; what they then cannot do, `outbox-relay check` says.
grant select on outbox.event to outbox_operator;
-- See what cleanup would remove: these read only.
grant execute on function outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean) to outbox_operator;
grant execute on function
  outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean),
  outbox.judging_query(regclass, name, name), outbox.slot_proofs(), outbox.covered_by(outbox.slot_proof[]),
  outbox.streamed_by(outbox.slot_proof[]), outbox.attached_at(oid), outbox.audit_proofs(oid),
  outbox.verified_by(outbox.audit_proof[]), outbox.compared_xids(outbox.audit_proof[]),
  outbox.is_by_xid(outbox.audit_proof[]),
  outbox.is_left_out(bigint, timestamptz, bigint, outbox.audit_proof[]),
  outbox.came_on_stream(bigint, timestamptz, boolean, outbox.slot_proof[]) to outbox_operator;
-- Resubmit: the same INSERT that a writer has. An outbox table of your own needs it too, with SELECT, and where its id is
-- unique also DELETE, for the refused row makes room for the new one.
grant insert on outbox.event to outbox_operator;
-- Fix, resubmit and discard dead letters, in turns.
grant execute on function outbox.take_turn(text) to outbox_operator;
grant execute on function outbox.close_dead_letters(text, pg_lsn[], bigint[], text, text, text) to outbox_operator;
grant execute on function outbox.fix_dead_letter(text, pg_lsn, bigint, text, text, text, text) to outbox_operator;
-- Ask for the release of a parked key.
grant execute on function outbox.request_release(text, text, text, text, text) to outbox_operator;
-- Pause, resume and limit the relay.
grant execute on function outbox.pause(text, text, text, bigint, text, text) to outbox_operator;
grant execute on function outbox.resume(text, text, text, text) to outbox_operator;
grant execute on function outbox.limit_rate(text, bigint, bigint, text, text) to outbox_operator;
-- Remove what was closed a day ago or longer, with its trail, and write into the trail who did that.
grant execute on function outbox.purge_old_dead_letters(text, interval, text[]) to outbox_operator;
grant execute on function outbox.purge_old_dead_letters_beyond(text, bigint, text[]) to outbox_operator;
grant execute on function outbox.record_action(text, text, text, text, text, jsonb) to outbox_operator;

-- Row-level security --------------------------------------------------------------------------------------------------
-- Where it is on for a table, the relay and the operators have to see every row: a command that saw fewer would call
-- complete what is not. The relay refuses to work on a table whose rows a policy may hide.
do $$
declare
  guarded record;
begin
  for guarded in
    select c.oid::regclass as name, c.relrowsecurity from pg_class c
      where c.relnamespace = 'outbox'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  loop
    if exists (select from pg_policy where polrelid = guarded.name and polname = 'outbox_relay') then
      execute format('drop policy outbox_relay on %s', guarded.name);
    end if;
    if guarded.relrowsecurity then
      execute format('create policy outbox_relay on %s to outbox_relay, outbox_operator using (true) with check (true)',
                     guarded.name);
    end if;
  end loop;
end
$$;

-- `outbox-relay check` compares the applied migrations with its own; the table is there where `migrate` applied them.
do $$
begin
  if to_regclass('outbox.migration') is not null then
    grant select on outbox.migration to outbox_relay;
  end if;
end
$$;

commit;
