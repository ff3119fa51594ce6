/** Postgres restored from a backup, and standbys that are promoted, at the address where the relay knew the primary. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import type { RelayProcess, Settings } from '../../../harness/relay-process.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { postgresMajor } from '../../../stack/postgres-binaries.ts';
import { backup, type Standby, startStandby } from '../../../stack/postgres-copy.ts';
import { idOf, World } from '../world.ts';

const settings = { fsync: 'off', track_commit_timestamp: 'on' };

/** A primary behind an address that can be led to another server, and a world there. */
class Place implements AsyncDisposable {
  readonly primary: Postgres;
  readonly world: World;
  readonly #proxy: TcpProxy;
  readonly #others: Postgres[] = [];

  private constructor(primary: Postgres, world: World, proxy: TcpProxy) {
    this.primary = primary;
    this.world = world;
    this.#proxy = proxy;
  }

  static async open(): Promise<Place> {
    const primary = await startPostgres({ settings });
    const proxy = await TcpProxy.open(primary.port);
    const url = new URL(primary.url);
    url.port = String(proxy.port);
    return new Place(primary, await World.create(1, { databaseUrl: url.href }), proxy);
  }

  /** A folder beside the primary's data, gone when that is. */
  folder(name: string): string {
    return `${this.primary.dataDir}-${name}`;
  }

  async standby({ keepsSlots }: { readonly keepsSlots: boolean }): Promise<Standby> {
    const standby = await startStandby(this.primary, { settings, keepsSlots });
    this.#others.push(standby);
    return standby;
  }

  /** Ends the primary as a crash does; in its place comes a server of that data. */
  async replaceByCopy(dataDir: string): Promise<void> {
    this.primary.kill('SIGQUIT');
    const copy = await startPostgres({ settings, dataDir });
    this.#others.push(copy);
    this.leadTo(copy);
  }

  leadTo({ port }: Postgres): void {
    this.#proxy.targetPort = port;
    this.#proxy.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    for (const other of this.#others) await other.stop({ mode: 'immediate' });
    await this.primary.stop({ mode: 'immediate' });
    this.#proxy.close();
  }
}

/** Counts up the one key there is, so that the order of all events is known. */
function counter(world: World): (by?: pg.Pool) => Promise<string[]> {
  let seq = 0;
  return (by) => world.write([{ key: 'k', seq: seq++ }], by);
}

async function halt(relay: RelayProcess): Promise<{ code: string; exit: number | null; hint: string }> {
  await relay.line(({ msg }) => msg.startsWith('the relay stopped itself'));
  const { code: exit } = await relay.exited;
  const err = relay.lines.at(-1)?.err as { code?: string; hint?: string } | undefined;
  return { code: String(err?.code), exit, hint: String(err?.hint) };
}

async function recover(world: World, ...options: string[]): Promise<void> {
  const { code, stderr } = await world.command('recover', ...options);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
}

/** In the order in which the one key counts. */
async function tableIds({ pool }: World): Promise<string[]> {
  const text = `select id from outbox.event order by (payload ->> 'seq')::int`;
  return (await pool.query<{ id: string }>(text)).rows.map(({ id }) => id);
}

/** Resolves when the statement finds a row. */
async function lookFor(pool: pg.Pool, text: string, values: readonly unknown[]): Promise<void> {
  await vi.waitUntil(
    async () => (await pool.query(text, [...values]).catch(() => undefined))?.rowCount === 1,
    { timeout: 30_000, interval: 20 },
  );
}

async function isBeyond(pool: pg.Pool, lsn: string): Promise<boolean> {
  const { rows } = await pool.query<{ is: boolean }>('select pg_current_wal_lsn() > $1::pg_lsn as is', [lsn]);
  return rows[0]!.is;
}

/** A backup leaves slots out; a snapshot of the file system does not. */
async function copySlot({ dataDir }: Postgres, into: string, slot: string): Promise<void> {
  const folder = `pg_replslot/${slot}`;
  await promisify(execFile)('cp', ['-a', path.join(dataDir, folder), path.join(into, folder)]);
}

async function configure({ url }: Postgres, changes: Readonly<Record<string, string>>): Promise<void> {
  await using pool = poolOf({ url });
  for (const [name, value] of Object.entries(changes))
    await pool.query(`alter system set ${name} = '${value}'`);
  await pool.query('select pg_reload_conf()');
}

function poolOf({ url }: Pick<Postgres, 'url'>): pg.Pool & AsyncDisposable {
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => {}); // a server that the test ends; the next query says so
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.end() });
}

// Each starts servers of its own; on a busy machine that takes its time.
const patient = { timeout: 150_000 };

