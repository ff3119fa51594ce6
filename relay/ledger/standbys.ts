/**
 * Owns what the relay waits for on synchronous standbys. Its commits wait for none (`synchronous_commit = local`): its own
 * walsender can be one of them, and would confirm a commit only after the work that waits for this commit. Otherwise the
 * standbys confirm what must survive a failover before the progress in Kafka passes it.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { withPooled } from '../connect/postgres/transaction.ts';

/** As synchronous_standby_names has them: `*`, a list, or `FIRST n (list)` and `ANY n (list)`. */
export type StandbyNames = {
  readonly setting: string;
  /** Whether the walsender of a relay counts as a synchronous standby. */
  readonly includesRelay: boolean;
};

/** @throws RelayError POSTGRES_* */
export async function readStandbyNames(pool: pg.Pool | pg.ClientBase): Promise<StandbyNames> {
  const [row] = await query(pool, readNames);
  const { names, own } = row!;
  return { setting: names, includesRelay: includes(names, own) };
}

const readNames = statement<{ names: string; own: string }>(
  'ledger.read_standby_names',
  'reading synchronous_standby_names',
  `select current_setting('synchronous_standby_names') as names, current_setting('application_name') as own`,
);

/** Compares as the server does: without regard to case, in quotes or not. */
export function includes(names: string, applicationName: string): boolean {
  const list = /^\s*(?:(?:first|any)\s+)?\d+\s*\((.*)\)\s*$/is.exec(names)?.[1] ?? names;
  const all = (list.match(/"(?:[^"]|"")*"|[^\s,]+/g) ?? []).map((name) =>
    name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
  );
  return all.some((name) => name === '*' || name.toLowerCase() === applicationName.toLowerCase());
}

export const standbyHint =
  'Name the standby servers in synchronous_standby_names instead of `*` or the application name of the relay (outbox-relay), and reload. Until then every commit on the server waits until its events are in Kafka.';

/**
 * Waits, as a commit would, until the synchronous standbys have everything committed so far, so that a failover loses none
 * of it. It uses a transaction of its own, which holds no lock that others wait for while a standby is away.
 * @throws RelayError POSTGRES_UNAVAILABLE if that takes longer than a statement may; POSTGRES_*
 */
export async function untilOnStandbys(pool: pg.Pool): Promise<void> {
  const { setting, includesRelay } = await readStandbyNames(pool);
  if (setting.trim() === '' || includesRelay) return;
  await withPooled(pool, commitEverywhere.doing, async (client) => {
    try {
      await query(client, commitEverywhere);
    } catch (error) {
      // A session that waits for a standby notices neither its time limit nor that its client is gone.
      const { processID } = client as unknown as { processID: number };
      await query(pool, cancel, [processID]).catch(() => {});
      throw error;
    }
  });
}

/** A commit waits only if it wrote something. The least it can write is a message, which no publication includes. */
const commitEverywhere = statement(
  'ledger.commit_on_standbys',
  'waiting for the synchronous standbys',
  `begin; set local synchronous_commit = 'on'; select pg_logical_emit_message(true, 'outbox-relay', ''); commit`,
);

const cancel = statement(
  'ledger.cancel_wait_for_standbys',
  'ending the wait for the synchronous standbys',
  'select pg_cancel_backend($1)',
);
