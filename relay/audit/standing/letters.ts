/**
 * Owns what dead letters explain. Each accounts for one row that is not published: the refused one. A released one explains
 * one record that comes after later ones of its partition.
 */

import { readOnly } from '../../connect/postgres/transaction.ts';
import { groupBy } from '../../model/builtins.ts';
import { formatLsn, formatPosition, parseLsn } from '../../model/position.ts';
import type { OpenRecord } from './matching.ts';
import { type Letter, lettersBetween, lettersOf, releasesBetween } from './read-window.ts';
import type { WindowScope } from './window-means.ts';

/** Positions that are remembered. */
const positionsMost = 100_000;

export class Letters {
  readonly #scope: WindowScope;
  /** Positions of those that account for a row of this window. */
  readonly #used = new Set<string>();
  /** Positions of released ones whose record was read. */
  readonly #released: Set<string>;

  constructor(scope: WindowScope) {
    this.#scope = scope;
    this.#released = new Set(scope.before?.released);
  }

  /** Events whose key was released since the last window, and whose rows earlier windows have counted. */
  async releases(): Promise<Letter[]> {
    const { before, snapshot, means } = this.#scope;
    if (before === undefined) return [];
    const letters = await releasesBetween(means.now, means.config, {
      systemIdentifier: means.systemIdentifier,
      fromLsn: formatLsn(before.lsn),
      untilLsn: formatLsn(snapshot.lsn),
    });
    return letters.filter((letter) => !before.unclaimed.has(positionOf(letter)));
  }

  /** Which of these rows a dead letter accounts for, by their place in the list. */
  async account(ids: readonly string[]): Promise<boolean[]> {
    const { now, config } = this.#scope.means;
    const letters = groupBy(await lettersOf(now, config, [...new Set(ids)]), ({ id }) => id);
    return ids.map((id) => {
      const letter = letters.get(id)?.find((each) => this.#accounts(each));
      if (letter !== undefined) this.#used.add(positionOf(letter));
      return letter !== undefined;
    });
  }

  #accounts(letter: Letter): boolean {
    const { before, snapshot, means } = this.#scope;
    const { status, releasedLsn, systemIdentifier, commitLsn } = letter;
    const position = positionOf(letter);
    if (this.#used.has(position)) return false;
    const isOwn = systemIdentifier === means.systemIdentifier;
    // A later release is for a later window.
    if (status === 'released' && (!isOwn || parseLsn(releasedLsn ?? '0/0') < snapshot.lsn)) return false;
    if (before === undefined) return true;
    // Earlier ones account for rows of earlier windows.
    return isOwn && (parseLsn(commitLsn) >= before.lsn || before.unclaimed.has(position));
  }

  /** Which of the records are the first ones of released events. */
  async explain(records: readonly OpenRecord[]): Promise<ReadonlySet<OpenRecord>> {
    const { now, config } = this.#scope.means;
    const letters = await lettersOf(now, config, [...new Set(records.map(({ id }) => id))]);
    const positions = new Set(
      letters
        .filter(({ status }) => status === 'released')
        .map(({ commitLsn, ordinal }) => formatPosition(parseLsn(commitLsn), Number(ordinal))),
    );
    const explained = new Set<OpenRecord>();
    for (const record of records) {
      const { position } = record;
      if (!positions.has(position) || this.#released.has(position)) continue;
      this.#released.add(position);
      explained.add(record);
    }
    return explained;
  }

  get released(): ReadonlySet<string> {
    return last(this.#released);
  }

  /** Those up to the snapshot that account for no row so far: the row is gone, or does not show yet. */
  async unclaimed(): Promise<ReadonlySet<string>> {
    const { before, snapshot, means } = this.#scope;
    const unclaimed = new Set([...(before?.unclaimed ?? [])].filter((each) => !this.#used.has(each)));
    const between = {
      systemIdentifier: means.systemIdentifier,
      fromLsn: formatLsn(before?.lsn ?? 0n),
      untilLsn: formatLsn(snapshot.lsn),
    };
    await readOnly(means.now, 'reading the dead letters', 'read committed', async () => {
      for await (const letters of lettersBetween(means.now, means.config, between))
        for (const letter of letters)
          if (letter.status !== 'released' && !this.#used.has(positionOf(letter)))
            unclaimed.add(positionOf(letter));
    });
    return last(unclaimed);
  }
}

const positionOf = ({ commitLsn, ordinal }: Letter): string => `${commitLsn}.${ordinal}`;

const last = (items: Set<string>): Set<string> =>
  items.size <= positionsMost ? items : new Set([...items].slice(-positionsMost));
