import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { purgeClosed } from '../../relay/ledger/purge.ts';
import { rightsOfOperators } from '../../relay/operations/operator-work.ts';
import { unique } from '../support/unique.ts';
import { applyRoles, insertEvent, type Outbox, openOutbox, refusalOf } from './outbox.ts';

let outbox: Outbox;
let owner: pg.Client;

beforeAll(async () => {
  outbox = await openOutbox();
  owner = await outbox.connect('owner');
});
afterAll(() => outbox?.[Symbol.asyncDispose]());

/** What the functions of retention share. */
const removeClosed = `select outbox.remove_closed('s', '{discarded}', now(), '0/0', 0)`;

/** Every right on the schema, its tables, columns and functions, as `kind name grantee right`. */
async function rights(): Promise<string[]> {
  const { rows } = await owner.query<{ granted: string }>(`
    select format('%s %s %s %s', kind, name, coalesce(nullif(grantee, 0)::regrole::text, 'public'), privilege_type) as granted
    from (
      select 'table' as kind, relname as name, relowner as owner, (aclexplode(relacl)).* from pg_class
        where relnamespace = 'outbox'::regnamespace
      union all select 'column', relname || '.' || attname, relowner, (aclexplode(attacl)).*
        from pg_attribute join pg_class on pg_class.oid = attrelid where relnamespace = 'outbox'::regnamespace
      union all select 'function', proname, proowner, (aclexplode(coalesce(proacl, acldefault('f', proowner)))).* from pg_proc
        where pronamespace = 'outbox'::regnamespace
      union all select 'schema', nspname, nspowner, (aclexplode(nspacl)).* from pg_namespace where nspname = 'outbox'
    ) as acl
    where grantee <> owner`);
  return [...new Set(rows.map((row) => row.granted))].sort();
}

