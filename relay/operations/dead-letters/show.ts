/** Everything about one event that could not be published, its payload included. Changes nothing. */

import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { RequestInvalid } from '../../errors.ts';
import { withPool } from '../with-pool.ts';
import { type Letter, type LetterAction, parseLetterName } from './letter.ts';
import {
  type LetterContent,
  type LetterFailure,
  type LetterRelease,
  listLetters,
  readActions,
  readContent,
  readFailure,
  readRelease,
} from './read.ts';
import { assertLettersShown } from './transaction.ts';

export type ShownLetter = Letter & {
  readonly content: LetterContent;
  /** null where the reason was clear at once. */
  readonly failure: LetterFailure | null;
  /** The audit trail, oldest first. */
  readonly actions: readonly LetterAction[];
  /** null where no release has published it. */
  readonly release: LetterRelease | null;
};

/** A person resubmits an event less often than this. */
const lettersMax = 100;

/**
 * @param name a position, or the id of an event, which may have several dead letters
 * @throws RequestInvalid where there is none; RelayError POSTGRES_*
 */
export function showDeadLetters(config: Config, name: string): Promise<ShownLetter[]> {
  return withPool(config, async (pool) => {
    const shown = await read(pool, config.slot.name, name);
    await assertLettersShown(pool, config);
    if (shown.length === 0) throw new RequestInvalid(`no dead letter ${name} of slot ${config.slot.name}`);
    return shown;
  });
}

async function read(pool: pg.Pool, slot: string, name: string): Promise<ShownLetter[]> {
  const shown: ShownLetter[] = [];
  for (const letter of await listLetters(pool, slot, { names: [parseLetterName(name)] }, lettersMax)) {
    const content = await readContent(pool, slot, letter);
    if (content === undefined) continue;
    const failure = (await readFailure(pool, slot, letter)) ?? null;
    const release = (await readRelease(pool, slot, letter)) ?? null;
    shown.push({ ...letter, content, failure, actions: await readActions(pool, slot, letter), release });
  }
  return shown;
}
