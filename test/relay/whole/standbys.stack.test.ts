/** A server with synchronous standbys: the relay as one of them, and a real one that is away. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { includes } from '../../../relay/ledger/standbys.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { idOf, World } from '../world.ts';

describe('synchronous_standby_names', () => {
  test.each([
    ['', false],
    ['*', true],
    ['"*"', true],
    ['outbox-relay', false],
    ['"outbox-relay"', true],
    ['s1, "OUTBOX-RELAY"', true],
    ['FIRST 2 (s1, s2, s3)', false],
    ['any 1 (s1, *)', true],
    ['2 ("outbox-relay", s1)', true],
    ['"say ""hi"", outbox-relay"', false],
  ])('%s', (names, expected) => {
    // A name with a dash must stand in quotes.
    expect(includes(names.replace(/^outbox-relay$/, 'outbox_relay'), 'outbox-relay')).toBe(expected);
  });
});

describe('on a server', () => {
  let server: Postgres;
  let world: World;
  beforeAll(async () => {
    server = await startPostgres({ settings: { fsync: 'off' } });
    world = await World.create(1, { databaseUrl: server.url });
  });
  afterAll(async () => {
    await standbys('');
    await world?.[Symbol.asyncDispose]();
    await server?.stop({ mode: 'immediate' });
  });

  async function standbys(names: string): Promise<void> {
    await world.pool.query(`alter system set synchronous_standby_names = '${names}'`);
    await world.pool.query('select pg_reload_conf()');
    await vi.waitFor(
      async () => {
        const { rows } = await world.pool.query('show synchronous_standby_names');
        expect(rows).toEqual([{ synchronous_standby_names: names }]);
      },
      { timeout: 30_000 },
    );
  }

  const refuse = (commit: string) =>
    world.pool.query(`begin; set local synchronous_commit = '${commit}';
      insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'k', 'test.ItemMoved', '{"n":"x"}');
      commit`);

  const deadLetters = async () =>
    Number((await world.pool.query('select count(*) from outbox.dead_letter')).rows[0].count);

  const beat = async () =>
    Number((await world.pool.query('select max(beat) as beat from outbox.heartbeat')).rows[0].beat);

  test('that takes the relay for a synchronous standby, nothing waits for itself: dead letters, heartbeats, commits', async () => {
    const relay = world.startRelay();
    await relay.streaming();
    await standbys('*');
    // Each of these commits waits for the relay's confirmation.
    await refuse('on');
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    expect((await world.read([id!])).map(idOf)).toEqual([id]);
    expect(await deadLetters()).toBe(1);
    const before = await beat();
    await vi.waitFor(async () => expect(await beat()).toBeGreaterThan(before + 1), { timeout: 30_000 });
    const checked = await world.command('check');
    expect(checked.stdout).toMatch(/! postgres +synchronous standbys: \* matches the relay itself/);

    relay.signal('SIGTERM');
    expect((await relay.exited).code).toBe(0);
    const next = world.startRelay();
    const warning = await next.line(({ msg }) => msg.startsWith('the relay counts as a synchronous standby'));
    expect(warning).toMatchObject({ synchronousStandbyNames: '*' });
    await refuse('on');
    expect(await deadLetters()).toBe(2);
    await standbys('');
    next.signal('SIGTERM');
    await next.exited;
  });

  test('whose standby is away, no event behind a dead letter is published before the standby has that too', async () => {
    const before = await deadLetters();
    const relay = world.startRelay({ DATABASE_STATEMENT_TIMEOUT_MS: 1_000 });
    await relay.streaming();
    expect(relay.lines.some(({ msg }) => msg.includes('synchronous standby'))).toBe(false);
    await standbys('elsewhere');
    await refuse('local');
    const waiting = `select from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'outbox-relay'`;
    const count = async () => (await world.pool.query(waiting)).rowCount;
    await vi.waitFor(async () => expect(await count()).toBe(1), { timeout: 30_000, interval: 20 });
    expect(await deadLetters()).toBe(before + 1);
    // The wait ends with the session that waits, and leaves nobody behind it, nor a lock.
    const ended = await relay.line(({ msg }) => msg.startsWith('session failed'));
    expect(ended.err?.message).toContain('waiting for the synchronous standbys');
    await relay.line((_, all) => all.filter(({ msg }) => msg.startsWith('session failed')).length > 1);
    expect(await count()).toBeLessThanOrEqual(1);
    await standbys('');
    const [id] = await world.write([{ key: 'k', seq: 2 }]);
    expect((await world.read([id!])).map(idOf)).toContain(id);
    expect(await deadLetters()).toBe(before + 1);
  });
});
