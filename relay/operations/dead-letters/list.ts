/** Lists dead letters without their payloads, but with the value at which each was refused. Changes nothing. */
import type { Config } from '../../config/config.ts';
import { withPool } from '../with-pool.ts';
import type { Letter } from './letter.ts';
import { countLetters, pagesOfLetters } from './read.ts';
import { glanceAtLetters } from './read-contents.ts';
import type { Selection } from './selection.ts';
import { assertLettersShown } from './transaction.ts';
import { type Present, payloadOf, type ShownThere, shownThere, valueThere } from './value-there.ts';

/**
 * Hands them over page by page, oldest positions first, so that memory does not depend on how many there are.
 * @returns how many were handed over, and whether the limit left some out
 * @throws RelayError POSTGRES_*
 */
export function listDeadLetters(
  config: Config,
  selection: Selection,
  limit: number,
  onPage: (letters: readonly Letter[]) => Promise<void>,
): Promise<{ readonly listed: number; readonly hasMore: boolean }> {
  return withPool(config, async (pool) => {
    let found = 0;
    // One more than the limit tells whether there are more.
    for await (const page of pagesOfLetters(pool, config.slot.name, selection, limit + 1)) {
      const letters = page.slice(0, limit - found);
      if (letters.length > 0) await onPage(letters);
      found += page.length;
    }
    await assertLettersShown(pool, config);
    return { listed: Math.min(found, limit), hasMore: found > limit };
  });
}

/** With the value that its payload has now at the place where it was refused. */
export type ListedLetter = Letter & { readonly there: ShownThere };

export type LetterPage = {
  /** Dead letters of the selection, on whatever page. */
  readonly total: number;
  readonly letters: readonly ListedLetter[];
  /** The position after which the next page begins; null on the last one. */
  readonly next: string | null;
};

/** One page, oldest positions first. @throws RelayError POSTGRES_* */
export function pageOfDeadLetters(
  config: Config,
  selection: Selection,
  limit: number,
  present: Present = (text) => text,
): Promise<LetterPage> {
  return withPool(config, async (pool) => {
    const { after: _, ...all } = selection;
    const [total, found] = await Promise.all([
      countLetters(pool, config.slot.name, all),
      // One more than the limit tells whether there are more.
      glanceAtLetters(pool, config.slot.name, selection, limit + 1),
    ]);
    await assertLettersShown(pool, config);
    const letters = found
      .slice(0, limit)
      .map((each) => ({ ...each.letter, there: shownThere(valueThere(payloadOf(each), present)) }));
    return { total, letters, next: found.length > limit ? letters.at(-1)!.position : null };
  });
}
