/** Replays on real servers: each event once, in the order of its key, whatever dies and whoever else works on it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsEnv } from '../../../harness/relay-process.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { Gate } from '../../support/gate.ts';
import { createTopic, withAdmin } from '../../support/kafka.ts';
import { itemOf, World } from '../world.ts';
import { doIt, expectOnce, latestReplay, publish, recordsOf, resultOf, verified } from './world.ts';

/** Small batches, so that a replay takes several. */
const small = settingsEnv({ PUBLISH_BATCH_EVENTS: 4 });

/** Transactions of one event for each key. */
async function writeRounds(
  world: World,
  keys: readonly string[],
  rounds: number,
  from = 0,
): Promise<string[]> {
  const ids: string[] = [];
  for (let seq = from; seq < from + rounds; seq++)
    ids.push(...(await world.write(keys.map((key) => ({ key, seq })))));
  return ids;
}

describe('where Postgres keeps the times of commits', () => {
  let postgres: Postgres;
  let world: World;
  let ids: string[];
  const keys = ['a', 'b', 'c'];

  beforeAll(async () => {
    postgres = await startPostgres({ settings: { fsync: 'off', track_commit_timestamp: 'on' } });
    world = await World.on(postgres.url, 3);
    ids = await publish(world, () => writeRounds(world, keys, 8));
  }, 90_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await postgres.stop();
  });

  it('a range is shown, then published again, once and in order, and verify knows it', {
    timeout: 60_000,
  }, async () => {
    const shown = await world.command('replay', '--all', '--dry-run', '--json');
    expect(shown.stderr).toBe('counting the events of the range …\n');
    expect(JSON.parse(shown.stdout)).toMatchObject({
      outcome: 'dry-run',
      plan: { events: 24, order: 'commit', doubts: [], groups: [{ topic: world.topic, events: 24 }] },
    });
    const preview = await world.command('replay', '--all');
    expect(preview).toMatchObject({ code: 1 });
    expect(preview.stdout).toContain(
      "nothing was published; run again with --yes and --reason '…' to publish these",
    );
    // Without the events' own topics nobody asks for a reason.
    const aside = await world.command('replay', '--all', '--to-topic', await createTopic('aside'));
    expect(aside.stdout).toContain('nothing was published; run again with --yes to publish these');
    expect((await world.pool.query('select from outbox.replay')).rows).toEqual([]);

    const done = await world.commandWith(small, 'replay', '--all', ...doIt);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    const { replay } = JSON.parse(done.stdout);
    expect(replay).toMatchObject({ state: 'done', published: 24, refused: 0, gone: 0 });
    const records = await recordsOf(replay.id, world.topic);
    expectOnce(records, ids);
    for (const { headers } of records) {
      expect(headers).toEqual({
        id: headers.id,
        type: 'test.ItemMoved',
        'replay-id': replay.id,
        'replayed-at': expect.stringMatching(/^20\d\d-.*Z$/),
      });
    }
    expect((await verified(world)).findings).toEqual({});
    const list = await world.command('replay', 'list');
    expect(list.stdout).toMatch(
      new RegExp(`${replay.id} +done .* 24 +24 +0 +0 +their own topics +everything`),
    );
    const one = await world.command('replay', 'show', replay.id);
    expect(one.stdout).toMatch(/started by .* \(role .*\): a test\n.* finished by /);
  });

  it('dies at every step, and continues where consumers see it end', { timeout: 90_000 }, async () => {
    const steps = [
      'REPLAY_RECORDED',
      'PRODUCER_FENCED',
      'CLAIM_COMMITTED',
      'CLAIM_READ',
      'REPLAY_LISTED',
      'DEAD_LETTERS_STORED',
      'PARTITIONS_ADDED',
      'EVENTS_SENT',
      'COMMIT_SENT',
      'KAFKA_COMMITTED:2',
    ];
    let id: string | undefined;
    for (const step of steps) {
      const env = { ...small, OUTBOX_RELAY_FAILPOINT: step };
      const died = await (id === undefined
        ? world.commandWith(env, 'replay', '--all', ...doIt)
        : world.commandWith(env, 'replay', '--resume', id, '--json'));
      expect(died.code, `${step} ${died.stderr}`).toBeNull();
      id ??= await latestReplay(world);
    }
    const done = await world.commandWith(small, 'replay', '--resume', id!, '--json');
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout).replay).toMatchObject({ state: 'done', published: 24, gone: 0 });
    expectOnce(await recordsOf(id!, world.topic), ids);
    const again = await world.command('replay', '--resume', id!);
    expect(again).toMatchObject({ code: 0, stdout: `replay ${id} done: 24 events published\n` });
    expect((await verified(world)).findings).toEqual({});
  });

  it('of two processes with one replay, Kafka refuses the earlier one', { timeout: 60_000 }, async () => {
    using gate = new Gate();
    const env = { ...small, OUTBOX_RELAY_FAILPOINT: `REPLAY_LISTED:1:${gate.closed}` };
    const first = world.commandWith(env, 'replay', '--key', 'a', '--key', 'b', ...doIt);
    const listed = `select count(*)::int as count from pg_stat_activity
      where application_name = 'outbox-relay replay' and query like '%replay.end_listing%' and state = 'idle'`;
    await expect.poll(async () => (await world.pool.query(listed)).rows[0].count, { interval: 20 }).toBe(1);
    const id = await latestReplay(world);
    const second = await world.commandWith(small, 'replay', '--resume', id, '--json');
    expect(second, second.stderr).toMatchObject({ code: 0 });
    gate.open();
    const fenced = await first;
    expect(fenced.stderr).toContain('PRODUCER_FENCED');
    expect(fenced.code).toBe(69);
    const records = await recordsOf(id, world.topic);
    expect(new Set(records.map((record) => itemOf(record).key))).toEqual(new Set(['a', 'b']));
    expect(records).toHaveLength(16);
  });

  it('goes to another topic, with its partitions, as fast as it may', { timeout: 60_000 }, async () => {
    const target = await createTopic('rebuilt', 5);
    const env = { ...small, OUTBOX_RELAY_FAILPOINT: 'KAFKA_COMMITTED:1' };
    const range = ['--key', 'c', '--to-topic', target, '--max-events-per-second', '50'];
    expect((await world.commandWith(env, 'replay', ...range, ...doIt)).code).toBeNull();
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: target, count: 9 }] }));
    const id = await latestReplay(world);
    expect(await world.commandWith(small, 'replay', '--resume', id)).toMatchObject({ code: 0 });
    const records = await recordsOf(id, target);
    expect(records.map((record) => Number(itemOf(record).seq)).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const missing = await world.command('replay', '--key', 'c', '--to-topic', `${target}-x`, '--yes');
    expect(missing).toMatchObject({ code: 64, stderr: expect.stringContaining('does not exist') });
  });

  it('stops at an event that cannot be published any more, or skips and records it', {
    timeout: 60_000,
  }, async () => {
    const note = 'x'.repeat(2_000);
    await publish(world, () =>
      world.write([
        { key: 'large', seq: 0 },
        { key: 'large', seq: 1, note },
        { key: 'large', seq: 2 },
      ]),
    );
    const env = settingsEnv({ PUBLISH_MAX_RECORD_BYTES: 1_024, PUBLISH_BATCH_EVENTS: 1 });
    const stopped = await world.commandWith(env, 'replay', '--key', 'large', ...doIt);
    expect(stopped, stopped.stderr).toMatchObject({ code: 1 });
    const { replay } = JSON.parse(stopped.stdout);
    expect(replay).toMatchObject({ state: 'stopped', published: 0 });
    expect(replay.message).toMatch(/^event .* cannot be published: RECORD_TOO_LARGE: /);
    const skipped = await world.commandWith(
      env,
      'replay',
      '--resume',
      replay.id,
      '--refused',
      'skip',
      '--json',
    );
    expect(JSON.parse(skipped.stdout).replay).toMatchObject({ state: 'done', published: 2, refused: 1 });
    const records = await recordsOf(replay.id, world.topic);
    expect(records.map((record) => Number(itemOf(record).seq))).toEqual([0, 2]);
    const shown = await world.command('replay', 'show', replay.id);
    expect(shown.stdout).toMatch(/refused: .* RECORD_TOO_LARGE/);
    expect(shown.stdout).not.toContain('xxx');
  });

  it('splits a transaction over the limit, and tells rows that are gone', { timeout: 60_000 }, async () => {
    const items = Array.from({ length: 10 }, (_, seq) => ({ key: 'split', seq }));
    const written = await publish(world, async () => [
      ...(await world.write(items)),
      ...(await world.write([
        { key: 'split', seq: 10 },
        { key: 'split', seq: 11 },
      ])),
    ]);
    const limits = settingsEnv({ PUBLISH_MAX_TRANSACTION_EVENTS: 4, PUBLISH_BATCH_EVENTS: 4 });
    const die = { ...limits, OUTBOX_RELAY_FAILPOINT: 'KAFKA_COMMITTED:1' };
    const start = async () => {
      expect((await world.commandWith(die, 'replay', '--key', 'split', ...doIt)).code).toBeNull();
      return latestReplay(world);
    };
    const [whole, broken] = [await start(), await start()];
    expect(await recordsOf(whole, world.topic)).toHaveLength(4);
    await world.pool.query('delete from outbox.event where id = $1', [written[11]]);
    const done = await world.commandWith(limits, 'replay', '--resume', whole, '--json');
    expect(JSON.parse(done.stdout).replay).toMatchObject({ state: 'done', published: 11, gone: 1 });
    expect(done.code).toBe(1);
    expectOnce(await recordsOf(whole, world.topic), written.slice(0, 11));
    await world.pool.query('delete from outbox.event where id = $1', [written[0]]);
    const changed = await world.commandWith(limits, 'replay', '--resume', broken);
    expect(changed, changed.stdout).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('REPLAY_CHANGED'),
    });
    expect(await recordsOf(broken, world.topic)).toHaveLength(4);
  });

  it('leaves out what the stream has not published', { timeout: 60_000 }, async () => {
    const before = await publish(world, () => writeRounds(world, ['p'], 2));
    await writeRounds(world, ['p'], 2, 2);
    const done = await world.command('replay', '--key', 'p', ...doIt);
    const { plan, replay } = JSON.parse(done.stdout);
    expect(plan).toMatchObject({ events: 2, leftOut: { pending: 2 } });
    expectOnce(await recordsOf(replay.id, world.topic), before);
  });

  it('does not continue where it would have to guess', { timeout: 90_000 }, async () => {
    const batches = settingsEnv({ PUBLISH_BATCH_EVENTS: 1, PUBLISH_MAX_RECORD_BYTES: 1_024 });
    await publish(world, async () => {
      await world.write([{ key: 'guess', seq: 0 }]);
      await world.write([{ key: 'guess', seq: 1, note: 'x'.repeat(2_000) }]);
    });
    const stopped = await world.commandWith(batches, 'replay', '--key', 'guess', ...doIt);
    const { replay } = resultOf(stopped);
    expect(replay).toMatchObject({ state: 'stopped', published: 1 });

    await world.pool.query('alter system set track_commit_timestamp = off');
    await postgres.restart();
    const forgotten = await world.command('replay', '--resume', replay.id);
    expect(forgotten).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/REPLAY_CHANGED: .*commit times of [12] events/),
    });

    await withAdmin((admin) => admin.deleteTopics({ topics: [`${world.progressTopic}-replay`] }));
    const lost = await world.command('replay', '--resume', replay.id);
    expect(lost).toMatchObject({ code: 78, stderr: expect.stringContaining('REPLAY_PROGRESS_LOST') });
    expect(await recordsOf(replay.id, world.topic)).toHaveLength(1);
  });
});
