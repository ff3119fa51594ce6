-- Which rows the standing audit has compared goes by the numbers of transactions, no longer by created_at: what a row says of
-- its time is not when it was committed. `cleanup.requireVerified` asks for this.
--
-- An audit with --start now leaves out what its first snapshot shows. That is known by number for all but transactions that
-- had begun and not ended then, and their savepoints, which the text of a snapshot does not list. The audit compares them
-- when they have ended, and notes which they were. So a row is compared if its number is
--   at least the first that had not begun when the audit began, and below what all windows cover, or
--   one that was noted.
-- Someone may begin an audit again, to have the counts at 0. What the earlier one had compared stays compared, if it missed
-- nothing, and if nothing was lost since in Postgres or Kafka (relay/audit/standing/begin-now.ts).
--
-- Rows have 32 bits of the number. Both the audit and cleanup take the greatest number below the present with these bits. A
-- row that is older than 2^32 transactions counts as a new one to both: when the audit comes to that number it compares it.
alter table outbox.audit
  add column begins_of        timestamptz,
  add column begins_xid       xid8,
  add column compared_besides int8multirange,
  add column tables_since     xid8;

comment on column outbox.audit.begins_of is
  'The started_at that the columns below belong to: with another one, an earlier release began the audit, and they say nothing.';
comment on column outbox.audit.begins_xid is
  'Rows of transactions from this number on are compared. Null where the audit began with the first row.';
comment on column outbox.audit.compared_besides is
  'Transactions below begins_xid whose rows are compared all the same. Null where an earlier release began the audit: then created_at decides for them.';
comment on column outbox.audit.tables_since is
  'Rows that a partition brought along are compared if it was attached by a transaction below this number.';
comment on column outbox.audit.verified_below is
  'Every committed row with a smaller xmin (as xid8) was compared with the topics, unless the audit began later: see begins_xid. So a partition is compared as a whole if it has no row with this xmin or a greater one. It is published, or a dead letter, if missing_open is 0 too.';

-- What the audit of a slot has compared, as numbers.
create type outbox.audit_proof as (
  slot         text,
  -- Whether there is an audit of this table.
  is_of_here   boolean,
  -- Below: compared, unless left out. Null while nothing is, or an event is missing.
  below        bigint,
  -- From here on nothing is left out. Null: nobody knows.
  begins       bigint,
  besides      int8multirange,
  begins_at    timestamptz,
  tables_since bigint
);

revoke usage on type outbox.audit_proof from public;

-- One for each slot, whether it is audited or not.
create function outbox.audit_proofs(relation oid) returns setof outbox.audit_proof
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.slot, a.slot is not null,
         case when a.missing_open = 0 then a.verified_below::text::bigint end,
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

revoke execute on function outbox.audit_proofs(oid) from public;

-- Below this number every audit has come, and misses nothing. 0 where a slot has none.
create function outbox.verified_by(proofs outbox.audit_proof[]) returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(min(coalesce(p.below, 0)), 0) from unnest(proofs) as p
$$;

revoke execute on function outbox.verified_by(outbox.audit_proof[]) from public;

-- The transactions that no audit leaves out, as far as their numbers say. An audit that does not run says nothing of what it
-- would leave out.
create function outbox.compared_xids(proofs outbox.audit_proof[]) returns int8multirange
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(range_intersect_agg(case when p.begins is null then '{}' else int8multirange(int8range(p.begins, null)) end
                                      + coalesce(p.besides, '{}')) filter (where p.is_of_here), '{(,)}')
    from unnest(proofs) as p
$$;

revoke execute on function outbox.compared_xids(outbox.audit_proof[]) from public;

-- Whether the others are left out: created_at says nothing.
create function outbox.is_by_xid(proofs outbox.audit_proof[]) returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_and(p.besides is not null or p.begins_at is null) filter (where p.is_of_here), true)
    from unnest(proofs) as p
$$;

revoke execute on function outbox.is_by_xid(outbox.audit_proof[]) from public;

