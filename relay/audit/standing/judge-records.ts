/** Decides about records that did not come in order, or whose row no window has shown: `window.ts` states the rules. */
import { readRemovals } from '../../ledger/removals.ts';
import { CoveredFrom } from '../covered-from.ts';
import { findEvents } from '../read-table.ts';
import { haveEnded } from '../running.ts';
import { findEarlier } from './earlier-records.ts';
import { findingOf } from './found.ts';
import type { Letters } from './letters.ts';
import type { Matching, OpenRecord } from './matching.ts';
import { oldestRowMs } from './read-window.ts';
import { chunks, idsMost, type WindowScope } from './window-means.ts';

export class RecordJudge {
  readonly #scope: WindowScope;
  readonly #letters: Letters;
  readonly #lateMatched: OpenRecord[] = [];
  readonly #covered = new CoveredFrom();
  /** Their rows are there, and no earlier record of them is open. */
  readonly #repeated: OpenRecord[] = [];

  constructor(scope: WindowScope, letters: Letters) {
    this.#scope = scope;
    this.#letters = letters;
  }

  /** A record that has found its row. */
  noteMatch(record: OpenRecord): void {
    this.#covered.noteMatch(record.committedAtMs);
    if (record.after !== undefined) this.#lateMatched.push(record);
  }

  /** Once all rows and records of the window are read. */
  async judge(matching: Matching): Promise<void> {
    await this.#judgeOrder();
    const finals = await this.#finalWindows();
    const suspects = [...matching.records()].filter(
      ({ window, after }) => finals.has(window) || after !== undefined,
    );
    const strangers: OpenRecord[] = [];
    for (const some of chunks(suspects, idsMost))
      strangers.push(...(await this.#judgeSome(some, finals, matching)));
    if (strangers.length > 0) await this.#judgeStrangers(strangers);
    if (this.#repeated.length > 0) await this.#judgeRepeated();
  }

  async #judgeOrder(): Promise<void> {
    for (const late of chunks(this.#lateMatched, idsMost)) {
      const explained = await this.#letters.explain(late);
      for (const record of late)
        if (!explained.has(record))
          this.#scope.found.add(findingOf('out_of_order', record, `after ${record.after}`));
    }
  }

  /** Windows whose records are final: every transaction that could still show a row of theirs has ended. */
  async #finalWindows(): Promise<ReadonlySet<number>> {
    const after = [...(this.#scope.before?.after ?? [])];
    const ended = await haveEnded(
      this.#scope.means.client,
      after.map(([, snapshot]) => snapshot),
    );
    return new Set(after.filter((_, index) => ended[index]).map(([window]) => window));
  }

  /** @returns those without a row */
  async #judgeSome(
    some: readonly OpenRecord[],
    finals: ReadonlySet<number>,
    matching: Matching,
  ): Promise<OpenRecord[]> {
    const { means, found } = this.#scope;
    const ids = [...new Set(some.map(({ id }) => id))];
    const open = await means.openMissing(ids);
    const missing = new Set(open.ids);
    const explained = await this.#letters.explain(some.filter(({ id }) => !missing.has(id)));
    const there = new Set<string>();
    // In the snapshot of the window: its rows are all counted.
    await findEvents(means.client, means.config, ids, (id) => there.add(id));
    const strangers: OpenRecord[] = [];
    for (const record of some) {
      if (missing.delete(record.id)) {
        found.resolved.push(record.id);
        found.matched += 1;
      } else if (explained.has(record)) found.skip('released');
      else if (there.has(record.id) && open.unlisted > found.resolvedUnlisted) {
        found.resolvedUnlisted += 1;
        found.matched += 1;
      } else if (there.has(record.id)) this.#repeated.push(record);
      else if (finals.has(record.window)) strangers.push(record);
      else continue;
      matching.remove(record);
    }
    return strangers;
  }

  /** Duplicates, unless an earlier window had rows without a record that it could not judge: this may be the first of one. */
  async #judgeRepeated(): Promise<void> {
    const { means, found } = this.#scope;
    const hasUnjudged = await means.hasUnjudgedRows();
    const earlierOf = hasUnjudged ? await findEarlier(this.#scope, this.#repeated) : () => 'there' as const;
    for (const record of this.#repeated) {
      const earlier = earlierOf(record);
      if (earlier === 'there') found.add(findingOf('duplicate', record));
      else found.skip(earlier === 'absent' ? 'publishedSince' : 'unknown');
      if (earlier === 'absent') found.matched += 1;
    }
  }

  async #judgeStrangers(strangers: readonly OpenRecord[]): Promise<void> {
    const { means, found } = this.#scope;
    const oldestMs = await oldestRowMs(means.now, means.config);
    if (oldestMs !== undefined) this.#covered.noteRow(oldestMs);
    const removals = await readRemovals(means.now);
    if (removals !== undefined) this.#covered.noteRemoved(removals);
    const perhaps =
      'or cleanup removed its row before it was compared; cleanup.requireVerified prevents that';
    for (const { committedAtMs } of strangers) this.#covered.noteStranger(committedAtMs);
    const fromMs = this.#covered.fromMs();
    for (const record of strangers) {
      const { committedAtMs } = record;
      const detail = this.#covered.isPerhapsRemoved(committedAtMs) ? perhaps : undefined;
      if (committedAtMs >= fromMs) found.add(findingOf('leaked', record, detail));
      else found.skip('unknown');
    }
  }
}