describe('restored from an earlier state', patient, () => {
  it('by a base backup, which has no slot: stops, and recovers without a double when that is accepted, also after a death', async () => {
    await using place = await Place.open();
    const { world } = place;
    const write = counter(world);
    const relay = world.startRelay();
    await relay.streaming();
    const ids = await write();
    await world.read(ids);
    await backup(place.primary, place.folder('backup'));
    // More WAL than the copy writes when it is first read: with checksums, whole pages.
    await world.pool.query(`select pg_logical_emit_message(false, 'filler', repeat('x', 1000000))`);
    const lost = [...(await write()), ...(await write())];
    await world.read(lost);
    await place.replaceByCopy(place.folder('backup'));
    expect(await halt(relay)).toMatchObject({ code: 'SLOT_MISSING', exit: 78 });
    expect(await world.command('recover')).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/LINEAGE_REWOUND.*recover --accept-rewound/s),
    });
    const kept = await write();
    const dying = { OUTBOX_RELAY_FAILPOINT: 'KAFKA_COMMITTED' };
    expect((await world.commandWith(dying, 'recover', '--accept-rewound')).code).toBeNull();
    // Before it is run again no relay goes on from a progress that this database is behind.
    expect(await halt(world.startRelay())).toMatchObject({ code: 'LINEAGE_SLOT_AHEAD', exit: 78 });
    kept.push(...(await write()));
    await recover(world);
    await world.startRelay().streaming();
    kept.push(...(await write()));
    expect((await world.read(kept)).map(idOf)).toEqual([...ids, ...lost, ...kept]);
  });

  // The heartbeat does not tell, and new writers have hidden that WAL is missing.
  it('with its slot, on the same timeline, and written to since: stops, and loses nothing of what was written', async () => {
    await using place = await Place.open();
    const { world } = place;
    const write = counter(world);
    const seldom: Settings = { CAPTURE_HEARTBEAT_MS: 600_000 };
    const relay = world.startRelay(seldom);
    await relay.streaming();
    const ids = await write();
    await world.read(ids);
    await lookFor(world.pool, 'select from outbox.heartbeat where slot = $1 and beat = 1', [world.slot]);
    await backup(place.primary, place.folder('snapshot'));
    await copySlot(place.primary, place.folder('snapshot'), world.slot);
    const lost = [...(await write()), ...(await write()), ...(await write())];
    await world.read(lost);
    await relay.kill();
    const { rows } = await world.pool.query<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn');
    await place.replaceByCopy(place.folder('snapshot'));
    const kept = await write();
    while (!(await isBeyond(world.pool, rows[0]!.lsn))) kept.push(...(await write()));
    const next = world.startRelay(seldom);
    expect(await halt(next)).toMatchObject({
      code: 'LINEAGE_REWOUND',
      exit: 78,
      hint: expect.stringContaining('recover --accept-rewound'),
    });
    expect(next.lines.some(({ state }) => state === 'streaming')).toBe(true);
    await recover(world, '--accept-rewound');
    await world.startRelay(seldom).streaming();
    kept.push(...(await write()));
    expect((await world.read(kept)).map(idOf)).toEqual([...ids, ...lost, ...kept]);
  });
});

describe('a standby that is promoted', patient, () => {
  it('with a copy of the slot goes on, each event once and in order', async ({ skip }) => {
    await using place = await Place.open();
    skip((await postgresMajor(place.primary.binDir)) < 17, 'failover slots came with 17');
    const { world } = place;
    const standby = await place.standby({ keepsSlots: true });
    // Nothing is acknowledged to writers, nor streamed to the relay, that the standby lacks.
    await configure(place.primary, {
      synchronized_standby_slots: standby.slot,
      synchronous_standby_names: '*',
    });
    const relay = world.startRelay();
    await relay.streaming();
    await using standbyPool = poolOf(standby);
    const isKept = 'select from pg_replication_slots where slot_name = $1 and synced and not temporary';
    await lookFor(standbyPool, isKept, [world.slot]);
    const write = counter(world);
    const acknowledged: string[] = [];
    const writing = (async () => {
      for (;;) acknowledged.push(...(await write()));
    })().catch(() => {}); // with the primary
    await lookFor(world.pool, 'select from outbox.progress where slot = $1 and event_count > 20', [
      world.slot,
    ]);
    place.primary.kill('SIGQUIT');
    await writing;
    await standby.promote();
    place.leadTo(standby);
    await write();
    // One that was not acknowledged may be there.
    const ids = await tableIds(world);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
    const records = await world.read(ids);
    expect(records.map(idOf)).toEqual(ids);
    expect((await relay.ready()).state).toBe('streaming');
  });

  it('without one: stops, and recover publishes what is missing', async () => {
    await using place = await Place.open();
    const { world } = place;
    const write = counter(world);
    const relay = world.startRelay();
    await relay.streaming();
    const standby = await place.standby({ keepsSlots: false });
    const ids = await write();
    await world.read(ids);
    await relay.kill();
    ids.push(...(await write()));
    await using standbyPool = poolOf(standby);
    await lookFor(standbyPool, 'select from outbox.event where id = $1', [ids.at(-1)!]);
    place.primary.kill('SIGQUIT');
    await standby.promote();
    place.leadTo(standby);
    ids.push(...(await write()));
    expect(await halt(world.startRelay())).toMatchObject({
      code: 'SLOT_MISSING',
      exit: 78,
      hint: expect.stringContaining('outbox-relay recover'),
    });
    await recover(world);
    await world.startRelay().streaming();
    ids.push(...(await write()));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });
});

