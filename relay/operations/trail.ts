/**
 * Writes into the audit trail (`outbox.action`) what a person does with a command that no function of the database records
 * itself. Promise: it is written before the action begins, so an action that cannot be recorded is not done.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Actor } from './actor.ts';

export type Action = {
  readonly slot: string;
  readonly what: 'adopt' | 'recover' | 'purge' | 'cleanup';
  /** For example what is adopted. */
  readonly target: string | null;
  /** Options that decide what happens. */
  readonly details: Readonly<Record<string, unknown>>;
};

/** @throws RelayError POSTGRES_* */
export async function recordAction(
  pool: pg.Pool,
  { slot, what, target, details }: Action,
  { person, reason }: Actor,
): Promise<void> {
  await query(pool, record, [slot, what, target, person, reason, JSON.stringify(details)]);
}

const record = statement(
  'operations.record_action',
  'writing into the audit trail',
  'select outbox.record_action($1, $2, $3, $4, $5, $6)',
);
