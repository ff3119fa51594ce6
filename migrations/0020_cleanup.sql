-- Removing what is published: whole partitions of outbox.event, and rows of its default partition. `outbox-relay cleanup`
-- and the relay call these functions; they trust no caller, and prove by themselves that every row may go:
--
-- 1. It is published, on every slot. outbox.progress keeps a snapshot of transaction numbers for each (migration 0015, and
--    relay/ledger/snapshots.ts): what is visible in covered_snapshot, and not in streamed_snapshot, is in Kafka or in
--    outbox.dead_letter. The slot that is furthest behind decides. A slot without a snapshot of this database holds
--    everything back, so nothing is removed because of what another database had published.
-- 2. No dead letter of it waits: none is open or parked, and no release of it can still be undone.
-- 3. Its retention has passed.
-- 4. Where that is asked for, the standing audit has found every row of it (migration 0017).
-- 5. No open transaction has written to the partition, and none can: it is locked against writers while it is read.
--
-- Why DROP under a short lock, and not a detach that takes no such lock: Postgres refuses that one where the table has a
-- default partition, as outbox.event has, and within a function. DROP is also one transaction: wherever it dies, the table is
-- whole. It locks the root ACCESS EXCLUSIVE from the moment that every writing transaction has ended until its own commit;
-- Postgres deletes the files afterwards, without a lock. A lock that is not free within 50 ms is given up: INSERTs queue
-- behind a waiting lock.

-- A row that counts as written later than streamed_snapshot must not be an old one: transaction numbers in rows have 32
-- bits and come again. Only a database that has begun more than 2^32 transactions needs this time.
alter table outbox.progress add column streamed_at timestamptz;

comment on column outbox.progress.streamed_at is 'When streamed_snapshot was stored, or later.';

update outbox.progress set streamed_at =
  case when streamed_snapshot::text = first_snapshot::text then initialised_at else now() end
  where streamed_snapshot is not null;

create function outbox.note_streamed() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.streamed_at := now();
  return new;
end
$$;

revoke execute on function outbox.note_streamed() from public;

create trigger note_streamed before insert or update of streamed_snapshot on outbox.progress
  for each row execute function outbox.note_streamed();

-- What was removed. `verify` does not call a record leaked because its row is gone.
create table outbox.removal (
  id           bigint      generated always as identity primary key,
  relation     text        not null,
  -- No row that was written later than this, by its created_at, was removed.
  rows_before  timestamptz not null,
  removed_rows bigint      not null,
  bytes        bigint,
  archive      text,
  -- Who logged in, which nobody can choose.
  session_role text        not null default session_user,
  removed_at   timestamptz not null default now()
);

comment on table outbox.removal is 'What cleanup removed from the outbox table.';
comment on column outbox.removal.bytes is 'Of a partition that was dropped, with its TOAST table; null where rows were deleted.';
comment on column outbox.removal.archive is 'Name of the file that has the rows, if they were archived.';

create index removal_latest on outbox.removal (rows_before);

-- What the slots prove, as numbers: a transaction number with its epoch fits a bigint.
create type outbox.slot_proof as (
  slot        text,
  -- Whether its snapshots are of this database.
  is_of_here  boolean,
  -- Below: published, if not before_stream.
  covered     bigint,
  -- From here on, and those in `running`: came on the stream.
  streamed    bigint,
  running     bigint[],
  -- Below: committed before the slot was first made.
  first       bigint,
  -- Whether nothing was given up since: what did not come on the stream was committed before the slot was first made.
  is_whole    boolean,
  streamed_at timestamptz
);

revoke usage on type outbox.slot_proof from public;