/** What operators may is decided in one place, which `check`, the console and the guide read too. */
const ofOperators = rightsOfOperators().map(({ right, on }) => {
  if (right === 'usage') return `schema ${on} outbox_operator USAGE`;
  const name = on.replace(/^outbox\.|\(.*$/g, '');
  return `${right === 'execute' ? 'function' : 'table'} ${name} outbox_operator ${right.toUpperCase()}`;
});

const expected = [
  ...new Set(ofOperators),
  'function attached_at outbox_relay EXECUTE',
  'function audit_proofs outbox_relay EXECUTE',
  'function begin_replay outbox_relay EXECUTE',
  'function came_on_stream outbox_relay EXECUTE',
  'function compared_xids outbox_relay EXECUTE',
  'function covered_by outbox_relay EXECUTE',
  'function drop_partition outbox_relay EXECUTE',
  'function emit outbox_writer EXECUTE',
  'function end_expired_pauses outbox_relay EXECUTE',
  'function ensure_partition outbox_relay EXECUTE',
  'function ensure_partitions outbox_relay EXECUTE',
  'function is_by_xid outbox_relay EXECUTE',
  'function is_left_out outbox_relay EXECUTE',
  'function judge_partition outbox_relay EXECUTE',
  'function judge_rows outbox_relay EXECUTE',
  'function judging_query outbox_relay EXECUTE',
  'function note_removal outbox_relay EXECUTE',
  'function note_replay outbox_relay EXECUTE',
  'function note_replay_refusals outbox_relay EXECUTE',
  'function partition_lines outbox_relay EXECUTE',
  'function purge_dead_letters outbox_relay EXECUTE',
  'function purge_dead_letters_beyond outbox_relay EXECUTE',
  'function record_action outbox_relay EXECUTE',
  'function release_paused outbox_relay EXECUTE',
  'function remove_default_rows outbox_relay EXECUTE',
  'function remove_rows outbox_relay EXECUTE',
  'function resume_replay outbox_relay EXECUTE',
  'function slot_proofs outbox_relay EXECUTE',
  'function streamed_by outbox_relay EXECUTE',
  'function verified_by outbox_relay EXECUTE',
  'schema outbox outbox_relay USAGE',
  'schema outbox outbox_writer USAGE',
  'table action outbox_relay SELECT',
  'table audit outbox_relay INSERT',
  'table audit outbox_relay SELECT',
  'table audit outbox_relay UPDATE',
  'table audit_finding outbox_relay INSERT',
  'table audit_finding outbox_relay SELECT',
  'table audit_finding outbox_relay UPDATE',
  'table control outbox_relay SELECT',
  'table dead_letter outbox_relay INSERT',
  'table dead_letter outbox_relay SELECT',
  'table dead_letter outbox_relay UPDATE',
  'table event outbox_relay SELECT',
  'table event outbox_writer INSERT',
  'table heartbeat outbox_relay DELETE',
  'table heartbeat outbox_relay INSERT',
  'table heartbeat outbox_relay SELECT',
  'table key_release outbox_relay SELECT',
  'table key_release outbox_relay UPDATE',
  'table migration outbox_relay SELECT',
  'table parked_key outbox_relay DELETE',
  'table parked_key outbox_relay INSERT',
  'table parked_key outbox_relay SELECT',
  'table parked_key outbox_relay UPDATE',
  'table pause outbox_relay SELECT',
  'table progress outbox_relay INSERT',
  'table progress outbox_relay SELECT',
  'table progress outbox_relay UPDATE',
  'table relay outbox_relay DELETE',
  'table relay outbox_relay INSERT',
  'table relay outbox_relay SELECT',
  'table relay outbox_relay UPDATE',
  'table removal outbox_relay SELECT',
  'table replay outbox_relay SELECT',
  'table replay_refusal outbox_relay SELECT',
  'table wal_sample outbox_relay INSERT',
  'table wal_sample outbox_relay SELECT',
  'table wal_sample outbox_relay UPDATE',
].sort();

test('nobody but the owner has more than the rights listed here', async () => {
  expect(await rights()).toEqual(expected);
});

test('running the roles again ends in the same state and takes surplus rights away', async () => {
  await owner.query('grant delete on outbox.event to outbox_writer; grant select on outbox.event to public');
  await applyRoles(owner);
  expect(await rights()).toEqual(expected);
});

test('the writer and the operator cannot log in, and the relay may replicate, but is no superuser', async () => {
  const { rows } = await owner.query(
    `select rolname, rolcanlogin, rolreplication, rolsuper, rolbypassrls from pg_roles
     where rolname in ('outbox_writer', 'outbox_relay', 'outbox_operator') order by 1`,
  );
  expect(rows).toEqual([
    {
      rolname: 'outbox_operator',
      rolcanlogin: false,
      rolreplication: false,
      rolsuper: false,
      rolbypassrls: false,
    },
    {
      rolname: 'outbox_relay',
      rolcanlogin: true,
      rolreplication: true,
      rolsuper: false,
      rolbypassrls: false,
    },
    {
      rolname: 'outbox_writer',
      rolcanlogin: false,
      rolreplication: false,
      rolsuper: false,
      rolbypassrls: false,
    },
  ]);
});

describe('the writer', () => {
  let writer: pg.Client;
  beforeAll(async () => {
    writer = await outbox.connect('outbox_writer');
  });

  test('inserts into today, into the default partition, both through the root', async () => {
    expect((await writer.query(insertEvent)).rowCount).toBe(1);
    const far = `insert into outbox.event (aggregatetype, aggregateid, type, created_at) values ('order', '1', 'A', '1999-01-01Z')`;
    expect((await writer.query(far)).rowCount).toBe(1);
  });

  test.each([
    'select from outbox.event',
    `update outbox.event set type = 'Other'`,
    'delete from outbox.event',
    'truncate outbox.event',
    `${insertEvent} returning id`,
    `insert into outbox.event_default (aggregatetype, aggregateid, type) values ('order', '1', 'A')`,
    'select from outbox.progress',
    'select from outbox.dead_letter',
    'select from outbox.dead_letter_action',
    'select from outbox.heartbeat',
    'select from outbox.migration',
    'select outbox.ensure_partitions()',
    'select outbox.ensure_partition(current_date)',
    'create table outbox.mine ()',
  ])('is refused: %s', async (statement) => {
    expect(await refusalOf(writer.query(statement))).toBe('42501');
  });
});

describe('the relay', () => {
  let relay: pg.Client;
  beforeAll(async () => {
    relay = await outbox.connect('outbox_relay');
  });

  test('makes its slot, sees its state and streams', async () => {
    const slot = unique('roles_test');
    await relay.query(`select pg_create_logical_replication_slot($1, 'pgoutput', true)`, [slot]);
    await owner.query(insertEvent);
    const changes = await relay.query(
      `select from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'outbox_relay')`,
      [slot],
    );
    expect(changes.rowCount).toBeGreaterThan(0);
    const state = await relay.query(
      'select plugin, wal_status from pg_replication_slots where slot_name = $1',
      [slot],
    );
    expect(state.rows).toEqual([{ plugin: 'pgoutput', wal_status: 'reserved' }]);
    await relay.query('select pg_drop_replication_slot($1)', [slot]);
  });

  test('reads events, upserts its mark and upserts dead letters', async () => {
    await relay.query('select count(*) from outbox.event');
    for (const count of [1, 2]) {
      await relay.query(
        `insert into outbox.progress (slot, initialised_at, end_lsn, event_count) values ('s', now(), '0/10', $1)
         on conflict (slot) do update set end_lsn = excluded.end_lsn, event_count = excluded.event_count`,
        [count],
      );
      await relay.query(
        `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message) values ('s', '0/10', 0, 'PAYLOAD_INVALID', 'x')
         on conflict (slot, commit_lsn, ordinal) do update set attempts = dead_letter.attempts + 1, last_seen = now()`,
      );
    }
    expect((await relay.query('select event_count from outbox.progress')).rows).toEqual([
      { event_count: '2' },
    ]);
    expect((await relay.query('select attempts, status, context from outbox.dead_letter')).rows).toEqual([
      { attempts: 2, status: 'open', context: {} },
    ]);
  });

  test('closes dead letters, whose time is noted, and removes what retention does not allow', async () => {
    await relay.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, closed_at)
       select 'kept', '0/10', n, 'PAYLOAD_INVALID', 'x', now() - interval '100 days' from generate_series(1, 3) n`,
    );
    await relay.query(
      `update outbox.dead_letter set status = 'resubmitted' where slot = 'kept' and ordinal < 3`,
    );
    const retention = { by: 'relay', olderThanSeconds: 86_400 } as const;
    expect(await purgeClosed(relay, 'kept', retention)).toEqual({ purged: 0, isDone: true });
    expect(await purgeClosed(relay, 'kept', { ...retention, keep: 1 })).toEqual({ purged: 1, isDone: true });
    // The later position of two that were closed at once; what is open does not count.
    const left = await relay.query(`select ordinal from outbox.dead_letter where slot = 'kept' order by 1`);
    expect(left.rows).toEqual([{ ordinal: '2' }, { ordinal: '3' }]);
  });

  test('does not remove what was released until the progress covers it', async () => {
    await relay.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, released_lsn, closed_at)
       values ('unsure', '0/10', 0, 'PAYLOAD_INVALID', 'x', 'released', '0/20', '2020-01-01')`,
    );
    const progress = (endLsn: string) =>
      relay.query(
        `insert into outbox.progress (slot, initialised_at, end_lsn) values ('unsure', now(), $1)
         on conflict (slot) do update set end_lsn = excluded.end_lsn`,
        [endLsn],
      );
    const purged = async () =>
      (await purgeClosed(relay, 'unsure', { by: 'relay', olderThanSeconds: 0 })).purged;
    expect(await purged()).toBe(0);
    await progress('0/20');
    expect(await purged()).toBe(0);
    await progress('0/21');
    expect(await purged()).toBe(1);
  });

  test('cannot give a dead letter a status that does not exist', async () => {
    expect(await refusalOf(relay.query(`update outbox.dead_letter set status = 'lost'`))).toBe('23514');
  });

  test.each([
    insertEvent,
    `update outbox.event set type = 'Other'`,
    'delete from outbox.event',
    'truncate outbox.event',
    'delete from outbox.progress',
    'delete from outbox.dead_letter',
    'select from outbox.dead_letter_action',
    `select outbox.request_release('s', 't', 'k', 'me')`,
    `select outbox.take_turn('s')`,
    `select outbox.close_dead_letters('s', '{}', '{}', 'discarded', 'me')`,
    removeClosed,
    'insert into outbox.key_release (slot, topic, key, person) values (1, 2, 3, 4)',
    'update outbox.heartbeat set beat = 0',
    `select outbox.emit('order', '1', 'A', '{}')`,
    'drop publication outbox_relay',
    'create table outbox.mine ()',
  ])('is refused: %s', async (statement) => {
    expect(await refusalOf(relay.query(statement))).toBe('42501');
  });
});

