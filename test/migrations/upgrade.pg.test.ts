/** An installation of an earlier release, brought up to date while its relay is stopped. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadAudit } from '../../relay/audit/standing/store.ts';
import { readPublication } from '../../relay/capture/publication.ts';
import { purgeClosed } from '../../relay/ledger/purge.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { readMigrations, superseded } from '../../relay/operations/migrate/plan.ts';
import { configOf } from '../relay/settings.ts';
import { createDatabase } from '../support/database.ts';

test('parked keys come without a change of the publication, and leave progress and dead letters as they are', async () => {
  const database = await createDatabase();
  try {
    await migrate({ databaseUrl: database.url, to: 8 });
    const config = configOf({}, { databaseUrl: database.url });
    const before = await readPublication(database.pool, config);
    await database.pool.query(
      `insert into outbox.progress (slot, initialised_at, publication) values ('s', now(), 'as it was');
       insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status)
       select 's', '0/10', n, 'PAYLOAD_INVALID', '', (array['open', 'resubmitted', 'discarded'])[n]
         from generate_series(1, 3) n`,
    );
    await migrate({ databaseUrl: database.url });
    // Another identity would stop the relay with PUBLICATION_GAP.
    expect(await readPublication(database.pool, config)).toBe(before);
    const progress = await database.pool.query('select publication, session from outbox.progress');
    expect(progress.rows).toEqual([{ publication: 'as it was', session: '0' }]);
    const { rows } = await database.pool.query('select status from outbox.dead_letter order by ordinal');
    expect(rows.map(({ status }) => status)).toEqual(['open', 'resubmitted', 'discarded']);
    // When they were closed is not known any more: retention by age must not take them too early.
    const purged = await purgeClosed(database.pool, 's', { by: 'relay', olderThanSeconds: 60 });
    expect(purged.purged).toBe(0);
    expect(await purgeClosed(database.pool, 's', { by: 'relay', olderThanSeconds: 0 })).toMatchObject({
      purged: 2,
    });
  } finally {
    await database.drop();
  }
});

test('dead letters, parked keys and releases come to belong to the cluster of their slot, and an earlier relay writes on', async () => {
  await using database = await createDatabase();
  const { pool } = database;
  await migrate({ databaseUrl: database.url, to: 15 });
  await pool.query(`
    insert into outbox.progress (slot, initialised_at, system_identifier) values
      ('a', now(), '1'), ('b', now(), '2'), ('c', now(), null);
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, released_lsn) values
      ('a', '0/10', 0, 'X', '', 'open', null), ('b', '0/10', 0, 'X', '', 'open', null), ('c', '0/10', 0, 'X', '', 'open', null),
      ('a', 'FFFF/0', 0, 'X', '', 'open', null), ('a', '0/20', 0, 'X', '', 'released', 'FFFF/0');
    insert into outbox.dead_letter_action (slot, commit_lsn, ordinal, action, from_status, to_status, person)
      values ('a', '0/10', 0, 'fix', 'open', 'open', 'somebody');
    insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values
      ('a', '0/10', 0, 't', 'k'), ('b', 'FFFF/0', 0, 't', 'k');
    insert into outbox.key_release (slot, topic, key, person, processed_lsn) values
      ('a', 't', 'k', 'p', null), ('a', 't', 'k', 'p', 'FFFF/0'), ('b', 't', 'k', 'p', '0/10')`);
  const filenode = `select pg_relation_filenode('outbox.dead_letter') as one`;
  const before = (await pool.query(filenode)).rows;
  await migrate({ databaseUrl: database.url });
  expect((await pool.query(filenode)).rows).toEqual(before);
  const homes = async (table: string, order: string) => {
    const text = `select array_agg(slot || system_identifier order by ${order}) as homes from outbox.${table}`;
    return (await pool.query<{ homes: string[] }>(text)).rows[0]!.homes;
  };
  expect(await homes('dead_letter', 'slot, commit_lsn')).toEqual(['a1', 'a', 'a', 'b2', 'c']);
  expect(await homes('parked_key', 'slot')).toEqual(['a1', 'b']);
  expect(await homes('key_release', 'id')).toEqual(['a1', 'a', 'b2']);
  // A relay of the release before names no cluster, and its upsert names the key as it was.
  await pool.query(`
    update outbox.progress set system_identifier = '3' where slot = 'a';
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message) values ('a', '0/10', 0, 'X', 'new')
      on conflict (slot, commit_lsn, ordinal) do update set message = 'taken for the old one';
    insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ('a', '0/30', 0, 't', 'k');
    insert into outbox.key_release (slot, topic, key, person) values ('a', 't', 'k', 'p')`);
  const { rows } = await pool.query(
    `select system_identifier as home, message from outbox.dead_letter where slot = 'a' and commit_lsn = '0/10' order by ordinal`,
  );
  expect(rows).toEqual([
    { home: '3', message: 'new' },
    { home: '1', message: '' },
  ]);
  const trail = await pool.query(`select from outbox.dead_letter_action join outbox.dead_letter as letter
    using (slot, commit_lsn, ordinal) where letter.system_identifier = '1'`);
  expect(trail.rowCount).toBe(1);
  expect(await homes('parked_key', 'slot, commit_lsn')).toEqual(['a1', 'a3', 'b']);
  expect((await homes('key_release', 'id')).at(-1)).toBe('a3');
});

test('an audit of before goes on by created_at, and a relay of the release before may still look what cleanup would remove', async () => {
  await using database = await createDatabase();
  const { pool } = database;
  await migrate({ databaseUrl: database.url, to: 21 });
  const judges = 'outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean)';
  const mayJudge = async () =>
    (await pool.query(`select has_function_privilege('pg_monitor', '${judges}', 'execute') as may`)).rows[0]
      .may;
  expect(await mayJudge()).toBe(false);
  await pool.query(`grant execute on function ${judges} to pg_monitor;
    insert into outbox.progress (slot, initialised_at, system_identifier, snapshots_of, first_snapshot, streamed_snapshot)
      select 's', now(), identifier, identifier || '/' || oid, pg_current_snapshot(), pg_current_snapshot()
        from (select system_identifier::text as identifier from pg_control_system()) as cluster,
             pg_database where datname = current_database();
    insert into outbox.event (aggregatetype, aggregateid, type, created_at)
      values ('a', 'b', 'c', '1999-01-01Z'), ('a', 'b', 'c', '1999-01-03Z')`);
  await pool.query(`update outbox.progress set covered_snapshot = pg_current_snapshot();
    insert into outbox.audit (slot, system_identifier, database_oid, outbox_table, started_at, started_because, begins_at, verified_below)
      select slot, system_identifier, split_part(snapshots_of, '/', 2)::oid, 'outbox.event', now(), 'x', '1999-01-02Z',
             pg_snapshot_xmax(pg_current_snapshot()) from outbox.progress`);
  await migrate({ databaseUrl: database.url });
  expect(await mayJudge()).toBe(true);
  const judged = await pool.query(
    `select all_rows::int as all, unverified::int, left_out::int
       from outbox.judge_partition('event_default', 0, 100, now(), true, true)`,
  );
  expect(judged.rows).toEqual([{ all: 2, unverified: 1, left_out: 1 }]);
});

const release = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** What each file said before its comments became ASCII: of now, and of then. */
const commentsOfThen = {
  '0001_event.sql': [
    ['insert us a row', 'insert \u00b5s a row'],
    [
      ` json accepts two things that jsonb refuses: \\u0000, which is
-- published as it is, and lone surrogates, of which the relay makes dead letters.`,
      ` json accepts two things that jsonb refuses, \\u0000 and
-- lone surrogates; the relay makes dead letters of them.`,
    ],
  ],
  '0002_partitions.sql': [['TABLE ... PARTITION', 'TABLE \u2026 PARTITION']],
  '0003_emit.sql': [['INSERT ... RETURNING', 'INSERT \u2026 RETURNING']],
  '0009_parked_keys.sql': [['`.../release`', '`\u2026/release`']],
} as const;

