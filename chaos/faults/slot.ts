/**
 * The slot is lost, or what it streams is: the relay must halt with a code that says so, and `outbox-relay recover` must
 * close the gap. Postgres runs with `track_commit_timestamp` here, so that recover knows the order of every key.
 */

import type { Arena, Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';
import { endWalsender } from './walsender.ts';

const withinMs = 15_000;

/** A recovery reads all topics of the world. */
const recoverWithinMs = 60_000;

export const slotFaults: readonly Fault[] = [
  {
    name: 'slot dropped',
    class: 'postgres',
    about: 'pg_drop_replication_slot under load',
    expect: { haltsWith: ['SLOT_MISSING'] },
    isShort: true,
    inject: (arena) => withFreeSlot(arena, 'select pg_drop_replication_slot($1)'),
    repair: recover,
  },
  {
    name: 'slot dropped in the middle of a split transaction',
    class: 'postgres',
    about: 'a part of it is published; recover publishes the rest',
    expect: { haltsWith: ['SLOT_MISSING'] },
    async inject(arena) {
      const { relays, load } = arena;
      const { size } = relays;
      relays.size = 0;
      await Promise.all(relays.all.map((relay) => relay.kill()));
      // Split into ten; what came before it is in the first of the commits or two.
      await load.commit(Array.from({ length: 1_000 }, (_, n) => load.event(`split-${n % 7}`)));
      const relay = await relays.replace({
        failpoint: 'KAFKA_COMMITTED:5',
        settings: { PUBLISH_MAX_TRANSACTION_EVENTS: 100 },
      });
      await relay.exited;
      await withFreeSlot(arena, 'select pg_drop_replication_slot($1)');
      relays.scale(size);
    },
    repair: recover,
  },
  {
    name: 'slot dropped while row-level security hides the outbox',
    class: 'postgres',
    about: 'recover refuses while the rows are hidden, and publishes what is missing afterwards',
    expect: { haltsWith: ['SLOT_MISSING'] },
    inject: (arena) => withFreeSlot(arena, 'select pg_drop_replication_slot($1)'),
    async repair(arena) {
      await refuseToRecover(arena);
      await recover(arena);
    },
  },
  {
    name: 'slot recreated by hand',
    class: 'postgres',
    about: 'dropped and recreated under the same name while events are written',
    // Whether the relay looks in between is chance.
    expect: { haltsWith: ['LINEAGE_SLOT_AHEAD', 'SLOT_MISSING'] },
    async inject(arena) {
      await withFreeSlot(arena, 'select pg_drop_replication_slot($1)');
      await arena.load.commit([arena.load.event('skipped')]);
      await arena.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [arena.slot]);
    },
    repair: recover,
  },
  {
    name: 'slot advanced by hand',
    class: 'postgres',
    about: 'pg_replication_slot_advance past events that were not read',
    expect: { haltsWith: ['LINEAGE_SLOT_AHEAD'] },
    inject: (arena) =>
      withFreeSlot(arena, 'select pg_replication_slot_advance($1, pg_current_wal_lsn())', () =>
        arena.load.commit([arena.load.event('skipped')]),
      ),
    repair: recover,
  },
  {
    name: 'slot invalidated',
    class: 'postgres',
    about: 'the relay is stopped until its slot falls behind max_slot_wal_keep_size, then continued',
    expect: { haltsWith: ['SLOT_INVALIDATED'] },
    async inject({ pool, slot, relays, oracle }) {
      oracle.watchSlot(false);
      const relay = await relays.untilActive();
      relay.signal('SIGSTOP');
      try {
        await pool.query(`alter system set max_slot_wal_keep_size = '1MB'`);
        await pool.query('select pg_reload_conf()');
        await waitFor(
          async () => {
            await pool.query('select pg_logical_emit_message(true, $1, $1)', ['filler']);
            await pool.query('select pg_switch_wal()');
            await pool.query('checkpoint');
            const { rows } = await pool.query(
              'select wal_status from pg_replication_slots where slot_name = $1',
              [slot],
            );
            return rows[0]?.wal_status === 'lost';
          },
          'the slot to be invalidated',
          withinMs,
        );
      } finally {
        await pool.query('alter system reset max_slot_wal_keep_size');
        await pool.query('select pg_reload_conf()');
        relay.signal('SIGCONT');
      }
    },
    repair: recover,
  },
  {
    name: 'slot dropped, and the relays recover by themselves',
    class: 'postgres',
    about:
      'three relays with slot.whenLost: recover; the slot is dropped under load, and one of them recovers',
    expect: 'recovers',
    world: { SLOT_WHEN_LOST: 'recover' },
    withinMs: 30_000,
    async inject(arena) {
      arena.relays.scale(3);
      await withFreeSlot(arena, 'select pg_drop_replication_slot($1)');
      await untilRecovered(arena);
    },
  },
  {
    name: 'slot lost, and the relay that recovers by itself is killed',
    class: 'postgres',
    about: 'at a random step, twice, with slot.whenLost: recover; the next relay goes on from there',
    expect: 'recovers',
    world: { SLOT_WHEN_LOST: 'recover', PUBLISH_BATCH_EVENTS: 10 },
    withinMs: 30_000,
    async inject(arena) {
      const { relays, load, random } = arena;
      await withFreeSlot(arena, 'select pg_drop_replication_slot($1)');
      for (let death = 0; death < 2; death++) {
        for (let n = 0; n < 50; n++) await load.commit([load.event(`unstreamed-${n % 7}`)]);
        const relay = await relays.replace({ failpoint: random.pick(recoverySteps) });
        await Promise.race([relay.exited, relay.streaming()]).catch(() => {});
        await relay.kill();
      }
      await untilRecovered(arena);
    },
  },
  {
    name: 'publication dropped',
    class: 'postgres',
    about: 'events are written while it is gone; it is recreated, and recover publishes them',
    expect: { haltsWith: ['PUBLICATION_MISSING'] },
    async inject({ pool, publication, oracle }) {
      oracle.watchSlot(false);
      oracle.allowCut();
      await pool.query(`drop publication ${publication}`);
    },
    async repair(arena) {
      await arena.pool.query(
        `create publication ${arena.publication} for table outbox.event, outbox.heartbeat
           with (publish = 'insert', publish_via_partition_root = true)`,
      );
      await recover(arena);
    },
  },
  {
    name: 'outbox taken out of the publication',
    class: 'postgres',
    about: 'for an instant, while events are written, which are not streamed',
    expect: { haltsWith: ['PUBLICATION_GAP', 'PUBLICATION_MISSING'] },
    async inject({ pool, publication, load, oracle }) {
      oracle.watchSlot(false);
      oracle.allowLate();
      oracle.allowCut();
      await pool.query(`alter publication ${publication} drop table outbox.event`);
      await load.commit([load.event('left-out')]);
      await pool.query(`alter publication ${publication} add table outbox.event`);
    },
    repair: recover,
  },
];

