/**
 * Reads the table as of one snapshot, twice, since memory holds neither the rows nor the missing events: first all of it,
 * for what the verdicts depend on, and then what may be missing, in the order of publishing. The second reading can be
 * repeated, and gives the same each time.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Position } from '../model/position.ts';
import type { AbsentEvent, Known, Verdict } from './gap.ts';
import { RowJudge } from './judge-row.ts';
import type { Letters } from './letters.ts';
import type { Published } from './published.ts';
import { type Some, SomeEvents } from './some-events.ts';
import { type RowsOptions, readRows, SortedRows, type TableRow } from './table-rows.ts';
import { attempt } from './unreadable.ts';

export type Gap = {
  /** Number of rows in the snapshot. */
  readonly events: number;
  /** Time of the snapshot, ms since 1970 by the clock of the database. */
  readonly atMs: number;
  /** What the oldest row says; null if there is none, or no such column. */
  readonly oldestMs: number | null;
  /** Whether Postgres keeps commit times now. */
  readonly hasCommitTimes: boolean;
  /** The snapshot, as Postgres prints it. */
  readonly snapshot: string;
  /** Whether the table still has a row that was published; then nothing younger was deleted. */
  readonly reachesBack: boolean;
  /** Events that were committed before the first start of the relay. */
  readonly before: Some;
  /** Events that were published, and have been removed from Kafka since. */
  readonly expired: Some;
  /** Rows that may be missing. */
  readonly candidates: number;
  /** Whether one of these has no commit time. */
  readonly hasUntimed: boolean;
  /** Topics of absent events that were not read. */
  readonly unlisted: readonly string[];
  /** Dead letters whose events are decided again. */
  readonly undecided: readonly Position[];
  /** Dead letters that were closed to read their events again, which are in neither the table nor Kafka. */
  readonly unread: readonly Position[];
  /** Rows without an id; nobody can tell whether these were published. */
  readonly withoutId: number;
  /** What may be missing, in the order of publishing, from its beginning each time; of each id the latest row. */
  readonly inOrder: () => AsyncIterable<readonly Judged[]>;
};

export type Judged = {
  readonly event: AbsentEvent;
  /** `missing` or `unjudged`. */
  readonly verdict: Verdict;
  /** Number of rows with its id. */
  readonly copies: number;
};

export type ReadGapOptions = {
  readonly config: Config;
  /** Has a repeatable read transaction open. */
  readonly client: pg.Client;
  readonly published: Published;
  readonly letters: Letters;
  readonly known: Known;
  /** When `covered` was taken, by the clock of the database, ms since 1970. */
  readonly coveredMs: number | null;
  /** @param total as Postgres estimates it; undefined if it has not analyzed the table */
  readonly onDone: (done: number, total: number | undefined) => void;
  /** Postgres begins to sort that many rows, or some more. */
  readonly onSorting: (rows: number) => void;
};

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID */
export async function readGap(options: ReadGapOptions): Promise<Gap> {
  const { config, client, onDone, onSorting } = options;
  const [now] = await query(client, readClock);
  const { atMs, hasCommitTimes, snapshot, xmax } = now!;
  const [estimate] = await query(client, estimateRows, [quoteTable(config.outbox.table)]);
  const total = estimate?.rows ?? undefined;
  const rowsOptions = { config, client, hasCommitTimes };
  const survey = async (use: RowsOptions) => {
    const surveyed = new Survey(options, new RowJudge({ ...options, xmax: BigInt(xmax), atMs }));
    onDone(0, total);
    for await (const rows of readRows(use)) {
      for (const row of rows) surveyed.note(row);
      onDone(surveyed.events, total);
    }
    return surveyed;
  };
  const together: RowsOptions = { ...rowsOptions, isEachNameApart: false };
  const apart: RowsOptions = { ...rowsOptions, isEachNameApart: true };
  const whole = await attempt(client, () => survey(together));
  const surveyed = 'result' in whole ? whole.result : await survey(apart);
  const found = surveyed.result();
  if (found.candidates === 0) return { ...found, atMs, hasCommitTimes, snapshot, inOrder: nothing };
  onSorting(found.candidates);
  const sorted = await SortedRows.open('result' in whole ? together : apart, surveyed.fromUs);
  return { ...found, atMs, hasCommitTimes, snapshot, inOrder: () => judged(sorted, surveyed.judge) };
}