-- Numbers between the running ones of a snapshot may be of savepoints of running transactions, which the snapshot does not
-- list. So `covered` is the number below which everything had ended, and `streamed` the first that had not begun.
create function outbox.slot_proofs() returns setof outbox.slot_proof
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select slot, is_of_here,
         case when is_of_here then pg_snapshot_xmin(covered_snapshot)::text::bigint end,
         case when is_of_here then pg_snapshot_xmax(streamed_snapshot)::text::bigint end,
         case when is_of_here then array(select xid::text::bigint from pg_snapshot_xip(streamed_snapshot) as xid) end,
         case when is_of_here then pg_snapshot_xmin(first_snapshot)::text::bigint end,
         is_of_here and coalesce(first_snapshot::text = streamed_snapshot::text, false),
         streamed_at
    from (select *, coalesce(snapshots_of = here.name, false) as is_of_here
            from outbox.progress,
                 (select (select system_identifier::text from pg_control_system()) || '/' ||
                         (select oid from pg_database where datname = current_database()) as name) as here) as known
$$;

revoke execute on function outbox.slot_proofs() from public;

-- Whether a row that is covered has come on the stream of a slot, while every other slot has brought it too or was made
-- later. Not if it lies in what somebody gave up on one of them.
create function outbox.came_on_stream(xid bigint, written timestamptz, wraps boolean, proofs outbox.slot_proof[])
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_and(came or is_whole or xid < coalesce(first, 0)) and bool_or(came), false)
    from (select p.first, p.is_whole, (xid >= p.streamed or xid = any (p.running))
                          and (not wraps or coalesce(written >= p.streamed_at, false)) as came
            from unnest(proofs) as p) as each_slot
$$;

revoke execute on function outbox.came_on_stream(bigint, timestamptz, boolean, outbox.slot_proof[]) from public;

-- Below this number every slot has published. 0 where there is no slot, or one without snapshots of this database.
create function outbox.covered_by(proofs outbox.slot_proof[]) returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(min(coalesce(p.covered, 0)), 0) from unnest(proofs) as p
$$;

revoke execute on function outbox.covered_by(outbox.slot_proof[]) from public;

-- From this number on everything came on the stream of every slot.
create function outbox.streamed_by(proofs outbox.slot_proof[]) returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(max(coalesce(p.streamed, 9223372036854775807)), 9223372036854775807) from unnest(proofs) as p
$$;

revoke execute on function outbox.streamed_by(outbox.slot_proof[]) from public;

-- Below this number the standing audit has compared every row on every slot and misses none. 0 where it did not run on one.
create function outbox.verified_by() returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(min(coalesce(case when a.missing_open = 0 then a.verified_below::text::bigint end, 0)), 0)
    from outbox.progress as p
    left join outbox.audit as a on a.slot = p.slot and a.system_identifier || '/' || a.database_oid = p.snapshots_of
$$;

revoke execute on function outbox.verified_by() from public;

-- Rows that were committed before this time were not compared on some slot. A row is committed after it is written.
create function outbox.compared_since() returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(max(a.begins_at), '-infinity') from outbox.progress as p join outbox.audit as a on a.slot = p.slot
$$;

revoke execute on function outbox.compared_since() from public;

create function outbox.note_removal(
  relation text, rows_before timestamptz, removed_rows bigint, bytes bigint, archive text) returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  -- Never later than now: `verify` judges no record that was committed before that.
  insert into outbox.removal (relation, rows_before, removed_rows, bytes, archive)
    values (relation, least(rows_before, now()), removed_rows, bytes, archive)
$$;

revoke execute on function outbox.note_removal(text, timestamptz, bigint, bigint, text) from public;

-- Transaction number that made a table a partition, with its epoch; 0 for a table that is none. What is not newer was in
-- the table before, and was perhaps never streamed.
create function outbox.attached_at(relation oid) returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive link as (
    select inhparent as above, xmin::text::bigint as low from pg_inherits where inhrelid = relation
    union all
    select i.inhparent, i.xmin::text::bigint from link join pg_inherits as i on i.inhrelid = link.above
  )
  select coalesce(max(now.last - ((now.last - low) & 4294967295)), 0)
    from link, (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 as last) as now
$$;

revoke execute on function outbox.attached_at(oid) from public;

