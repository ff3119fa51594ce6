/**
 * Owns what dead letters explain. Each accounts for one row that is not published: the refused one. A resubmitted one does
 * only as long as another row of the window has its id, which may be the one that was written in its place. A released one
 * explains one record that comes after later ones of its partition.
 */

import { readOnly } from '../../connect/postgres/transaction.ts';
import { groupBy } from '../../model/builtins.ts';
import { formatLsn, formatPosition, parseLsn } from '../../model/position.ts';
import { isOfRow, type LetterMeaning, meaningOf, refusedOf } from '../letter-meaning.ts';
import type { OpenRecord, OpenRow } from './matching.ts';
import { type Letter, lettersBetween, lettersOf, releasesBetween, type WindowRows } from './read-window.ts';
import type { WindowScope } from './window-means.ts';

/** Positions that are remembered. */
const positionsMost = 100_000;

export class Letters {
  readonly #scope: WindowScope;
  readonly #rows: Pick<WindowRows, 'count'>;
  /** Positions of those that account for a row of this window. */
  readonly #used = new Set<string>();
  /** Positions of released ones whose record was read. */
  readonly #released: Set<string>;

  /** By id, once a dead letter of it is resubmitted: rows of this window for which such dead letters may still account. */
  readonly #refused = new Map<string, number>();

  constructor(scope: WindowScope, rows: Pick<WindowRows, 'count'>) {
    this.#scope = scope;
    this.#rows = rows;
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
  async account(rows: readonly OpenRow[]): Promise<boolean[]> {
    const { now, config } = this.#scope.means;
    const found = await lettersOf(now, config, [...new Set(rows.map(({ id }) => id))]);
    const shown = await this.#shownAsResubmitted(found);
    const letters = groupBy(found, ({ id }) => id);
    return rows.map((row) => {
      const meaning = (letter: Letter) => this.#meaningOf(letter, !shown.has(positionOf(letter)));
      const letter = letters.get(row.id)?.find((each) => this.#accounts(each, meaning(each), row));
      if (letter === undefined) return false;
      this.#used.add(positionOf(letter));
      if (meaning(letter) === 'resubmitted') this.#refused.set(row.id, this.#refused.get(row.id)! - 1);
      return true;
    });
  }

  /** Positions of those that the snapshot shows as resubmitted, so that it has what was written in their place. */
  async #shownAsResubmitted(letters: readonly Letter[]): Promise<ReadonlySet<string>> {
    const { client, config } = this.#scope.means;
    const resubmitted = letters.filter(({ status }) => status === 'resubmitted');
    if (resubmitted.length === 0) return new Set();
    const ids = [...new Set(resubmitted.map(({ id }) => id))];
    const unknown = ids.filter((id) => !this.#refused.has(id));
    if (unknown.length > 0) {
      const counts = await this.#rows.count(unknown);
      for (const id of unknown) this.#refused.set(id, refusedOf(counts.get(id) ?? 0));
    }
    const shown = await lettersOf(client, config, ids);
    return new Set(shown.filter(({ status }) => status === 'resubmitted').map(positionOf));
  }

  #meaningOf({ status, releasedLsn, systemIdentifier }: Letter, isSinceSnapshot: boolean): LetterMeaning {
    const { snapshot, means } = this.#scope;
    const isOwn = systemIdentifier === means.systemIdentifier;
    const lsn = isOwn ? parseLsn(releasedLsn ?? '0/0') : 0n;
    return meaningOf({ status, releasedLsn: lsn, isSinceSnapshot }, snapshot.lsn);
  }

  #accounts(letter: Letter, meaning: LetterMeaning, { id, isOfHere = true }: OpenRow): boolean {
    const { before, means } = this.#scope;
    const { systemIdentifier, commitLsn } = letter;
    const position = positionOf(letter);
    if (this.#used.has(position)) return false;
    // A later release is for a later window.
    if (meaning === 'released') return false;
    if (meaning === 'resubmitted' && this.#refused.get(id)! === 0) return false;
    const isOwn = systemIdentifier === means.systemIdentifier;
    if (before === undefined) return meaning !== 'refused' || isOfRow(isOwn, isOfHere);
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
