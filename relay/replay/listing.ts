/**
 * The rows of a replay in the order of publishing, after a place. Postgres sorts them once and keeps the result beside the
 * table (a cursor that outlives its transaction), so neither memory grows with the number of rows, nor does a snapshot stay
 * open that would keep vacuum from its work for as long as the replay takes.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Place } from './replay-progress.ts';
import { chosenRows, placeColumns, type Selected, Values, withinPlace } from './selection.ts';

export type ListedRow = Place & {
  /** The object id of its table, and its ctid. */
  readonly relation: string;
  readonly place: string;
  readonly xid32: string;
  /** How many rows of the range stand at its place. */
  readonly size: number;
  /** It was a dead letter that was released: what was published is the dead letter, which somebody may have corrected. */
  readonly isReleased: boolean;
  /** ms since 1970: the commit, if Postgres kept its time, else what the row says; null for neither. */
  readonly timeMs: number | null;
};

/** Rows per round trip; their contents are fetched apart. */
export const pageRows = 1_000;

/** Of the types that Postgres sorts in the least space. */
type Row = Omit<ListedRow, 'relation' | 'size' | 'timeMs'> & {
  readonly relation: number;
  readonly size: string;
  readonly timeUs: string | null;
};

/**
 * Call it in a transaction, and commit it before the first `page`: the commit is when Postgres sorts.
 * @param from the last place that is done; or one that is done in part, and then its rows come too
 */
export async function openListing(
  client: pg.Client,
  selected: Selected,
  from: Place | null,
  includesFrom: boolean,
): Promise<void> {
  const values = new Values();
  const rows = chosenRows(selected, values);
  const { us, xid } = placeColumns(selected);
  const place = `(${us}, ${xid})`;
  const after =
    from === null
      ? ''
      : `and ${place} ${includesFrom ? '>=' : '>'} (${values.add(from.us)}::bigint, ${values.add(from.xid)}::bigint)`;
  const sql = `declare replay_rows no scroll cursor with hold for ${rows}
    select relation, place, xid as xid32, is_released as "isReleased", ${us} as us, ${xid} as xid,
      coalesce(committed_us, created_us) as "timeUs",
      count(*) over (partition by ${us}, ${xid}) as size
    from chosen where verdict = 'replay' ${after}
    order by ${us}, ${xid}, ${withinPlace}`;
  await query(client, statement('replay.declare_rows', 'listing the events', sql), values.list);
}

/** The next rows; fewer than `pageRows` only at the end. */
export async function nextPage(client: pg.Client): Promise<ListedRow[]> {
  const rows = await query(client, fetchPage);
  return rows.map(({ relation, size, timeUs, ...row }) => ({
    ...row,
    relation: String(relation),
    size: Number(size),
    timeMs: timeUs === null ? null : Number(BigInt(timeUs) / 1000n),
  }));
}

const fetchPage = statement<Row>(
  'replay.fetch_rows',
  'listing the events',
  `fetch ${pageRows} from replay_rows`,
);