-- The query that judges rows of some pages of a table, for the functions below. Parameters: 1 rows written from then on
-- are young, 2 covered, 3 streamed, 4 streamed_at, 5 attached, 6 whether unproven rows stay, 7 the proofs, 8 and 9 the
-- first place and the one after the last, 10 verified, 11 rows written before that were not compared.
--
-- xmin holds the lower 32 bits of a transaction number. The greatest number below the present snapshot with these bits
-- counts. That snapshot has to be the one that shows the rows, so it is taken in the same statement. age() turns the bits
-- into a number several times faster than a cast to text: it is the distance to a number that `low` finds from the age of
-- the first number, and 2^31 - 1 for the rows of initdb. `offset 0` computes each step once a row.
create function outbox.judging_query(relation regclass, id_column name, time_column name) returns text
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
    $q$select place, written, is_young, is_covered, is_proven, is_verified, is_waiting,
              not is_young and is_covered and (is_proven or not $6) and is_verified and not is_waiting as is_removable
         from (select place, written, is_waiting, coalesce(written >= $1, true) as is_young, xid < $2 as is_covered,
                      xid < $10 and coalesce(written >= $11, $11 = '-infinity') as is_verified,
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

revoke execute on function outbox.judging_query(regclass, name, name) from public;

-- Judges rows of some pages. With the rights of the caller, for an outbox table of any owner.
create function outbox.judge_rows(
  relation regclass, id_column name, time_column name, from_block bigint, to_block bigint, rows_before timestamptz,
  keeps_unproven boolean, requires_verified boolean,
  out all_rows bigint, out young bigint, out uncovered bigint, out unproven bigint, out unverified bigint,
  out waiting bigint, out removable bigint, out oldest timestamptz)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  proofs constant outbox.slot_proof[] := array(select p from outbox.slot_proofs() as p);
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'cleanup needs the isolation level read committed, to see what was committed a moment ago'
      using errcode = 'invalid_transaction_state';
  end if;
  execute format(
    $q$select count(*), count(*) filter (where is_young), count(*) filter (where not is_young and not is_covered),
              count(*) filter (where not is_young and is_covered and not is_proven and $6),
              count(*) filter (where not is_young and not is_verified),
              count(*) filter (where not is_young and is_waiting), count(*) filter (where is_removable), min(written)
         from (%s) as decided$q$,
    outbox.judging_query(relation, id_column, time_column))
    into all_rows, young, uncovered, unproven, unverified, waiting, removable, oldest
    using rows_before, outbox.covered_by(proofs), outbox.streamed_by(proofs),
          (select max(coalesce(p.streamed_at, 'infinity')) from unnest(proofs) as p),
          outbox.attached_at(relation), keeps_unproven, proofs,
          format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid,
          case when requires_verified then outbox.verified_by() else 9223372036854775807 end,
          case when requires_verified then outbox.compared_since() else '-infinity' end;
end
$$;

revoke execute on function outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean) from public;

-- Deletes rows of some pages that may go, at most `rows_max`, and returns how many. INSERTs never wait for a DELETE. With
-- the rights of the caller, who needs SELECT and DELETE. One statement finds and deletes: as long as its snapshot lives, no
-- other row can take the place of one that it shows.
create function outbox.remove_rows(
  relation regclass, id_column name, time_column name, from_block bigint, to_block bigint, rows_before timestamptz,
  keeps_unproven boolean, requires_verified boolean, rows_max bigint) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '50ms'
as $$
declare
  proofs constant outbox.slot_proof[] := array(select p from outbox.slot_proofs() as p);
  removed bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'cleanup needs the isolation level read committed, to see what was committed a moment ago'
      using errcode = 'invalid_transaction_state';
  end if;
  execute format(
    $q$delete from only %1$s where ctid = any (array(
         select place from (%2$s) as decided where is_removable order by place limit $12))$q$,
    relation, outbox.judging_query(relation, id_column, time_column))
    using rows_before, outbox.covered_by(proofs), outbox.streamed_by(proofs),
          (select max(coalesce(p.streamed_at, 'infinity')) from unnest(proofs) as p),
          outbox.attached_at(relation), keeps_unproven, proofs,
          format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid,
          case when requires_verified then outbox.verified_by() else 9223372036854775807 end,
          case when requires_verified then outbox.compared_since() else '-infinity' end, rows_max;
  get diagnostics removed = row_count;
  return removed;
