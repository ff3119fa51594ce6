import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { connectForAudit, findEvents, readDeadLetters, readTable } from '../../../relay/audit/read-table.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import { openScene, type Scene } from './scene.ts';

test('rows that are committed after the position was read are not in the snapshot', async () => {
  await using scene = await openScene();
  const before = await scene.insert(2);
  const client = await connectForAudit(scene.config);
  const seen: string[] = [];
  await readTable(
    client,
    scene.config,
    async ({ lsn }) => {
      await scene.insert();
      expect(lsn).toBeLessThan(await insertLsn(scene));
    },
    (rows) => void seen.push(...rows.map(({ id }) => id)),
  );
  await client.end();
  expect(seen.sort()).toEqual(before.sort());
});

test('every row of the snapshot was committed below its position', async () => {
  await using scene = await openScene();
  await scene.insert();
  const committed = await insertLsn(scene);
  const client = await connectForAudit(scene.config);
  await readTable(
    client,
    scene.config,
    ({ lsn }) => expect(lsn).toBeGreaterThanOrEqual(committed),
    () => {},
  );
  await client.end();
});

test('of many ids exactly those that the table has are found', async () => {
  await using scene = await openScene();
  const held = await scene.insert(3);
  const client = await connectForAudit(scene.config);
  const found: string[] = [];
  const strangers = Array.from({ length: 10_000 }, () => randomUUID());
  await findEvents(client, scene.config, [held[0]!, ...strangers, held[1]!], (id) => found.push(id));
  await client.end();
  expect(found.sort()).toEqual(held.slice(0, 2).sort());
});

test('a release in another cluster, where the database was before, comes before every position of this one', async () => {
  await using scene = await openScene();
  await scene.database.pool.query(
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message, status, released_lsn, system_identifier)
     select $1, 'F/0', n, n, 'X', '', 'released', (array['F/1', 'F/1', null]::pg_lsn[])[n], (array['old', 'new', 'new'])[n]
       from generate_series(1, 3) as n`,
    [scene.config.slot.name],
  );
  const client = await connectForAudit(scene.config);
  const released = new Map<string, string>();
  await readDeadLetters(
    client,
    scene.config,
    { systemIdentifier: 'new', resubmissions: new Set() },
    (rows) => {
      for (const { id, releasedLsn } of rows) released.set(id, releasedLsn);
    },
  );
  await client.end();
  expect(Object.fromEntries(released)).toEqual({ 1: '0/0', 2: 'F/1', 3: '0/0' });
});

async function insertLsn(scene: Scene): Promise<bigint> {
  const { rows } = await scene.database.pool.query<{ lsn: string }>(
    'select pg_current_wal_insert_lsn()::text as lsn',
  );
  return parseLsn(rows[0]!.lsn);
}
