-- An audit proves what it compared, and nothing else. It now counts the events whose record or dead letter it has found: to
-- take those that it could not judge off those that it read says nothing where both sides count as from before the audit.
alter table outbox.audit
  add column matched    bigint,
  add column matched_of timestamptz;

comment on column outbox.audit.matched is
  'Events whose record or dead letter the audit has found. With 0, it has compared nothing yet, and no other column says anything of an event.';
comment on column outbox.audit.matched_of is
  'The started_at that matched belongs to: with another one, an earlier release began the audit, and none is known.';

-- At least so many: `before` also counts records where the audit began later.
update outbox.audit set matched_of = started_at, matched = greatest(0, events - missing_open - (
  select coalesce(sum(number::bigint), 0) from jsonb_each_text(unjudged) as u(kind, number)
   where kind in ('expired', 'missingOrRemoved', 'compacted', 'before', 'undated', 'rewritten', 'withoutId')));

-- As in 0022. But an event that is either missing or removed by Kafka counts as a missing one: its row may be all that is left
-- of it, so cleanup.requireVerified keeps it, and all others until a person has looked into it.
create or replace function outbox.audit_proofs(relation oid) returns setof outbox.audit_proof
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.slot, a.slot is not null,
         case when a.missing_open = 0 and coalesce((a.unjudged->>'missingOrRemoved')::bigint, 0) = 0
              then a.verified_below::text::bigint end,
         case when a.begins_at is null then 0 when a.begins_of = a.started_at then a.begins_xid::text::bigint end,
         case when a.begins_of = a.started_at then a.compared_besides end,
         a.begins_at,
         case when a.begins_of = a.started_at then a.tables_since::text::bigint end
    from outbox.progress as p
    left join outbox.audit as a
      on a.slot = p.slot and a.system_identifier || '/' || a.database_oid = p.snapshots_of
         -- Of another table it says nothing about this one.
         and a.outbox_table = (select n.nspname || '.' || c.relname
                                 from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                                where c.oid = coalesce(pg_partition_root(relation), relation))
$$;