-- Whether an audit will never compare a row: it was committed before the audit began, or came with a partition.
create function outbox.is_left_out(xid bigint, written timestamptz, attached bigint, proofs outbox.audit_proof[])
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(not (
           (xid > attached or coalesce(attached < p.tables_since, false))
           and coalesce(xid >= p.begins or p.besides @> xid or (p.besides is null and written >= p.begins_at), false))), false)
    from unnest(proofs) as p where p.is_of_here
$$;

revoke execute on function outbox.is_left_out(bigint, timestamptz, bigint, outbox.audit_proof[]) from public;

-- The query that judges rows, as in 0020, but for what is verified. Parameters: 1 to 9 as there, 10 verified, 11 the
-- transactions that are not left out, 12 whether the others are, 13 the proofs of the audits. To ask is_left_out() takes ten
-- times as long as all the rest, so it is asked only where the numbers do not decide.
create or replace function outbox.judging_query(relation regclass, id_column name, time_column name) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  waits text := 'false';
begin
  if exists (select from outbox.dead_letter where status in ('open', 'parked') and event_id is null) then
    -- Nobody knows whose it is.
    waits := 'true';
  elsif exists (select from outbox.dead_letter where status in ('open', 'parked'))
     or exists (select from outbox.progress as p join outbox.dead_letter as l on l.slot = p.slot
                  where l.status = 'released' and l.released_lsn >= p.end_lsn) then
    -- A subquery with a limit runs for each row, through the index by event_id; a join could read all dead letters for
    -- each few pages. concat() prints as the stream does; a cast to text would change some types.
    waits := format(
      $w$(select true from outbox.dead_letter as l left join outbox.progress as p on p.slot = l.slot
            where l.event_id = concat(x.%I)
              and (l.status in ('open', 'parked')
                   or (l.status = 'released'
                       and (p.end_lsn is null
                            or (l.released_lsn >= p.end_lsn and l.system_identifier = p.system_identifier))))
            limit 1) is not null$w$, id_column);
  end if;
  return format(
    $q$select place, written, is_young, is_covered, is_proven, is_left_out, is_waiting,
              xid < $10 and not is_left_out as is_verified,
              not is_young and is_covered and (is_proven or not $6) and xid < $10 and not is_left_out
                and not is_waiting as is_removable
         from (select place, written, xid, is_waiting, coalesce(written >= $1, true) as is_young, xid < $2 as is_covered,
                      case when xid > $5 and $11 @> xid then false
                           when xid > $5 and $12 then true
                           else outbox.is_left_out(xid, written, $5, $13) end as is_left_out,
                      case when xid <= $5 then false
                           when xid >= $3 and (not wraps or written >= $4) then true
                           else outbox.came_on_stream(xid, written, wraps, $7) end as is_proven
                 from (select x.ctid as place, %2$s as written, %3$s as is_waiting, now.wraps,
                              case age(x.xmin) when 2147483647 then 0
                                   else now.last - ((now.last - now.low + age(x.xmin)) & 4294967295) end as xid
                         from only %1$s as x,
                              (select last, last >= 4294967296 as wraps, age('3'::xid)::bigint + 3 as low
                                 from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 as last)
                                        as counted) as now
                        where x.ctid >= $8 and x.ctid < $9 offset 0) as found offset 0) as judged offset 0$q$,
    relation,
    case when time_column is null then 'null::timestamptz' else format('x.%I::timestamptz', time_column) end,
    waits);
end
$$;

-- As in 0020, and it counts the rows that no audit will compare. Both functions give back more than they did, so they are made
-- again, with the rights that they had.
select set_config('outbox.rights', coalesce(string_agg(
         format('grant execute on function %s to %I', p.oid::regprocedure, pg_get_userbyid(acl.grantee)), '; '), ''), false)
  from pg_proc as p, aclexplode(p.proacl) as acl
 where p.pronamespace = 'outbox'::regnamespace and p.proname in ('judge_rows', 'judge_partition')
   and acl.grantee not in (0, p.proowner);

drop function outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean);
drop function outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean);

