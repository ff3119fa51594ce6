/** A database with dead letters that a relay might have left, and logins of the parties. */
import type pg from 'pg';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { createMigratedDatabase } from '../../../support/database.ts';
import { makeOperator } from '../../../support/roles.ts';
import { unique } from '../../../support/unique.ts';

export type LetterDatabase = AsyncDisposable & {
  /** Superuser. */
  readonly pool: pg.Pool;
  readonly url: string;
  /** Settings of somebody who has the rights of outbox_operator and no others. */
  readonly operator: { readonly config: Config; readonly env: Readonly<Record<string, string>> };
  /** Leaves dead letters of one transaction at that commit LSN, of ordinals from 0; returns the ids of the events. */
  leave(commitLsn: string, count: number): Promise<string[]>;
};

/** Everything before it is published. */
export const progressLsn = '0/5000';

export async function openLetterDatabase(): Promise<LetterDatabase> {
  const database = await createMigratedDatabase();
  const slot = unique('slot');
  const { pool } = database;
  const operator = await makeOperator(database);
  await pool.query('insert into outbox.progress (slot, initialised_at, end_lsn) values ($1, now(), $2)', [
    slot,
    progressLsn,
  ]);
  const env = { ...operator.env, OUTBOX_RELAY_SLOT: slot };
  return {
    pool,
    url: database.url,
    operator: { env, config: loadConfig({ env, needs: ['database'] }).config },
    async leave(commitLsn, count) {
      const { rows } = await pool.query<{ event_id: string }>(
        `insert into outbox.dead_letter
           (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, headers, code, message)
         select $1, $2, n, gen_random_uuid(), 'item', 'k' || n % 3, 'test.ItemMoved', json_build_object('seq', n),
                '{"trace":"1"}', 'SCHEMA_MISSING', 'the registry has no subject'
           from generate_series(0, $3::int - 1) as n
         returning event_id`,
        [slot, commitLsn, count],
      );
      return rows.map(({ event_id }) => event_id);
    },
    async [Symbol.asyncDispose]() {
      await operator.drop();
      await database.drop();
    },
  };
}
