/** Refusals when database and progress no longer belong together, and what `adopt` makes of them. */
import { describe, expect, it, vi } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import { storeDecisions } from '../../../relay/ledger/decisions.ts';
import { beginSession } from '../../../relay/ledger/session.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { kafkaClient } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { idOf, itemOf, World } from '../world.ts';

/** A world whose relay has published one event and was then ended. */
async function publishedWorld(): Promise<{ world: World; ids: string[] }> {
  const world = await World.create();
  const relay = world.startRelay();
  await relay.streaming();
  const ids = await world.write([{ key: 'k', seq: 0 }]);
  await world.read(ids);
  relay.signal('SIGTERM');
  await relay.exited;
  return { world, ids };
}

async function refusal(
  world: World,
  settings: Settings = {},
): Promise<{ code: string; exit: number | null }> {
  const relay = world.startRelay(settings);
  const { code: exit } = await relay.exited;
  return { code: String(relay.lines.at(-1)?.err?.code), exit };
}

/** The walsender of a relay that died ends a moment later. */
async function dropSlot(world: World): Promise<void> {
  const drop = () => world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  await vi.waitFor(drop, { timeout: 30_000 });
}

/** To the present end of the WAL; likewise. */
async function advanceSlot(world: World): Promise<void> {
  const advance = () =>
    world.pool.query('select pg_replication_slot_advance($1, pg_current_wal_lsn())', [world.slot]);
  await vi.waitFor(advance, { timeout: 30_000 });
}

/** Writes a progress in place of the relay. */
async function forgeProgress(
  world: World,
  change: (progress: Record<string, unknown>) => unknown,
): Promise<void> {
  const kafka = await kafkaClient();
  const { rows } = await world.pool.query(
    `select system_identifier, timeline, end_lsn, event_count, instance from outbox.progress where slot = $1`,
    [world.slot],
  );
  const { system_identifier, timeline, end_lsn, event_count, instance } = rows[0];
  const value = JSON.stringify(
    change({
      version: 1,
      slot: world.slot,
      systemIdentifier: system_identifier,
      timeline,
      endLsn: end_lsn,
      partial: null,
      beat: 0,
      eventCount: Number(event_count),
      instance,
      time: new Date().toISOString(),
    }),
  );
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  await producer.send({ topic: world.progressTopic, messages: [{ key: world.slot, value }] });
  await producer.disconnect();
}

const parking: Settings = { DEAD_LETTERS_POLICY: 'park-key', DEAD_LETTERS_STORM_PERCENT: 100 };

async function startParking(world: World) {
  const relay = world.startRelay(parking);
  await relay.streaming();
  return relay;
}

