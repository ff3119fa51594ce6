/** A relay that publishes, and removes what it has published from the outbox table. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { World } from '../world.ts';

const partition = 'event_20200101';

async function scene(): Promise<World> {
  const world = await World.create(1);
  await world.pool.query(
    `create table outbox.${partition} partition of outbox.event for values from ('2020-01-01Z') to ('2020-01-02Z')`,
  );
  return world;
}

/** Events of an old day, as if they had been written then. */
async function writeOld(world: World, keys: readonly string[]): Promise<string[]> {
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
     select 'item', key, 'test.ItemMoved', jsonb_build_object('key', key, 'seq', n), '2020-01-01T12:00:00Z'
       from unnest($1::text[]) with ordinality as given (key, n) order by n returning id`,
    [keys],
  );
  return rows.map(({ id }) => id);
}

const partitions = async (world: World) =>
  (await world.pool.query(`select from pg_class where relname = $1`, [partition])).rowCount;

test('what is published is removed, and neither verify nor a dry run finds anything wrong', async () => {
  await using world = await scene();
  const relay = world.startRelay({ CLEANUP_RETENTION: '1d' });
  await relay.streaming();
  const old = await writeOld(world, ['a', 'b', 'a']);
  const fresh = await world.write([{ key: 'a', seq: 4 }]);
  const removed = await relay.line(({ msg }) => msg === 'removed published rows', 60_000);
  expect(removed).toMatchObject({ partitions: 1, rows: 3 });
  expect(await world.read([...old, ...fresh])).toHaveLength(4);
  const verified = await world.command('verify', '--json');
  expect([verified.stdout, verified.code]).toEqual([expect.stringContaining('"ok":true'), 0]);
  const dryRun = await world.commandWith({ OUTBOX_RELAY_CLEANUP_RETENTION: '1d' }, 'cleanup', '--dry-run');
  expect(dryRun.stdout).toContain('stays: retention');
  expect(dryRun.code).toBe(0);
  const byHand = await world.commandWith(
    { OUTBOX_RELAY_CLEANUP_RETENTION: '1d' },
    ...['cleanup', '--by', 'ada', '--reason', 'the disk fills'],
  );
  expect(byHand.code).toBe(0);
  const trail = await world.pool.query('select action, person, note, details from outbox.trail');
  expect(trail.rows).toMatchObject([
    {
      action: 'cleanup',
      person: 'ada',
      note: 'the disk fills',
      details: { retention: '1d', unproven: 'keep' },
    },
  ]);
  await expect
    .poll(async () => JSON.parse((await world.command('status', '--json')).stdout).cleanup, {
      timeout: 30_000,
    })
    .toEqual({
      lookedAt: expect.any(String),
      lastRemovalAt: expect.any(String),
      lastRemoval: { partitions: 1, rows: expect.any(Number), bytes: expect.any(Number) },
      // Of the partitions for today and the days ahead, the one that has rows.
      kept: { retention: 1 },
    });
});

test('a relay that dies between the archive and the drop has dropped nothing, and the next one finishes', async () => {
  await using world = await scene();
  const directory = await mkdtemp(join(tmpdir(), 'archive-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const settings = { CLEANUP_RETENTION: '1d', CLEANUP_ARCHIVE: directory };
  const first = world.startRelay({ ...settings, FAILPOINT: 'PARTITION_ARCHIVED' });
  await first.streaming();
  await writeOld(world, ['a', 'b']);
  expect(await first.exited).toMatchObject({ signal: 'SIGKILL' });
  expect(await partitions(world)).toBe(1);
  const second = world.startRelay(settings);
  await second.line(({ msg }) => msg === 'removed published rows', 60_000);
  expect(await partitions(world)).toBe(0);
  const { rows } = await world.pool.query<{ archive: string }>('select archive from outbox.removal');
  expect(await readdir(directory)).toContain(rows[0]!.archive);
  expect(rows[0]!.archive).toMatch(/-2-/);
});
