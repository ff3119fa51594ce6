/** Owns a migrated database with a slot of its own, and shortcuts to write events as an application would. */
import type pg from 'pg';
import type { Settings } from '../../../harness/relay-process.ts';
import { Capture } from '../../../relay/capture/capture.ts';
import { createSlot } from '../../../relay/capture/slot.ts';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import type { Config } from '../../../relay/config/config.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';

export type OutboxDatabase = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  configWith(settings: Settings, url?: string): Config;
  /** Makes a slot of a unique name, and the configuration for it. */
  newSlot(settings?: Settings): Promise<Config>;
  confirmedLsn(slot: string): Promise<bigint>;
};

export async function openOutboxDatabase(): Promise<OutboxDatabase> {
  const database = await createMigratedDatabase();
  const { pool } = database;
  const configWith = (settings: Settings, url = database.url) => configOf(settings, { databaseUrl: url });
  return {
    database,
    pool,
    configWith,
    async newSlot(settings = {}) {
      const config = configWith({ SLOT: unique('slot'), ...settings });
      await createSlot(config);
      return config;
    },
    async confirmedLsn(slot) {
      const { rows } = await pool.query<{ lsn: string }>(
        'select confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = $1',
        [slot],
      );
      return parseLsn(rows[0]?.lsn ?? '');
    },
    async [Symbol.asyncDispose]() {
      await database.drop();
    },
  };
}

export const insertOf = (...ids: readonly string[]): string =>
  `insert into outbox.event (aggregatetype, aggregateid, type, payload)
   values ${ids.map((id) => `('order', '${id}', 'Placed', '{}')`).join(', ')}`;

/** Takes transactions off the inbox until `isEnough`; each is released as it is taken. */
export async function take(
  capture: Capture,
  isEnough: (taken: readonly CommittedTransaction[]) => boolean,
): Promise<CommittedTransaction[]> {
  const taken: CommittedTransaction[] = [];
  while (!isEnough(taken)) {
    await capture.inbox.arrival();
    for (
      let next = capture.inbox.peek();
      next !== undefined && !isEnough(taken);
      next = capture.inbox.peek()
    ) {
      capture.inbox.shift();
      capture.inbox.release(next.bytes);
      taken.push(next);
    }
  }
  return taken;
}

/** Opens the stream, closed at the end of the scope. */
export async function openCapture(config: Config): Promise<{ capture: Capture } & AsyncDisposable> {
  const capture = await Capture.open(config);
  return { capture, [Symbol.asyncDispose]: () => capture.close() };
}