async function* nothing(): AsyncGenerator<Judged[]> {}

async function* judged(sorted: SortedRows, judge: RowJudge): AsyncGenerator<Judged[]> {
  for await (const rows of sorted.pages())
    yield rows.flatMap((row) => {
      const event = row.id === null ? undefined : judge.absent(row, row.id);
      if (event === undefined) return [];
      const verdict = judge.judge(event);
      const isOver = verdict.judgement === 'before' || verdict.judgement === 'expired';
      return isOver ? [] : [{ event, verdict, copies: Number(row.copies) }];
    });
}

const readClock = statement<{ atMs: number; hasCommitTimes: boolean; snapshot: string; xmax: string }>(
  'recover.read_clock',
  'reading the clock',
  `select (extract(epoch from clock_timestamp()) * 1000)::float8 as "atMs",
    current_setting('track_commit_timestamp')::bool as "hasCommitTimes",
    pg_current_snapshot()::text as snapshot, pg_snapshot_xmax(pg_current_snapshot())::text as xmax`,
);

/** For people: of the partitions that hold rows, as autovacuum last found. */
const estimateRows = statement<{ rows: number | null }>(
  'recover.estimate_rows',
  'estimating the rows of the outbox table',
  `with leaf as (select relid from pg_partition_tree($1::regclass) where isleaf)
   select nullif(sum(greatest(reltuples, 0)), 0)::float8 as rows from pg_class
    where oid in (select relid from leaf union all select $1::regclass where not exists (select from leaf))`,
);

/** What the first reading finds. */
class Survey {
  readonly judge: RowJudge;
  events = 0;
  #withoutId = 0;
  readonly #before = new SomeEvents();
  readonly #expired = new SomeEvents();
  #candidates = 0;
  #hasUntimed = false;
  #fromUs: bigint | null = null;
  readonly #unlisted = new Set<string>();
  /** Ids of absent events that are, or were, dead letters. */
  readonly #undecided = new Set<string>();
  readonly #reread = new Set<string>();
  readonly #use: Pick<ReadGapOptions, 'published' | 'letters'>;

  constructor(options: ReadGapOptions, judge: RowJudge) {
    this.#use = options;
    this.judge = judge;
  }

  /** The earliest time of a candidate: older rows are not missing. null if no candidate has a time. */
  get fromUs(): bigint | null {
    return this.#fromUs;
  }

  note(row: TableRow): void {
    this.events += 1;
    if (row.id === null) {
      this.#withoutId += 1;
      return;
    }
    this.judge.see(row, row.id);
    const event = this.judge.absent(row, row.id);
    if (event !== undefined) this.#noteAbsent(event);
  }

  #noteAbsent(event: AbsentEvent): void {
    const { letters, published } = this.#use;
    const { id, topic } = event;
    if (letters.undecided.has(id)) this.#undecided.add(id);
    if (letters.reread.has(id)) this.#reread.add(id);
    const { judgement } = this.judge.judge(event);
    if (judgement === 'before') {
      this.#before.add(event);
      return;
    }
    if (topic !== undefined && !published.topics.has(topic)) this.#unlisted.add(topic);
    if (judgement === 'expired') this.#expired.add(event);
    else this.#noteCandidate(event);
  }

  #noteCandidate(event: AbsentEvent): void {
    this.#candidates += 1;
    if (event.committedUs === null) this.#hasUntimed = true;
    const us = event.committedUs ?? event.createdUs;
    if (us !== null && (this.#fromUs === null || us < this.#fromUs)) this.#fromUs = us;
  }

  result() {
    const { letters, published } = this.#use;
    return {
      events: this.events,
      withoutId: this.#withoutId,
      reachesBack: this.judge.reachesBack,
      oldestMs: this.judge.oldestMs,
      before: this.#before.value,
      expired: this.#expired.value,
      candidates: this.#candidates,
      hasUntimed: this.#hasUntimed,
      unlisted: [...this.#unlisted],
      undecided: [...this.#undecided].flatMap((id) => letters.undecided.get(id) ?? []),
      unread: [...letters.reread]
        .filter(([id]) => !this.#reread.has(id) && !published.ids.has(id))
        .map(([, position]) => position),
    };
  }
}
