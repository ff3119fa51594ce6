/**
 * What Postgres has of the events that are looked for. Each part is read on its own: what one right or table withholds is
 * said, and the others are there.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { openClient } from '../../connect/postgres/client.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { asRelayError, type RelayError, RequestInvalid } from '../../errors.ts';
import { readRemovals, readRemovalsOf } from '../../ledger/removals.ts';
import { parsePosition } from '../../model/position.ts';
import type { Selection } from '../dead-letters/selection.ts';
import { readStatus, type Status } from '../status.ts';
import { findFindings } from './findings.ts';
import {
  type Cursor,
  type FindStep,
  type Found,
  type FoundFinding,
  type FoundLetter,
  type FoundRemoval,
  type FoundRow,
  missingOf,
  type Wanted,
} from './found.ts';
import { findLetters, type LettersFound } from './letters.ts';
import { type Identity, readIdentity } from './publishers.ts';
import { findReplays, noReplays, type Replays } from './replays.ts';
import { findRows, type RowQuery, type RowsFound, rowQueryOf } from './rows.ts';

export type StoredOptions = {
  readonly config: Config;
  readonly wanted: Wanted;
  readonly limit: number;
  readonly after: Cursor | null;
  readonly hasContents: boolean;
  readonly onStep: ((step: FindStep) => void) | undefined;
};

/** A search without an index reads the table. */
const rowsTimeoutMs = 30_000;

const limitTo = (timeoutMs: number) =>
  statement(
    'operations.limit_find',
    'setting the time limit of a search',
    `set statement_timeout = ${timeoutMs}`,
  );

export class Stored {
  rows: readonly FoundRow[] = [];
  letters: readonly FoundLetter[] = [];
  /** Further ones have this id or position. */
  hasMore = false;
  next: Cursor | null = null;
  nowMs: number | null = null;
  status: Status | null = null;
  removedBeforeMs: number | null = null;
  findings: readonly FoundFinding[] = [];
  replays: Replays = noReplays;
  readonly missing: {
    -readonly [Part in Exclude<keyof Found['missing'], 'records' | 'schemas'>]: Found['missing'][Part];
  } = { rows: null, letters: null, status: null, findings: null, replays: null, removals: null };
  /** The first one. */
  failure: RelayError | null = null;
  readonly #options: StoredOptions;
  /** One for all parts. A part that failed may have broken it, so the next part opens another. */
  #client: pg.Client | undefined;

  constructor(options: StoredOptions) {
    this.#options = options;
  }

