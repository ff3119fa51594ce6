/** Reads the table as of one snapshot, and looks each event up in Kafka and the dead letters. */
import pg from 'pg';
import { commitToleranceMs } from '../audit/commit-tolerance.ts';
import { pageRows } from '../audit/read-table.ts';
import type { Config } from '../config/config.ts';
import { pages } from '../connect/postgres/cursor.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { Router } from '../encode/route.ts';
import { visibility, wholeXid } from '../model/pg-snapshot.ts';
import type { Position } from '../model/position.ts';
import { AbsentEvents, type AbsentList, SlotList } from './absent-events.ts';
import {
  type AbsentEvent,
  type Judgement,
  judge,
  type Known,
  type Reason,
  type Sight,
  timeMs,
} from './gap.ts';
import type { Letters } from './letters.ts';
import type { Published } from './published.ts';
import {
  attempt,
  fromPlaces,
  idOfDigest,
  nameOf,
  type Role,
  readApart,
  readColumns,
  readDigest,
  type TablePlace,
  valuesOf,
} from './unreadable.ts';

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
  readonly absent: Readonly<Record<Judgement, AbsentList>>;
  /** Of these judgements, in the order of publishing. */
  readonly inOrder: (which: readonly Judgement[]) => AbsentList;
  /** Number of unjudged events by reason. */
  readonly reasons: Readonly<Record<Reason, number>>;
  /** Dead letters whose events are decided again. */
  readonly undecided: readonly Position[];
  /** Dead letters that were closed to read their events again, which are in neither the table nor Kafka. */
  readonly unread: readonly Position[];
  /** Rows without an id; nobody can tell whether these were published. */
  readonly withoutId: number;
  /** Further rows of an absent id; the latest row counts. */
  readonly repeated: number;
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
  const { config, client, published, letters, onDone } = options;
  const [now] = await query(client, readClock);
  const { atMs, hasCommitTimes, snapshot, xmax } = now!;
  const [estimate] = await query(client, estimateRows, [quoteTable(config.outbox.table)]);
  const total = estimate?.rows ?? undefined;
  const collect = async (sql: string, read: (rows: readonly Row[]) => Promise<readonly Row[]>) => {
    const collected = new Collected(options, BigInt(xmax), atMs);
    onDone(0, total);
    const select = statement<Row>('recover.read_events', 'reading the outbox table', sql);
    for await (const some of pages(client, select, [], pageRows)) {
      for (const row of await read(some))
        if (row.id === null) collected.withoutId += 1;
        else collected.note(row, row.id, published.ids.find(row.id), letters.deadLettered.has(row.id));
      collected.events += some.length;
      onDone(collected.events, total);
    }
    return collected;
  };
  const names = selectNames(config);
  const whole = await attempt(client, () =>
    collect(selectRows(config, hasCommitTimes, names), async (rows) => rows),
  );
  // A name that is not text ends the whole read. So read again: first the places, then the names that can be read.
  const collected =
    'result' in whole
      ? whole.result
      : await collect(selectRows(config, hasCommitTimes, []), (rows) => withNames(config, client, rows));
  return { ...collected.result(), atMs, hasCommitTimes, snapshot };
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

type Names = Pick<Row, 'id' | 'aggregatetype' | 'type' | 'key'>;

/** Leaves out what cannot be read, and puts a digest in place of an unreadable id. */
async function withNames(config: Config, client: pg.Client, rows: readonly Row[]): Promise<Row[]> {
  const sql = `select tableoid::text as relation, ctid::text as place, ${selectNames(config).join()} ${fromPlaces(config)}`;
  const select = statement<Names & TablePlace>('recover.read_names', 'reading names', sql);
  const names = new Map<string, Names>();
  const read = async (some: readonly TablePlace[]) => {
    for (const row of await query(client, select, valuesOf(some))) names.set(nameOf(row), row);
  };
  for (const place of await readApart(client, rows, read)) {
    const row = await readColumns(config, client, place, (column, role) => (isName(role) ? column : 'null'));
    const id = row.id ?? (await readDigest(config, client, place));
    names.set(nameOf(place), {
      id: row.id === null && id !== null ? idOfDigest(id) : id,
      aggregatetype: row.aggregatetype ?? '',
      type: row.type ?? '',
      key: row.aggregateid,
    });
  }
  return rows.map((row) => ({ ...row, ...names.get(nameOf(row)) }));
}

const isName = (role: Role) => role !== 'payload' && role !== 'headers' && role !== 'createdAt';

class Collected {
  events = 0;
  withoutId = 0;
  #repeated = 0;
  #reachesBack = false;
  #oldestMs = Number.POSITIVE_INFINITY;
  readonly #use: ReadGapOptions;
  readonly #router: Router;
  /** The first transaction number that the snapshot does not show. */
  readonly #xmax: bigint;
  /** When the snapshot was taken, by the clock of the database. */
  readonly #atMs: number;
  /** Partitions, as `published.ids` numbers them, that still have something from before `covered` was taken. */
  readonly #seenSince = new Set<number>();
  readonly #absent = new AbsentEvents();

  constructor(options: ReadGapOptions, xmax: bigint, atMs: number) {
    this.#use = options;
    this.#atMs = atMs;
    this.#router = new Router(options.config);
    this.#xmax = xmax;
  }

