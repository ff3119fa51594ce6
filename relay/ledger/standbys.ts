/**
 * Synchronous standbys of the server. The relay's own commits wait for none (`synchronous_commit = local`): its walsender
 * can be one of them, and confirms a commit only after what that commit is for. Where it cannot, what must survive a
 * failover is confirmed by the others before Kafka's progress passes it.
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

/** Compared without regard to case, in quotes or not, as the server does. */
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
 * Waits until the synchronous standbys have everything committed so far, as a commit would: a failover then loses none of
 * it. In a transaction of its own, which holds no lock that others wait for, however long a standby is away.
 * @throws RelayError POSTGRES_UNAVAILABLE where that takes longer than a statement may; POSTGRES_*
 */
export async function untilOnStandbys(pool: pg.Pool): Promise<void> {
  const { setting, includesRelay } = await readStandbyNames(pool);
  if (setting.trim() === '' || includesRelay) return;
  await withPooled(pool, commitEverywhere.doing, async (client) => {
    try {
      await query(client, commitEverywhere);
    } catch (error) {
      // Whoever waits for a standby notices neither a time limit nor a client that is gone.
      const { processID } = client as unknown as { processID: number };
      await query(pool, cancel, [processID]).catch(() => {});
      throw error;
    }
  });
}

/** A commit waits if it wrote something; a message that no publication asks for is the least. */
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