  /** Rows, dead letters and status. @throws RequestInvalid */
  async read(): Promise<void> {
    const { config, wanted, limit, after, hasContents } = this.#options;
    this.status = (await this.#attempt('status', () => readStatus(config))) ?? null;
    const { by } = wanted;
    if (by.kind === 'id' || by.kind === 'position') {
      const rowQuery = rowQueryOf(wanted, { limit, after: null, hasContents });
      const rows = rowQuery === undefined ? undefined : await this.#findRows(rowQuery);
      const letters = await this.#findLetters(lettersOf(wanted), limit);
      this.#add(rows, letters);
      if (by.kind === 'position') await this.readOf(this.letters.map(({ eventId }) => eventId ?? ''));
    } else await this.#page(after);
    const removals = await this.#withClient('removals', async (client) => {
      const all = await readRemovals(client);
      await assertRowsShown(client, config, ['outbox.removal']);
      return all;
    });
    this.removedBeforeMs = removals?.beforeMs ?? null;
  }

  /** Everything else that has these ids: a resubmitted event has a second row, and may have further dead letters. */
  async readOf(given: readonly string[]): Promise<void> {
    const ids = [...new Set(given)].filter((id) => id !== '');
    if (ids.length === 0) return;
    const rows = await this.#rowsOf(ids, this.#options.hasContents);
    this.#add(rows, await this.#findLetters(namedEvents(ids), ids.length * lettersPerEvent));
  }

  /** What the audit found of events, and which replays there were. */
  async readMore(ids: readonly string[]): Promise<void> {
    const { config } = this.#options;
    if (ids.length === 0) return;
    const findings = await this.#withClient('findings', (client) => findFindings(client, config, ids));
    this.findings = findings ?? [];
    const replays = await this.#withClient('replays', (client) => findReplays(client, config, ids));
    this.replays = replays ?? noReplays;
  }

  /** What cleanup did with the days of these commits, in their order; null where it removed nothing, or nobody could look. */
  async removalsOf(times: readonly string[]): Promise<(FoundRemoval | null)[]> {
    if (times.length === 0) return [];
    const found = await this.#withClient('removals', async (client) => {
      const removals = await readRemovalsOf(client, times);
      await assertRowsShown(client, this.#options.config, ['outbox.removal']);
      return removals;
    });
    return times.map((_, index) => found?.[index] ?? null);
  }

  /** Of the database, to tell whose relay wrote a record; undefined where it could not be read. */
  identity(): Promise<Identity | undefined> {
    const { slot } = this.#options.config;
    return this.#withClient('rows', (client) => readIdentity(client, slot.name));
  }

  /** First the rows, the latest first, each with its dead letters; then the dead letters that have no such row. */
  async #page(after: Cursor | null): Promise<void> {
    const { wanted, limit } = this.#options;
    if (after?.part !== 'letters') {
      const found = await this.#findRows(rowQueryOf(wanted, { limit, after, hasContents: false })!);
      const ids = (found?.rows ?? []).map(({ id }) => id);
      this.#addRows(found?.rows ?? []);
      if (ids.length > 0)
        this.#add(undefined, await this.#findLetters(namedEvents(ids), ids.length * lettersPerEvent));
      this.next = found?.next ?? null;
      if (this.next !== null) return;
    }
    await this.#lettersWithoutRow(after?.part === 'letters' ? after.position : null);
  }

  async #lettersWithoutRow(position: string | null): Promise<void> {
    const { wanted, limit } = this.#options;
    const from = position === null ? {} : { after: parsePosition(position)! };
    const { letters = [], hasMore = false } =
      (await this.#findLetters({ ...lettersOf(wanted), ...from }, limit)) ?? {};
    const last = letters.at(-1);
    if (hasMore && last !== undefined) this.next = { part: 'letters', position: last.position };
    const ids = [...new Set(letters.flatMap(({ eventId }) => eventId ?? []))];
    const { rows = [] } = (ids.length === 0 ? undefined : await this.#rowsOf(ids, false)) ?? {};
    // What was looked for has its row on this page, or on one before.
    const isShown = new Set(rows.filter((row) => isWanted(row, wanted)).map(({ id }) => id));
    this.#addRows(rows.filter(({ id }) => !isShown.has(id)));
    this.#addLetters(letters.filter(({ eventId }) => eventId === null || !isShown.has(eventId)));
  }

  #rowsOf(ids: readonly string[], hasContents: boolean): Promise<RowsFound | undefined> {
    const limit = ids.length * rowsPerEvent;
    return this.#findRows({
      column: 'id',
      values: ids,
      since: null,
      until: null,
      limit,
      after: null,
      hasContents,
    });
  }

  #add(rows: RowsFound | undefined, letters: LettersFound | undefined): void {
    this.#addRows(rows?.rows ?? []);
    this.#addLetters(letters?.letters ?? []);
    if ((rows?.next ?? null) !== null || letters?.hasMore === true) this.hasMore = true;
  }

  #addRows(rows: readonly FoundRow[]): void {
    this.rows = [...this.rows, ...rows];
  }

  #addLetters(letters: readonly FoundLetter[]): void {
    const known = new Set(this.letters.map(({ position }) => position));
    this.letters = [...this.letters, ...letters.filter(({ position }) => !known.has(position))];
  }

  /** @returns undefined where they could not be read */
  async #findRows(of: RowQuery): Promise<RowsFound | undefined> {
    const { config, onStep } = this.#options;
    onStep?.({ stage: 'rows' });
    const found = await this.#withClient('rows', (client) => findRows(client, config, of), rowsTimeoutMs);
    this.nowMs = found?.nowMs ?? this.nowMs;
    return found;
  }

  /** @returns undefined where they could not be read */
  #findLetters(selection: Selection, limit: number): Promise<LettersFound | undefined> {
    const { config, onStep } = this.#options;
    onStep?.({ stage: 'letters' });
    return this.#withClient('letters', (client) => findLetters(client, config, selection, limit));
  }

  #withClient<Result>(
    part: keyof Stored['missing'],
    work: (client: pg.Client) => Promise<Result>,
    timeoutMs: number = this.#options.config.database.statementTimeoutMs,
  ): Promise<Result | undefined> {
    return this.#attempt(part, async () => {
      this.#client ??= await openClient(this.#options.config, 'outbox-relay find', rowsTimeoutMs);
      try {
        await query(this.#client, limitTo(timeoutMs));
        return await work(this.#client);
      } catch (error) {
        await this.end();
        throw error;
      }
    });
  }

  /** Once nothing more is asked. */
  async end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #attempt<Result>(
    part: keyof Stored['missing'],
    work: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof RequestInvalid) throw error;
      const failure = asRelayError(error);
      this.failure ??= failure;
      this.missing[part] = missingOf(failure);
      return undefined;
    }
  }
}

/** An event that was resubmitted again and again has more; then there are more, which is said. */
const rowsPerEvent = 20;
const lettersPerEvent = 20;

const namedEvents = (ids: readonly string[]): Selection => ({
  names: ids.map((eventId) => ({ kind: 'event' as const, eventId })),
});

function lettersOf({ by, since, until }: Wanted): Selection {
  const times = { ...(since !== null && { since }), ...(until !== null && { until }) };
  switch (by.kind) {
    case 'id':
      return namedEvents([by.id]);
    case 'position':
      return { names: [{ kind: 'position', position: parsePosition(by.position)! }] };
    case 'key':
      return { keys: [by.key], ...times };
    case 'type':
      return { types: [by.type], ...times };
  }
}

function isWanted({ key, type, createdAt }: FoundRow, { by, since, until }: Wanted): boolean {
  const isSame = by.kind === 'key' ? key === by.key : by.kind === 'type' && type === by.type;
  const ms = createdAt === null ? null : Date.parse(createdAt);
  return (
    isSame &&
    (since === null || ms === null || ms >= since.getTime()) &&
    (until === null || ms === null || ms < until.getTime())
  );
}
