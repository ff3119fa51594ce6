/** Standby, takeover, zombies, shutdown and outages, with real processes. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { itemSchema } from '../../../harness/item-schema.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { readTopics, stableRanges } from '../../../relay/audit/read-topics.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import type { Status } from '../../../relay/operations/status.ts';
import { kafkaClient, withAdmin } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { idOf, itemOf, World } from '../world.ts';

/** End LSN of the last progress that is committed now. */
async function progressLsn(world: World): Promise<bigint> {
  const kafka = await kafkaClient();
  const ranges = await withAdmin((admin) => stableRanges(admin, [world.progressTopic]));
  let endLsn = 0n;
  await readTopics({
    kafka,
    ranges,
    stallMs: 15_000,
    onRecords: (records) => {
      for (const { key, value } of records)
        if (key?.toString() === world.slot)
          endLsn = parseLsn((JSON.parse(String(value)) as { endLsn: string }).endLsn);
    },
  });
  return endLsn;
}

async function confirmedLsn(world: World): Promise<bigint> {
  const { rows } = await world.pool.query(
    'select confirmed_flush_lsn from pg_replication_slots where slot_name = $1',
    [world.slot],
  );
  return parseLsn(rows[0].confirmed_flush_lsn);
}

/** When Postgres last heard from the relay, ms. */
async function replyTime(world: World): Promise<number> {
  const { rows } = await world.pool.query(
    `select extract(epoch from reply_time) * 1000 as ms from pg_stat_replication
      where pid = (select active_pid from pg_replication_slots where slot_name = $1)`,
    [world.slot],
  );
  return Number(rows[0].ms);
}

it('is called good by the status that waited for it to stream', async () => {
  await using world = await World.create();
  world.startRelay();
  const { code, stdout } = await world.command('status', '--wait-seconds', '120');
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^[^\n]*Streaming/) });
});

describe('two relays on one slot', () => {
  it('the second waits in standby, ready, and takes over within 3 s when the first is killed', async () => {
    await using world = await World.create();
    const first = world.startRelay();
    await first.streaming();
    const second = world.startRelay();
    await second.line(({ msg }) => msg.startsWith('standby:'));
    expect(await second.ready()).toMatchObject({ status: 200, state: 'standby' });
    const ids = await world.write([{ key: 'k', seq: 0 }]);
    await world.read(ids);
    await first.kill();
    const killedMs = performance.now();
    await second.streaming();
    expect(performance.now() - killedMs).toBeLessThan(3_000);
    ids.push(...(await world.write([{ key: 'k', seq: 1 }])));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });

  it('of one that was killed the status says that fewer run, and nothing once another one has started', async () => {
    await using world = await World.create();
    const first = world.startRelay();
    await first.streaming();
    const second = world.startRelay();
    await second.line(({ msg }) => msg.startsWith('standby:'));
    const status = async (): Promise<Status> => JSON.parse((await world.command('status', '--json')).stdout);
    // Seen after the start of the second, or that start would count as the one that replaced it.
    const isSeenSince = async () => {
      const { relays } = await status();
      const standby = relays.find(({ state }) => state === 'standby');
      const streamer = relays.find(({ state }) => state === 'streaming');
      return standby !== undefined && streamer !== undefined && streamer.seenAt > standby.startedAt;
    };
    await expect.poll(isSeenSince, { interval: 500 }).toBe(true);
    await first.kill();
    await second.streaming();
    const concerns = async () => {
      const { verdict } = await status();
      return verdict.concerns.filter(({ name }) => name === 'relay-down').map(({ text }) => text);
    };
    await expect
      .poll(concerns, { interval: 500 })
      .toEqual([expect.stringContaining('did not say goodbye. Until then 2 relays ran, and now 1 does')]);
    const third = world.startRelay();
    await third.line(({ msg }) => msg.startsWith('standby:'));
    await expect.poll(concerns, { interval: 500 }).toEqual([]);
    await second.stop();
    await third.streaming();
    const { code, stdout } = await world.command('status', '--wait-seconds', '40');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^[^\n]*Streaming/) });
  });

  it('one that was stopped and comes back is fenced, publishes nothing twice, and returns to standby', async () => {
    await using world = await World.create();
    const first = world.startRelay({ PUBLISH_LINGER_MS: 0 });
    await first.streaming();
    const second = world.startRelay();
    await second.line(({ msg }) => msg.startsWith('standby:'));
    const ids: string[] = [];
    const writing = (async () => {
      for (let seq = 0; seq < 200; seq++) ids.push(...(await world.write([{ key: `k${seq % 5}`, seq }])));
    })();
    first.signal('SIGSTOP');
    await writing;
    await second.streaming();
    await world.read(ids);
    first.signal('SIGCONT');
    await first.line(
      ({ state }, lines) =>
        state === 'standby' && lines.filter((line) => line.state === 'standby').length > 1,
    );
    ids.push(...(await world.write([{ key: 'after', seq: 0 }])));
    const records = await world.read(ids);
    expect(records.map(idOf).toSorted()).toEqual(ids.toSorted());
    const k0 = records.map(itemOf).filter(({ key }) => key === 'k0');
    expect(k0.map(({ seq }) => Number(seq))).toEqual(k0.map((_, n) => n * 5));
  });
});