/** Ends its reader and runs a statement before the next one comes, which may take some tries. */
async function withFreeSlot(
  { pool, slot, oracle }: Arena,
  statement: string,
  before: () => Promise<void> = async () => {},
): Promise<void> {
  oracle.watchSlot(false);
  await waitFor(
    async () => {
      await endWalsender(pool, slot);
      await before();
      return pool.query(statement, [slot]).then(
        () => true,
        () => false, // a relay reads it again, or still
      );
    },
    'the slot to be free',
    withinMs,
  );
}

/** Where a relay passes while it recovers, before it streams. */
const recoverySteps = [
  'SLOT_CREATED',
  'CLAIM_COMMITTED',
  'DEAD_LETTERS_REREAD',
  'PROGRESS_SENT:2',
  'EVENTS_SENT:2',
  'COMMIT_SENT:2',
  'KAFKA_COMMITTED:2',
  'FIRST_PROGRESS_COMMITTED',
] as const;

/** Until a relay streams that found the slot whole, or made it so. */
async function untilRecovered({ relays, oracle, pool, slot }: Arena): Promise<void> {
  await waitFor(
    async () => {
      const { rows } = await pool.query(
        'select active_pid from pg_replication_slots where slot_name = $1 and active',
        [slot],
      );
      return rows.length === 1 && relays.active !== undefined;
    },
    'a relay that streams again',
    recoverWithinMs,
  );
  oracle.watchSlot(true);
}

async function recover({ relays, oracle }: Arena): Promise<void> {
  await relays.command('recover');
  oracle.watchSlot(true);
}

const filteredRole = 'chaos_filtered';

/** As a role that sees no row of the outbox. The relays and the load are superusers, whom no policy concerns. */
async function refuseToRecover({ pool, relays, databaseUrl }: Arena): Promise<void> {
  await pool.query(`
    create role ${filteredRole} login replication password '${filteredRole}';
    grant usage on schema outbox to ${filteredRole};
    grant all on all tables in schema outbox to ${filteredRole};
    grant execute on all functions in schema outbox to ${filteredRole};
    alter table outbox.event enable row level security`);
  try {
    const url = new URL(databaseUrl);
    url.username = filteredRole;
    url.password = filteredRole;
    const said = await relays.commandOn(url.href, 'recover').catch((error: Error) => error.message);
    if (!said.includes('POSTGRES_ROWS_HIDDEN'))
      throw new Error(`recover did not refuse hidden rows: ${said}`);
  } finally {
    await pool.query(`
      alter table outbox.event disable row level security;
      drop owned by ${filteredRole};
      drop role ${filteredRole}`);
  }
}