end
$$;

revoke execute on function
  outbox.remove_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean, bigint) from public;

-- What is known of a partition of outbox.event; no row where there is none of that name.
create function outbox.partition_facts(partition_name text)
returns table (
  relation oid, is_plain boolean, is_default boolean, rows_until timestamptz, is_guarded boolean, is_owned boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select c.oid, c.relkind = 'r' and c.relpersistence = 'p', pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT',
         substring(pg_get_expr(c.relpartbound, c.oid) from ' TO \(''([^'']+)''\)')::timestamptz,
         -- An update would give a row a later transaction number.
         exists (select from pg_trigger as t where t.tgrelid = c.oid and t.tgenabled in ('O', 'A') and t.tgtype & 19 = 19),
         pg_has_role(c.relowner, 'usage')
    from pg_class as c join pg_inherits as i on i.inhrelid = c.oid
   where c.relnamespace = 'outbox'::regnamespace and c.relname = partition_name
     and i.inhparent = 'outbox.event'::regclass
$$;

revoke execute on function outbox.partition_facts(text) from public;

-- SECURITY DEFINER: the relay has no right on a partition. It reads counts here, and nothing of a row. Nulls for a partition
-- that is gone, or that belongs to another role.
create function outbox.judge_partition(
  partition_name text, from_block bigint, to_block bigint, rows_before timestamptz, keeps_unproven boolean, requires_verified boolean,
  out all_rows bigint, out young bigint, out uncovered bigint, out unproven bigint, out unverified bigint,
  out waiting bigint, out removable bigint, out oldest timestamptz)
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
  select * into all_rows, young, uncovered, unproven, unverified, waiting, removable, oldest
    from outbox.judge_rows(facts.relation::regclass, 'id', 'created_at', from_block, to_block, rows_before,
                           keeps_unproven, requires_verified);
end
$$;

revoke execute on function outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean) from public;

-- Deletes rows of the default partition. That one cannot be dropped, and one that grows keeps days from getting partitions
-- of their own (migration 0012).
create function outbox.remove_default_rows(
  from_block bigint, to_block bigint, retention interval, keeps_unproven boolean, requires_verified boolean,
  rows_max bigint) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  rows_before constant timestamptz := now() - retention;
  facts record;
  removed bigint;
begin
  if retention is null or retention < interval '0' then
    raise exception 'retention must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  select f.* into facts from pg_partitioned_table as t join pg_class as c on c.oid = t.partdefid,
         outbox.partition_facts(c.relname) as f where t.partrelid = 'outbox.event'::regclass;
  if facts.relation is null or not facts.is_guarded then
    return 0;
  end if;
  removed := outbox.remove_rows(facts.relation::regclass, 'id', 'created_at', from_block, to_block, rows_before,
                                keeps_unproven, requires_verified, rows_max);
  if removed > 0 then
    perform outbox.note_removal(facts.relation::regclass::text, rows_before, removed, null, null);
  end if;
  return removed;
end
$$;

revoke execute on function outbox.remove_default_rows(bigint, bigint, interval, boolean, boolean, bigint) from public;

-- The rows of some pages of a partition, each as a JSON object of texts: what Postgres prints, so that no digit of a number
-- and no key of a payload changes.
create function outbox.partition_lines(partition_name text, from_block bigint, to_block bigint) returns setof text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  facts record;
  names text;
  texts text;
begin
  select * into facts from outbox.partition_facts(partition_name);
  if facts.relation is null then
    return;
  end if;
  -- Not a cast to text, which would change some types.
  select string_agg(quote_literal(attname), ', ' order by attnum),
         string_agg(format($f$case when x.%1$I is not null then format('%%s', x.%1$I) end$f$, attname), ', ' order by attnum)
    into names, texts from pg_attribute where attrelid = facts.relation and attnum > 0 and not attisdropped;
  return query execute format(
    'select json_object(array[%s], array[%s])::text from only %s as x where x.ctid >= $1 and x.ctid < $2',
    names, texts, facts.relation::regclass)
    using format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid;
