/** Looks each row up in Kafka and the dead letters, and judges it if it is in neither. Reads nothing. */
import { commitToleranceMs } from '../audit/commit-tolerance.ts';
import type { Config } from '../config/config.ts';
import { Router } from '../encode/route.ts';
import { visibility, wholeXid } from '../model/pg-snapshot.ts';
import { type AbsentEvent, judge, type Known, type Sight, timeMs, type Verdict } from './gap.ts';
import type { Letters } from './letters.ts';
import type { Published } from './published.ts';
import type { TableRow } from './table-rows.ts';

export type JudgeOptions = {
  readonly config: Config;
  readonly published: Published;
  readonly letters: Letters;
  readonly known: Known;
  /** When `covered` was taken, by the clock of the database, ms since 1970. */
  readonly coveredMs: number | null;
  /** The first transaction number that the snapshot does not show. */
  readonly xmax: bigint;
  /** When the snapshot was taken, by the clock of the database. */
  readonly atMs: number;
};

export class RowJudge {
  readonly #use: JudgeOptions;
  readonly #router: Router;
  /** Trimmed partitions, by number, that still have something from before `covered` was taken. */
  readonly #seenSince = new Set<number>();
  #reachesBack = false;
  #oldestMs = Number.POSITIVE_INFINITY;

  constructor(options: JudgeOptions) {
    this.#use = options;
    this.#router = new Router(options.config);
  }

  /** Whether the table still has a row that was published; then nothing younger was deleted. */
  get reachesBack(): boolean {
    return this.#reachesBack;
  }

  /** What the oldest row says; null if there is none, or no such column. */
  get oldestMs(): number | null {
    return Number.isFinite(this.#oldestMs) ? this.#oldestMs : null;
  }

  /**
   * Learns from a row, whether it is absent or not, what the verdict on others depends on. Once all rows were seen, `judge`
   * is final; before, it is final for `before` and `expired`.
   */
  see(row: TableRow, id: string): void {
    const { published, known } = this.#use;
    this.#oldestMs = Math.min(this.#oldestMs, timeMs(timeOf(row.createdUs)) ?? Number.POSITIVE_INFINITY);
    const partition = published.ids.find(id);
    const isCovered =
      known.covered !== undefined && visibility(this.#wholeXid(row), known.covered) === 'visible';
    if (isCovered || partition !== undefined) this.#reachesBack = true;
    if (partition !== undefined && isCovered) this.#noteSeen(id, partition);
  }

  /** undefined if Kafka or a dead letter has the event. */
  absent(row: TableRow, id: string): AbsentEvent | undefined {
    const { published, letters } = this.#use;
    if (letters.deadLettered.has(id) || published.ids.has(id)) return;
    return {
      id,
      relation: row.relation,
      place: row.place,
      xid: row.xid,
      wholeXid: this.#wholeXid(row),
      committedUs: timeOf(row.committedUs),
      createdUs: timeOf(row.createdUs),
      topic: this.#router.topic(row.aggregatetype, row.type),
      key: row.key,
    };
  }

  judge(event: AbsentEvent): Verdict {
    // A dead letter was not published, whatever Kafka has removed.
    if (this.#use.letters.undecided.has(event.id)) return { judgement: 'missing' };
    return judge(event, this.#use.known, this.#sight(event));
  }

  #wholeXid({ xid }: TableRow): bigint {
    return wholeXid(xid, this.#use.xmax);
  }

  /** An event that was once dead-lettered may have been released long after it was covered, so its record proves nothing. */
  #noteSeen(id: string, partition: number): void {
    const { letters, coveredMs } = this.#use;
    if (coveredMs === null || letters.all.has(id)) return;
    this.#seenSince.add(partition);
  }

  /** An event that routes to no topic would be a dead letter: no topic has it, and none can have removed it. */
  #sight({ topic, key }: AbsentEvent): Sight {
    const removed = topic === undefined ? undefined : this.#use.published.removed.get(topic);
    if (removed === undefined) return 'whole';
    if (removed === 'compacted') return this.#isKeyAbsent(topic!, key) ? 'since-covered' : 'part';
    return removed.every((partition) => this.#seenSince.has(partition)) ? 'since-covered' : 'part';
  }

  /**
   * Whether a compacted topic would still show that an event of the key was published since the snapshot `covered` was
   * taken. Of each key it keeps the last record, and a tombstone for as long as its setting says.
   */
  #isKeyAbsent(topic: string, key: string | null): boolean {
    const { published, coveredMs, atMs } = this.#use;
    const left = published.keys.get(topic);
    if (left === undefined || key === null || coveredMs === null) return false;
    return !left.keys.has(key) && atMs - coveredMs + commitToleranceMs < left.tombstonesKeptMs;
  }
}

const timeOf = (us: string | null): bigint | null => (us === null ? null : BigInt(us));
