/** Decides about rows whose record no window has read: `window.ts` states the rules. */
import { findCompacted } from '../compacted.ts';
import { absenceOf } from '../judge-event.ts';
import { KeptFrom } from '../kept-from.ts';
import { assertVisible, headerText, stableRanges } from '../read-topics.ts';
import type { RetentionOf } from '../retention.ts';
import { readFirst } from './earlier-records.ts';
import type { Letters } from './letters.ts';
import type { OpenRow } from './matching.ts';
import { findRewrites } from './read-window.ts';
import { placeOf, type WindowScope } from './window-means.ts';

export type TopicsOfWindow = {
  readonly topics: readonly string[];
  /** From when on they have every record, as far as this window reads them. */
  readonly kept: KeptFrom;
  readonly retentionOf: RetentionOf;
};

export class RowJudge {
  readonly #scope: WindowScope;
  readonly #letters: Letters;
  readonly #kept: KeptFrom;
  readonly #topics: readonly string[];
  readonly #retentionOf: RetentionOf;
  readonly #compacted: ReadonlyMap<string, number> | undefined;
  /** Absent rows, which earlier windows may have read. */
  readonly #absent = new Map<string, OpenRow>();

  private constructor(
    scope: WindowScope,
    letters: Letters,
    topics: TopicsOfWindow,
    compacted: ReadonlyMap<string, number> | undefined,
  ) {
    this.#scope = scope;
    this.#letters = letters;
    this.#kept = topics.kept;
    this.#topics = topics.topics;
    this.#retentionOf = topics.retentionOf;
    this.#compacted = compacted;
  }

  static async create(scope: WindowScope, letters: Letters, topics: TopicsOfWindow): Promise<RowJudge> {
    return new RowJudge(scope, letters, topics, await findCompacted(scope.means.admin, topics.topics));
  }

  /** Rows without a record, once all records of the window are read. */
  async judge(rows: readonly OpenRow[]): Promise<void> {
    const accounted = await this.#letters.account(rows);
    for (const [index, row] of rows.entries()) {
      if (accounted[index]) {
        if (row.isRelease !== true) this.#scope.found.matched += 1;
        continue;
      }
      if (this.#scope.before === undefined) await this.#note(row, this.#kept);
      else this.#absent.set(row.id, row);
    }
  }

  /** Looks for what is absent in what earlier windows have read. */
  async finish(): Promise<void> {
    if (this.#absent.size === 0) return;
    const { means, before, found } = this.#scope;
    const { admin } = means;
    const topics = new Set([...this.#absent.values()].flatMap(({ topic }) => topic ?? []));
    const kept = new KeptFrom();
    const whole = await stableRanges(
      admin,
      [...topics].filter((topic) => this.#topics.includes(topic)),
    );
    const trim = (topic: string, partition: number) => kept.addTrimmed(topic, partition);
    for (const { topic, partition, low } of whole) if (low > 0n) trim(topic, partition);
    // A commit is in the WAL, and published, before others see it: long before, where it waits for a standby. If an audit
    // begins in between, the window after leaves out the record and has the row.
    const isBegun = before!.window === 0;
    const { isGuarded, altering } = await findRewrites(means.now, means.config);
    /** Transactions that gave published rows a new number, as an ALTER TABLE that rewrites the table does. */
    const rewriting = new Set(altering);
    const ranges = whole.flatMap((range) => {
      const end = isBegun ? range.end : (before!.offsets.get(placeOf(range)) ?? range.low);
      return end > range.low ? [{ ...range, end }] : [];
    });
    /** Ids of absent rows that records of other producers have. */
    const elsewhere = new Set<string>();
    await readFirst(
      this.#scope,
      ranges,
      trim,
      ({ topic, partition, committedAtMs, headers }, id, isOfStream) => {
        if (id === undefined) {
          const named = headerText(headers, 'id');
          if (named !== undefined && this.#absent.has(named)) elsewhere.add(named);
          return;
        }
        if (isOfStream) kept.note(topic, partition, committedAtMs);
        const row = this.#absent.get(id);
        if (row === undefined) return;
        this.#absent.delete(id);
        if (row.xid !== undefined) rewriting.add(row.xid);
        // The window that read the record of a release has counted it.
        if (row.isRelease !== true) found.skip(isBegun ? 'before' : 'rewritten');
      },
    );
    kept.explain(this.#retentionOf);
    for (const row of this.#absent.values()) {
      // What a connector published before the first start has no headers of a relay, and an ALTER TABLE makes it look new.
      if (elsewhere.has(row.id) && rewriting.has(row.xid!)) {
        found.skip('rewritten');
        continue;
      }
      // A row that was committed since the last window has its record behind what that one read, or none: what it says of
      // its time excuses nothing. A row that was changed may have one that the topic has lost.
      const isNew = isGuarded && row.isRelease !== true && !rewriting.has(row.xid!);
      await this.#note(row, isNew ? this.#kept : kept);
    }
  }

  async #note({ id, topic, createdAtMs, origin }: OpenRow, kept: KeptFrom): Promise<void> {
    const { means, found } = this.#scope;
    if (topic !== undefined && !this.#topics.includes(topic)) await assertVisible(means.admin, [topic]);
    if (topic !== undefined && this.#compacted?.has(topic)) {
      found.skip('compacted');
      return;
    }
    const absence = absenceOf({
      timeMs: createdAtMs,
      origin,
      isSuperseded: false,
      isCovered: true,
      lost: kept.lost(topic),
      expectAll: false,
    });
    if (absence === 'missing') found.add({ kind: 'missing', id, topic });
    else if (absence === 'notYetPublished' || absence === 'superseded') found.skip('expired');
    else found.skip(absence);
  }
}