end
$$;

revoke execute on function outbox.partition_lines(text, bigint, bigint) from public;

-- A sum over lines, in which their order does not count: of the first 60 bits of the SHA-256 of each.
create function outbox.digest_of(partition_name text, from_block bigint, to_block bigint) returns numeric
language sql
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(('x' || left(encode(sha256(convert_to(line, 'UTF8')), 'hex'), 15))::bit(60)::bigint::numeric), 0)
    from outbox.partition_lines(partition_name, from_block, to_block) as line
$$;

revoke execute on function outbox.digest_of(text, bigint, bigint) from public;

-- Whether somebody waits for a lock on a table.
create function outbox.is_waited_for(table_oid oid) returns boolean
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_locks as l where l.locktype = 'relation' and not l.granted and l.relation = table_oid
                   and l.database = (select oid from pg_database where datname = current_database()))
$$;

revoke execute on function outbox.is_waited_for(oid) from public;

-- The transactions of others that hold any lock on outbox.event.
create function outbox.holders_of_event() returns text[]
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select array(select l.virtualtransaction from pg_locks as l
                 where l.locktype = 'relation' and l.granted and l.relation = 'outbox.event'::regclass
                   and l.pid <> pg_backend_pid()
                   and l.database = (select oid from pg_database where datname = current_database()))
$$;

revoke execute on function outbox.holders_of_event() from public;