test('what was applied with the comments of an earlier release is the same migration, and no other text is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'outbox-upgrade-'));
  await using database = await createDatabase();
  try {
    await cp(release, directory, { recursive: true });
    for (const [file, replacements] of Object.entries(commentsOfThen)) {
      let text = await readFile(join(release, file), 'utf8');
      const checksum = createHash('sha256').update(text).digest('hex');
      for (const [now, then] of replacements) {
        expect(text).toContain(now);
        text = text.replace(now, then);
      }
      expect(superseded[checksum], file).toEqual([createHash('sha256').update(text).digest('hex')]);
      await writeFile(join(directory, file), text);
    }
    const files = await readMigrations(release);
    for (const checksum of Object.keys(superseded))
      expect(files.map((file) => file.checksum)).toContain(checksum);
    await migrate({ databaseUrl: database.url, directory, to: 10 });
    const { applied, already } = await migrate({ databaseUrl: database.url });
    expect([applied.length, already.length]).toEqual([files.length - 10, 10]);
    await database.pool.query('update outbox.migration set checksum = md5(checksum) where number = 2');
    await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
      code: 'MIGRATION_CONFLICT',
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('an audit of before has compared at least what it read and could judge, and one that an earlier release begins nothing', async () => {
  await using database = await createDatabase();
  const { pool } = database;
  await migrate({ databaseUrl: database.url, to: 23 });
  await pool.query(`
    insert into outbox.audit (slot, system_identifier, database_oid, outbox_table, started_at, started_because, begins_at, events,
                              missing_open, unjudged) values
      ('first', '1', 1, 'outbox.event', now(), 'x', null, 9, 1, '{"expired": 2, "foreign": 7, "withoutId": 1}'),
      ('now', '1', 1, 'outbox.event', now(), 'x', now(), 1, 0, '{"before": 2}')`);
  await migrate({ databaseUrl: database.url });
  const compared = async () =>
    Object.fromEntries(
      await Promise.all(
        ['first', 'now'].map(async (slot) => [slot, (await loadAudit(pool, slot))!.row.matched] as const),
      ),
    );
  expect(await compared()).toEqual({ first: 5, now: 0 });
  // As the release of before does: it knows no other column.
  await pool.query(
    `update outbox.audit set started_at = now() + interval '1 s', events = 0, unjudged = '{}'`,
  );
  expect(await compared()).toEqual({ first: 0, now: 0 });
});