/** Until it is fixed. */
async function refuse(world: World, key: string): Promise<void> {
  await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     values ('item', $1, 'test.ItemMoved', json_build_object('key', $1::text, 'seq', '1'))`,
    [key],
  );
}

async function fixAll(world: World): Promise<void> {
  await world.pool.query(
    `update outbox.dead_letter set payload = json_build_object('key', aggregateid, 'seq', 1) where status = 'open'`,
  );
}

async function requestRelease(world: World): Promise<void> {
  const { rows } = await world.pool.query(
    `select outbox.request_release($1, $2, 'k', 'somebody') is not null as is_asked`,
    [world.slot, world.topic],
  );
  expect(rows).toEqual([{ is_asked: true }]);
}

/** Their statuses, in the order of their positions. */
async function lettersOf(world: World): Promise<string[]> {
  const { rows } = await world.pool.query<{ status: string }>(
    'select status from outbox.dead_letter order by commit_lsn, ordinal',
  );
  return rows.map(({ status }) => status);
}

/** The copy. */
async function progressOf(world: World): Promise<{ session: number; progress: Progress }> {
  const { rows } = await world.pool.query(
    'select session, system_identifier, timeline, end_lsn, event_count, instance from outbox.progress',
  );
  const { session, system_identifier, timeline, end_lsn, event_count, instance } = rows[0];
  const progress = {
    slot: world.slot,
    systemIdentifier: system_identifier,
    timeline,
    endLsn: parseLsn(end_lsn),
    partial: null,
    beat: 0,
    eventCount: Number(event_count),
    instance,
    time: '2026-01-02T03:04:05Z',
  };
  return { session: Number(session), progress };
}

describe('a relay refuses to go on, and adopt answers,', () => {
  it('when the slot was advanced by hand', async () => {
    const { world, ids } = await publishedWorld();
    await using _ = world;
    const skipped = await world.write([{ key: 'k', seq: 1 }]);
    await advanceSlot(world);
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_SLOT_AHEAD', exit: 78 });
    const shown = await world.command('adopt', 'slot');
    expect(shown).toMatchObject({ code: 1, stdout: expect.stringContaining('LINEAGE_SLOT_AHEAD') });
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_SLOT_AHEAD', exit: 78 });
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 2 }])));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
    expect(skipped).toHaveLength(1);
  });

  it('when the slot is gone', async () => {
    const { world, ids } = await publishedWorld();
    await using _ = world;
    await dropSlot(world);
    expect(await refusal(world)).toEqual({ code: 'SLOT_MISSING', exit: 78 });
    const shown = await world.command('adopt', 'new-slot', '--json');
    expect(shown.code).toBe(1);
    expect(JSON.parse(shown.stdout)).toMatchObject({ found: { code: 'SLOT_MISSING' }, isWritten: false });
    expect(await world.command('adopt', 'new-slot', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 1 }])));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });

  it('when the slot is gone with a release that was not committed: the key waits, in order, however often adopt dies', async () => {
    await using world = await World.create();
    const first = await startParking(world);
    await refuse(world, 'k');
    await world.write([{ key: 'k', seq: 2 }]);
    await expect.poll(() => lettersOf(world)).toEqual(['open', 'parked']);
    first.signal('SIGTERM');
    await first.exited;
    await fixAll(world);
    await requestRelease(world);
    expect(await world.startRelay({ ...parking, FAILPOINT: 'DEAD_LETTERS_STORED' }).exited).toMatchObject({
      signal: 'SIGKILL',
    });
    expect(await lettersOf(world)).toEqual(['released', 'released']);
    await dropSlot(world);
    const dying = { OUTBOX_RELAY_FAILPOINT: 'PROGRESS_SENT' };
    for (const what of ['new-slot', 'slot'])
      expect((await world.commandWith(dying, 'adopt', what, '--yes')).code, what).toBeNull();
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({ code: 0 });
    expect(await lettersOf(world)).toEqual(['open', 'parked']);

    const relay = world.startRelay(parking);
    await relay.streaming();
    await world.write([{ key: 'k', seq: 3 }]);
    await expect.poll(() => lettersOf(world)).toEqual(['open', 'parked', 'parked']);
    await requestRelease(world);
    await expect.poll(() => lettersOf(world)).toEqual(['released', 'released', 'released']);
    const { rows } = await world.pool.query<{ id: string }>('select id from outbox.event');
    expect(
      (await world.read(rows.map(({ id }) => id))).map(itemOf).map(({ key, seq }) => `${key} ${seq}`),
    ).toEqual(['k 1', 'k 2', 'k 3']);
    const requests = await world.pool.query('select outcome from outbox.key_release order by id');
    expect(requests.rows).toEqual([{ outcome: 'limited' }, { outcome: 'released' }]);
  });

  it.each(['slot', 'progress'])(
    'when events that a relay was to read again are given up (%s): their dead letters are open, and nobody from before writes or begins',
    async (what) => {
      await using world = await World.create();
      const first = await startParking(world);
      await refuse(world, 'k');
      await expect.poll(() => lettersOf(world)).toEqual(['open']);
      first.signal('SIGTERM');
      await first.exited;
      await fixAll(world);
      await refuse(world, 'z');
      for (const FAILPOINT of ['DEAD_LETTERS_STORED', 'DEAD_LETTERS_REREAD'])
        expect(await world.startRelay({ ...parking, FAILPOINT }).exited).toMatchObject({ signal: 'SIGKILL' });
      expect(await lettersOf(world)).toEqual(['open', 'resubmitted']);
      await requestRelease(world);
      const before = await progressOf(world);
      await advanceSlot(world);
      const OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC = what === 'slot' ? world.progressTopic : unique('progress');
      const adopted = await world.commandWith({ OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC }, 'adopt', what, '--yes');
      expect(adopted).toMatchObject({ code: 0 });
      expect(await lettersOf(world)).toEqual(['open', 'open']);
      const requests = await world.pool.query('select outcome from outbox.key_release');
      expect(requests.rows).toEqual([{ outcome: 'limited' }]);

      const earlier = { slot: world.slot, number: before.session };
      const release = { request: 1, key: { topic: world.topic, key: 'k' }, lsn: 1n, published: [] };
      const decisions = {
        deadLetters: [],
        parked: [],
        releases: [{ ...release, outcome: 'released' as const, refused: [], movedTo: undefined }],
      };
      await expect(storeDecisions(world.pool, earlier, decisions)).rejects.toMatchObject({
        code: 'PRODUCER_FENCED',
      });
      const hold = { walSenderPid: undefined, lastSession: before.session };
      const after = await progressOf(world);
      await expect(beginSession(world.pool, before.progress, '', hold)).rejects.toMatchObject({
        code: 'SLOT_IN_USE',
      });
      expect(await progressOf(world)).toEqual(after);
    },
  );

  it('when the slot was recreated behind its back', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await dropSlot(world);
    await world.write([{ key: 'lost', seq: 0 }]);
    await world.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [world.slot]);
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_SLOT_AHEAD', exit: 78 });
  });

  it('when another database has the progress, without fencing its relay', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await forgeProgress(world, (progress) => ({ ...progress, systemIdentifier: '7000000000000000000' }));
    const peer = (await kafkaClient()).producer({
      transactionalId: `outbox-relay.${world.slot}`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await peer.connect();
    try {
      const open = await peer.transaction();
      await open.send({ topic: world.topic, messages: [{ value: 'of the other database' }] });
      expect(await refusal(world)).toEqual({ code: 'LINEAGE_OTHER_DATABASE', exit: 78 });
      await open.commit();
    } finally {
      await peer.disconnect();
    }
  });

  it('when the progress is gone from Kafka', async () => {
    const { world, ids } = await publishedWorld();
    await using _ = world;
    const elsewhere = { KAFKA_PROGRESS_TOPIC: unique('progress') };
    expect(await refusal(world, elsewhere)).toEqual({ code: 'LINEAGE_PROGRESS_LOST', exit: 78 });
    const env = { OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: elsewhere.KAFKA_PROGRESS_TOPIC };
    expect(await world.commandWith(env, 'adopt', 'progress', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay(elsewhere).streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 1 }])));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });

  it('when the progress belongs to another cluster', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await forgeProgress(world, (progress) => ({ ...progress, systemIdentifier: '1' }));
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_OTHER_DATABASE', exit: 78 });
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({ code: 64 });
    // Left by the relay in the other cluster, whose WAL this one has passed in part, and not in the rest.
    await world.pool.query(`update outbox.progress set system_identifier = '1'`);
    await world.pool.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, aggregateid, topic, code, message, status)
       select $1, lsn::pg_lsn, 0, lsn, 'k', 't', 'X', '', status
         from (values ('0/10', 'open'), ('0/20', 'parked'), ('FFF/0', 'open'), ('FFF/10', 'parked'), ('FFF/20', 'open')) as old (lsn, status)`,
      [world.slot],
    );
    // To be read again there, and never read.
    await world.pool.query(
      `update outbox.dead_letter set status = 'resubmitted', context = '{"reread": true}' where commit_lsn = 'FFF/20'`,
    );
    const parkKey = () =>
      world.pool.query(
        `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ($1, '0/10', 0, 't', 'k')`,
        [world.slot],
      );
    await parkKey();
    const waiting = async () => {
      const { rows } = await world.pool.query(
        `select count(*) filter (where status = 'open')::int as open, count(*) filter (where status = 'parked')::int as parked,
                (select count(*)::int from outbox.parked_key) as keys from outbox.dead_letter`,
      );
      return rows[0];
    };
    const adoptAt = (OUTBOX_RELAY_FAILPOINT: string) =>
      world.commandWith({ OUTBOX_RELAY_FAILPOINT }, 'adopt', 'database', '--yes');
    expect((await adoptAt('PROGRESS_SENT')).code).toBeNull();
    expect(await waiting()).toEqual({ open: 3, parked: 2, keys: 1 });
    expect((await adoptAt('FIRST_PROGRESS_COMMITTED')).code).toBeNull();
    expect(await waiting()).toEqual({ open: 3, parked: 2, keys: 1 });
    // It is adopted: the next session does the rest.
    expect(await world.command('adopt', 'database', '--yes')).toMatchObject({ code: 64 });
    const relay = world.startRelay();
    await relay.streaming();
    expect(await waiting()).toEqual({ open: 5, parked: 0, keys: 0 });
    const discarded = await world.command('dead-letters', 'discard', '--all', '--reason', 'old', '--yes');
    expect(discarded).toMatchObject({ code: 0, stdout: expect.stringContaining('5') });
    expect(await waiting()).toEqual({ open: 0, parked: 0, keys: 0 });

    relay.signal('SIGTERM');
    await relay.exited;
    await forgeProgress(world, (progress) => ({ ...progress, systemIdentifier: '1' }));
    await world.pool.query(`update outbox.progress set system_identifier = '1'`);
    await parkKey();
    expect(await world.command('adopt', 'database', '--yes')).toMatchObject({ code: 0 });
    expect(await waiting()).toEqual({ open: 0, parked: 0, keys: 0 });
  });

  it('when the database is behind what was published', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await forgeProgress(world, (progress) => ({ ...progress, endLsn: 'FFF/0' }));
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_REWOUND', exit: 78 });
  });

  it('when the database forgot a heartbeat that was published', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await forgeProgress(world, (progress) => ({ ...progress, beat: 1_000_000 }));
    expect(await refusal(world)).toEqual({ code: 'LINEAGE_REWOUND', exit: 78 });
  });

  it('when the progress is of a newer release', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    await forgeProgress(world, (progress) => ({ ...progress, version: 2 }));
    expect(await refusal(world)).toEqual({ code: 'PROGRESS_UNREADABLE', exit: 78 });
    expect(await world.command('adopt', 'progress', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
  });

  it('when the publication went missing, and again when it comes back too late', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    const relay = world.startRelay();
    await relay.streaming();
    await world.pool.query('drop publication outbox_relay');
    await relay.exited;
    expect(relay.lines.at(-1)?.err?.code).toBe('PUBLICATION_MISSING');
    expect(await refusal(world)).toEqual({ code: 'PUBLICATION_MISSING', exit: 78 });
    await world.pool.query(
      `create publication outbox_relay for table outbox.event, outbox.heartbeat
         with (publish = 'insert', publish_via_partition_root = true)`,
    );
    expect((await refusal(world)).code).toBe('PUBLICATION_GAP');
    expect(await world.command('adopt', 'gap', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    const ids = await world.write([{ key: 'k', seq: 1 }]);
    await world.read(ids);
  });

  it('when the outbox was taken out of the publication, though the heartbeats still come, and when it is put back', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    const relay = world.startRelay();
    await relay.streaming();
    await world.pool.query('alter publication outbox_relay drop table outbox.event');
    await relay.exited;
    expect(relay.lines.at(-1)?.err?.code).toBe('PUBLICATION_MISSING');
    const [lost] = await world.write([{ key: 'lost', seq: 0 }]);
    await world.pool.query('alter publication outbox_relay add table outbox.event');
    expect(await refusal(world)).toEqual({ code: 'PUBLICATION_GAP', exit: 78 });
    expect((await world.command('verify', '--wait-seconds', '0')).stdout).toContain(lost);
    expect(await world.command('adopt', 'gap', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    await world.read(await world.write([{ key: 'k', seq: 1 }]));
  });

  it('and there is nothing to adopt while all is well, or while a relay runs', async () => {
    const { world } = await publishedWorld();
    await using _ = world;
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({ code: 64 });
    await world.startRelay().streaming();
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({
      code: 69,
      stderr: expect.stringContaining('SLOT_IN_USE'),
    });
  });
});
