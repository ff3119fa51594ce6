/**
 * An upgrade while events flow: a relay of an old release streams, the new release migrates the database, a new relay stands
 * by and takes over, and goes back. The old relay is the real one, from the history of the repository: it writes the
 * progress, the dead letters and the claims as it did.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, type TestContext, test } from 'vitest';
import { RelayProcess } from '../../../harness/relay-process.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { createDatabase } from '../../support/database.ts';
import { idOf, itemOf, World } from '../world.ts';

const root = join(import.meta.dirname, '../../..');
/** The release that docs/guides/upgrading.md begins with. */
const oldRelease = { commit: '14d2d0556960c310c9e07690c059e15a41664b51', lastMigration: 10 };

async function checkOut({ skip }: TestContext): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'old-release-'));
  const script = 'git archive "$1" relay package.json migrations | tar -x -C "$2"';
  await promisify(execFile)('bash', ['-o', 'pipefail', '-c', script, 'bash', oldRelease.commit, folder], {
    cwd: root,
  }).catch(() =>
    skip('the history of the repository does not reach the old release: the upgrade is not tried'),
  );
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test('an upgrade under load, and back, loses nothing and doubles nothing', async (context) => {
  await using old = await checkOut(context);
  await using database = await createDatabase();
  await using world = await World.create(3, {
    databaseUrl: database.url,
    migratedTo: oldRelease.lastMigration,
  });
  const relays: RelayProcess[] = [];
  await using _ = {
    [Symbol.asyncDispose]: async () => void (await Promise.all(relays.map((each) => each.kill()))),
  };
  const startOld = () => {
    const relay = new RelayProcess({ env: world.env, checkout: old.folder });
    relays.push(relay);
    return relay;
  };

  const first = startOld();
  await first.streaming();
  const ids: string[] = [];
  const ending = new AbortController();
  const load = (async () => {
    for (let seq = 0; !ending.signal.aborted; seq++) {
      ids.push(...(await world.write(['a', 'b', 'c', 'd'].map((key) => ({ key, seq })))));
      // Some hundred transactions a handover: more would only be read for longer.
      await delay(20);
    }
  })();
  let marks = 0;
  /** The relay that streams has published something that was written from now on. */
  const flows = async () => {
    const mark = await world.write([{ key: 'marker', seq: marks++ }]);
    ids.push(...mark);
    await world.read(mark);
  };

  await flows();
  const { applied } = await migrate({ databaseUrl: database.url });
  expect(applied.length).toBeGreaterThan(5);
  await flows();
  first.assertRunning();
  // One takes the place of the other: forwards, back, and forwards for good.
  const second = world.startRelay();
  await second.line(({ state }) => state === 'standby');
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  await second.streaming();
  await flows();
  const third = startOld();
  await third.line(({ state }) => state === 'standby');
  await second.kill();
  await third.streaming();
  await flows();
  const fourth = world.startRelay();
  await fourth.line(({ state }) => state === 'standby');
  await third.kill();
  await fourth.streaming();
  await flows();
  ending.abort();
  await load;

  const records = await world.read(ids);
  expect(records.map(idOf).toSorted()).toEqual(ids.toSorted());
  for (const key of ['a', 'b', 'c', 'd', 'marker']) {
    const seqs = records
      .map(itemOf)
      .filter((item) => item.key === key)
      .map(({ seq }) => seq);
    expect(seqs, key).toEqual([...seqs.keys()]);
  }
  expect(ids.length).toBeGreaterThan(100);
  const verified = await world.command('verify');
  expect(verified.code, verified.stderr).toBe(0);
  expect(verified.stdout).toContain('ok: every event in the snapshot is published exactly once');
});
