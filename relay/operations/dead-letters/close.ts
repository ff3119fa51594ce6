/**
 * Resubmits or discards dead letters, all of a selection in one Postgres transaction.
 *
 * Promise: each is resubmitted at most once, whoever presses how often. Its row is locked, it must be open, and the new
 * row in the outbox, the new status and the trail are committed together. The function that closes it writes the trail.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query } from '../../connect/postgres/statement.ts';
import { parseLsn } from '../../model/position.ts';
import { type OutboxStatements, outboxStatements } from './outbox-table.ts';
import { type Tally, tally } from './read.ts';
import {
  conditionOf,
  isBeingReleased,
  isLeftOut,
  isOfParkedKey,
  isSettled,
  type Selection,
} from './selection.ts';
import { inTransaction, takeTurn } from './transaction.ts';

export type Closing = {
  readonly config: Config;
  /** Of open ones, unless it says otherwise. */
  readonly selection: Selection;
  /** Who does it. */
  readonly person: string;
  readonly note: string | null;
  readonly onProgress?: (done: number, of: number) => void;
};

/** What was done, out of what could be; the rest is unsettled, without an id, parked, or under somebody's hands. */
export type Closed = Tally & { readonly done: number };

/** Positions of one round: a statement each for the insert, the status and the trail. */
const roundLetters = 1_000;

/**
 * Inserts the events into the outbox table under their ids, in the order of their positions.
 * @throws RelayError OUTBOX_TABLE_INVALID, POSTGRES_*; nothing is changed then
 */
export function resubmit(closing: Closing): Promise<Closed> {
  return inTransaction(closing.config, async (client) => {
    const { insert, deleteOld } = await outboxStatements(client, closing.config);
    return closeAll(client, closing, 'resubmitted', { insert, deleteOld });
  });
}

/** Closes them for good: nobody needs the events. @throws RelayError POSTGRES_* */
export function discard(closing: Closing): Promise<Closed> {
  return inTransaction(closing.config, (client) => closeAll(client, closing, 'discarded', undefined));
}

async function closeAll(
  client: pg.Client,
  closing: Closing,
  status: 'resubmitted' | 'discarded',
  outbox: OutboxStatements | undefined,
): Promise<Closed> {
  const { slot } = closing.config;
  await takeTurn(client, slot);
  const found = await tally(client, slot, closing.selection);
  let done = 0;
  let selection: Selection = { statuses: ['open'], ...closing.selection };
  for (;;) {
    const next = await findNext(client, slot, selection, outbox !== undefined);
    if (next === undefined) return { ...found, done };
    // Each round begins where the one before ended: what that one closed is in the way until the transaction ends.
    const after = { commitLsn: parseLsn(next[0].at(-1)!), ordinal: Number(next[1].at(-1)) };
    selection = { ...selection, after };
    const keys = await close(client, closing, status, next);
    if (outbox?.deleteOld !== undefined)
      await query(client, 'removing the refused events', outbox.deleteOld, [slot, ...keys]);
    if (outbox !== undefined) await query(client, 'writing the events', outbox.insert, [slot, ...keys]);
    done += keys[0].length;
    closing.onProgress?.(done, found.open);
  }
}

/** Commit LSNs and ordinals. */
type Keys = readonly [readonly string[], readonly string[]];

async function findNext(
  client: pg.Client,
  slot: string,
  selection: Selection,
  isResubmission: boolean,
): Promise<Keys | undefined> {
  const { text, values } = conditionOf(slot, selection);
  const forResubmission = `and coalesce(event_id, '') <> '' and not ${isLeftOut} and not ${isOfParkedKey}`;
  const rows = await query<{ commit_lsn: string; ordinal: string }>(
    client,
    'looking for the dead letters',
    `select commit_lsn::text, ordinal from outbox.dead_letter as letter
     where ${text} and ${isSettled} and not ${isBeingReleased} ${isResubmission ? forResubmission : ''}
     order by letter.commit_lsn, letter.ordinal limit ${roundLetters}`,
    values,
  );
  return rows.length === 0 ? undefined : keysOf(rows);
}

function keysOf(rows: readonly { commit_lsn: string; ordinal: string }[]): Keys {
  return [rows.map(({ commit_lsn }) => commit_lsn), rows.map(({ ordinal }) => ordinal)];
}

/** Those under somebody else's hands are left to them. @returns those that it closed */
async function close(
  client: pg.Client,
  { config, person, note }: Closing,
  status: 'resubmitted' | 'discarded',
  keys: Keys,
): Promise<Keys> {
  const rows = await query<{ commit_lsn: string; ordinal: string }>(
    client,
    'closing the dead letters',
    `select closed_lsn::text as commit_lsn, closed_ordinal as ordinal
       from outbox.close_dead_letters($1, $2, $3, $4, $5, $6)`,
    [config.slot, ...keys, status, person, note],
  );
  return keysOf(rows);
}
