-- What people did with dead letters. Written in the transaction that does it, by `outbox-relay dead-letters`.
create table outbox.dead_letter_action (
  id               bigint      generated always as identity primary key,
  slot             text        not null,
  commit_lsn       pg_lsn      not null,
  ordinal          bigint      not null,
  action           text        not null check (action in ('fix', 'resubmit', 'discard')),
  from_status      text        not null,
  to_status        text        not null,
  -- Who logged in, which nobody can choose, and who says to have done it.
  session_role     text        not null default session_user,
  person           text        not null,
  note             text,
  previous_payload text,
  acted_at         timestamptz not null default now(),
  foreign key (slot, commit_lsn, ordinal) references outbox.dead_letter on delete cascade
);

comment on table outbox.dead_letter_action is 'Audit trail of outbox.dead_letter: who did what, when.';
comment on column outbox.dead_letter_action.previous_payload is 'What a fix replaced; null for the other actions.';

-- For the trail of one dead letter, and for the cascade.
create index dead_letter_action_of on outbox.dead_letter_action (slot, commit_lsn, ordinal);
-- An event that is refused again is another dead letter of the same event.
create index dead_letter_event on outbox.dead_letter (event_id);

-- Retention: removes what was closed longer ago than `older_than`, with its trail, and returns how many.
-- SECURITY DEFINER in place of a DELETE right, so that nobody but the owner can remove what is still open.
create function outbox.purge_dead_letters(of_slot text, older_than interval, statuses text[]) returns bigint
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
  if statuses is null or not statuses <@ array['resubmitted', 'discarded'] then
    raise exception 'only resubmitted and discarded dead letters can be purged'
      using errcode = 'invalid_parameter_value';
  end if;
  delete from outbox.dead_letter as letter
    where slot = of_slot and status = any (statuses)
      and coalesce((select max(acted_at) from outbox.dead_letter_action as action
                      where action.slot = letter.slot and action.commit_lsn = letter.commit_lsn
                        and action.ordinal = letter.ordinal), last_seen) < now() - older_than;
  get diagnostics purged = row_count;
  return purged;
end
$$;

revoke execute on function outbox.purge_dead_letters(text, interval, text[]) from public;
