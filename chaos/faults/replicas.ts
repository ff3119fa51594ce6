/**
 * Another server appears at the address of Postgres. If it was restored from a backup, the relay must halt until an
 * operator runs `recover`; if it is a promoted standby, the relay must continue by itself. A restored server has lost
 * events that are published; nothing else may be lost or duplicated.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../../stack/postgres.ts';
import { backup, startStandby } from '../../stack/postgres-copy.ts';
import type { Arena, Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';
import { readEvents } from '../world.ts';

/** For the steps of the fault itself, which copy and start servers on a busy machine. */
const patienceMs = 60_000;

export const replicaFaults: readonly Fault[] = [
  {
    name: 'restored from a base backup',
    class: 'postgres',
    about:
      'taken under load some seconds before, on the same timeline and without slots, and written to since',
    expect: { haltsWith: ['SLOT_MISSING'] },
    inject: (arena) => restore(arena, false),
    repair: acceptRewound,
  },
  {
    name: 'restored from a snapshot',
    class: 'postgres',
    about: 'the same, with the slot as it was then',
    expect: { haltsWith: ['LINEAGE_REWOUND'] },
    inject: (arena) => restore(arena, true),
    repair: acceptRewound,
  },
  {
    name: 'restored from a snapshot between two heartbeats',
    class: 'postgres',
    about: 'the same, where no position shows it: only the stream does',
    expect: { haltsWith: ['LINEAGE_REWOUND'] },
    world: { CAPTURE_HEARTBEAT_MS: 600_000 },
    inject: (arena) => restore(arena, true),
    repair: acceptRewound,
  },
  {
    name: 'standby promoted',
    class: 'postgres',
    about:
      'the primary crashes under load, and a synchronous standby with a copy of the slot takes its place',
    expect: 'recovers',
    world: {},
    inject: promote,
  },
];

/** @param withSlot as in a snapshot of the file system; a base backup leaves slots out */
async function restore(arena: Arena, withSlot: boolean): Promise<void> {
  const { servers, load, oracle, pool, slot } = arena;
  const { postgres } = servers;
  oracle.watchSlot(false);
  const dataDir = `${postgres.dataDir}-${randomBytes(4).toString('hex')}`;
  await backup(postgres, dataDir);
  const folder = `pg_replslot/${slot}`;
  if (withSlot)
    await promisify(execFile)('cp', ['-a', path.join(postgres.dataDir, folder), path.join(dataDir, folder)]);
  // All that is in the copy is published, and more.
  await arena.untilCaughtUp(patienceMs);
  await load.pause();
  try {
    const before = await readEvents(arena);
    const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn');
    postgres.kill('SIGQUIT');
    const copy = await startPostgres({ binDir: postgres.binDir, dataDir });
    await writeBeyond(copy.url, rows[0]!.lsn);
    servers.replacePostgres(copy);
    await waitFor(() => answers(pool), 'the copy to answer', patienceMs);
    oracle.rewound(before, await readEvents(arena));
  } finally {
    load.resume();
  }
}

/** As writers would in time, so that positions only rise and do not reveal the restore. */
async function writeBeyond(url: string, lsn: string): Promise<void> {
  await using pool = poolOf(url);
  const isBeyond = async () => {
    await pool.query(`select pg_logical_emit_message(false, 'filler', repeat('x', 100000))`);
    const { rows } = await pool.query('select pg_current_wal_lsn() > $1::pg_lsn as is', [lsn]);
    return rows[0]?.is === true;
  };
  await waitFor(isBeyond, 'as much WAL', patienceMs);
}

async function acceptRewound({ relays, oracle }: Arena): Promise<void> {
  await relays.command('recover', '--accept-rewound');
  oracle.watchSlot(true);
}

async function promote({ servers, slot, load, pool }: Arena): Promise<void> {
  const { postgres } = servers;
  const standby = await startStandby(postgres);
  // The standby has whatever is acknowledged to writers or streamed to the relay.
  await pool.query(`alter system set synchronized_standby_slots = '${standby.slot}'`);
  await pool.query(`alter system set synchronous_standby_names = '*'`);
  await pool.query('select pg_reload_conf()');
  await using standbyPool = poolOf(standby.url);
  const isKept = 'select from pg_replication_slots where slot_name = $1 and synced and not temporary';
  await waitFor(
    async () => {
      // Without it the primary's slot does not advance, and the standby's copy cannot begin.
      await pool.query('select pg_log_standby_snapshot()');
      return (await standbyPool.query(isKept, [slot])).rowCount === 1;
    },
    'a copy of the slot',
    patienceMs,
  );
  await load.commit([load.event('before-promotion')]);
  postgres.kill('SIGQUIT');
  await standby.promote();
  servers.replacePostgres(standby);
}

function answers(pool: pg.Pool): Promise<boolean> {
  return pool.query('select').then(
    () => true,
    () => false,
  );
}

function poolOf(url: string): pg.Pool & AsyncDisposable {
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => {}); // the server ended; the next query fails
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.end() });
}