describe('shutdown', () => {
  it('on SIGTERM under load ends with 0 within 10 s and leaves nothing to do twice', async () => {
    await using world = await World.create();
    const relay = world.startRelay();
    await relay.streaming();
    const ids: string[] = [];
    let isWriting = true;
    const writing = (async () => {
      for (let seq = 0; isWriting; seq++) ids.push(...(await world.write([{ key: 'k', seq }])));
    })();
    await world.read(await world.write([{ key: 'first', seq: 0 }]));
    relay.signal('SIGTERM');
    const beganMs = performance.now();
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    isWriting = false;
    await writing;
    // What is committed is acknowledged: the slot stands exactly where the progress does.
    expect(await confirmedLsn(world)).toBe(await progressLsn(world));
    world.startRelay();
    const records = (await world.read(ids)).filter(({ key }) => key === 'k');
    expect(records.map((record) => Number(itemOf(record).seq))).toEqual(records.map((_, n) => n));
  });
});

describe('shutdown before anything is streamed', () => {
  it('on SIGTERM while Kafka is silent ends with 0 in the time that is set', async () => {
    await using world = await World.create();
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const relay = world.startRelay({ SHUTDOWN_MS: 1_000 }, { KAFKA_BROKERS: `127.0.0.1:${port}` });
    await once(mute, 'connection');
    relay.signal('SIGTERM');
    const beganMs = performance.now();
    expect(await relay.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it('on SIGTERM in standby ends with 0, and needs no time limit for it', async () => {
    await using world = await World.create();
    await world.startRelay().streaming();
    const standby = world.startRelay();
    await standby.line(({ msg }) => msg.startsWith('standby:'));
    standby.signal('SIGTERM');
    expect(await standby.exited).toEqual({ code: 0, signal: null });
    expect(standby.lines.at(-1)?.msg).toBe('stopped');
  });
});

describe('a second signal', () => {
  it('ends a relay that drains at once, unless it is only the echo of the first', async () => {
    await using world = await World.create();
    const relay = world.startRelay({ FAILPOINT: 'EVENTS_SENT:2:hang', SHUTDOWN_MS: 600_000 });
    await relay.streaming();
    await world.write([{ key: 'k', seq: 0 }]);
    await relay.atFailpoint('reached');
    relay.signal('SIGTERM');
    relay.signal('SIGTERM');
    await relay.line(({ state }) => state === 'draining');
    const isEnded = () => relay.lines.some(({ msg }) => msg.startsWith('second signal'));
    expect(isEnded()).toBe(false);
    await expect
      .poll(() => {
        relay.signal('SIGTERM');
        return isEnded();
      })
      .toBe(true);
    expect(await relay.exited).toEqual({ code: 0, signal: null });
  });
});

describe('acknowledgement', () => {
  it.each(['PROGRESS_SENT', 'EVENTS_SENT'])(
    'never passes the committed progress while a commit hangs at %s',
    async (place) => {
      await using world = await World.create();
      const relay = world.startRelay({ FAILPOINT: `${place}:2:hang`, CAPTURE_HEARTBEAT_MS: 60_000 });
      await relay.streaming();
      const ids: string[] = [];
      let isHanging = false;
      const hanging = relay.atFailpoint('reached').finally(() => {
        isHanging = true;
      });
      for (let seq = 0; !isHanging; seq++) ids.push(...(await world.write([{ key: 'k', seq }])));
      await hanging;
      // Two status updates, one a second, are given the time to say something wrong.
      const before = await replyTime(world);
      await expect.poll(async () => (await replyTime(world)) - before).toBeGreaterThan(2_000);
      expect(await confirmedLsn(world)).toBeLessThanOrEqual(await progressLsn(world));
      await relay.kill();
      world.startRelay();
      expect((await world.read(ids)).map(idOf)).toEqual(ids);
    },
  );

  it('moves on while only other tables are written', async () => {
    await using world = await World.create();
    const relay = world.startRelay();
    await relay.streaming();
    await world.pool.query('create table other (n int)');
    await world.pool.query('insert into other select generate_series(1, 1000)');
    const { rows } = await world.pool.query('select pg_current_wal_lsn() as lsn');
    const written = parseLsn(rows[0].lsn);
    await expect.poll(() => confirmedLsn(world)).toBeGreaterThanOrEqual(written);
  });
});

describe('an outage', () => {
  it('of the replication connection is survived, again and again', async () => {
    await using world = await World.create();
    const relay = world.startRelay();
    await relay.streaming();
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      ids.push(
        ...(await world.write([
          { key: 'k', seq: 2 * round },
          { key: 'k', seq: 2 * round + 1 },
        ])),
      );
      await world.pool.query(
        'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active',
        [world.slot],
      );
    }
    const records = await world.read(ids);
    expect(records.map(idOf)).toEqual(ids);
  });

  it('is over for the status as soon as an idle relay streams again, and the status waits until then', async () => {
    await using world = await World.create();
    // The next progress would be committed a minute later.
    const relay = world.startRelay({ CAPTURE_HEARTBEAT_MS: 60_000 });
    await relay.streaming();
    await world.pool.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1',
      [world.slot],
    );
    await relay.line(({ err }) => err?.code === 'POSTGRES_UNAVAILABLE');
    const { code, stdout } = await world.command('status', '--wait-seconds', '40');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^[^\n]*Streaming/) });
    expect(stdout).not.toContain('fails');
  });

  it('of the registry holds the stream until it is back, and never becomes a dead letter', async () => {
    await using world = await World.create();
    await using proxy = await TcpProxy.before(world.env.SCHEMA_REGISTRY_URL!);
    const relay = world.startRelay(
      { RETRY_NOT_READY_AFTER_MS: 0, REGISTRY_TIMEOUT_MS: 500, REGISTRY_LATEST_TTL_MS: 0 },
      { SCHEMA_REGISTRY_URL: proxy.through(world.env.SCHEMA_REGISTRY_URL!) },
    );
    await relay.streaming();
    const ids = await world.write([{ key: 'k', seq: 0 }]);
    await world.read(ids);
    proxy.shut();
    // What is known goes on, also when it has outlived its time; what was never fetched waits, and all behind it.
    for (let seq = 1; seq <= 3; seq++) {
      ids.push(...(await world.write([{ key: 'k', seq }])));
      await world.read(ids);
    }
    await registerSchema(`${world.topic}-test.ItemLost`, { ...itemSchema, name: 'ItemLost' });
    await world.pool.query(`select outbox.emit('item', 'k', 'test.ItemLost', '{"key":"k","seq":4}')`);
    ids.push(...(await world.write([{ key: 'k', seq: 5 }])));
    await relay.line(({ err }) => err?.code === 'REGISTRY_UNAVAILABLE');
    expect(await relay.ready()).toMatchObject({
      status: 503,
      state: 'streaming',
      reason: expect.stringContaining('REGISTRY_UNAVAILABLE'),
    });
    proxy.calm();
    const records = await world.read(ids);
    expect(records.map(idOf).filter((id) => ids.includes(id))).toEqual(ids);
    expect(records.map((record) => Number(itemOf(record).seq))).toEqual([0, 1, 2, 3, 4, 5]);
    await expect.poll(async () => (await relay.ready()).status).toBe(200);
    const { rowCount } = await world.pool.query('select from outbox.dead_letter');
    expect(rowCount).toBe(0);
  });
});
