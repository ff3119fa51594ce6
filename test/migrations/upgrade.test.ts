/** An installation of an earlier release, brought up to date while its relay is stopped. */
import { expect, test } from 'vitest';
import { readPublication } from '../../relay/capture/publication.ts';
import { purgeClosed } from '../../relay/dead-letters/purge.ts';
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
