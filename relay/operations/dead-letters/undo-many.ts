/**
 * Puts back the payloads that one fix of many replaced. Promise: only where nothing has happened to the dead letter since,
 * and as with one, never in place of a payload that was not stored.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import type { Actor } from '../actor.ts';
import { withPool } from '../with-pool.ts';
import { positionText } from './letter.ts';
import { type Replacement, storePayloads } from './store-fixes.ts';
import { assertLettersShown } from './transaction.ts';

/** Names the fixes of one run: those of the person for that reason, in the trail after `from`, up to `to`. */
export type FixRun = Actor & { readonly from: string; readonly to: string };

/** The number of the latest entry of the trail. */
export async function latestAction(pool: pg.Pool): Promise<string> {
  const [row] = await query(
    pool,
    statement<{ latest: string }>(
      'operations.find_latest_action',
      'reading the trail',
      'select coalesce(max(id), 0) as latest from outbox.dead_letter_action',
    ),
  );
  return row!.latest;
}

export type ManyUndone = {
  /** Fixes of the run. */
  readonly seen: number;
  readonly undone: number;
  /** Closed, fixed again or being released since, or without a payload to put back. */
  readonly left: number;
  /** False where it was ended before: what was undone stays undone. */
  readonly isComplete: boolean;
};

/**
 * Page by page, each in one Postgres transaction with its trail.
 * @throws RelayError POSTGRES_*
 */
export function undoRun(
  config: Config,
  run: FixRun,
  actor: Actor,
  { onProgress, signal }: { onProgress?: (done: number, of: number) => void; signal?: AbortSignal } = {},
): Promise<ManyUndone> {
  return withPool(config, async (pool) => {
    const slot = config.slot.name;
    const total = await count(pool, slot, run);
    await assertLettersShown(pool, config);
    let [seen, undone, after] = [0, 0, run.from];
    onProgress?.(0, total);
    for (;;) {
      const page = signal?.aborted === true ? undefined : await readPage(pool, slot, { ...run, from: after });
      if (page === undefined || page.length === 0)
        return { seen, undone, left: seen - undone, isComplete: page !== undefined };
      const replacements = page.flatMap(({ replacement }) =>
        replacement === undefined ? [] : [replacement],
      );
      if (replacements.length > 0) undone += (await storePayloads(config, replacements, actor)).size;
      seen += page.length;
      after = page.at(-1)!.id;
      onProgress?.(seen, total);
    }
  });
}

const ofRun = `from outbox.dead_letter_action as fix where fix.slot = $1 and fix.action = 'fix' and fix.person = $2
  and fix.note is not distinct from $3 and fix.id > $4::bigint and fix.id <= $5::bigint`;

async function count(pool: pg.Pool, slot: string, { person, reason, from, to }: FixRun): Promise<number> {
  const [row] = await query(
    pool,
    statement<{ count: string }>(
      'operations.count_fixes_of_run',
      'counting the fixes',
      `select count(*) ${ofRun}`,
    ),
    [slot, person, reason, from, to],
  );
  return Number(row!.count);
}

const pageLetters = 500;
const pageBytesMax = 4 * 1024 * 1024;

type Row = {
  id: string;
  commit_lsn: string;
  ordinal: string;
  is_last: boolean;
  before: string | null;
  after: string | null;
};
type Undo = { readonly id: string; readonly replacement: Replacement | undefined };

/** As many as fit, and at least one. */
async function readPage(pool: pg.Pool, slot: string, { person, reason, from, to }: FixRun): Promise<Undo[]> {
  const rows = await query(
    pool,
    statement<Row>(
      'operations.read_fixes_of_run',
      'reading the fixes',
      `select id, commit_lsn::text, ordinal, before, after, is_last
         from (select fix.id, fix.commit_lsn, fix.ordinal, letter.payload as before, fix.previous_payload as after,
                      not exists (select from outbox.dead_letter_action as later
                        where later.slot = fix.slot and later.commit_lsn = fix.commit_lsn
                          and later.ordinal = fix.ordinal and later.id > fix.id) as is_last,
                      row_number() over the_order as number,
                      sum(octet_length(coalesce(letter.payload, '')) + octet_length(coalesce(fix.previous_payload, '')))
                        over the_order as bytes
                 from (select * ${ofRun} order by fix.id limit ${pageLetters}) as fix
                 join outbox.dead_letter as letter using (slot, commit_lsn, ordinal)
               window the_order as (order by fix.id)) as fix
        where number = 1 or bytes <= ${pageBytesMax} order by id`,
    ),
    [slot, person, reason, from, to],
  );
  return rows.map(({ id, commit_lsn, ordinal, is_last, before, after }) => ({
    id,
    replacement:
      is_last && after !== null ? { position: positionText(commit_lsn, ordinal), before, after } : undefined,
  }));
}
