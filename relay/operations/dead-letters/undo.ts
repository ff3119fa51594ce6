/**
 * Puts back the payload that the last fix replaced. Promise: only while nothing else has happened to the dead letter since,
 * and never in place of a payload that was left out, without which the event would look like one that has none.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { RequestInvalid } from '../../errors.ts';
import type { Actor } from '../actor.ts';
import { withPool } from '../with-pool.ts';
import { findFixable } from './fix.ts';
import type { Letter } from './letter.ts';
import { byPosition, listLetters, readContent } from './read.ts';
import { conditionOf, isBeingReleased } from './selection.ts';
import { conflictOf, storePayloads } from './store-fixes.ts';
import { assertLettersShown } from './transaction.ts';

/** Whether the last fix can be undone. */
export type Undoable =
  /** Names that fix: an undo that names it undoes no other. */
  { readonly isPossible: true; readonly fix: string } | { readonly isPossible: false; readonly why: string };

type Row = { id: string; previous_payload: string | null; is_being_released: boolean };

async function lastFix(pool: pg.Pool, slot: string, position: string): Promise<Row | undefined> {
  const { text, values } = conditionOf(slot, byPosition({ position }));
  const [row] = await query(
    pool,
    statement<Row>(
      'operations.find_last_fix',
      'looking for the last fix',
      `select id, previous_payload, ${isBeingReleased} as is_being_released
         from outbox.dead_letter as letter join outbox.dead_letter_action as acted using (slot, commit_lsn, ordinal)
        where ${text} and action = 'fix' order by id desc limit 1`,
    ),
    values,
  );
  return row;
}

export async function undoOf(
  pool: pg.Pool,
  slot: string,
  { position, status }: Pick<Letter, 'position' | 'status'>,
): Promise<Undoable> {
  const not = (why: string) => ({ isPossible: false, why }) as const;
  const fix = await lastFix(pool, slot, position);
  if (fix === undefined) return not('it was never fixed');
  if (status !== 'open') return not(`it is ${status}`);
  if (fix.is_being_released) return not('its key is being released');
  if (fix.previous_payload === null) return not('the fix replaced a payload that was not stored');
  return { isPossible: true, fix: fix.id };
}

export type UndoOutcome = {
  readonly position: string;
  readonly isUndone: boolean;
  /** Why not. */
  readonly message: string;
};

/**
 * Undone twice, the fix is back: an undo is a fix in the trail.
 * @param fix as `undoOf` named it
 * @throws RequestInvalid where there is nothing to undo; RelayError POSTGRES_*
 */
export async function undoFix(
  config: Config,
  position: string,
  fix: string,
  actor: Actor,
): Promise<UndoOutcome> {
  const slot = config.slot.name;
  return withPool(config, async (pool) => {
    const [letter] = await listLetters(pool, slot, byPosition({ position }), 1);
    await assertLettersShown(pool, config);
    if (letter === undefined) throw new RequestInvalid(`no dead letter ${position} of slot ${slot}`);
    const conflict = async () => ({
      position,
      isUndone: false,
      message: await conflictOf(pool, slot, position),
    });
    const undoable = await undoOf(pool, slot, letter);
    const last = await lastFix(pool, slot, position);
    const content = await readContent(pool, slot, letter);
    if (letter.status !== 'open' || content === undefined) return conflict();
    if (last !== undefined && last.id !== fix) return conflict();
    if (!undoable.isPossible || last?.previous_payload == null)
      throw new RequestInvalid(undoable.isPossible ? 'it was never fixed' : undoable.why);
    // Only a fix changes a payload: while this fix is the last one, what is there is what it stored.
    const replacement = { position, before: content.payload, after: last.previous_payload };
    const stored = await storePayloads(config, [replacement], actor);
    return stored.has(position)
      ? { position, isUndone: true, message: 'the payload of before is back' }
      : conflict();
  });
}

/**
 * The last fix of a dead letter, as it is now.
 * @param name a position, or the id of an event with one open dead letter
 * @throws RequestInvalid where there is none, or nothing can be undone; RelayError POSTGRES_*
 */
export async function findUndoable(config: Config, name: string): Promise<{ position: string; fix: string }> {
  const { letter } = await findFixable(config, name);
  const undoable = await withPool(config, (pool) => undoOf(pool, config.slot.name, letter));
  if (!undoable.isPossible) throw new RequestInvalid(`cannot be undone: ${undoable.why}`);
  return { position: letter.position, fix: undoable.fix };
}
