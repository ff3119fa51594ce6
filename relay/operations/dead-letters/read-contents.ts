/** Reads dead letters with their payloads, many of them, in little memory: every payload, or those that are small. */
import type pg from 'pg';
import { query, statement } from '../../connect/postgres/statement.ts';
import { parsePosition } from '../../model/position.ts';
import type { Judged } from './judge.ts';
import type { Letter } from './letter.ts';
import { type LetterRow, letterColumns, toLetter } from './read.ts';
import { conditionOf, type Selection } from './selection.ts';

/** Of a page. A payload alone may be larger: then it is a page of its own. */
const pageLetters = 500;
const pageBytesMax = 4 * 1024 * 1024;

/** The oldest positions first, page by page. @throws RelayError POSTGRES_* */
export async function* pagesWithContents(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  pageMax = pageLetters,
): AsyncGenerator<Judged[]> {
  let after = selection.after;
  for (;;) {
    const page = await readPage(client, slot, { ...selection, ...(after && { after }) }, pageMax);
    if (page.length === 0) return;
    yield page;
    after = parsePosition(page.at(-1)!.letter.position)!;
  }
}

type Row = LetterRow & { payload: string | null; headers: string | null; created_at: string | null };

/** As many as fit, and at least one. The size of a text is known without reading it where it is stored apart. */
async function readPage(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  pageMax: number,
): Promise<Judged[]> {
  const { text, values } = conditionOf(slot, selection);
  const rows = await query(
    client,
    statement<Row>(
      'operations.read_letters_with_contents',
      'reading the dead letters',
      `select ${letterColumns}, payload, headers, event_created_at as created_at
       from (select letter.*, row_number() over the_order as number,
               sum(octet_length(coalesce(payload, '')) + octet_length(coalesce(headers, ''))) over the_order as bytes
             from (select * from outbox.dead_letter as letter where ${text}
                   order by letter.commit_lsn, letter.ordinal limit ${pageMax}) as letter
             window the_order as (order by commit_lsn, ordinal)) as letter
      where number = 1 or bytes <= ${pageBytesMax} order by letter.commit_lsn, letter.ordinal`,
    ),
    values,
  );
  return rows.map((row) => ({
    letter: toLetter(row),
    content: { payload: row.payload, headers: row.headers, createdAt: row.created_at },
  }));
}

/** A dead letter, and its payload as far as it was read. */
export type Glanced = {
  readonly letter: Letter;
  readonly payload: string | null;
  /** Whether it has a payload that was not read. */
  readonly isUnread: boolean;
};

/** Of one payload: a screen shows one value of it. */
const glanceBytesMax = 1024 * 1024;

type GlanceRow = LetterRow & { payload: string | null; is_unread: boolean };

/**
 * The oldest positions first, with the payloads that are small and together within `bytesMax`. In one statement: with a
 * condition on the path, each page of a selection may read all of the table.
 * @throws RelayError POSTGRES_*
 */
export async function glanceAtLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  limit: number,
  bytesMax = pageBytesMax,
): Promise<Glanced[]> {
  const { text, values } = conditionOf(slot, selection);
  const rows = await query(
    client,
    statement<GlanceRow>(
      'operations.glance_at_letters',
      'reading the dead letters',
      `select ${letterColumns}, case when is_read then payload end as payload,
              payload is not null and not is_read as is_unread
         from (select *, small and sum(bytes) filter (where small) over (order by commit_lsn, ordinal)
                         <= ${bytesMax} as is_read
                 from (select *, coalesce(octet_length(payload), 0) as bytes,
                              coalesce(octet_length(payload), 0) <= ${glanceBytesMax} as small
                         from outbox.dead_letter as letter where ${text}
                        order by letter.commit_lsn, letter.ordinal limit ${limit}) as letter) as letter
        order by letter.commit_lsn, letter.ordinal`,
    ),
    values,
  );
  return rows.map((row) => ({ letter: toLetter(row), payload: row.payload, isUnread: row.is_unread }));
}

/** 10,000 take about as long as a person waits for a screen; one fault is the same in the first ones and in the others. */
const lettersMax = 10_000;
const bytesOfManyMax = 16 * 1024 * 1024;

/** As many of the oldest as are read for one screen. @throws RelayError POSTGRES_* */
export const glanceAtMany = (client: pg.Pool | pg.ClientBase, slot: string, selection: Selection) =>
  glanceAtLetters(client, slot, selection, lettersMax, bytesOfManyMax);