/** The standby comes first, so that a relay that takes what answers first would stream from it. */
function hostsOf(standby: Pick<Postgres, 'port' | 'url'>, primary: { readonly port: number }): string {
  const { username, password, pathname } = new URL(standby.url);
  const parameters = 'target_session_attrs=read-write';
  return `postgres://${username}:${password}@127.0.0.1:${standby.port},127.0.0.1:${primary.port}${pathname}?${parameters}`;
}

/** A primary and a standby that lacks nothing that is acknowledged or streamed, and a relay that knows both. */
async function pair(place: Place, primaryPort: number) {
  const { world } = place;
  const standby = await place.standby({ keepsSlots: true });
  await configure(place.primary, {
    synchronized_standby_slots: standby.slot,
    synchronous_standby_names: '*',
  });
  const relay = world.startRelay({}, { DATABASE_URL: hostsOf(standby, { port: primaryPort }) });
  await relay.streaming();
  const pool = poolOf(standby);
  const isKept = 'select from pg_replication_slots where slot_name = $1 and synced and not temporary';
  await lookFor(pool, isKept, [world.slot]);
  return { standby, relay, pool };
}

/** Each event once and in order, and the relay is the process that it was. */
async function expectNothingLost(world: World, relay: RelayProcess, acknowledged: readonly string[]) {
  const ids = await tableIds(world);
  expect(ids).toEqual(expect.arrayContaining([...acknowledged]));
  expect((await world.read(ids)).map(idOf)).toEqual(ids);
  expect((await relay.ready()).state).toBe('streaming');
}

describe('of two hosts in the URL', patient, () => {
  it('the relay streams from the primary, and from the other one once that is promoted, each event once', async ({
    skip,
  }) => {
    await using place = await Place.open();
    skip((await postgresMajor(place.primary.binDir)) < 17, 'failover slots came with 17');
    const { world } = place;
    const { standby, relay, pool } = await pair(place, place.primary.port);
    await using _ = pool;
    const write = counter(world);
    const acknowledged: string[] = [];
    const writing = (async () => {
      for (;;) acknowledged.push(...(await write()));
    })().catch(() => {}); // with the primary
    await lookFor(world.pool, 'select from outbox.progress where slot = $1 and event_count > 20', [
      world.slot,
    ]);
    place.primary.kill('SIGQUIT');
    await writing;
    // One message says what each said; while none is the primary, the relay waits.
    const none = await relay.line((line) => JSON.stringify(line).includes('none of the 2 hosts'));
    expect(JSON.stringify(none)).toMatch(
      new RegExp(`127.0.0.1:${standby.port}: the server is a standby; 127.0.0.1:${place.primary.port}: `),
    );
    await standby.promote();
    place.leadTo(standby);
    acknowledged.push(...(await write()));
    await expectNothingLost(world, relay, acknowledged);
  });

  it('the old primary still runs when new connections lead to the other: the session ends, and nothing is lost', async ({
    skip,
  }) => {
    await using place = await Place.open();
    skip((await postgresMajor(place.primary.binDir)) < 17, 'failover slots came with 17');
    const { world } = place;
    await using way = await TcpProxy.open(place.primary.port);
    const { standby, relay, pool } = await pair(place, way.port);
    await using _ = pool;
    const write = counter(world);
    const acknowledged = await write();
    await world.read(acknowledged);
    await standby.promote();
    // The stream from the old primary stays. Its bookkeeping needs new connections.
    way.isClosed = true;
    await using old = poolOf(place.primary);
    await old.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'outbox-relay' and backend_type = 'client backend'`);
    await relay.line((line) => JSON.stringify(line).includes('POSTGRES_MOVED'));
    way.reset();
    acknowledged.push(...(await write(pool)));
    place.leadTo(standby);
    await lookFor(world.pool, 'select', []);
    await expectNothingLost(world, relay, acknowledged);
  });
});
