/**
 * What people did to the relay of a slot, as the audit trail (`outbox.action`) has it, the latest first. What they did to
 * dead letters is shown with those.
 */
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { withPool } from './with-pool.ts';

export type RecordedAction = {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly action: string;
  readonly target: string | null;
  readonly person: string;
  /** Of the database, in which the person acted. */
  readonly role: string;
  readonly reason: string | null;
  /** JSON, as Postgres prints it. */
  readonly details: string;
};

export type RecordedActions = {
  readonly actions: readonly RecordedAction[];
  /** Where the next page begins; null where there is none. */
  readonly next: string | null;
};

/** @param before the id after which the page begins, going back in time @throws RelayError POSTGRES_* */
export function recentActions(
  config: Config,
  limit: number,
  before: string | null = null,
): Promise<RecordedActions> {
  return withPool(config, async (pool) => {
    const rows = await query(pool, read, [config.slot.name, before, limit + 1]);
    await assertRowsShown(pool, config, ['outbox.action']);
    const actions = rows.slice(0, limit).map(({ at, ...row }) => ({ ...row, at: at.toISOString() }));
    return { actions, next: rows.length > limit ? actions.at(-1)!.id : null };
  });
}

const read = statement<Omit<RecordedAction, 'at'> & { at: Date }>(
  'operations.read_actions',
  'reading the audit trail',
  `select id::text, acted_at as at, action, nullif(target, '') as target, person, session_role as role, note as reason,
          details::text
     from outbox.action where slot = $1 and ($2::bigint is null or id < $2) order by action.id desc limit $3`,
);