create function outbox.judge_rows(
  relation regclass, id_column name, time_column name, from_block bigint, to_block bigint, rows_before timestamptz,
  keeps_unproven boolean, requires_verified boolean,
  out all_rows bigint, out young bigint, out uncovered bigint, out unproven bigint, out unverified bigint,
  out left_out bigint, out waiting bigint, out removable bigint, out oldest timestamptz)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  proofs constant outbox.slot_proof[] := array(select p from outbox.slot_proofs() as p);
  audits constant outbox.audit_proof[] :=
    case when requires_verified then array(select a from outbox.audit_proofs(relation) as a) else '{}' end;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'cleanup needs the isolation level read committed, to see what was committed a moment ago'
      using errcode = 'invalid_transaction_state';
  end if;
  execute format(
    $q$select count(*), count(*) filter (where is_young), count(*) filter (where not is_young and not is_covered),
              count(*) filter (where not is_young and is_covered and not is_proven and $6),
              count(*) filter (where not is_young and not is_verified),
              count(*) filter (where not is_young and is_left_out),
              count(*) filter (where not is_young and is_waiting), count(*) filter (where is_removable), min(written)
         from (%s) as decided$q$,
    outbox.judging_query(relation, id_column, time_column))
    into all_rows, young, uncovered, unproven, unverified, left_out, waiting, removable, oldest
    using rows_before, outbox.covered_by(proofs), outbox.streamed_by(proofs),
          (select max(coalesce(p.streamed_at, 'infinity')) from unnest(proofs) as p),
          outbox.attached_at(relation), keeps_unproven, proofs,
          format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid,
          case when requires_verified then outbox.verified_by(audits) else 9223372036854775807 end,
          outbox.compared_xids(audits), outbox.is_by_xid(audits), audits;
end
$$;

revoke execute on function outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean) from public;

-- As in 0020.
create function outbox.judge_partition(
  partition_name text, from_block bigint, to_block bigint, rows_before timestamptz, keeps_unproven boolean, requires_verified boolean,
  out all_rows bigint, out young bigint, out uncovered bigint, out unproven bigint, out unverified bigint,
  out left_out bigint, out waiting bigint, out removable bigint, out oldest timestamptz)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  facts record;
begin
  select * into facts from outbox.partition_facts(partition_name);
  if facts.relation is null or not facts.is_owned then
    return;
  end if;
  select * into all_rows, young, uncovered, unproven, unverified, left_out, waiting, removable, oldest
    from outbox.judge_rows(facts.relation::regclass, 'id', 'created_at', from_block, to_block, rows_before,
                           keeps_unproven, requires_verified);
end
$$;

revoke execute on function outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean) from public;

do $$
begin
  execute coalesce(nullif(current_setting('outbox.rights'), ''), 'select');
end
$$;

-- As in 0020, but for what is verified.
create or replace function outbox.remove_rows(
  relation regclass, id_column name, time_column name, from_block bigint, to_block bigint, rows_before timestamptz,
  keeps_unproven boolean, requires_verified boolean, rows_max bigint) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '50ms'
as $$
declare
  proofs constant outbox.slot_proof[] := array(select p from outbox.slot_proofs() as p);
  audits constant outbox.audit_proof[] :=
    case when requires_verified then array(select a from outbox.audit_proofs(relation) as a) else '{}' end;
  removed bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'cleanup needs the isolation level read committed, to see what was committed a moment ago'
      using errcode = 'invalid_transaction_state';
  end if;
  execute format(
    $q$delete from only %1$s where ctid = any (array(
         select place from (%2$s) as decided where is_removable order by place limit $14))$q$,
    relation, outbox.judging_query(relation, id_column, time_column))
    using rows_before, outbox.covered_by(proofs), outbox.streamed_by(proofs),
          (select max(coalesce(p.streamed_at, 'infinity')) from unnest(proofs) as p),
          outbox.attached_at(relation), keeps_unproven, proofs,
          format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid,
          case when requires_verified then outbox.verified_by(audits) else 9223372036854775807 end,
          outbox.compared_xids(audits), outbox.is_by_xid(audits), audits, rows_max;
  get diagnostics removed = row_count;
  return removed;
end
$$;

drop function outbox.verified_by();
drop function outbox.compared_since();
