/** In a crash the model of Postgres loses what the real server loses: the same script on both, read by the relay's code. */
import pg from 'pg';
import { expect, it } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { Capture } from '../../../relay/capture/capture.ts';
import { type ConnectReplication, connectReplication } from '../../../relay/capture/replication-service.ts';
import { createSlot } from '../../../relay/capture/slot.ts';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import type { Config } from '../../../relay/config/config.ts';
import { type Lsn, parseLsn } from '../../../relay/model/position.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { Faults } from '../../../simulate/faults.ts';
import { Network } from '../../../simulate/network.ts';
import { modelReplication } from '../../../simulate/postgres/client.ts';
import { Database } from '../../../simulate/postgres/database.ts';
import { Machine, Scheduler } from '../../../simulate/scheduler.ts';
import { startPostgres } from '../../../stack/postgres.ts';
import { insertOf, take } from '../../relay/capture/database.ts';
import { rowsOf } from '../../relay/capture/rows.ts';
import { configOf } from '../../relay/settings.ts';
import { pump } from '../pump.ts';

type Side = AsyncDisposable & {
  readonly config: Config;
  readonly connect: ConnectReplication;
  write(key: string): Promise<unknown>;
  confirmed(): Promise<Lsn>;
  checkpoint(): Promise<unknown>;
  /** Crashes the server. Resolves when the server is up again. */
  crash(): Promise<unknown>;
};

async function real(): Promise<Side> {
  // The snapshot of running transactions, every 15 s, would save the slot at arbitrary times.
  const postgres = await startPostgres({ settings: { fsync: 'off', bgwriter_delay: 10_000 } });
  const config = configOf({ SLOT: 'model' }, { databaseUrl: postgres.url });
  await migrate({ databaseUrl: postgres.url });
  await createSlot(config);
  const run = async (text: string): Promise<{ lsn: string }[]> => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    try {
      return (await client.query<{ lsn: string }>(text)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    config,
    connect: connectReplication,
    write: (key) => run(insertOf(key)),
    confirmed: async () =>
      parseLsn((await run('select confirmed_flush_lsn as lsn from pg_replication_slots'))[0]?.lsn ?? ''),
    checkpoint: () => run('checkpoint'),
    crash: () => postgres.restart({ mode: 'immediate' }),
    [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose](),
  };
}

async function model(): Promise<Side> {
  const scheduler = new Scheduler();
  const random = new Random(1);
  const faults = new Faults(random);
  faults.isOver = true;
  const network = new Network(scheduler, random, faults, () => {});
  const database = new Database({ scheduler, random, nowMs: Date.now });
  database.createSlot('model');
  const connect = modelReplication({
    network,
    database,
    machine: new Machine('test'),
    statementTimeoutMs: 3_000,
    walSenderTimeoutMs: 60_000,
  });
  const end = pump(scheduler);
  return {
    config: configOf({ SLOT: 'model' }),
    connect,
    write: async (key) =>
      database.commit([{ id: key, aggregatetype: 'order', aggregateid: key, type: 'Placed', payload: '{}' }]),
    confirmed: async () => database.slot?.confirmedLsn ?? 0n,
    checkpoint: async () => database.checkpoint(),
    async crash() {
      const { promise: isUp, resolve } = Promise.withResolvers<void>();
      network.stop(database.server, 10, resolve);
      database.crash();
      await isUp;
    },
    [Symbol.asyncDispose]: async () => end(),
  };
}

const keyOf = (transaction: CommittedTransaction) => rowsOf(transaction)[0]?.aggregateid;

/** Reads until `last` has arrived, and acknowledges each transaction if asked to. */
async function read(
  { config, connect }: Side,
  last: string,
  isHeard: boolean,
): Promise<CommittedTransaction[]> {
  const capture = await Capture.open(config, connect);
  const taken: CommittedTransaction[] = [];
  try {
    while (taken.length === 0 || keyOf(taken.at(-1)!) !== last) {
      const [next] = await take(capture, (all) => all.some(({ rows }) => rows.length > 0)).then((all) =>
        all.filter(({ rows }) => rows.length > 0),
      );
      taken.push(next!);
      if (!isHeard) continue;
      capture.acknowledge(next!.endLsn!);
      await capture.flush(5_000);
    }
    return taken;
  } finally {
    await capture.close();
  }
}

async function script(side: Side): Promise<unknown> {
  await side.write('a');
  await read(side, 'a', true);
  await side.checkpoint();
  const saved = await side.confirmed();
  for (const key of ['b', 'c', 'd']) await side.write(key);
  const heard = await read(side, 'd', true);
  const before = await side.confirmed();
  await side.crash();
  const after = await side.confirmed();
  const again = await read(side, 'd', false);
  return {
    wasHeard: before === heard.at(-1)?.endLsn,
    wentBack: after < before,
    isAsOldAsTheCheckpoint: after >= saved,
    // The server may have saved the slot once more when it removed old WAL. Its position decides what it sends again.
    bringsAgain:
      again.map(keyOf).join() ===
      heard
        .filter(({ commitLsn }) => commitLsn >= after)
        .map(keyOf)
        .join(),
    endsWith: keyOf(again.at(-1)!),
  };
}

it('a crash resets a slot to at most the last checkpoint, and the server sends the transactions since then again', {
  timeout: 60_000,
}, async () => {
  await using ofModel = await model();
  await using ofServer = await real();
  const told = await script(ofModel);
  expect(told).toEqual({
    wasHeard: true,
    wentBack: true,
    isAsOldAsTheCheckpoint: true,
    bringsAgain: true,
    endsWith: 'd',
  });
  expect(await script(ofServer)).toEqual(told);
});