  /** @param record the entry in `published.ids` */
  note(row: Row, id: string, record: number | undefined, isDeadLetter: boolean): void {
    const xid = wholeXid(row.xid, this.#xmax);
    const createdUs = row.createdUs === null ? null : BigInt(row.createdUs);
    this.#oldestMs = Math.min(this.#oldestMs, timeMs(createdUs) ?? Number.POSITIVE_INFINITY);
    const { covered } = this.#use.known;
    const isCovered = covered !== undefined && visibility(xid, covered) === 'visible';
    if (isCovered || record !== undefined) this.#reachesBack = true;
    if (record !== undefined && isCovered) this.#noteSeen(id, record);
    if (record !== undefined || isDeadLetter) return;
    const event: AbsentEvent = {
      id,
      relation: row.relation,
      place: row.place,
      xid: row.xid,
      wholeXid: xid,
      xidAge: row.xidAge,
      command: Number(row.command),
      committedUs: row.committedUs === null ? null : BigInt(row.committedUs),
      createdUs,
      topic: this.#router.topic(row.aggregatetype, row.type),
      key: row.key,
    };
    const other = this.#absent.find(id);
    if (other === undefined) {
      this.#absent.add(event);
      return;
    }
    this.#repeated += 1;
    // A person corrected a refused event and resubmitted it: the later row is the corrected one.
    if (event.xidAge <= this.#absent.xidAge(other)) this.#absent.replace(other, event);
  }

  /** An event that was once dead-lettered may have been released long after it was covered, so its record proves nothing. */
  #noteSeen(id: string, record: number): void {
    const { published, letters, coveredMs } = this.#use;
    if (coveredMs === null || letters.all.has(id)) return;
    if (published.ids.timeMs(record) < coveredMs - commitToleranceMs)
      this.#seenSince.add(published.ids.topic(record));
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
    const { published, coveredMs } = this.#use;
    const left = published.keys.get(topic);
    if (left === undefined || key === null || coveredMs === null) return false;
    return !left.keys.has(key) && this.#atMs - coveredMs + commitToleranceMs < left.tombstonesKeptMs;
  }

  result() {
    const slots = byJudgement(() => new SlotList());
    const reasons = { 'unknown-start': 0, contradiction: 0, removed: 0 };
    const undecided: Position[] = [];
    for (let slot = 0; slot < this.#absent.size; slot++) {
      const event = this.#absent.at(slot);
      const letters = this.#use.letters.undecided.get(event.id) ?? [];
      undecided.push(...letters);
      // A dead letter was not published, whatever Kafka has removed.
      const verdict =
        letters.length > 0
          ? ({ judgement: 'missing' } as const)
          : judge(event, this.#use.known, this.#sight(event));
      slots[verdict.judgement].push(slot);
      if (verdict.judgement === 'unjudged') reasons[verdict.reason] += 1;
    }
    const { published, letters } = this.#use;
    const unread = [...letters.reread]
      .filter(([id]) => this.#absent.find(id) === undefined && published.ids.find(id) === undefined)
      .map(([, position]) => position);
    const oldestMs = Number.isFinite(this.#oldestMs) ? this.#oldestMs : null;
    return {
      events: this.events,
      withoutId: this.withoutId,
      repeated: this.#repeated,
      reachesBack: this.#reachesBack,
      oldestMs,
      absent: byJudgement((judgement) => this.#absent.list(slots[judgement].slots)),
      inOrder: (which: readonly Judgement[]) => {
        const all = which.flatMap((judgement) => slots[judgement].slots);
        return this.#absent.list(this.#absent.sorted(joined(all)));
      },
      reasons,
      undecided,
      unread,
    };
  }
}

function byJudgement<Value>(of: (judgement: Judgement) => Value): Record<Judgement, Value> {
  return {
    missing: of('missing'),
    before: of('before'),
    expired: of('expired'),
    unjudged: of('unjudged'),
  };
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const whole = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function selectNames({ outbox }: Config): string[] {
  const { id, aggregatetype, aggregateid, type } = outbox.columns;
  const column = pg.escapeIdentifier;
  return [
    `${column(id)}::text as id`,
    `coalesce(${column(aggregatetype)}::text, '') as aggregatetype`,
    `coalesce(${column(type)}::text, '') as type`,
    `${column(aggregateid)}::text as key`,
  ];
}

function selectRows({ outbox }: Config, hasCommitTimes: boolean, names: readonly string[]): string {
  const { createdAt } = outbox.columns;
  const column = pg.escapeIdentifier;
  // The application may write any time. An infinite one counts as none, and the latest ones do not fit a bigint.
  const us = (time: string) =>
    `case when isfinite(${time}) then trunc(extract(epoch from ${time}) * 1000000)::text end`;
  return `select ${names.map((name) => `${name}, `).join('')} tableoid::text as relation, ctid::text as place, xmin::text as xid, age(xmin) as "xidAge", cmin::text as command,
      ${createdAt === '' ? 'null' : us(column(createdAt))} as "createdUs",
      ${hasCommitTimes ? us('pg_xact_commit_timestamp(xmin)') : 'null'} as "committedUs"
    from ${quoteTable(outbox.table)}`;
}