-- Drops a partition of outbox.event if every row in it may go, and tells what came of it:
--   dropped
--   absent      there is no such partition, or it is the default one
--   shape       its bounds are not a range of days that ends, it has partitions of its own, or it is unlogged
--   owner       it belongs to another role
--   retention   it can hold rows that are younger
--   unguarded   its trigger refuse_update is gone or disabled
--   uncovered, unproven, unverified, waiting   it has such rows; `judge_partition` counts them
--   changed     its rows are not those of the archive
--   writing     an open transaction has written to it
--   writer      somebody waits to write to it
--   busy        outbox.event was not free for a moment
--   dependents  something else in the database depends on it
--
-- Every step is in the transaction of the caller, and so everything or nothing.
create function outbox.drop_partition(
  partition_name text, retention interval, keeps_unproven boolean default true,
  requires_verified boolean default false, archive text default null,
  archived_rows bigint default null, archived_digest numeric default null,
  out outcome text, out removed_rows bigint, out bytes bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set timezone = 'UTC'
set lock_timeout = '50ms'
as $$
declare
  rows_before constant timestamptz := now() - retention;
  -- Reading a chunk of pages takes some 20 ms: a writer waits for one at most.
  pages bigint := 64;
  chunk_ms constant int := 20;
  tries constant int := 60;
  proofs constant outbox.slot_proof[] := array(select p from outbox.slot_proofs() as p);
  after_proofs outbox.slot_proof[];
  facts record;
  judged record;
  digest numeric := 0;
  block bigint := 0;
  blocks bigint;
  begun timestamptz;
  took_ms double precision;
  default_name name;
  holders text[];
begin
  if retention is null or retention < interval '0' then
    raise exception 'retention must not be negative' using errcode = 'invalid_parameter_value';
  end if;
  removed_rows := 0;
  outcome := 'absent';
  select * into facts from outbox.partition_facts(partition_name);
  if facts.relation is null or facts.is_default then
    return;
  end if;
  outcome := 'shape';
  if not facts.is_plain or facts.rows_until is null then
    return;
  end if;
  outcome := 'owner';
  if not facts.is_owned then
    return;
  end if;
  outcome := 'retention';
  if facts.rows_until > rows_before then
    return;
  end if;
  outcome := 'unguarded';
  if not facts.is_guarded then
    return;
  end if;

  begin
    -- Conflicts with writers and with itself, not with readers. Who has written and not ended holds it up, so what is
    -- read now is everything. NOWAIT: nobody queues behind it.
    outcome := 'writing';
    execute format('lock table only outbox.%I in share row exclusive mode nowait', partition_name);
    outcome := 'absent';
    if not exists (select from outbox.partition_facts(partition_name) as f where f.relation = facts.relation) then
      return;
    end if;
    blocks := pg_relation_size(facts.relation) / current_setting('block_size')::bigint;

    while block < blocks loop
      begun := clock_timestamp();
      select * into judged from outbox.judge_rows(facts.relation::regclass, 'id', 'created_at', block, block + pages,
                                                  rows_before, keeps_unproven, requires_verified);
      outcome := case when judged.young > 0 then 'retention' when judged.uncovered > 0 then 'uncovered'
                      when judged.unproven > 0 then 'unproven' when judged.unverified > 0 then 'unverified'
                      when judged.waiting > 0 then 'waiting' end;
      if judged.removable <> judged.all_rows then
        return;
      end if;
      removed_rows := removed_rows + judged.all_rows;
      if archive is not null then
        digest := digest + outbox.digest_of(partition_name, block, block + pages);
      end if;
      block := block + pages;
      took_ms := extract(epoch from clock_timestamp() - begun) * 1000;
      pages := case when took_ms > chunk_ms then greatest(1, pages / 2)
                    when took_ms < chunk_ms / 2 then least(4096, pages * 2) else pages end;
      if outbox.is_waited_for(facts.relation) then
        outcome := 'writer';
        return;
      end if;
    end loop;

    outcome := 'changed';
    if archive is not null and (archived_rows, archived_digest) is distinct from (removed_rows, digest) then
      return;
    end if;

    -- The lock on the root waits until every transaction that has written to the outbox ends, and all writers queue
    -- behind it. So wait first, without a lock, for a moment at which only transactions are open that began just now.
    outcome := 'busy';
    for try in 1..tries loop
      holders := outbox.holders_of_event();
      exit when holders = '{}';
      perform pg_sleep(0.03);
      exit when not holders && outbox.holders_of_event();
      if outbox.is_waited_for(facts.relation) then
        outcome := 'writer';
        return;
      end if;
      if try = tries then
        return;
      end if;
    end loop;
    lock table only outbox.event in access exclusive mode;
    execute format('lock table only outbox.%I in access exclusive mode nowait', partition_name);
    select c.relname into default_name from pg_partitioned_table as t join pg_class as c on c.oid = t.partdefid
      where t.partrelid = 'outbox.event'::regclass;
    if default_name is not null then
      execute format('lock table only outbox.%I in access exclusive mode nowait', default_name);
    end if;

    -- Somebody may have given up, by a command, what counted as published when the rows were read.
    outcome := 'uncovered';
    after_proofs := array(select p from outbox.slot_proofs() as p);
    if outbox.covered_by(after_proofs) < outbox.covered_by(proofs)
       or outbox.streamed_by(after_proofs) <> outbox.streamed_by(proofs) then
      return;
    end if;

    outcome := 'dropped';
    bytes := pg_total_relation_size(facts.relation);
    execute format('drop table outbox.%I', partition_name);
    perform outbox.note_removal('outbox.' || partition_name, facts.rows_until, removed_rows, bytes, archive);
    return;
  exception
    when lock_not_available then
      -- What was locked is free again. Not only writers hold it up: VACUUM does too.
      outcome := case when outcome = 'writing' and exists (
                        select from pg_locks as l
                          where l.locktype = 'relation' and l.relation = facts.relation and l.granted
                            and l.mode = 'RowExclusiveLock' and l.pid <> pg_backend_pid()
                            and l.database = (select oid from pg_database where datname = current_database()))
                      then 'writing' else 'busy' end;
    when dependent_objects_still_exist then
      outcome := 'dependents';
  end;
end
$$;

revoke execute on function
  outbox.drop_partition(text, interval, boolean, boolean, text, bigint, numeric) from public;
