/**
 * Resubmits or discards dead letters, all of a selection in one Postgres transaction.
 *
 * Promise: each is resubmitted at most once, even if several people do it at the same time. Its row is locked, it must be
 * open, and the new row in the outbox, the new status and the audit trail are committed together.
 */

import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { RequestInvalid } from '../../errors.ts';
import { parseLsn } from '../../model/position.ts';
import type { Actor } from '../actor.ts';
import { withPool } from '../with-pool.ts';
import { type Keys, type NotAccepted, writeAccepted } from './accepted-rows.ts';
import { textOfName } from './letter.ts';
import { countUnrepaired, listLetters, type Tally, tally } from './read.ts';
import { type OutboxStatements, outboxStatements } from './resubmit-statement.ts';
import {
  conditionOf,
  isBeingReleased,
  isLeftOut,
  isOfParkedKey,
  isSettled,
  type Selection,
} from './selection.ts';
import { assertLettersShown, inTransaction, rowRefusalOf, takeTurn } from './transaction.ts';

export type Closing = {
  readonly config: Config;
  /** Of open ones, unless it says otherwise. */
  readonly selection: Selection;
  readonly actor: Actor;
  readonly onProgress?: (done: number, of: number) => void;
};

/** What was done, out of what could be; the rest is counted by the reason why not, or somebody else was working on it. */
export type Closed = Tally & {
  readonly done: number;
  /** Stay open, because the outbox table does not accept their rows. */
  readonly notAccepted: readonly NotAccepted[];
};

export type ClosingPreview = Closed & {
  /** Of those: refused for their payload, and nobody has changed it since. The relay would refuse them again. */
  readonly unrepaired: number;
};

/**
 * What a closing would come to; changes nothing.
 * @throws RequestInvalid where a name in the selection is that of no dead letter; RelayError POSTGRES_*
 */
export function previewClosing(config: Config, selection: Selection): Promise<ClosingPreview> {
  return withPool(config, async (pool) => {
    await assertKnown(pool, config, selection);
    const found = await tally(pool, config.slot.name, selection);
    const unrepaired = await countUnrepaired(pool, config.slot.name, selection);
    await assertLettersShown(pool, config);
    return { ...found, done: 0, notAccepted: [], unrepaired };
  });
}

/** Positions of one round: a statement each for the insert, the status and the trail. */
const roundLetters = 1_000;

/**
 * Inserts the events into the outbox table under their ids, in the order of their positions. Those that the table does not
 * accept stay open; where it accepts none of them, that is an error.
 * @throws RequestInvalid as a preview does; RelayError OUTBOX_TABLE_INVALID, POSTGRES_*; nothing is changed then
 */
export async function resubmit(closing: Closing): Promise<Closed> {
  await assertNamesKnown(closing);
  const run = (areApart: boolean) =>
    inTransaction(closing.config, async (client) => {
      const outbox = await outboxStatements(client, closing.config);
      return closeAll(client, closing, 'resubmitted', { ...outbox, areApart });
    });
  try {
    return await run(false);
  } catch (error) {
    // Almost always all are accepted, and then it takes no savepoint.
    if (rowRefusalOf(error) === undefined) throw error;
    const closed = await run(true);
    if (closed.done === 0 && closed.notAccepted.length > 0) throw error;
    return closed;
  }
}

/** Closes them for good: nobody needs the events. @throws RequestInvalid as a preview does; RelayError POSTGRES_* */
export async function discard(
  closing: Closing & { readonly actor: Actor & { readonly reason: string } },
): Promise<Closed> {
  await assertNamesKnown(closing);
  return inTransaction(closing.config, (client) => closeAll(client, closing, 'discarded', undefined));
}

function assertNamesKnown({ config, selection }: Closing): Promise<void> {
  return withPool(config, (pool) => assertKnown(pool, config, selection));
}

/** A mistyped name would otherwise look as if everything were done. */
async function assertKnown(pool: pg.Pool, config: Config, { names = [] }: Selection): Promise<void> {
  for (const name of names) {
    const [letter] = await listLetters(pool, config.slot.name, { names: [name] }, 1);
    if (letter !== undefined) continue;
    await assertLettersShown(pool, config);
    throw new RequestInvalid(`no dead letter ${textOfName(name)} of slot ${config.slot.name}`);
  }
}

async function closeAll(
  client: pg.Client,
  closing: Closing,
  status: 'resubmitted' | 'discarded',
  outbox: (OutboxStatements & { readonly areApart: boolean }) | undefined,
): Promise<Closed> {
  const {
    slot: { name: slot },
  } = closing.config;
  await takeTurn(client, slot);
  const found = await tally(client, slot, closing.selection);
  let done = 0;
  const notAccepted: NotAccepted[] = [];
  const write = async (some: Keys): Promise<number> => {
    const keys = await close(client, closing, status, some);
    if (outbox?.deleteOld !== undefined) await query(client, outbox.deleteOld, [slot, ...keys]);
    if (outbox !== undefined) await query(client, outbox.insert, [slot, ...keys]);
    return keys[0].length;
  };
  let selection: Selection = { statuses: ['open'], ...closing.selection };
  for (;;) {
    const next = await findNext(client, slot, selection, outbox !== undefined);
    if (next === undefined) return { ...found, done, notAccepted };
    // Each round begins where the one before ended: its closed rows stay in the indexes until the transaction ends.
    const after = { commitLsn: parseLsn(next[0].at(-1)!), ordinal: Number(next[1].at(-1)) };
    selection = { ...selection, after };
    done +=
      outbox?.areApart === true ? await writeAccepted(client, next, write, notAccepted) : await write(next);
    closing.onProgress?.(done, found.open);
  }
}

async function findNext(
  client: pg.Client,
  slot: string,
  selection: Selection,
  isResubmission: boolean,
): Promise<Keys | undefined> {
  const { text, values } = conditionOf(slot, selection);
  const forResubmission = `and coalesce(event_id, '') <> '' and not ${isLeftOut} and not ${isOfParkedKey}`;
  const rows = await query(
    client,
    statement<{ commit_lsn: string; ordinal: string }>(
      'operations.find_letters_to_close',
      'looking for the dead letters',
      `select commit_lsn::text, ordinal from outbox.dead_letter as letter
     where ${text} and ${isSettled} and not ${isBeingReleased} ${isResubmission ? forResubmission : ''}
     order by letter.commit_lsn, letter.ordinal limit ${roundLetters}`,
    ),
    values,
  );
  return rows.length === 0 ? undefined : keysOf(rows);
}

function keysOf(rows: readonly { commit_lsn: string; ordinal: string }[]): Keys {
  return [rows.map(({ commit_lsn }) => commit_lsn), rows.map(({ ordinal }) => ordinal)];
}

/** Leaves out those that somebody else is working on. @returns those that it closed */
async function close(
  client: pg.Client,
  { config, actor }: Closing,
  status: 'resubmitted' | 'discarded',
  keys: Keys,
): Promise<Keys> {
  const rows = await query(
    client,
    statement<{ commit_lsn: string; ordinal: string }>(
      'operations.close_letters',
      'closing the dead letters',
      `select closed_lsn::text as commit_lsn, closed_ordinal as ordinal
       from outbox.close_dead_letters($1, $2, $3, $4, $5, $6)`,
    ),
    [config.slot.name, ...keys, status, actor.person, actor.reason],
  );
  return keysOf(rows);
}
