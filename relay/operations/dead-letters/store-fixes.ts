/**
 * Stores payloads of open dead letters, all or none, with the trail. Promise: a payload replaces the one that was judged
 * and no other, and none of a key whose release is under way.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { formatLsn, parsePosition } from '../../model/position.ts';
import type { Actor } from '../actor.ts';
import { type LetterStatus, positionText } from './letter.ts';
import { byPosition } from './read.ts';
import { conditionOf, isBeingReleased } from './selection.ts';
import { inTransaction, takeTurn } from './transaction.ts';

export type Replacement = {
  readonly position: string;
  /** As it was seen; null where there was none. */
  readonly before: string | null;
  readonly after: string;
};

/**
 * @returns positions of those that were stored; the others are no longer as they were seen: closed, being released, or
 * changed by somebody else
 */
export function storePayloads(
  config: Config,
  replacements: readonly Replacement[],
  { person, reason }: Actor,
): Promise<ReadonlySet<string>> {
  return inTransaction(config, async (client) => {
    await takeTurn(client, config.slot.name);
    const rows = await query(
      client,
      statement<{ commit_lsn: string; ordinal: string }>(
        'operations.fix_letters',
        'storing the payloads',
        // As one JSON text: the driver takes seconds to write some megabytes of quotes as elements of an array.
        `select commit_lsn::text, ordinal from (
           select letter.commit_lsn, letter.ordinal,
                  outbox.fix_dead_letter($1, letter.commit_lsn, letter.ordinal, given.before, given.after, $3, $4) as fixed
             from json_to_recordset($2) as given (commit_lsn pg_lsn, ordinal bigint, before text, after text)
             join outbox.dead_letter as letter using (commit_lsn, ordinal)
            where letter.slot = $1 and letter.status = 'open' and not ${isBeingReleased}) as tried
          where fixed`,
      ),
      [config.slot.name, JSON.stringify(replacements.map(toRow)), person, reason],
    );
    return new Set(rows.map(({ commit_lsn, ordinal }) => positionText(commit_lsn, ordinal)));
  });
}

function toRow({ position, before, after }: Replacement) {
  const { commitLsn, ordinal } = parsePosition(position)!;
  return { commit_lsn: formatLsn(commitLsn), ordinal, before, after };
}

const pastOf: Readonly<Record<string, string>> = {
  fix: 'changed',
  resubmit: 'resubmitted',
  discard: 'discarded',
};

type Row = {
  status: LetterStatus;
  is_being_released: boolean;
  action: string | null;
  person: string | null;
  acted_at: Date | null;
};

/** Why a payload was not stored, as a sentence for the person who came second. */
export async function conflictOf(pool: pg.Pool, slot: string, position: string): Promise<string> {
  const { text, values } = conditionOf(slot, byPosition({ position }));
  const [row] = await query(
    pool,
    statement<Row>(
      'operations.explain_conflict',
      'reading what somebody else did',
      `select status, ${isBeingReleased} as is_being_released, last.*
         from outbox.dead_letter as letter
         left join lateral (select action, person, acted_at from outbox.dead_letter_action as acted
           where acted.slot = letter.slot and acted.commit_lsn = letter.commit_lsn and acted.ordinal = letter.ordinal
           order by id desc limit 1) as last on true
        where ${text}`,
    ),
    values,
  );
  if (row === undefined) return 'the dead letter was removed';
  if (row.is_being_released) return 'its key is being released; try again when that is done';
  if (row.status === 'released') return 'it was released; the relay has published it';
  const { action, person, acted_at } = row;
  if (action === null || person === null || acted_at === null) return 'it has changed; look at it again';
  return `${person} ${pastOf[action] ?? action} it at ${acted_at.toISOString().slice(0, 19)}Z; look at it again`;
}
