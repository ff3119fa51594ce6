/** An installation of an earlier release, brought up to date while its relay is stopped. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readPublication } from '../../relay/capture/publication.ts';
import { purgeClosed } from '../../relay/dead-letters/purge.ts';
import { readMigrations, superseded } from '../../relay/migrate/plan.ts';
import { migrate } from '../../relay/migrate.ts';
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
