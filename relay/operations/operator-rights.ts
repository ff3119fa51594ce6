/** What the role lacks of an operator's rights, so that a person learns it before an incident. Changes nothing. */
import type { Config } from '../config/config.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { withPool } from './with-pool.ts';

/** What people do, by the function that does it; roles.sql grants them to outbox_operator. */
const functions = [
  'outbox.close_dead_letters(text, pg_lsn[], bigint[], text, text, text)',
  'outbox.fix_dead_letter(text, pg_lsn, bigint, text, text, text, text)',
  'outbox.request_release(text, text, text, text, text)',
  'outbox.pause(text, text, text, bigint, text, text)',
  'outbox.resume(text, text, text, text)',
  'outbox.limit_rate(text, bigint, bigint, text, text)',
];

export type OperatorRights = {
  readonly role: string;
  /** Names of functions that the role may not call, or that do not exist; none for an operator. */
  readonly missing: readonly string[];
};

/** @throws RelayError POSTGRES_* */
export function readOperatorRights(config: Config): Promise<OperatorRights> {
  return withPool(config, async (pool) => {
    const [row] = await query(pool, readRights, [functions]);
    return row!;
  });
}

const readRights = statement<{ role: string; missing: string[] }>(
  'operations.read_operator_rights',
  'reading the rights of the role',
  `select current_user::text as role,
          coalesce(array_agg(split_part(name, '(', 1) order by name), '{}') as missing
     from unnest($1::text[]) as name
    where has_function_privilege(to_regprocedure(name), 'execute') is not true`,
);
