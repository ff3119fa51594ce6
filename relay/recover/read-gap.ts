/** Compares the table, as of one snapshot, with what Kafka and the dead letters hold. Reads only. */
import pg from 'pg';
import { readAll } from '../audit/read-table.ts';
import type { Config } from '../config.ts';
import { Router } from '../encode/route.ts';
import type { Position } from '../position.ts';
import { query, quoteTable } from '../postgres.ts';
import { type AbsentEvent, type Judgement, judge, type Kept } from './gap.ts';
import type { Letters } from './letters.ts';
import type { Published } from './published.ts';

export type Gap = {
  /** Rows of the snapshot. */
  readonly events: number;
  /** Time of the snapshot, ms since 1970 by the clock of the database. */
  readonly atMs: number;
  /** By the row, of the oldest there is; null where there is none, or no such column. */
  readonly oldestMs: number | null;
  /** Whether Postgres keeps the times of commits now. */
  readonly hasCommitTimes: boolean;
  readonly absent: Readonly<Record<Judgement, readonly AbsentEvent[]>>;
  /** Dead letters whose events are decided anew. */
  readonly undecided: readonly Position[];
  /** Rows without an id, of which nobody can say whether they were published. */
  readonly withoutId: number;
  /** Further rows of an absent id; the latest row counts. */
  readonly repeated: number;
};

export type ReadGapOptions = {
  readonly config: Config;
  /** In a repeatable read transaction. */
  readonly client: pg.Client;
  readonly published: Published;
  readonly letters: Letters;
  readonly firstStartMs: number;
  readonly progressMs: number;
  readonly onProgress: (done: number) => void;
};

type Row = {
  id: string | null;
  aggregatetype: string;
  type: string;
  key: string | null;
  relation: string;
  place: string;
  xid: string;
  xidAge: number;
  command: string;
  createdUs: string | null;
  committedUs: string | null;
};

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID */
export async function readGap(options: ReadGapOptions): Promise<Gap> {
  const { config, client, published, letters, firstStartMs, progressMs, onProgress } = options;
  const [now] = await query<{ atMs: number; hasCommitTimes: boolean }>(
    client,
    'reading the clock',
    `select (extract(epoch from clock_timestamp()) * 1000)::float8 as "atMs",
            current_setting('track_commit_timestamp')::bool as "hasCommitTimes"`,
  );
  const { atMs, hasCommitTimes } = now!;
  const collected = new Collected(config, { ...published, firstStartMs, progressMs }, letters);
  onProgress(0);
  await readAll<Row>(client, 'reading the outbox table', selectRows(config, hasCommitTimes), [], (rows) => {
    for (const row of rows)
      if (row.id === null) collected.withoutId += 1;
      else collected.note(row, row.id, published.ids.find(row.id) !== undefined || letters.aside.has(row.id));
    collected.events += rows.length;
    onProgress(collected.events);
  });
  return { ...collected.result(), atMs, hasCommitTimes };
}

class Collected {
  events = 0;
  withoutId = 0;
  #repeated = 0;
  #oldestMs = Number.POSITIVE_INFINITY;
  readonly #router: Router;
  readonly #kept: Kept;
  readonly #letters: Letters;
  readonly #absent = new Map<string, AbsentEvent>();

  constructor(config: Config, kept: Kept, letters: Letters) {
    this.#router = new Router(config);
    this.#kept = kept;
    this.#letters = letters;
  }

  note(row: Row, id: string, isAccounted: boolean): void {
    if (row.createdUs !== null) this.#oldestMs = Math.min(this.#oldestMs, Number(row.createdUs) / 1000);
    if (isAccounted) return;
    const event: AbsentEvent = {
      id,
      relation: row.relation,
      place: row.place,
      xid: row.xid,
      xidAge: row.xidAge,
      command: Number(row.command),
      committedUs: row.committedUs === null ? null : BigInt(row.committedUs),
      createdUs: row.createdUs === null ? null : BigInt(row.createdUs),
      topic: this.#router.topic(row.aggregatetype, row.type),
      key: row.key,
    };
    const other = this.#absent.get(id);
    if (other !== undefined) this.#repeated += 1;
    // A refused event that somebody corrected and resubmitted: the later row is the corrected one.
    if (other === undefined || event.xidAge <= other.xidAge) this.#absent.set(id, event);
  }

  result() {
    const absent = { missing: [], before: [], expired: [], unjudged: [] } as Record<Judgement, AbsentEvent[]>;
    const undecided: Position[] = [];
    for (const event of this.#absent.values()) {
      const letters = this.#letters.undecided.get(event.id) ?? [];
      // One that was set aside was not published, whatever Kafka has removed.
      absent[letters.length > 0 ? 'missing' : judge(event, this.#kept)].push(event);
      undecided.push(...letters);
    }
    const oldestMs = Number.isFinite(this.#oldestMs) ? this.#oldestMs : null;
    return {
      events: this.events,
      withoutId: this.withoutId,
      repeated: this.#repeated,
      oldestMs,
      absent,
      undecided,
    };
  }
}

function selectRows({ outbox }: Config, hasCommitTimes: boolean): string {
  const { id, aggregatetype, aggregateid, type, createdAt } = outbox.columns;
  const column = pg.escapeIdentifier;
  const us = (time: string) => `(extract(epoch from ${time}) * 1000000)::bigint::text`;
  return `select ${column(id)}::text as id, coalesce(${column(aggregatetype)}::text, '') as aggregatetype,
      coalesce(${column(type)}::text, '') as type, ${column(aggregateid)}::text as key,
      tableoid::text as relation, ctid::text as place, xmin::text as xid, age(xmin) as "xidAge", cmin::text as command,
      ${createdAt === '' ? 'null' : us(column(createdAt))} as "createdUs",
      ${hasCommitTimes ? us('pg_xact_commit_timestamp(xmin)') : 'null'} as "committedUs"
    from ${quoteTable(outbox.table)}`;
}