describe('the operator', () => {
  let operator: pg.Client;
  beforeAll(async () => {
    operator = await outbox.connect('outbox_operator');
  });

  test('purges what was closed long ago, and nothing that is open', async () => {
    const letter = (ordinal: number, status: string, age: string) =>
      owner.query(
        `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, closed_at)
         values ('purge', '0/10', $1, 'PAYLOAD_INVALID', 'x', $2, now() - $3::interval)`,
        [ordinal, status, age],
      );
    await letter(0, 'open', '100 days');
    await letter(1, 'discarded', '100 days');
    await letter(2, 'discarded', '80 days');
    await letter(3, 'resubmitted', '100 days');
    // Closed today, though seen long ago.
    await letter(4, 'open', '100 days');
    await operator.query(`select outbox.close_dead_letters('purge', '{0/10}', '{4}', 'discarded', 'me')`);
    const purge = (statuses: string[]) =>
      operator.query(`select outbox.purge_old_dead_letters('purge', '90 days', $1) as purged`, [statuses]);
    expect((await purge(['discarded'])).rows).toEqual([{ purged: '1' }]);
    expect((await purge(['discarded', 'resubmitted'])).rows).toEqual([{ purged: '1' }]);
    expect(await refusalOf(purge(['open']))).toBe('22023');
    const left = await owner.query(`select ordinal from outbox.dead_letter where slot = 'purge' order by 1`);
    expect(left.rows).toEqual([{ ordinal: '0' }, { ordinal: '2' }, { ordinal: '4' }]);
  });

  test('closes and corrects, and the trail has its role and the time, whatever it says', async () => {
    await owner.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, payload)
       select 'trail', '0/10', n, 'PAYLOAD_INVALID', 'x', 'before' from generate_series(0, 2) n`,
    );
    // A transaction that was begun long ago does not date what is done in it.
    await operator.query('begin');
    const { rows: begun } = await operator.query<{ at: Date }>('select clock_timestamp() as at');
    const fix = `select outbox.fix_dead_letter('trail', '0/10', 0, $1, 'after', 'the boss') as fixed`;
    expect((await operator.query(fix, ['another'])).rows).toEqual([{ fixed: false }]);
    expect((await operator.query(fix, ['before'])).rows).toEqual([{ fixed: true }]);
    const close = `select closed_ordinal as n from outbox.close_dead_letters('trail', $1, $2, $3, 'the boss', 'why')`;
    const closed = await operator.query(close, [['0/10', '0/10', '0/99'], [0, 1, 0], 'discarded']);
    expect(closed.rows).toEqual([{ n: '0' }, { n: '1' }]);
    expect((await operator.query(close, [['0/10'], [1], 'resubmitted'])).rows).toEqual([]);
    await operator.query('commit');
    expect(await refusalOf(operator.query(close, [['0/10'], [2], 'released']))).toBe('22023');
    const { rows } = await operator.query(
      `select action, ordinal, from_status, to_status, session_role, person, previous_payload, acted_at > $1 as is_now
         from outbox.dead_letter_action where slot = 'trail' order by id`,
      [begun[0]!.at],
    );
    const common = { from_status: 'open', session_role: 'outbox_operator', person: 'the boss', is_now: true };
    expect(rows).toEqual([
      { ...common, action: 'fix', ordinal: '0', to_status: 'open', previous_payload: 'before' },
      { ...common, action: 'discard', ordinal: '0', to_status: 'discarded', previous_payload: null },
      { ...common, action: 'discard', ordinal: '1', to_status: 'discarded', previous_payload: null },
    ]);
  });

  test('cannot remove what was closed less than a day ago, by age or by count', async () => {
    await owner.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, closed_at)
       select 'fresh', '0/10', n, 'PAYLOAD_INVALID', 'x', 'discarded', now() - make_interval(hours => n)
         from generate_series(19, 27, 2) n`,
    );
    const byAge = (age: string) =>
      operator.query(`select outbox.purge_old_dead_letters('fresh', $1, '{discarded}') as n`, [age]);
    expect(await refusalOf(byAge('23 hours'))).toBe('22023');
    const byCount = (keep: number) =>
      operator.query(`select outbox.purge_old_dead_letters_beyond('fresh', $1, '{discarded}') as n`, [keep]);
    expect((await byCount(4)).rows).toEqual([{ n: '1' }]);
    expect((await byCount(0)).rows).toEqual([{ n: '1' }]);
    expect((await byAge('1 day')).rows).toEqual([{ n: '0' }]);
    const left = await owner.query(`select ordinal from outbox.dead_letter where slot = 'fresh' order by 1`);
    expect(left.rows).toEqual([{ ordinal: '19' }, { ordinal: '21' }, { ordinal: '23' }]);
  });

  test('has whoever writes the trail by another way named in it all the same', async () => {
    await owner.query(`insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message)
      values ('forged', '0/10', 0, 'PAYLOAD_INVALID', 'x')`);
    await owner.query('grant insert on outbox.dead_letter_action to outbox_operator');
    await operator.query(
      `insert into outbox.dead_letter_action
         (slot, commit_lsn, ordinal, action, from_status, to_status, person, session_role, acted_at)
       values ('forged', '0/10', 0, 'discard', 'open', 'discarded', 'me', 'postgres', '2020-01-01')`,
    );
    const { rows } = await owner.query(
      `select session_role, acted_at > now() - interval '1 hour' as is_now from outbox.dead_letter_action where slot = 'forged'`,
    );
    expect(rows).toEqual([{ session_role: 'outbox_operator', is_now: true }]);
    await applyRoles(owner);
  });

  test.each([
    `update outbox.event set type = 'Other'`,
    'delete from outbox.event',
    'truncate outbox.event',
    `select outbox.drop_partition('event_default', '1 day', true, false, null, null, null)`,
    `select outbox.remove_default_rows(0, 1, '1 day', true, false, 1)`,
    `select outbox.note_removal('x', now(), 1, 1, null)`,
    'delete from outbox.removal',
    'delete from outbox.dead_letter',
    `update outbox.dead_letter set code = 'OTHER'`,
    `update outbox.dead_letter set status = 'discarded'`,
    `update outbox.dead_letter set payload = '{}'`,
    `select outbox.purge_dead_letters('s', '0 s', '{discarded}')`,
    `select outbox.purge_dead_letters_beyond('s', 0, '{discarded}')`,
    `insert into outbox.dead_letter_action (slot, commit_lsn, ordinal, action, from_status, to_status, person)
       values ('s', '0/10', 0, 'discard', 'open', 'discarded', 'me')`,
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message) values ('s', '0/99', 0, 'X', 'x')`,
    `update outbox.dead_letter_action set person = 'another'`,
    'delete from outbox.dead_letter_action',
    'update outbox.progress set event_count = 0',
    removeClosed,
    'select from outbox.heartbeat',
    'create table outbox.mine ()',
  ])('is refused: %s', async (statement) => {
    expect(await refusalOf(operator.query(statement))).toBe('42501');
  });
});

test('every function runs under a search_path of its own, whoever calls it', async () => {
  const { rows } = await owner.query(
    `select oid::regprocedure::text as name from pg_proc where pronamespace = 'outbox'::regnamespace
        and not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)`,
  );
  expect(rows).toEqual([]);
});
